//! The whole system on one machine: servers on free loopback ports, a host for the function binaries that speaks the
//! Lambda Runtime API, a gateway, a queue poller and a schedule that do what their counterparts in the cloud do.
//! It runs the functions' binaries and never calls into their code; what it must know of them stands in the template.

pub mod cli;
pub mod client;
pub mod directory;
pub mod environment_file;
pub mod gateway;
pub mod host;
pub mod metrics;
pub mod poller;
pub mod process;
pub mod queue;
pub mod sample;
pub mod schedule;
pub mod servers;
pub mod services;
pub mod shutdown;
pub mod stack;
pub mod template;

use std::path::Path;

/// The project's folder: the template, the sample events and the virtual environment of moto are found from here.
pub fn project_directory() -> &'static Path {
    const CRATE: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(CRATE)
        .parent()
        .unwrap_or_else(|| Path::new(CRATE))
}
