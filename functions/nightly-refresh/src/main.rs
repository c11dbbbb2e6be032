//! The function's entry point: telemetry, clients, run.

// The future of a whole batch is nested more deeply than the compiler follows by default when it optimises.
#![recursion_limit = "256"]

use lambda_runtime::{Error, service_fn};
use nightly_refresh::Nightly;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let nightly = Nightly::from_env().await?;
    lambda_runtime::run(service_fn(|event| nightly_refresh::handle(&nightly, event))).await
}
