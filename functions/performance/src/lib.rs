//! `GET /api/lp/{lpId}/performance`: the LP's performance over all its funds, and in each.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::Performance;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(app, request, Performance::PARAMETERS, Performance::parse).await
}
