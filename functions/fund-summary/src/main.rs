//! The function's entry point: telemetry, clients, run.

use shared::app::App;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    App::start()?.serve(fund_summary::handle).await
}
