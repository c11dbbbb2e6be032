//! `GET /api/lp/{lpId}/access-log`: who looked at the LP, page by page.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::AccessLog;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(app, request, AccessLog::PARAMETERS, AccessLog::parse).await
}
