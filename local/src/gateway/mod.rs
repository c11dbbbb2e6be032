//! The HTTP API in front of the functions: finds the route, checks the token, hands the request to the function as an
//! event and its answer back. Its own refusals are bodies of the form `{"message": …}`, as the platform's are.

mod answer;
mod event;
pub mod routes;
pub mod tokens;
mod trace;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::host::{Invoke, InvokeError, request_id};
use crate::metrics::GatewayCounts;
use routes::Routes;
use tokens::Authorizer;

/// The platform's limit of an integration's time.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);
/// The platform's limit of the request line and the values of the headers, all together.
const HEAD_LIMIT_BYTES: usize = 10_240;
/// The platform's limit of a request body.
const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;

/// What the gateway stands on.
pub struct Gateway<Functions> {
    /// The template's routes.
    pub routes: Routes,
    /// The token check before every route.
    pub authorizer: Authorizer,
    /// Where the functions run.
    pub functions: Arc<Functions>,
    /// How many answers there were.
    pub counts: Arc<GatewayCounts>,
}

impl<Functions: Invoke + 'static> Gateway<Functions> {
    /// Serves requests until the task is dropped.
    pub async fn serve(self, listener: TcpListener) -> Result<()> {
        let router = Router::new()
            .fallback(handle::<Functions>)
            .with_state(Arc::new(self));
        let listener = listener.tap_io(|stream| {
            // Without this each small answer would wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(
            listener,
            router.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await?)
    }

    async fn answer(&self, request: Request, source: SocketAddr, request_id: &str) -> Response {
        let (mut parts, body) = request.into_parts();
        let Some(matched) = self.routes.find(parts.method.as_str(), parts.uri.path()) else {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        };
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let Ok(claims) = self
            .authorizer
            .check(authorization.and_then(|value| value.to_str().ok()))
        else {
            return unauthorized(authorization.is_some());
        };
        if head_bytes(&parts) > HEAD_LIMIT_BYTES {
            return refusal(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request Header Fields Too Large",
            );
        }
        let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT_BYTES).await else {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let trace = trace::ensure(&mut parts.headers);
        let received = event::Received {
            matched: &matched,
            claims: &claims,
            request_id,
            source: source.ip(),
            at: Utc::now(),
        };
        let event = event::build(&parts, &body, &received);
        self.invoke(matched.function, event, trace).await
    }

    async fn invoke(&self, function: &str, event: Value, trace: String) -> Response {
        let event = Bytes::from(event.to_string());
        let invocation = self.functions.invoke_traced(function, event, Some(trace));
        match timeout(INTEGRATION_LIMIT, invocation).await {
            Ok(Ok(payload)) => answer::build(&payload).unwrap_or_else(|_| {
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }),
            Ok(Err(InvokeError::Function(_) | InvokeError::UnknownFunction(_))) => {
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Ok(Err(InvokeError::NoInstance(_))) | Err(_) => {
                refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
        }
    }
}

async fn handle<Functions: Invoke + 'static>(
    State(gateway): State<Arc<Gateway<Functions>>>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let request_id = request_id();
    let mut response = gateway.answer(request, source, &request_id).await;
    gateway.counts.add(response.status());
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("apigw-requestid"), value);
    }
    response
}

/// How long the request line is with the values of the headers.
fn head_bytes(parts: &Parts) -> usize {
    let line = format!("{} {} {:?}", parts.method, parts.uri, parts.version);
    let values = parts.headers.values().map(HeaderValue::len);
    line.len() + values.sum::<usize>()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"message": message}))).into_response()
}

fn unauthorized(token_was_given: bool) -> Response {
    let challenge = if token_was_given {
        r#"Bearer error="invalid_token""#
    } else {
        "Bearer"
    };
    let mut response = refusal(StatusCode::UNAUTHORIZED, "Unauthorized");
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    );
    response
}

/// Publishes the key set where an issuer does, until the task is dropped.
pub async fn serve_key_set(listener: TcpListener, key_set: Value) -> Result<()> {
    let router = Router::new().route(
        "/.well-known/jwks.json",
        get(move || std::future::ready(Json(key_set.clone()))),
    );
    Ok(axum::serve(listener, router).await?)
}
