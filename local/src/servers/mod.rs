//! The servers that the stack leans on (Postgres, Redis, an SQS endpoint), each its own on a free loopback port.

mod account;
mod ports;
pub mod postgres;
pub mod redis;
mod server;
pub mod sqs;
mod tls;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

pub use account::Home;
pub use server::Server;

/// Runs a short-lived tool to its end; its output is only of interest when it fails.
async fn run_tool(command: &mut Command) -> Result<()> {
    let name = Path::new(command.as_std().get_program())
        .display()
        .to_string();
    let output = command
        .output()
        .await
        .with_context(|| format!("cannot run {name}"))?;
    ensure!(
        output.status.success(),
        "{name} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
