//! `GET /api/lp/{lpId}/summary`: the LP's position in each currency.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::Summary;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(app, request, Summary::PARAMETERS, Summary::parse).await
}
