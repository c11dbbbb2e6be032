//! A corner of Redis for each test: a prefix of its own, and its keys deleted at the end.

use std::time::Duration;

use redis::AsyncCommands;

use crate::teardown::{finish, unique_name};

/// The longest that may be waited for Redis, for tests that are not about a slow one: a busy machine stalls for longer than is
/// usual, and answers come past the cache then, as they should.
pub const PATIENT: (&str, &str) = ("REDIS_TIMEOUT_MS", "1000");
/// The same.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The prefix of one test. Dropping the value deletes every key under it.
#[derive(Debug)]
pub struct Keyspace {
    prefix: String,
}

impl Default for Keyspace {
    fn default() -> Self {
        Self {
            prefix: format!("{}:", unique_name("t")),
        }
    }
}

impl Keyspace {
    /// What stands in front of every key.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        url()
    }

    /// Every key of this test, sorted.
    pub async fn keys(&self) -> Vec<String> {
        keys_under(&self.prefix).await.expect("Redis answers")
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let prefix = self.prefix.clone();
        finish("a Redis prefix", async move {
            let keys = keys_under(&prefix).await?;
            if !keys.is_empty() {
                connection().await?.del::<_, ()>(keys).await?;
            }
            Ok(())
        });
    }
}

fn url() -> String {
    std::env::var("REDIS_URL").expect("REDIS_URL is set; run the tests with `make test`")
}

async fn connection() -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    redis::Client::open(url())?
        .get_multiplexed_async_connection()
        .await
}

async fn keys_under(prefix: &str) -> redis::RedisResult<Vec<String>> {
    let mut connection = connection().await?;
    let mut found = Vec::new();
    let mut scan = connection
        .scan_match::<_, String>(format!("{prefix}*"))
        .await?;
    while let Some(key) = scan.next_item().await {
        found.push(key?);
    }
    found.sort();
    Ok(found)
}
