//! `GET /api/fund/{fundId}/summary`: what all LPs of a fund have in it together, for its GP.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::FundSummary;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(app, request, FundSummary::PARAMETERS, FundSummary::parse).await
}
