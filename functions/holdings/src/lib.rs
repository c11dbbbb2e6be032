//! `GET /api/lp/{lpId}/holdings`: the LP's share of what its funds hold, page by page.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::Holdings;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(app, request, Holdings::PARAMETERS, Holdings::parse).await
}
