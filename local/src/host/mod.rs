//! Hosts function binaries as the platform does: several instances a function, each a process of its own that asks
//! for its next invocation, answers one at a time, and is replaced when it dies or takes too long.

mod instance;
pub mod invoke_api;
mod runtime_api;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::body::Bytes;
use chrono::Utc;
use rand::Rng;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::process::ProcessDirectory;
use instance::Instance;

/// How long an invocation waits for an idle instance before it is refused, as the platform refuses by throttling. Whoever asks by
/// way of the gateway is refused sooner.
const IDLE_INSTANCE_WAIT: Duration = Duration::from_secs(60);
/// Invocations that may wait at once; more are refused at once.
const WAITING_INVOCATIONS: usize = 1024;
/// How long a function may take to ask for its first invocation: all of them start at once, on a machine that may be busy.
const START_LIMIT: Duration = Duration::from_secs(180);

/// What it takes to run a function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The function's name.
    pub name: String,
    /// Its executable.
    pub binary: PathBuf,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// What it believes to have.
    pub memory_mb: u32,
    /// Its whole environment, but for what the host itself sets.
    pub environment: BTreeMap<String, String>,
    /// How many instances run, so how many invocations run at once.
    pub instances: usize,
}

/// Why an invocation brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no function of that name.
    #[error("there is no function {0}")]
    UnknownFunction(String),
    /// No instance became idle in time.
    #[error("no instance of {0} is free")]
    NoInstance(String),
    /// The function failed, died or took too long; the payload says which, as the platform words it.
    #[error("the function failed: {}", String::from_utf8_lossy(.0))]
    Function(Bytes),
}

/// Whoever can run a function: the host, or a stand-in in tests.
pub trait Invoke: Send + Sync {
    /// Runs a function once and returns its answer. The function is told the trace that it belongs to, in X-Ray's form, or one of
    /// its own.
    fn invoke_traced(
        &self,
        function: &str,
        payload: Bytes,
        trace: Option<String>,
    ) -> impl Future<Output = Result<Bytes, InvokeError>> + Send;

    /// As [`Invoke::invoke_traced`], where no trace has begun yet.
    fn invoke(
        &self,
        function: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<Bytes, InvokeError>> + Send {
        self.invoke_traced(function, payload, None)
    }
}

/// One invocation on its way to an instance.
#[derive(Debug)]
struct Invocation {
    request_id: String,
    trace: String,
    payload: Bytes,
    /// Told when an instance took it; closed when the caller has given up before.
    taken: oneshot::Sender<Instant>,
    answer: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// Whether a function has come up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Pending,
    Ready,
    Failed(String),
}

/// A function's invocations and what its instances share.
#[derive(Debug)]
struct Function {
    spec: FunctionSpec,
    waiting: mpsc::Sender<Invocation>,
    /// Idle instances queue for this lock, and the one that holds it takes the next invocation.
    next: Mutex<mpsc::Receiver<Invocation>>,
    start: watch::Sender<Start>,
}

impl Function {
    fn new(spec: FunctionSpec) -> Arc<Self> {
        let (waiting, next) = mpsc::channel(WAITING_INVOCATIONS);
        Arc::new(Self {
            spec,
            waiting,
            next: Mutex::new(next),
            start: watch::Sender::new(Start::Pending),
        })
    }

    async fn invoke(
        &self,
        payload: Bytes,
        trace: Option<String>,
    ) -> Result<(Bytes, Duration), InvokeError> {
        let no_instance = || InvokeError::NoInstance(self.spec.name.clone());
        let (taken, was_taken) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation {
            request_id: request_id(),
            trace: trace.unwrap_or_else(trace_root),
            payload,
            taken,
            answer,
        };
        self.waiting
            .try_send(invocation)
            .map_err(|_| no_instance())?;
        let taken_at = timeout(IDLE_INSTANCE_WAIT, was_taken)
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(no_instance)?;
        let answer = answered.await.map_err(|_| no_instance())??;
        Ok((answer, taken_at.elapsed()))
    }

    async fn started(&self) -> Result<()> {
        let mut start = self.start.subscribe();
        let decided = timeout(
            START_LIMIT,
            start.wait_for(|start| *start != Start::Pending),
        )
        .await;
        let decided = decided
            .with_context(|| format!("{} does not start", self.spec.name))??
            .clone();
        match decided {
            Start::Failed(reason) => bail!("{} does not start: {reason}", self.spec.name),
            _ => Ok(()),
        }
    }
}

/// What is known of one instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceState {
    /// The function's name.
    pub function: String,
    /// The instance's number, from 1.
    pub instance: usize,
    /// Its process, unless it is just being replaced.
    pub pid: Option<i32>,
    /// Whether it is working on an invocation.
    pub busy: bool,
    /// How often a process was started for it.
    pub starts: u64,
    /// How many invocations it was given.
    pub invocations: u64,
}

/// The functions of a stack and their running instances.
#[derive(Debug)]
pub struct Host {
    functions: BTreeMap<String, Arc<Function>>,
    instances: Vec<Arc<Instance>>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
    stopping: watch::Sender<bool>,
}

impl Host {
    /// Starts every instance of the functions and waits until each function has one that is ready.
    pub async fn start(
        specs: Vec<FunctionSpec>,
        processes: &ProcessDirectory,
    ) -> Result<Arc<Self>> {
        let stopping = watch::Sender::new(false);
        let functions: BTreeMap<String, Arc<Function>> = specs
            .into_iter()
            .map(|spec| (spec.name.clone(), Function::new(spec)))
            .collect();
        let mut instances = Vec::new();
        for function in functions.values() {
            for number in 1..=function.spec.instances {
                instances.push(Arc::new(Instance::new(
                    Arc::clone(function),
                    number,
                    processes.clone(),
                )));
            }
        }
        let supervise = |instance: &Arc<Instance>| {
            tokio::spawn(Arc::clone(instance).supervise(stopping.subscribe()))
        };
        let supervisors = Mutex::new(instances.iter().map(supervise).collect());
        let host = Arc::new(Self {
            functions,
            instances,
            supervisors,
            stopping,
        });
        for function in host.functions.values() {
            if let Err(failure) = function.started().await {
                host.stop().await;
                return Err(failure);
            }
        }
        Ok(host)
    }

    /// What is known of each instance.
    pub fn instances(&self) -> Vec<InstanceState> {
        self.instances
            .iter()
            .map(|instance| instance.state())
            .collect()
    }

    /// Ends every instance and waits for it.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        for supervisor in self.supervisors.lock().await.drain(..) {
            // A supervisor that panicked has dropped, and so killed, its process.
            let _ = supervisor.await;
        }
    }

    /// As [`Invoke::invoke`], with the time from handing out the event to the answer: what an instance still does after an answer
    /// before it asks for the next event is not in it.
    pub async fn invoke_timed(
        &self,
        function: &str,
        payload: Bytes,
    ) -> Result<(Bytes, Duration), InvokeError> {
        self.run(function, payload, None).await
    }

    async fn run(
        &self,
        function: &str,
        payload: Bytes,
        trace: Option<String>,
    ) -> Result<(Bytes, Duration), InvokeError> {
        match self.functions.get(function) {
            Some(function) => function.invoke(payload, trace).await,
            None => Err(InvokeError::UnknownFunction(function.to_owned())),
        }
    }
}

impl Invoke for Host {
    async fn invoke_traced(
        &self,
        function: &str,
        payload: Bytes,
        trace: Option<String>,
    ) -> Result<Bytes, InvokeError> {
        Ok(self.run(function, payload, trace).await?.0)
    }
}

/// A new trace, as the platform begins one for whom nothing came before.
pub fn trace_root() -> String {
    let seconds = Utc::now().timestamp();
    let random = request_id().replace('-', "");
    format!("Root=1-{seconds:08x}-{random:.24}")
}

/// A random id in the form that the platform gives to requests.
pub fn request_id() -> String {
    const DASHES_AFTER: [usize; 4] = [4, 6, 8, 10];
    let mut text = String::with_capacity(36);
    for (index, byte) in rand::rng().random::<[u8; 16]>().iter().enumerate() {
        if DASHES_AFTER.contains(&index) {
            text.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A counter that only reports.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
