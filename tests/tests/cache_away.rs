//! A Redis that is gone, silent, or back again: readers lose little time and no answer, recorders are told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::Utc;
use shared::cache::{Cache, Closure, Finding, Place, ReportName, Tag, TagSet};
use shared::config::RedisConfig;
use shared::grant::Funds;
use shared::ids::LpId;
use tests::proxy::Proxy;
use tests::teardown::unique_name;
use tokio::net::TcpListener;

fn lp() -> LpId {
    LpId::try_from(42).expect("an id")
}

fn cache_at(address: SocketAddr) -> Cache {
    let prefix = format!("{}:", unique_name("t"));
    Cache::new(&RedisConfig {
        iam: None,
        ca_file: None,
        url: format!("redis://{address}"),
        cluster: false,
        prefix,
    })
    .expect("a URL")
}

fn place(cache: &Cache) -> Place {
    cache.place(ReportName::Summary, lp(), "", "ada", Utc::now())
}

/// Whether the cache could be asked.
async fn is_reachable(cache: &Cache) -> bool {
    let place = place(cache);
    match cache.find(&place, &Funds::All, Some).await {
        Finding::Unproven | Finding::Answer { .. } => true,
        Finding::Absent { turn } => turn.cache_is_reachable(),
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A proxy before the real Redis.
async fn proxy() -> Proxy {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is set; run the tests with `make test`");
    Proxy::before_url(&url).await.0
}

#[tokio::test]
async fn a_dead_port_costs_next_to_nothing_and_recorders_are_told() {
    let (listener, address) = listen().await;
    drop(listener);
    let cache = cache_at(address);
    let start = Instant::now();
    for _ in 0..100 {
        assert!(!is_reachable(&cache).await);
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    let changes = Closure::new([(lp(), TagSet::of(&[Tag::Ledger]))]);
    assert!(
        cache
            .close(&changes)
            .await
            .is_err_and(|unreached| unreached.error.is_infrastructure())
    );
    assert!(cache.open(&changes).await.is_err());
}

#[tokio::test]
async fn a_silent_server_is_left_alone_after_three_tries() {
    let (_listener, address) = listen().await;
    let cache = cache_at(address);
    let start = Instant::now();
    for _ in 0..100 {
        assert!(!is_reachable(&cache).await);
    }
    // Three connections of 300 ms that are never greeted.
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_socket_that_died_in_between_is_replaced_within_the_same_read() {
    let proxy = proxy().await;
    let cache = cache_at(proxy.address());
    assert!(is_reachable(&cache).await);
    proxy.cut();
    assert!(is_reachable(&cache).await);
}

#[tokio::test]
async fn recorders_ask_although_readers_have_given_up() {
    let proxy = proxy().await;
    let cache = cache_at(proxy.address());
    proxy.refuse();
    for _ in 0..3 {
        assert!(!is_reachable(&cache).await);
    }
    proxy.pass();
    assert!(!is_reachable(&cache).await, "the breaker is open");
    let changes = Closure::new([(lp(), TagSet::of(&[Tag::Ledger]))]);
    cache.close(&changes).await.expect("Redis is back");
    cache.open(&changes).await.expect("Redis is back");
}
