//! A Redis of a test's own, and what is looked up and done in it past the functions.

use local::servers::postgres::Role;
use local::servers::redis::Redis;
use redis::{Cmd, FromRedisValue, cmd};
use tests::database::Database;
use tests::throwaway::Throwaway;

use crate::functions::{AMPLE, Changed, Servers};
use crate::site::Site;

pub struct Cache {
    pub server: Redis,
    pub throwaway: Throwaway,
}

/// Runs a test of functions that share the database's server with all tests, and have a Redis for themselves. Nothing is wrong with the
/// database.
pub async fn with_a_redis(changed: Changed<'_>, test: impl AsyncFnOnce(&Site, &Cache)) {
    let throwaway = Throwaway::create();
    let server = Redis::start(&throwaway.home, &throwaway.processes).await;
    let cache = Cache {
        server: server.expect("Redis starts"),
        throwaway,
    };
    let database = Database::empty().await;
    let servers = Servers {
        database_url: database.url(Role::Administrator),
        redis_url: cache.server.url(),
        redis_prefix: String::new(),
    };
    let mut reading = vec![AMPLE];
    reading.extend_from_slice(changed.reading);
    let changed = Changed {
        reading: &reading,
        ..changed
    };
    let site = Site::open(servers, changed).await;
    test(&site, &cache).await;
    site.drained().await;
    site.close().await;
}

impl Cache {
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let client = redis::Client::open(self.server.url()).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.expect("Redis is up");
        let outcome = command.query_async(&mut connection).await;
        outcome.expect("the command is right")
    }

    pub async fn configure(&self, name: &str, value: &str) {
        self.run(cmd("CONFIG").arg("SET").arg(name).arg(value))
            .await
    }

    /// Deletes the keys that match, and says how many there were.
    pub async fn lose(&self, pattern: &str) -> usize {
        let keys: Vec<String> = self.run(cmd("KEYS").arg(pattern)).await;
        if keys.is_empty() {
            return 0;
        }
        self.run(cmd("DEL").arg(keys)).await
    }
}
