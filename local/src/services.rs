//! `local services -- <command>`: the bare servers, for as long as one command runs. This is what the tests run under.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::process::{Identity, ProcessDirectory, exit_code};
use crate::servers::postgres::{Postgres, Purpose, Role};
use crate::servers::redis::{Redis, RedisCluster};
use crate::servers::{Home, sqs, sqs::Sqs};
use crate::shutdown::Shutdown;

/// How long the command may take to end after a request to stop.
const COMMAND_GRACE: Duration = Duration::from_secs(20);
const FOLDER_PREFIX: &str = "services-";

/// Starts the servers, runs the command with their addresses in its environment, stops the servers and removes what
/// they left. Returns the command's exit code.
pub async fn run(project: &Path, command: &[String]) -> Result<i32> {
    let mut shutdown = Shutdown::catch()?;
    let target = project.join("target");
    fs::create_dir_all(&target)?;
    remove_abandoned(&target).await?;
    let directory = target.join(format!("{FOLDER_PREFIX}{}", std::process::id()));
    fs::create_dir(&directory).with_context(|| format!("cannot create {}", directory.display()))?;

    let outcome = async {
        let home = Home::open(&directory)?;
        if home.is_elsewhere(&directory) {
            eprintln!(
                "The servers' user may not enter {}: their data is in {}.",
                directory.display(),
                home.path.display()
            );
        }
        let servers = tokio::select! {
            started = Servers::start(project, &directory, &home) => started,
            _ = shutdown.requested() => Err(anyhow::anyhow!("interrupted while starting")),
        };
        let outcome = match servers {
            Ok(servers) => {
                let outcome = match servers.environment() {
                    Ok(environment) => run_command(command, environment, &mut shutdown).await,
                    Err(failure) => Err(failure),
                };
                servers.stop().await;
                outcome
            }
            Err(failure) => Err(failure),
        };
        home.remove()?;
        outcome
    }
    .await;
    // After a failed start the servers' logs, quoted in the error, have served their purpose too.
    fs::remove_dir_all(&directory)?;
    outcome
}

struct Servers {
    postgres: Postgres,
    redis: Redis,
    cluster: RedisCluster,
    sqs: Sqs,
}

impl Servers {
    async fn start(project: &Path, directory: &Path, home: &Home) -> Result<Self> {
        let processes = ProcessDirectory::open(directory)?;
        let (postgres, redis, cluster, sqs) = tokio::try_join!(
            Postgres::start(home, &processes, Purpose::Tests),
            Redis::start(home, &processes),
            RedisCluster::start(home, &processes),
            Sqs::start(project, &processes),
        )?;
        Ok(Self {
            postgres,
            redis,
            cluster,
            sqs,
        })
    }

    async fn stop(self) {
        tokio::join!(
            self.postgres.server.stop(),
            self.redis.server.stop(),
            self.cluster.stop(),
            self.sqs.server.stop()
        );
    }

    fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let mut environment = vec![
            (
                "DATABASE_URL",
                self.postgres.url(Role::Administrator, "postgres"),
            ),
            ("REDIS_URL", self.redis.url()),
            ("REDIS_TLS_URL", self.redis.tls_url()),
            ("TLS_CA_FILE", self.redis.authority.display().to_string()),
            ("REDIS_CLUSTER_URL", self.cluster.seed_url()),
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.postgres.port.to_string()),
            ("PGUSER", Role::Administrator.name().to_owned()),
            ("LOCAL_BIN", std::env::current_exe()?.display().to_string()),
        ];
        environment.extend(sqs::client_environment(&self.sqs.url()));
        Ok(environment)
    }
}

/// Runs a command with more environment than our own until it ends, which a request to stop hastens. Returns its exit code.
pub(crate) async fn run_command(
    command: &[String],
    environment: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    shutdown: &mut Shutdown,
) -> Result<i32> {
    let (program, arguments) = command.split_first().context("no command was given")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    tokio::select! {
        status = child.wait() => Ok(exit_code(status?)),
        signal = shutdown.requested() => end_command(&mut child, signal).await,
    }
}

/// Ctrl-C reaches the command by itself, as it shares our process group; other signals are handed on.
async fn end_command(child: &mut Child, signal: Signal) -> Result<i32> {
    if let Some(pid) = child.id().filter(|_| signal != Signal::SIGINT) {
        let _ = kill(Pid::from_raw(i32::try_from(pid)?), signal);
    }
    match timeout(COMMAND_GRACE, child.wait()).await {
        Ok(status) => Ok(exit_code(status?)),
        Err(_) => {
            child.kill().await?;
            Ok(exit_code(child.wait().await?))
        }
    }
}

/// Ends and removes what earlier runs left behind that were killed before they could do so themselves.
async fn remove_abandoned(target: &Path) -> Result<()> {
    for directory in abandoned(target)? {
        ProcessDirectory::open(&directory)?.end_leftovers().await?;
        Home::open(&directory)?.remove()?;
        fs::remove_dir_all(&directory)?;
    }
    Ok(())
}

fn abandoned(target: &Path) -> Result<Vec<PathBuf>> {
    let is_abandoned = |path: &PathBuf| {
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix(FOLDER_PREFIX)?.parse().ok());
        pid.is_some_and(|pid| Identity::of(pid).is_none())
    };
    Ok(fs::read_dir(target)?
        .flatten()
        .map(|entry| entry.path())
        .filter(is_abandoned)
        .collect())
}
