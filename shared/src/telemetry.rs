//! The log: one JSON object a line on standard output, where Lambda collects it.

use lambda_http::tracing::subscriber::{EnvFilter, fmt};

/// Starts logging at the level of `RUST_LOG`, `info` when it is absent or malformed. Called once, first thing in `main`.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
}
