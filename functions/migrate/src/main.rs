//! The function's entry point: telemetry, configuration, run.

use lambda_runtime::{Error, service_fn};
use migrate::Target;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let target = Target::from_env()?;
    lambda_runtime::run(service_fn(|event| migrate::handle(&target, event))).await
}
