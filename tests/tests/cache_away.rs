//! A Redis that is gone, silent, or back again: readers lose little time and no answer, recorders are told.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use chrono::Utc;
use shared::cache::{Cache, Closure, Finding, Place, ReportName, Tag, TagSet};
use shared::config::RedisConfig;
use shared::grant::Funds;
use shared::ids::LpId;
use tests::proxy::Proxy;
use tests::redis::PATIENCE;
use tests::teardown::unique_name;
use tokio::net::TcpSocket;

/// For servers that are not to answer: what is the default.
const IMPATIENCE: Duration = Duration::from_millis(80);

fn lp() -> LpId {
    LpId::try_from(42).expect("an id")
}

fn cache_at(address: SocketAddr, timeout: Duration) -> Cache {
    let prefix = format!("{}:", unique_name("t"));
    Cache::new(&RedisConfig {
        iam: None,
        ca_file: None,
        url: format!("redis://{address}"),
        cluster: false,
        prefix,
        timeout,
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

/// A proxy before the real Redis.
async fn proxy() -> Proxy {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is set; run the tests with `make test`");
    Proxy::before_url(&url).await.0
}

#[tokio::test]
async fn a_dead_port_costs_next_to_nothing_and_recorders_are_told() {
    // Nobody listens at it, and nobody else is given it meanwhile.
    let port = TcpSocket::new_v4().expect("a socket");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    port.bind(any).expect("a free port");
    let cache = cache_at(port.local_addr().expect("an address"), IMPATIENCE);
    for is_left_alone in [false, false, true] {
        assert!(!is_reachable(&cache).await);
        assert_eq!(cache.is_left_alone(), is_left_alone);
    }
    for _ in 0..100 {
        assert!(!is_reachable(&cache).await);
        assert!(cache.is_left_alone());
    }
    let changes = Closure::new([(lp(), TagSet::of(&[Tag::Ledger]))]);
    assert!(
        cache
            .close(&changes)
            .await
            .is_err_and(|unreached| unreached.error.is_infrastructure())
    );
    assert!(cache.open(&changes).await.is_err());
}

/// It is tried again once in five seconds.
#[tokio::test]
async fn a_silent_server_is_left_alone_after_three_tries() {
    // Connections are made and nobody greets them.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    silent.set_nonblocking(true).expect("it does not wait");
    let cache = cache_at(silent.local_addr().expect("an address"), IMPATIENCE);
    let start = Instant::now();
    for _ in 0..100 {
        assert!(!is_reachable(&cache).await);
    }
    let rests = start.elapsed().as_secs() / 5;
    let tries = silent.incoming().take_while(Result::is_ok).count() as u64;
    assert!((3..=3 + rests).contains(&tries), "{tries} in {rests} rests");
}

#[tokio::test]
async fn a_socket_that_died_in_between_is_replaced_within_the_same_read() {
    let proxy = proxy().await;
    let cache = cache_at(proxy.address(), PATIENCE);
    assert!(is_reachable(&cache).await);
    proxy.cut();
    assert!(is_reachable(&cache).await);
}

#[tokio::test]
async fn recorders_ask_although_readers_have_given_up() {
    let proxy = proxy().await;
    let cache = cache_at(proxy.address(), PATIENCE);
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
