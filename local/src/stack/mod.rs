//! `local run`: the whole system from empty disks to a gateway that answers, and its orderly end.

mod data;
mod functions;
mod guide;
mod rebuild;
mod seed;
mod server_control;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::directory::StateDirectory;
use crate::environment_file;
use crate::gateway::routes::Routes;
use crate::gateway::tokens::{Authorizer, SigningKey, TokenScope, key_set};
use crate::gateway::{self, Gateway};
use crate::host::{Host, invoke_api};
use crate::metrics::{self, Figures, InHand};
use crate::poller::Poller;
use crate::process::ProcessDirectory;
use crate::queue::Queue;
use crate::sample::Size;
use crate::schedule;
use crate::servers::Server;
use crate::servers::postgres::{Postgres, Purpose};
use crate::servers::redis::Redis;
use crate::servers::sqs::Sqs;
use crate::services::run_command;
use crate::shutdown::Shutdown;
use crate::template::Template;
pub use data::{Database, connect, open_home};
pub use functions::Deployment;
pub use seed::seed;

/// How many batches of a queue are processed at once; the platform starts with a few too.
const POLLERS: usize = 2;

/// What a run is told.
#[derive(Debug)]
pub struct Options {
    /// The state directory.
    pub directory: PathBuf,
    /// Where the function binaries are.
    pub binaries: PathBuf,
    /// How much sample data to load.
    pub size: Size,
    /// Whether data of an earlier run stay.
    pub keep: bool,
    /// Whether to say nothing but errors.
    pub quiet: bool,
    /// More environment for every function.
    pub environment: Vec<(String, String)>,
}

/// Runs a stack until it is asked to stop, or, where there is one, for as long as the command runs. Returns the exit code.
pub async fn run(project: &Path, options: Options, command: &[String]) -> Result<i32> {
    let mut shutdown = Shutdown::catch()?;
    let directory = StateDirectory::open(&options.directory)?;
    let processes = directory.claim().await?;
    let outcome = tokio::select! {
        started = Stack::start(project, &directory, &processes, &options) => started.map(Some),
        _ = shutdown.requested() => Ok(None),
    };
    let outcome = match outcome {
        Ok(Some(stack)) => {
            let outcome = serve(&directory, command, &mut shutdown).await;
            say(options.quiet, "Stopping.");
            stack.stop().await;
            outcome
        }
        // What had been started ended when the unfinished start was dropped.
        Ok(None) => Err(anyhow!("interrupted while starting")),
        Err(failure) => Err(failure),
    };
    directory.release()?;
    outcome
}

/// Lets the stack serve until a request to stop, or for as long as the command runs. Returns the exit code.
async fn serve(
    directory: &StateDirectory,
    command: &[String],
    shutdown: &mut Shutdown,
) -> Result<i32> {
    if command.is_empty() {
        shutdown.requested().await;
        return Ok(0);
    }
    let environment = environment_file::read(&directory.environment_file())?;
    run_command(command, environment, shutdown).await
}

/// A progress line, unless the run is quiet.
fn say(quiet: bool, line: &str) {
    if !quiet {
        println!("{line}");
    }
}

/// Everything that runs.
struct Stack {
    /// Postgres and Redis, which come back as they were when they are stopped and started.
    stores: [Arc<Server>; 2],
    /// Keeps its queues in memory, so it only stops when the stack does.
    queue_endpoint: Arc<Server>,
    host: Arc<Host>,
    /// The gateway, the pollers, the schedules: what ends with this process.
    services: JoinSet<()>,
}

impl Stack {
    async fn start(
        project: &Path,
        directory: &StateDirectory,
        processes: &ProcessDirectory,
        options: &Options,
    ) -> Result<Self> {
        let started = Instant::now();
        let step = |what: &str| {
            say(
                options.quiet,
                &format!("{:6.1} s  {what}", started.elapsed().as_secs_f64()),
            )
        };
        let template = Template::read(&project.join("infra/template.yaml"))?;
        let home = data::open_home(directory, options.keep)?;
        if home.is_elsewhere(directory.path()) {
            step(&format!(
                "The servers' user may not enter {}: their data is in {}",
                directory.path().display(),
                home.path.display()
            ));
        }
        let (postgres, redis, sqs) = tokio::try_join!(
            Postgres::start(&home, processes, Purpose::Development),
            Redis::start(&home, processes),
            Sqs::start(project, processes),
        )?;
        step("Postgres, Redis and the queue endpoint run");

        let database = Database::create(&postgres).await?;
        let keys = loopback().await?;
        let scope = TokenScope {
            issuer: url_of(&keys)?,
            audience: functions::AUDIENCE.to_owned(),
        };
        let deployment = Deployment::prepare(&template, &database, &redis, &sqs, &scope).await?;
        let figures = Figures::starting(processes)?;
        let host = Host::start(deployment.specs(&template, options)?, processes).await?;
        step(&format!(
            "{} functions wait for work",
            template.functions.len()
        ));

        let pointers = data::fill(&database, &host, directory, options, &step).await?;
        let key = SigningKey::generate()?;
        key.write(&directory.signing_key())?;
        let mut stack = Self {
            stores: [postgres.server, redis.server],
            queue_endpoint: sqs.server,
            host,
            services: JoinSet::new(),
        };
        let addresses = stack
            .open(&template, &deployment, &key, keys, figures)
            .await?;
        let mut environment = addresses.environment();
        let token = key.token(
            &scope,
            &format!("lp-{}", pointers.lp_id),
            guide::TOKEN_TTL_SECONDS,
        )?;
        environment.extend(guide::identities(&pointers, &key, &scope, &token)?);
        environment.extend(database.environment());
        environment.extend(deployment.environment(&template)?);
        environment_file::write(&directory.environment_file(), &environment)?;
        step("Ready");
        say(
            options.quiet,
            &guide::text(directory, &template, &addresses, &pointers, &token),
        );
        Ok(stack)
    }

    /// Opens the doors: gateway, key set, invoke endpoint with the metrics, queue pollers, schedules.
    async fn open(
        &mut self,
        template: &Template,
        deployment: &Deployment,
        key: &SigningKey,
        keys: TcpListener,
        mut figures: Figures,
    ) -> Result<Addresses> {
        let (api, invoke) = (loopback().await?, loopback().await?);
        let addresses = Addresses {
            base: url_of(&api)?,
            keys: format!("{}/.well-known/jwks.json", url_of(&keys)?),
            invoke: url_of(&invoke)?,
            metrics: url_of(&invoke)? + metrics::PATH,
        };
        let (issuer, audiences) = deployment.accepted_tokens(template)?;
        let published = key_set(&[key]);
        let gateway = Gateway {
            routes: Routes::new(template.routes()),
            authorizer: Authorizer::new(&published, issuer, audiences)?,
            functions: Arc::clone(&self.host),
            counts: Arc::clone(&figures.gateway),
        };
        self.serve("gateway", gateway.serve(api));
        self.serve("key set", gateway::serve_key_set(keys, published));
        figures.in_hand = self.poll_queues(template, deployment)?;
        for (schedule, function) in template.schedules() {
            self.serve(
                "schedule",
                schedule::run(
                    schedule,
                    function,
                    Arc::clone(&self.host),
                    functions::clock_offset()?,
                ),
            );
        }
        figures.queues = deployment.queues.clone();
        figures.clock_offset = functions::clock_offset()?;
        let routes = invoke_api::router(Arc::clone(&self.host))
            .merge(server_control::router(self.stores.to_vec()))
            .merge(metrics::router(Arc::new(figures)));
        self.serve("invoke endpoint", async {
            Ok(axum::serve(invoke, routes).await?)
        });
        Ok(addresses)
    }

    /// Has the functions work on what comes in queues. Returns what the pollers of each hold.
    fn poll_queues(
        &mut self,
        template: &Template,
        deployment: &Deployment,
    ) -> Result<BTreeMap<String, InHand>> {
        let mut all_in_hand = BTreeMap::new();
        for (source, function) in template.queue_sources() {
            let queue = deployment
                .queues
                .get(&source.queue)
                .with_context(|| format!("{function} reads an unknown queue"))?;
            let in_hand = InHand::default();
            all_in_hand.insert(source.queue.clone(), in_hand.clone());
            for _ in 0..POLLERS {
                let poller = Poller {
                    queue: Queue::Sqs(queue.clone()),
                    source: source.clone(),
                    function: function.clone(),
                    functions: Arc::clone(&self.host),
                    in_hand: in_hand.clone(),
                };
                self.services.spawn(poller.run());
            }
        }
        Ok(all_in_hand)
    }

    /// Runs a service beside the others; it is not meant to end, so its end is told.
    fn serve(
        &mut self,
        name: &'static str,
        service: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.services.spawn(async move {
            if let Err(failure) = service.await {
                eprintln!("The {name} ended: {failure:#}");
            }
        });
    }

    /// From the outside in: no new work, then those who do it, then what they lean on.
    async fn stop(mut self) {
        self.services.shutdown().await;
        self.host.stop().await;
        let [first, second] = &self.stores;
        tokio::join!(first.stop(), second.stop(), self.queue_endpoint.stop());
    }
}

/// A line of the environment file.
type Variable = (&'static str, String);

/// Where the doors are.
struct Addresses {
    base: String,
    keys: String,
    invoke: String,
    metrics: String,
}

impl Addresses {
    fn environment(&self) -> Vec<Variable> {
        vec![
            ("BASE_URL", self.base.clone()),
            ("JWKS_URL", self.keys.clone()),
            ("INVOKE_URL", self.invoke.clone()),
            ("METRICS_URL", self.metrics.clone()),
        ]
    }
}

async fn loopback() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

fn url_of(listener: &TcpListener) -> Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}
