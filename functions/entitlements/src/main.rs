//! The function's entry point: telemetry, clients, run.

use lambda_runtime::{Error, service_fn};
use shared::app::App;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = App::start()?;
    lambda_runtime::run(service_fn(|event| entitlements::handle(&app, event))).await
}
