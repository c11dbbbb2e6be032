//! One instance of a function: starts its process, kills it when an invocation takes too long, replaces it when it ends.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::sleep;

use super::runtime_api::{self, Session};
use super::{Counter, Function, InstanceState, Start};
use crate::process::{OwnedProcess, ProcessDirectory, log_tail};
use crate::servers::sqs::REGION;

/// The pause before an ended process is replaced: short after good service, doubled with each process that ended
/// without having served anything, so that a binary that cannot start does not keep the machine busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One place in which a process of the function runs.
#[derive(Debug)]
pub(super) struct Instance {
    function: Arc<Function>,
    number: usize,
    processes: ProcessDirectory,
    /// The process that runs now.
    current: Mutex<Option<(Option<i32>, Arc<Session>)>>,
    starts: Counter,
}

/// How a process came to its end.
enum End {
    Exited(String),
    TimedOut,
    Stopped,
}

impl Instance {
    pub(super) fn new(function: Arc<Function>, number: usize, processes: ProcessDirectory) -> Self {
        Self {
            function,
            number,
            processes,
            current: Mutex::default(),
            starts: Counter::default(),
        }
    }

    pub(super) fn state(&self) -> InstanceState {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let session = current.as_ref().map(|(_, session)| session);
        InstanceState {
            function: self.function.spec.name.clone(),
            instance: self.number,
            pid: current.as_ref().and_then(|(pid, _)| *pid),
            busy: session.is_some_and(|session| session.is_busy()),
            starts: self.starts.get(),
            invocations: session.map_or(0, |session| session.invocations.get()),
        }
    }

    /// Keeps a process running until the host stops.
    pub(super) async fn supervise(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut pause = SHORTEST_PAUSE;
        while !*stopping.borrow() {
            let served = self
                .run_once(&mut stopping)
                .await
                .unwrap_or_else(|failure| {
                    self.not_started(format!("{failure:#}"));
                    false
                });
            pause = if served {
                SHORTEST_PAUSE
            } else {
                (pause * 2).min(LONGEST_PAUSE)
            };
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        }
    }

    /// Runs one process to its end; tells whether it had asked for work.
    async fn run_once(&self, stopping: &mut watch::Receiver<bool>) -> Result<bool> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut command = self.command(&listener.local_addr()?.to_string());
        let session = Arc::new(Session::new(Arc::clone(&self.function)));
        let server = tokio::spawn(runtime_api::serve(listener, Arc::clone(&session)));
        let mut process = self.processes.spawn(&self.log_name(), &mut command)?;
        self.starts.increment();
        self.set_current(Some((process.pid(), Arc::clone(&session))));

        let end = tokio::select! {
            status = process.wait() => End::Exited(status?.to_string()),
            () = session.overdue() => End::TimedOut,
            _ = stopping.wait_for(|stopping| *stopping) => End::Stopped,
        };
        self.set_current(None);
        self.finish(end, &session, process).await?;
        server.abort();
        let served = session.has_polled();
        if !served {
            self.not_started(log_tail(&self.processes.log(&self.log_name())));
        }
        Ok(served)
    }

    async fn finish(&self, end: End, session: &Session, mut process: OwnedProcess) -> Result<()> {
        match end {
            End::Exited(status) => session.close(
                "Runtime.ExitError",
                &format!("Runtime exited with error: {status}"),
            ),
            End::TimedOut => {
                process.kill();
                process.wait().await?;
                let seconds = self.function.spec.timeout.as_secs_f64();
                session.close(
                    "Sandbox.Timedout",
                    &format!("Task timed out after {seconds:.2} seconds"),
                );
            }
            End::Stopped => {
                process.stop(Signal::SIGTERM).await;
                session.close("Runtime.ExitError", "The host is stopping");
            }
        }
        Ok(())
    }

    fn command(&self, runtime_api: &str) -> Command {
        let spec = &self.function.spec;
        let mut command = Command::new(&spec.binary);
        command
            .env_clear()
            .envs(&spec.environment)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", &spec.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env(
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                spec.memory_mb.to_string(),
            )
            .env(
                "AWS_LAMBDA_LOG_GROUP_NAME",
                format!("/aws/lambda/{}", spec.name),
            )
            .env("AWS_LAMBDA_LOG_STREAM_NAME", self.log_name())
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_REGION", REGION)
            .env("TZ", ":UTC");
        command
    }

    fn log_name(&self) -> String {
        format!("{}-{}", self.function.spec.name, self.number)
    }

    /// Only the first word counts: a function that once was ready is replaced, not given up.
    fn not_started(&self, reason: String) {
        self.function.start.send_if_modified(|start| {
            let undecided = *start == Start::Pending;
            if undecided {
                *start = Start::Failed(reason);
            }
            undecided
        });
    }

    fn set_current(&self, current: Option<(Option<i32>, Arc<Session>)>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}
