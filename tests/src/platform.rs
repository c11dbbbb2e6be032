//! The platform around one process of a function. It hands over one event at a time and takes the answer, and the function goes on
//! only when the test lets it: so what is done before an answer is told from what is done after it, without a clock.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::stack::binary;
use crate::teardown::unique_name;

/// What a function asks of the platform, with the way to answer it.
enum Asked {
    Next(oneshot::Sender<(String, Bytes)>),
    Sent(Bytes, oneshot::Sender<()>),
}

/// A process of a function.
pub struct Process {
    asked: mpsc::Receiver<Asked>,
    /// There while it waits for an event.
    next: Option<oneshot::Sender<(String, Bytes)>>,
    /// There while it waits to be told that its answer has arrived.
    arrived: Option<oneshot::Sender<()>>,
    log: PathBuf,
    server: JoinHandle<()>,
    child: Child,
}

impl Process {
    /// Starts a function with these variables and waits until it asks for its first event.
    pub async fn start(function: &str, variables: &[(&str, &str)]) -> Self {
        let (ask, asked) = mpsc::channel(1);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            axum::serve(listener, router(ask)).await.expect("it serves");
        });
        let log = std::env::temp_dir().join(unique_name("lp-reporting-log"));
        let file = std::fs::File::create(&log).expect("a log is created");
        let child = Command::new(binary(function))
            .env_clear()
            .envs(variables.iter().copied())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .stdin(Stdio::null())
            .stdout(file)
            .kill_on_drop(true)
            .spawn()
            .expect("the function starts");
        let mut process = Self {
            asked,
            next: None,
            arrived: None,
            log,
            server,
            child,
        };
        process.asks_for_the_next_event().await;
        process
    }

    /// Hands over an event, and returns the answer that is sent for it, as the gateway would get it. The function waits to be told
    /// that it has arrived.
    pub async fn answer(&mut self, request_id: &str, event: &Value) -> Value {
        self.hand_over(request_id, event);
        self.answered().await
    }

    /// Hands over an event, and does not wait for the answer.
    pub fn hand_over(&mut self, request_id: &str, event: &Value) {
        let event = (request_id.to_owned(), Bytes::from(event.to_string()));
        let next = self.next.take().expect("the function waits for an event");
        next.send(event).expect("the function takes it");
    }

    /// Waits for the answer to what was handed over.
    pub async fn answered(&mut self) -> Value {
        match self.asks().await {
            Asked::Sent(answer, arrived) => {
                self.arrived = Some(arrived);
                serde_json::from_slice(&answer).expect("an answer is JSON")
            }
            Asked::Next(_) => panic!("the function does not answer"),
        }
    }

    /// Tells the function that its answer has arrived, and waits until it asks for the next event.
    pub async fn goes_on(&mut self) {
        let arrived = self.arrived.take().expect("the function has answered");
        arrived.send(()).expect("the function waits for it");
        self.asks_for_the_next_event().await;
    }

    /// Sends the process a signal, such as those that stop it and let it go on.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("the process runs");
        let id = Pid::from_raw(i32::try_from(id).expect("a process id is small"));
        nix::sys::signal::kill(id, signal).expect("the process is there");
    }

    /// Kills the process, whatever it is doing, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process is killed");
    }

    async fn asks_for_the_next_event(&mut self) {
        match self.asks().await {
            Asked::Next(next) => self.next = Some(next),
            Asked::Sent(..) => panic!("the function answers what it was not asked"),
        }
    }

    async fn asks(&mut self) -> Asked {
        tokio::select! {
            asked = self.asked.recv() => asked.expect("the server runs"),
            end = self.child.wait() => panic!("the function has ended: {end:?}"),
        }
    }

    /// The lines that the function has logged under a target.
    #[must_use]
    pub fn logged(&self, target: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["target"] == target);
        lines
    }

    /// The lines by which the function has told what it measured.
    #[must_use]
    pub fn told(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line.get("_aws").is_some());
        lines
    }

    /// Everything that the function has logged.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).expect("the log is there");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")));
        lines.collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.server.abort();
        let _ = std::fs::remove_file(&self.log);
    }
}

fn router(ask: mpsc::Sender<Asked>) -> Router {
    const INVOCATION: &str = "/2018-06-01/runtime/invocation";
    Router::new()
        .route(&format!("{INVOCATION}/next"), get(next))
        .route(&format!("{INVOCATION}/{{request_id}}/response"), post(sent))
        .with_state(ask)
}

async fn next(State(ask): State<mpsc::Sender<Asked>>) -> Response {
    let (next, event) = oneshot::channel();
    let _ = ask.send(Asked::Next(next)).await;
    // A test that is over hands over nothing more.
    let Ok((request_id, event)) = event.await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", i64::MAX.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:test".to_owned()),
    ];
    (headers, event).into_response()
}

async fn sent(State(ask): State<mpsc::Sender<Asked>>, answer: Bytes) -> StatusCode {
    let (arrived, told) = oneshot::channel();
    let _ = ask.send(Asked::Sent(answer, arrived)).await;
    let _ = told.await;
    StatusCode::ACCEPTED
}
