//! The Lambda Runtime API as one process sees it: the next invocation, its response, its error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::{Counter, Function, Invocation, InvokeError, Start};
use crate::servers::sqs::REGION;

/// The platform's limit of a synchronous payload, either way.
pub(super) const PAYLOAD_LIMIT_BYTES: usize = 6 * 1024 * 1024;

/// What one process of a function is doing.
#[derive(Debug)]
pub(super) struct Session {
    function: Arc<Function>,
    pending: Mutex<Option<Pending>>,
    /// When the invocation at work is overdue.
    deadline: watch::Sender<Option<Instant>>,
    closed: watch::Sender<bool>,
    pub(super) invocations: Counter,
    polls: Counter,
}

/// The invocation at work.
#[derive(Debug)]
struct Pending {
    request_id: String,
    answer: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// An invocation as it is handed to the process.
struct Taken {
    request_id: String,
    trace: String,
    payload: Bytes,
}

impl Session {
    pub(super) fn new(function: Arc<Function>) -> Self {
        Self {
            function,
            pending: Mutex::default(),
            deadline: watch::Sender::new(None),
            closed: watch::Sender::new(false),
            invocations: Counter::default(),
            polls: Counter::default(),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Whether the process ever asked for work, which is how a function says that it has started.
    pub(super) fn has_polled(&self) -> bool {
        self.polls.get() > 0
    }

    /// Returns when the invocation at work has taken too long.
    pub(super) async fn overdue(&self) {
        let mut deadline = self.deadline.subscribe();
        loop {
            let due = *deadline.borrow_and_update();
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return,
                _ = deadline.changed() => {}
            }
        }
    }

    /// The process has ended: fails the invocation it was working on, and hands out no other.
    pub(super) fn close(&self, kind: &str, message: &str) {
        self.closed.send_replace(true);
        self.fail(kind, message);
    }

    /// Waits for an invocation whose caller still waits for it; none when the process has ended meanwhile.
    async fn take(&self) -> Option<Taken> {
        let mut closed = self.closed.subscribe();
        loop {
            let invocation = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => return None,
                invocation = async { self.function.next.lock().await.recv().await } => invocation?,
            };
            let Invocation {
                request_id,
                trace,
                payload,
                taken,
                answer,
            } = invocation;
            if taken.send(Instant::now()).is_ok() {
                *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pending {
                    request_id: request_id.clone(),
                    answer,
                });
                self.deadline
                    .send_replace(Some(Instant::now() + self.function.spec.timeout));
                self.invocations.increment();
                return Some(Taken {
                    request_id,
                    trace,
                    payload,
                });
            }
        }
    }

    /// Answers the invocation at work, if it is the one that is meant.
    fn settle(&self, request_id: &str, answer: Result<Bytes, InvokeError>) -> StatusCode {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.take_if(|pending| pending.request_id == request_id) {
            Some(settled) => {
                self.deadline.send_replace(None);
                // Nobody listens when the caller has gone; the work is done all the same.
                let _ = settled.answer.send(answer);
                StatusCode::ACCEPTED
            }
            None => StatusCode::BAD_REQUEST,
        }
    }

    fn fail(&self, kind: &str, message: &str) {
        let request_id = self
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|pending| pending.request_id.clone());
        if let Some(request_id) = request_id {
            let error = json!({"errorType": kind, "errorMessage": format!("RequestId: {request_id} Error: {message}")});
            self.settle(
                &request_id,
                Err(InvokeError::Function(error.to_string().into())),
            );
        }
    }
}

/// Serves one process until the task is dropped.
pub(super) async fn serve(listener: TcpListener, session: Arc<Session>) {
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{request_id}/response",
            post(response),
        )
        .route(
            "/2018-06-01/runtime/invocation/{request_id}/error",
            post(error),
        )
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(PAYLOAD_LIMIT_BYTES))
        .with_state(session);
    let listener = listener.tap_io(|stream| {
        // Without this each small answer would wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    // The server only ends with its task.
    let _ = axum::serve(listener, router).await;
}

async fn next(State(session): State<Arc<Session>>) -> Response {
    // A runtime that asks again without having answered has lost its invocation.
    session.fail(
        "Runtime.NoResponse",
        "The runtime asked for the next invocation without answering",
    );
    session.polls.increment();
    session
        .function
        .start
        .send_if_modified(|start| std::mem::replace(start, Start::Ready) != Start::Ready);
    match session.take().await {
        Some(Taken {
            request_id,
            trace,
            payload,
        }) => {
            let headers = invocation_headers(&session.function, request_id, &trace);
            (headers, payload).into_response()
        }
        None => StatusCode::GONE.into_response(),
    }
}

async fn response(
    State(session): State<Arc<Session>>,
    Path(request_id): Path<String>,
    body: Bytes,
) -> StatusCode {
    session.settle(&request_id, Ok(body))
}

async fn error(
    State(session): State<Arc<Session>>,
    Path(request_id): Path<String>,
    body: Bytes,
) -> StatusCode {
    session.settle(&request_id, Err(InvokeError::Function(body)))
}

/// The process says why it cannot start; its log has the same words, and it ends by itself.
async fn init_error() -> StatusCode {
    StatusCode::ACCEPTED
}

fn invocation_headers(
    function: &Function,
    request_id: String,
    trace: &str,
) -> [(HeaderName, String); 4] {
    let deadline = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        + function.spec.timeout;
    let arn = format!(
        "arn:aws:lambda:{REGION}:000000000000:function:{}",
        function.spec.name
    );
    let parent = request_id.replace('-', "");
    let trace = format!("{trace};Parent={parent:.16};Sampled=0");
    [
        (
            HeaderName::from_static("lambda-runtime-aws-request-id"),
            request_id,
        ),
        (
            HeaderName::from_static("lambda-runtime-deadline-ms"),
            deadline.as_millis().to_string(),
        ),
        (
            HeaderName::from_static("lambda-runtime-invoked-function-arn"),
            arn,
        ),
        (HeaderName::from_static("lambda-runtime-trace-id"), trace),
    ]
}
