//! The function's entry point: telemetry, clients, run.

use shared::app::App;
use shared::{http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let app = App::start()?;
    http::run(&app, fund_summary::handle).await
}
