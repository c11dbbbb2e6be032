//! Grants and revokes, for administrators whose IAM identity may invoke it; docs/entitlements.md has the commands.

use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use shared::app::App;
use shared::entitlements::{Command, Done, Failure, carry_out};
use shared::metrics::measure_waits;

/// Carries out the command that the event is. What is refused says why and changes nothing.
pub async fn handle(app: &App, event: LambdaEvent<Value>) -> Result<Done, Error> {
    let (outcome, waits) = measure_waits(async {
        match Command::parse(event.payload, app.clock.now()) {
            Ok(command) => carry_out(app, &command).await,
            Err(refusal) => Err(Failure::Refused(refusal)),
        }
    })
    .await;
    app.measured(env!("CARGO_PKG_NAME"), waits).write();
    match &outcome {
        Ok(done) => tracing::info!(?done, "a command is carried out"),
        Err(failure) => tracing::error!(%failure, "a command is not carried out"),
    }
    outcome.map_err(Error::from)
}
