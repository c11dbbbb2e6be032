//! `GET /api/lp/{lpId}/fund/{fundId}/performance`: the LP's position in one fund.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::FundPerformance;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(
        app,
        request,
        FundPerformance::PARAMETERS,
        FundPerformance::parse,
    )
    .await
}
