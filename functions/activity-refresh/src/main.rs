//! The function's entry point: telemetry, clients, run.

// The future of a whole batch is nested more deeply than the compiler follows by default when it optimises.
#![recursion_limit = "256"]

use lambda_runtime::{Error, service_fn};
use shared::batch::Worker;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let worker = Worker::from_env().await?;
    lambda_runtime::run(service_fn(|event| activity_refresh::handle(&worker, event))).await
}
