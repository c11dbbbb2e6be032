//! What is measured, set up: servers, a database of the wanted size, and hosts that run the function binaries.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use axum::body::Bytes;
use chrono::{Timelike, Utc};
use local::directory::StateDirectory;
use local::gateway::tokens::TokenScope;
use local::host::{FunctionSpec, Host, Invoke};
use local::process::ProcessDirectory;
use local::sample::Size;
use local::servers::postgres::{Postgres, Purpose, Role};
use local::servers::redis::Redis;
use local::servers::sqs::Sqs;
use local::stack::{self, Database, Deployment, connect};
use local::template::Template;
use tokio_postgres::Client;

use crate::effort::Effort;

/// The function that does nothing.
pub const HELLO: &str = "hello";
/// An address at which nobody listens: a function that is given it does without its cache.
const NOWHERE: &str = "redis://127.0.0.1:1";

/// Everything that stays the same for a whole run.
pub struct Rig {
    /// How much data there is.
    pub size: Size,
    /// How much is measured.
    pub effort: Effort,
    /// The functions and what triggers them.
    pub template: Template,
    /// What a deployment would set.
    pub deployment: Deployment,
    /// The server's administrator: what counts buffers and statements is not for a database's owner.
    pub administrator: Client,
    /// Where the database is.
    pub database: Database,
    /// The cache.
    pub redis: Redis,
    postgres: Postgres,
    sqs: Sqs,
    directory: StateDirectory,
    options: stack::Options,
}

/// Which functions a host runs, and how.
#[derive(Debug, Clone, Copy)]
pub struct Cast<'a> {
    /// Keeps hosts that run side by side apart.
    pub name: &'a str,
    /// The functions.
    pub functions: &'a [&'a str],
    /// How many instances each has.
    pub instances: usize,
    /// How they reach Postgres and Redis.
    pub way: Way,
}

/// How functions reach Postgres and Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Both, in plain.
    Plain,
    /// Both, in plain, by a clock that stands at the morning of today: what is kept until midnight is kept for a working day.
    InTheMorning,
    /// Both, over TLS.
    Tls,
    /// Postgres alone: every answer is the database's.
    WithoutCache,
}

impl Rig {
    /// Starts the servers, and fills the database unless a kept one is there.
    pub async fn open(project: &Path, options: stack::Options, effort: Effort) -> Result<Self> {
        let directory = StateDirectory::open(&options.directory)?;
        let processes = directory.claim().await?;
        let home = stack::open_home(&directory, options.keep)?;
        let (postgres, redis, sqs) = tokio::try_join!(
            Postgres::start(&home, &processes, Purpose::Measurement),
            Redis::start(&home, &processes),
            Sqs::start(project, &processes),
        )?;
        let database = Database::create(&postgres).await?;
        let template = Template::read(&project.join("infra/template.yaml"))?;
        let nobody = TokenScope {
            issuer: "bench".to_owned(),
            audience: "bench".to_owned(),
        };
        let deployment = Deployment::prepare(&template, &database, &redis, &sqs, &nobody).await?;
        if !directory.sample_file().exists() {
            seed(project, &database, &options).await?;
            std::fs::write(directory.sample_file(), "")?;
        }
        let administrator = connect(&database.url(Role::Administrator)).await?;
        say("Vacuuming, as autovacuum would have by now");
        administrator.batch_execute("vacuum analyze").await?;
        Ok(Self {
            size: options.size,
            effort,
            template,
            deployment,
            administrator,
            database,
            redis,
            postgres,
            sqs,
            directory,
            options,
        })
    }

    /// Runs some functions.
    pub async fn host(&self, cast: Cast<'_>) -> Result<Arc<Host>> {
        let specs = cast
            .functions
            .iter()
            .map(|name| self.spec(name, cast))
            .collect::<Result<_>>()?;
        let processes = ProcessDirectory::open(&self.host_folder(cast.name))?;
        Host::start(specs, &processes).await
    }

    /// The log of an instance.
    pub fn log(&self, cast: &str, function: &str, instance: usize) -> PathBuf {
        let folder = self.host_folder(cast);
        folder.join(format!("logs/{function}-{instance}.log"))
    }

    fn host_folder(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("host-{name}"))
    }

    fn spec(&self, name: &str, cast: Cast<'_>) -> Result<FunctionSpec> {
        // The function that does nothing is run as the smallest real one is.
        let stands_for = if name == HELLO { "summary" } else { name };
        let function = self.template.function(stands_for)?;
        let mut spec = self
            .deployment
            .spec(&self.template, function, &self.options)?;
        spec.name = name.to_owned();
        spec.binary = self.options.binaries.join(name);
        spec.instances = cast.instances;
        let mut set = |name: &str, value: String| spec.environment.insert(name.to_owned(), value);
        match cast.way {
            Way::Plain => {}
            Way::InTheMorning => drop(set(
                "CLOCK_OFFSET_SECONDS",
                seconds_to_morning().to_string(),
            )),
            Way::WithoutCache => drop(set("REDIS_URL", NOWHERE.to_owned())),
            Way::Tls => {
                let url = format!("{}?sslmode=require", self.database.url(Role::Reader));
                set("DATABASE_URL", url);
                set(
                    "DATABASE_CA_FILE",
                    self.postgres.authority.display().to_string(),
                );
                set("REDIS_URL", self.redis.tls_url());
                set("REDIS_CA_FILE", self.redis.authority.display().to_string());
            }
        }
        Ok(spec)
    }

    /// Forgets everything that is cached.
    pub async fn empty_cache(&self) -> Result<()> {
        let mut link = self.cache().await?;
        Ok(redis::cmd("FLUSHDB").query_async(&mut link).await?)
    }

    /// A connection to the cache.
    pub async fn cache(&self) -> Result<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.redis.url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    /// Stops the servers; the data stay for a run that keeps them.
    pub async fn close(self) -> Result<()> {
        tokio::join!(
            self.postgres.server.stop(),
            self.redis.server.stop(),
            self.sqs.server.stop()
        );
        self.directory.release()
    }
}

async fn seed(project: &Path, database: &Database, options: &stack::Options) -> Result<()> {
    let options = stack::Options {
        directory: options.directory.join("seed"),
        binaries: options.binaries.clone(),
        environment: options.environment.clone(),
        keep: false,
        ..*options
    };
    stack::seed(project, &database.url(Role::Migrator), options)
        .await
        .map(drop)
}

/// From now to the hour at which work begins, today.
fn seconds_to_morning() -> i64 {
    const MORNING_HOUR: i64 = 8;
    MORNING_HOUR * 3600 - i64::from(Utc::now().num_seconds_from_midnight())
}

/// Runs a function once and gives its answer as JSON.
pub async fn invoke(host: &Host, function: &str, event: &Bytes) -> Result<serde_json::Value> {
    let answer = host.invoke(function, event.clone()).await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// A line of progress.
pub fn say(line: &str) {
    thread_local!(static START: Instant = Instant::now());
    println!(
        "{:7.1} s  {line}",
        START.with(|start| start.elapsed().as_secs_f64())
    );
}
