//! A cache on one of the two servers, and what is done to it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::FromRedisValue;
use shared::cache::{Cache, Closure, Finding, Place, ReportName, TagSet, Turn};
use shared::config::RedisConfig;
use shared::grant::{Funds, Grant};
use shared::ids::LpId;
use tests::builders::kept_grant;
use tests::redis::PATIENCE;
use tests::teardown::unique_name;

/// A cache with a prefix of its own on one of the two servers.
pub struct Server {
    pub config: RedisConfig,
    pub cache: Cache,
}

impl Server {
    pub fn one_node() -> Self {
        Self::at(&variable("REDIS_URL"), false)
    }

    pub fn cluster() -> Self {
        Self::at(&variable("REDIS_CLUSTER_URL"), true)
    }

    pub fn at(url: &str, cluster: bool) -> Self {
        let prefix = format!("{}:", unique_name("t"));
        let config = RedisConfig {
            iam: None,
            ca_file: None,
            url: url.to_owned(),
            cluster,
            prefix,
            timeout: PATIENCE,
        };
        let cache = Cache::new(&config).expect("the URL is well formed");
        Self { config, cache }
    }

    pub fn other_process(&self) -> Cache {
        Cache::new(&self.config).expect("the URL is well formed")
    }

    /// The place of LP 42's summary.
    pub fn summary(&self) -> Place {
        self.place(ReportName::Summary)
    }

    pub fn place(&self, report: ReportName) -> Place {
        self.cache
            .place(report, lp(42), "asOf=2024-03-01", "ada", noon())
    }

    pub async fn run<T: FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let url = self.config.url.as_str();
        let outcome = if self.config.cluster {
            let client = redis::cluster::ClusterClient::new([url]).expect("the URL is well formed");
            let mut cluster = client
                .get_async_connection()
                .await
                .expect("the cluster is up");
            command.query_async(&mut cluster).await
        } else {
            let client = redis::Client::open(url).expect("the URL is well formed");
            let mut node = client
                .get_multiplexed_async_connection()
                .await
                .expect("Redis is up");
            command.query_async(&mut node).await
        };
        outcome.expect("the command is right")
    }

    /// The keys of this test that hold `part`.
    pub async fn keys_with(&self, part: &str) -> Vec<String> {
        self.run(redis::cmd("KEYS").arg(format!("{}*{part}*", self.config.prefix)))
            .await
    }
}

pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set; run the tests with `make test`"))
}

pub fn lp(id: i64) -> LpId {
    LpId::try_from(id).expect("an id")
}

pub fn noon() -> DateTime<Utc> {
    "2024-03-01T12:00:00Z".parse().expect("a time")
}

/// A grant without which nothing that is planted is looked for.
pub fn believed() -> Grant {
    kept_grant(Duration::from_secs(60))
}

pub fn closure(tags: TagSet) -> Closure {
    Closure::new([(lp(42), tags)])
}

pub async fn find(cache: &Cache, place: &Place) -> Finding<String> {
    cache
        .find(place, &Funds::All, |bytes| String::from_utf8(bytes).ok())
        .await
}

/// Whether it is known that whoever asks may see what is asked for.
pub async fn is_proven(cache: &Cache, place: &Place, asked: &Funds) -> bool {
    let found = cache.find(place, asked, Some).await;
    !matches!(found, Finding::Unproven)
}

/// A turn of somebody who may see the LP.
pub async fn turn(cache: &Cache, place: &Place) -> Turn {
    cache.keep_grant(place, &believed()).await;
    match find(cache, place).await {
        Finding::Absent { turn } => turn,
        Finding::Answer { answer } => panic!("an answer is there: {answer}"),
        Finding::Unproven => panic!("the grant is not kept"),
    }
}

/// What somebody is told who may see the LP.
pub async fn answer(cache: &Cache, place: &Place) -> Option<String> {
    cache.keep_grant(place, &believed()).await;
    match find(cache, place).await {
        Finding::Answer { answer } => Some(answer),
        Finding::Absent { turn } => {
            cache.settle(place, turn, None).await;
            None
        }
        Finding::Unproven => panic!("the grant is not kept"),
    }
}

pub async fn plant(cache: &Cache, place: &Place, text: &str) {
    let turn = turn(cache, place).await;
    cache.settle(place, turn, Some(text.as_bytes())).await;
}

pub async fn close(cache: &Cache, closure: &Closure) {
    cache.close(closure).await.expect("Redis answers");
}

pub async fn open(cache: &Cache, closure: &Closure) {
    cache.open(closure).await.expect("Redis answers");
}
