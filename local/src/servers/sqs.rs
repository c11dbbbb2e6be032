//! An SQS endpoint on loopback: the Python program moto, which behaves like the service but triggers no functions.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::process::Command;

use super::server::Probe;
use super::{Server, ports::free_port};
use crate::process::ProcessDirectory;

/// The region that every local client and resource name uses.
pub const REGION: &str = "us-east-1";
/// moto accepts any credentials, but the client insists on having some.
pub const CREDENTIAL: &str = "local";

/// A running SQS endpoint.
pub struct Sqs {
    /// The process.
    pub server: Arc<Server>,
    port: u16,
}

impl Sqs {
    /// Starts moto from the project's virtual environment, or else from the search path.
    pub async fn start(project: &Path, processes: &ProcessDirectory) -> Result<Self> {
        let port = free_port()?;
        let program = program(project);
        let command = move || {
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        };
        let server = Server::launch(
            "sqs",
            processes,
            command,
            Probe::Port(port),
            Signal::SIGTERM,
        )
        .await;
        let server = server.context("moto does not run; `make setup` installs it")?;
        Ok(Self {
            server: Arc::new(server),
            port,
        })
    }

    /// The address to give to clients.
    pub fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }
}

fn program(project: &Path) -> PathBuf {
    let installed = project.join("target/venv/bin/moto_server");
    if installed.exists() {
        installed
    } else {
        PathBuf::from("moto_server")
    }
}

/// The variables by which the SDK finds the endpoint.
pub fn client_environment(endpoint: &str) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL_SQS", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", CREDENTIAL.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", CREDENTIAL.to_owned()),
    ]
}
