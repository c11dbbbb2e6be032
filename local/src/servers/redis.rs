//! Redis on loopback: a single node, and the three nodes of a real cluster. Both forget everything when they stop.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{Probe, until_ready};
use super::tls::Certificates;
use super::{Home, Server, ports::free_port, run_tool};
use crate::process::ProcessDirectory;

/// The least number of masters from which `redis-cli` makes a cluster.
const CLUSTER_NODES: usize = 3;

/// One running Redis server.
pub struct Redis {
    /// The process.
    pub server: Arc<Server>,
    /// The authority of its certificate, in PEM.
    pub authority: PathBuf,
    port: u16,
    tls_port: u16,
}

impl Redis {
    /// Starts a single node.
    pub async fn start(home: &Home, processes: &ProcessDirectory) -> Result<Self> {
        Self::start_node(home, processes, "redis", &[]).await
    }

    /// The address that clients take.
    pub fn url(&self) -> String {
        format!("redis://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// The address that clients take over TLS.
    pub fn tls_url(&self) -> String {
        format!("rediss://{}:{}", Ipv4Addr::LOCALHOST, self.tls_port)
    }

    async fn start_node(
        home: &Home,
        processes: &ProcessDirectory,
        name: &str,
        options: &'static [&'static str],
    ) -> Result<Self> {
        let (port, tls_port) = (free_port()?, free_port()?);
        let folder = home.path.join(name);
        home.create_folder(&folder)?;
        let home = home.clone();
        let certificates = Certificates::open(&home)?;
        let authority = certificates.authority.clone();
        let command = move || {
            let mut command = home.command("redis-server");
            command.args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
            ]);
            command.args(["--tls-port", &tls_port.to_string()]);
            command.args(["--tls-auth-clients", "no"]);
            command
                .arg("--tls-cert-file")
                .arg(&certificates.certificate);
            command.arg("--tls-key-file").arg(&certificates.key);
            command
                .arg("--tls-ca-cert-file")
                .arg(&certificates.authority);
            command.arg("--dir").arg(&folder).args(options);
            command
        };
        let server = Server::launch(
            name,
            processes,
            command,
            Probe::Redis(port),
            Signal::SIGTERM,
        )
        .await?;
        Ok(Self {
            server: Arc::new(server),
            authority,
            port,
            tls_port,
        })
    }
}

/// What makes a server a cluster node.
const CLUSTER_OPTIONS: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];

/// A running cluster.
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts three masters and joins them.
    pub async fn start(home: &Home, processes: &ProcessDirectory) -> Result<Self> {
        let names: Vec<String> = (1..=CLUSTER_NODES)
            .map(|number| format!("redis-cluster-{number}"))
            .collect();
        let nodes = try_join_all(
            names
                .iter()
                .map(|name| Redis::start_node(home, processes, name, &CLUSTER_OPTIONS)),
        )
        .await?;
        let mut join = home.command("redis-cli");
        join.args(["--cluster", "create", "--cluster-yes"]);
        join.args(
            nodes
                .iter()
                .map(|node| format!("{}:{}", Ipv4Addr::LOCALHOST, node.port)),
        );
        run_tool(&mut join)
            .await
            .context("cannot join the Redis cluster")?;
        for node in &nodes {
            until_ready(
                "the Redis cluster",
                || Ok(()),
                || sees_the_cluster(node.port),
            )
            .await?;
        }
        Ok(Self { nodes })
    }

    /// The address of a seed node, from which a cluster client learns the others.
    pub fn seed_url(&self) -> String {
        self.nodes[0].url()
    }

    /// Stops all nodes.
    pub async fn stop(&self) {
        futures_util::future::join_all(self.nodes.iter().map(|node| node.server.stop())).await;
    }
}

pub(super) async fn answers_ping(port: u16) -> Result<()> {
    let answer = ask(port, "PING").await?;
    ensure!(answer.starts_with("+PONG"), "Redis answered {answer:?}");
    Ok(())
}

/// The nodes tell each other of the joined cluster a moment after `redis-cli` is done.
async fn sees_the_cluster(port: u16) -> Result<()> {
    let answer = ask(port, "CLUSTER INFO").await?;
    ensure!(
        answer.contains("cluster_state:ok"),
        "the Redis cluster is not joined yet"
    );
    Ok(())
}

/// Sends one inline command and reads the first piece of its answer, which holds all of a short one.
async fn ask(port: u16, command: &str) -> Result<String> {
    const ANSWER_BYTES: usize = 4096;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    let mut answer = vec![0; ANSWER_BYTES];
    let length = stream.read(&mut answer).await?;
    answer.truncate(length);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
