//! Grants and revokes, for administrators whose IAM identity may invoke it; docs/entitlements.md has the commands.

use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use shared::app::App;
use shared::entitlements::{Command, Done, Failure, carry_out};

/// Carries out the command that the event is. What is refused says why and changes nothing.
pub async fn handle(app: &App, event: LambdaEvent<Value>) -> Result<Done, Error> {
    let outcome = match Command::parse(event.payload, app.clock.now()) {
        Ok(command) => carry_out(app, &command).await,
        Err(refusal) => Err(Failure::Refused(refusal)),
    };
    match &outcome {
        Ok(done) => tracing::info!(?done, "a command is carried out"),
        Err(failure) => tracing::error!(%failure, "a command is not carried out"),
    }
    outcome.map_err(Error::from)
}
