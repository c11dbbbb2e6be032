//! `GET /api/lp/{lpId}/capital-activity`: the LP's ledger, page by page.

use lambda_http::{Body, Request, Response};
use shared::answer::answer;
use shared::app::App;
use shared::reports::CapitalActivity;

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(
        app,
        request,
        CapitalActivity::PARAMETERS,
        CapitalActivity::parse,
    )
    .await
}
