//! Lets tests take the stack's servers away and bring them back: `POST /servers/{name}/{start|stop|kill|pause|resume}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::servers::Server;

/// The routes, beside those that invoke functions.
pub(super) fn router(servers: Vec<Arc<Server>>) -> Router {
    Router::new()
        .route("/servers/{name}/{action}", post(act))
        .with_state(servers)
}

async fn act(
    State(servers): State<Vec<Arc<Server>>>,
    Path((name, action)): Path<(String, String)>,
) -> Response {
    let Some(server) = servers.iter().find(|server| server.name() == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match action.as_str() {
        "stop" => server.stop().await,
        "kill" => server.kill().await,
        "pause" => server.pause().await,
        "resume" => server.resume().await,
        "start" => {
            if let Err(failure) = server.start().await {
                return (StatusCode::INTERNAL_SERVER_ERROR, format!("{failure:#}")).into_response();
            }
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    }
    StatusCode::NO_CONTENT.into_response()
}
