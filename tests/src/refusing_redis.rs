//! A user of Redis who may read and not write: to whom it refuses what it refuses everyone when it is full or a replica.

use redis::{Cmd, Value};

use crate::teardown::{finish, unique_name};

/// The user, on some nodes of a server. Dropping the value deletes it.
#[derive(Debug)]
pub struct Reader {
    name: String,
    nodes: Vec<String>,
}

impl Reader {
    /// A user who may do anything on the nodes, but write on the first of them only read.
    pub async fn create(nodes: Vec<String>) -> Self {
        let name = unique_name("reader");
        for (position, node) in nodes.iter().enumerate() {
            let mut user = redis::cmd("ACL");
            user.arg("SETUSER").arg(&name).arg("on").arg(">secret");
            user.arg("~*").arg("+@all");
            if position == 0 {
                user.arg("-@write");
            }
            run(node, &user).await.expect("Redis takes the user");
        }
        Self { name, nodes }
    }

    /// The address of a node as the user takes it.
    #[must_use]
    pub fn url(&self, node: &str) -> String {
        node.replace("://", &format!("://{}:secret@", self.name))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let (name, nodes) = (self.name.clone(), self.nodes.clone());
        finish("a Redis user", async move {
            for node in nodes {
                run(&node, redis::cmd("ACL").arg("DELUSER").arg(&name)).await?;
            }
            Ok(())
        });
    }
}

/// The addresses of a cluster's nodes.
pub async fn cluster_nodes(seed: &str) -> Vec<String> {
    let nodes = run(seed, redis::cmd("CLUSTER").arg("NODES")).await;
    let text: String = redis::from_redis_value(nodes.expect("a cluster")).expect("text");
    let address = |line: &str| {
        let address = line.split(' ').nth(1)?.split('@').next()?;
        Some(format!("redis://{address}"))
    };
    text.lines().filter_map(address).collect()
}

/// Runs a command on one node, as someone who may do anything.
pub async fn run(node: &str, command: &Cmd) -> redis::RedisResult<Value> {
    let client = redis::Client::open(node)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    command.query_async(&mut connection).await
}
