//! `GET /api/lp/{lpId}/performance/history`: how the LP's performance developed.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::PerformanceHistory;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(
        app,
        request,
        PerformanceHistory::PARAMETERS,
        PerformanceHistory::parse,
    )
    .await
}
