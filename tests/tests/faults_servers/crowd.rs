//! More callers than connections: who gets none is told so in time, and nothing piles up.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lambda_http::{Body, Response};
use local::servers::postgres::Role;
use shared::app::App;
use shared::config::Environment;
use tests::builders::{World, grant};
use tests::database::Database;
use tests::http::{event, header, request};
use tests::platform::Process;
use tests::proxy::Proxy;
use tests::redis::{Keyspace, PATIENT};
use tokio::time::{sleep, timeout};

use crate::site::{LIMIT, POLL, QUESTIONS, SUBJECT, Site, number};
use crate::watch::Seen;

/// Four processes that answer, and connections for two of them.
pub async fn with_few_connections(site: &Site) {
    let client = site.connect().await;
    let run = async |sql: &str| client.batch_execute(sql).await.expect("it runs");
    run("alter role reader connection limit 2").await;
    run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'").await;
    let seen = burst(site, 2024).await;
    println!("4 processes and 2 connections: {seen}");
    assert!(seen.answers > 0 && seen.unavailable > 0, "{seen:?}");
    run("alter role reader connection limit -1").await;
    // One after the other: each process in its turn, and none has to wait for the machine.
    let mut seen = Seen::default();
    for answered in asked_of(site, 2025) {
        seen = seen.and(answered.await);
    }
    assert_eq!(seen.unavailable, 0, "all is well at once: {seen:?}");
    site.recover("connections are few", seen).await;
}

/// Asks much at once.
async fn burst(site: &Site, year: i32) -> Seen {
    join_all(asked_of(site, year))
        .await
        .into_iter()
        .fold(Seen::default(), Seen::and)
}

/// Questions about days of a year whose answers are in no cache. Each is asked when it is waited for.
fn asked_of(site: &Site, year: i32) -> impl Iterator<Item = impl Future<Output = Seen>> {
    let paths = (1..=28).flat_map(move |day| {
        QUESTIONS.map(|question| {
            (
                question,
                format!("{}?asOf={year}-02-{day:02}", site.path(question)),
            )
        })
    });
    paths.map(move |(question, path)| async move {
        let told = site.watch.ask(question, &path).await;
        let mut seen = Seen::default();
        seen.judge(&told);
        seen
    })
}

/// Forty callers of one process, which has one connection over which ten can be answered in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_share_a_connection_wait_no_longer_than_they_may() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let world = World::insert(&client).await;
    grant(&client, SUBJECT, world.lp_id).await;
    let (proxy, url) = Proxy::before_url(&database.url(Role::Reader)).await;
    let app = App::from_environment(&Environment::of(&[
        ("DATABASE_URL", &url),
        ("DATABASE_MAX_CONNECTIONS", "1"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "2000"),
        // Nobody is there: each answer is the database's.
        ("REDIS_URL", "redis://127.0.0.1:1"),
    ]));
    let app = app.expect("the environment is usable");
    let path = format!("/api/lp/{}/summary", world.lp_id);
    let ask = async || {
        let answering = summary::handle(&app, request(&path, Some(SUBJECT), &[]));
        let answered = timeout(LIMIT, answering).await;
        answered.expect("nobody waits for ever")
    };
    assert_eq!(ask().await.status(), 200);
    proxy.delay(Duration::from_millis(100));
    let begun = Instant::now();
    let responses = join_all((0..40).map(|_| ask())).await;
    let took_ms = begun.elapsed().as_millis();
    let [answered, refused] = [200, 503].map(|status| of_status(&responses, status));
    println!(
        "40 callers and 1 connection: {} answers, {} times 503, all within {took_ms} ms",
        answered.len(),
        refused.len()
    );
    assert_eq!(answered.len() + refused.len(), 40);
    assert!(!answered.is_empty() && !refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|response| header(response, "retry-after") == "1")
    );
    proxy.pass();
    for _ in 0..40 {
        assert_eq!(ask().await.status(), 200, "all is well at once");
    }
}

/// A database that takes no record of a look must not cost every answer of the cache the wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_the_cache_do_not_queue_for_a_silent_database() {
    const CALLERS: usize = 60;
    let (database, keyspace) = (Database::empty().await, Keyspace::default());
    let client = database.connect().await;
    let world = World::insert(&client).await;
    grant(&client, SUBJECT, world.lp_id).await;
    let (proxy, url) = Proxy::before_url(&database.url(Role::Reader)).await;
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &keyspace.url()),
        ("REDIS_PREFIX", keyspace.prefix()),
        PATIENT,
    ];
    let mut process = Process::start("summary", &variables).await;
    let question = event(
        &format!("/api/lp/{}/summary", world.lp_id),
        Some(SUBJECT),
        &[],
    );
    let mut look = async || {
        let answer = process.answer("a-look", &question).await;
        process.goes_on().await;
        answer["headers"]["x-cache"].as_str().map(str::to_owned)
    };
    assert_eq!(look().await.as_deref(), Some("miss"));
    assert_eq!(look().await.as_deref(), Some("hit"));
    proxy.blackhole();
    let begun = Instant::now();
    // A wait each would take twice as long.
    let looking = timeout(Duration::from_secs(30), async {
        for _ in 0..CALLERS {
            assert_eq!(look().await.as_deref(), Some("hit"));
        }
    });
    looking.await.expect("most of them do not wait");
    let took_ms = begun.elapsed().as_millis();
    println!("{CALLERS} hits after each other while Postgres is silent: {took_ms} ms");
    proxy.pass();
    let recorded = async || number(&client, "select count(*) from access_log").await;
    let before = recorded().await;
    while recorded().await <= before + 1 {
        look().await;
        assert!(begun.elapsed() < LIMIT, "looks are recorded again");
        sleep(10 * POLL).await;
    }
}

fn of_status(responses: &[Response<Body>], status: u16) -> Vec<&Response<Body>> {
    let with = responses
        .iter()
        .filter(|response| response.status() == status);
    with.collect()
}
