//! One server process that can be stopped, paused, killed and started again on its port, so that tests can take it away.

use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use super::redis::answers_ping;
use crate::process::{OwnedProcess, ProcessDirectory};

/// How long a server may take until it answers; a cold disk needs a few seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(25);
/// How often a server that ends while starting is started.
const START_ATTEMPTS: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// How a server shows that it is ready.
#[derive(Debug)]
pub(super) enum Probe {
    /// It lets a client log in at this address.
    Postgres(String),
    /// It answers a ping on this port.
    Redis(u16),
    /// It accepts connections on this port.
    Port(u16),
}

impl Probe {
    async fn succeeds(&self) -> Result<()> {
        match self {
            Self::Postgres(url) => tokio_postgres::connect(url, NoTls)
                .await
                .map(drop)
                .context("cannot connect"),
            Self::Redis(port) => answers_ping(*port).await,
            Self::Port(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port))
                .await
                .map(drop)
                .context("cannot connect"),
        }
    }
}

/// A server that this stack runs.
pub struct Server {
    name: String,
    processes: ProcessDirectory,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    probe: Probe,
    stop_signal: Signal,
    process: Mutex<Option<OwnedProcess>>,
}

impl Server {
    /// Starts a server for the first time.
    pub(super) async fn launch(
        name: &str,
        processes: &ProcessDirectory,
        command: impl Fn() -> Command + Send + Sync + 'static,
        probe: Probe,
        stop_signal: Signal,
    ) -> Result<Self> {
        let (name, processes, command) = (name.to_owned(), processes.clone(), Box::new(command));
        let server = Self {
            name,
            processes,
            command,
            probe,
            stop_signal,
            process: Mutex::default(),
        };
        server.start().await?;
        Ok(server)
    }

    /// What it is called in logs and by tests.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the server unless it runs, and waits until it answers.
    pub async fn start(&self) -> Result<()> {
        let mut running = self.process.lock().await;
        if running
            .as_mut()
            .is_some_and(|process| process.expect_running().is_ok())
        {
            return Ok(());
        }
        *running = Some(self.start_process().await?);
        Ok(())
    }

    /// Postgres refuses to start while backends of a killed one are still ending, so one refusal is not the last word.
    async fn start_process(&self) -> Result<OwnedProcess> {
        let mut attempt = 1;
        loop {
            let mut process = self.processes.spawn(&self.name, &mut (self.command)())?;
            match until_ready(
                &self.name,
                || process.expect_running(),
                || self.probe.succeeds(),
            )
            .await
            {
                Ok(()) => return Ok(process),
                Err(failure) if attempt == START_ATTEMPTS => return Err(failure),
                Err(_) => sleep(RETRY_PAUSE).await,
            }
            attempt += 1;
        }
    }

    /// Stops the server in the orderly way and waits for it.
    pub async fn stop(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.stop(self.stop_signal).await;
        }
    }

    /// Stops the server where it is: it keeps its connections and answers nothing, like a machine that hangs.
    pub async fn pause(&self) {
        self.signal(Signal::SIGSTOP).await;
    }

    /// Lets a paused server go on.
    pub async fn resume(&self) {
        self.signal(Signal::SIGCONT).await;
    }

    async fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.lock().await.as_ref() {
            process.signal_all(signal);
        }
    }

    /// Kills the server as a crash would.
    pub async fn kill(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.stop(Signal::SIGKILL).await;
        }
    }
}

/// Waits until a server answers; fails when its process ends first or the limit is over.
pub(super) async fn until_ready<Answer: Future<Output = Result<()>>>(
    name: &str,
    mut ended: impl FnMut() -> Result<()>,
    mut probe: impl FnMut() -> Answer,
) -> Result<()> {
    let limit = Instant::now() + START_LIMIT;
    loop {
        let Err(refusal) = probe().await else {
            return Ok(());
        };
        ended()?;
        if Instant::now() > limit {
            return Err(refusal.context(format!(
                "{name} does not answer after {} s",
                START_LIMIT.as_secs()
            )));
        }
        sleep(POLL).await;
    }
}
