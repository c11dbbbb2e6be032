//! The platform's invoke endpoint, so that tests and tools can call any function, and a look at the running instances.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::runtime_api::PAYLOAD_LIMIT_BYTES;
use super::{Host, InstanceState, Invoke, InvokeError};

/// The endpoint's routes.
pub fn router(host: Arc<Host>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{function}/invocations", post(invoke))
        .route("/instances", get(instances))
        .layer(DefaultBodyLimit::max(PAYLOAD_LIMIT_BYTES))
        .with_state(host)
}

async fn invoke(
    State(host): State<Arc<Host>>,
    Path(function): Path<String>,
    payload: Bytes,
) -> Response {
    let json = (header::CONTENT_TYPE, "application/json");
    match host.invoke(&function, payload).await {
        Ok(answer) => ([json], answer).into_response(),
        Err(InvokeError::Function(error)) => (
            [
                json,
                (
                    header::HeaderName::from_static("x-amz-function-error"),
                    "Unhandled",
                ),
            ],
            error,
        )
            .into_response(),
        Err(refusal @ InvokeError::UnknownFunction(_)) => {
            refused(StatusCode::NOT_FOUND, "ResourceNotFoundException", &refusal)
        }
        Err(refusal @ InvokeError::NoInstance(_)) => refused(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            &refusal,
        ),
    }
}

fn refused(status: StatusCode, kind: &str, refusal: &InvokeError) -> Response {
    (
        status,
        Json(json!({"Type": kind, "Message": refusal.to_string()})),
    )
        .into_response()
}

async fn instances(State(host): State<Arc<Host>>) -> Json<Vec<InstanceState>> {
    Json(host.instances())
}
