//! Redis is killed, paused, slow, or out of the recorder's reach alone.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::poll;
use tests::proxy::{Proxy, When};
use tokio::time::sleep;

use crate::cache::{Cache, with_a_redis};
use crate::site::{LIMIT, POLL, QUESTIONS, Site};
use crate::watch::Seen;

const WHILE: Duration = Duration::from_secs(3);
/// Beyond what a recorder and a reader wait for Redis.
const LATE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_redis() {
    with_a_redis(async |site, cache| {
        killed(site, cache).await;
        paused(site, cache).await;
        slow(site).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_late_to_redis() {
    with_a_redis(async |site, _| {
        out_of_the_recorders_reach(site).await;
        an_answer_is_planted_late(site).await;
    })
    .await;
}

/// The breaker of a running function opens, and closes again.
async fn killed(site: &Site, cache: &Cache) {
    until_hit(site).await;
    let fault = async {
        cache.server.server.kill().await;
        for question in QUESTIONS {
            site.until(question, "does not bypass", |told| told.cache == "bypass")
                .await;
        }
        until_breaker(site, true).await;
        sleep(WHILE).await;
        cache.server.server.start().await.expect("it starts again");
    };
    let ((), seen) = site.under_load(fault).await;
    assert_eq!(seen.unavailable, 0, "the database answers: {seen:?}");
    site.recover("Redis is killed", seen).await;
    let begun = Instant::now();
    until_hit(site).await;
    until_breaker(site, false).await;
    println!(
        "Redis is killed: hits again, the breaker closed, after {} ms",
        begun.elapsed().as_millis()
    );
}

async fn until_hit(site: &Site) {
    for question in QUESTIONS {
        site.until(question, "is no hit", |told| told.cache == "hit")
            .await;
    }
}

/// Asks until the last that an instance has told is that its breaker is open, or closed.
async fn until_breaker(site: &Site, open: bool) {
    let wanted = format!("\"BreakerOpen\":{}", i32::from(open));
    let begun = Instant::now();
    loop {
        let is_so = |instance| {
            let log = site.log("summary", instance);
            let last = log.lines().rfind(|line| line.contains("BreakerOpen"));
            last.is_some_and(|line| line.contains(&wanted))
        };
        if [1, 2].into_iter().all(is_so) {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "the breakers are not {wanted}");
        site.ask("summary").await;
        sleep(POLL).await;
    }
}

/// What is recorded meanwhile is forgotten when Redis is back: one that hangs has lost nothing.
async fn paused(site: &Site, cache: &Cache) {
    until_hit(site).await;
    let fault = async {
        cache.server.server.pause().await;
        sleep(WHILE).await;
        site.acknowledged().await;
    };
    let ((), seen) = site.under_load(fault).await;
    assert_eq!(seen.unavailable, 0, "the database answers: {seen:?}");
    assert_eq!(seen.stale, 0, "{seen:?}");
    println!("Redis is paused: {seen}");
    cache.server.server.resume().await;
    forgotten(site, "Redis was paused").await;
}

async fn slow(site: &Site) {
    until_hit(site).await;
    let fault = async {
        site.redis().into_iter().for_each(|redis| redis.delay(LATE));
        sleep(WHILE).await;
        site.acknowledged().await;
    };
    let ((), seen) = site.under_load(fault).await;
    assert_eq!(seen.unavailable, 0, "the database answers: {seen:?}");
    assert_eq!(seen.stale, 0, "{seen:?}");
    println!("Redis is slow: {seen}");
    site.redis().into_iter().for_each(Proxy::pass);
    forgotten(site, "Redis was slow").await;
}

/// The exception that the design makes: what cannot be forgotten is owed, by a note on the queue.
async fn out_of_the_recorders_reach(site: &Site) {
    until_hit(site).await;
    let fault = async {
        site.recorder.redis.blackhole();
        sleep(WHILE).await;
        site.acknowledged().await;
    };
    let ((), seen) = site.under_load(fault).await;
    assert_eq!(seen.unavailable, 0, "{seen:?}");
    println!(
        "Redis is out of the recorder's reach: {seen}, {} of them stale",
        seen.stale
    );
    // What was swallowed comes now: closings and openings of transactions that are over.
    site.recorder.redis.pass();
    forgotten(site, "Redis was out of the recorder's reach").await;
}

/// Waits until the notes of what is to be forgotten are done, and says for how long answers were stale. From then on none is.
async fn forgotten(site: &Site, when: &str) {
    let begun = Instant::now();
    let (mut seen, mut last_stale) = (Seen::default(), Duration::ZERO);
    let mut done = pin!(site.drained());
    while poll!(&mut done).is_pending() {
        let stale_before = seen.stale;
        seen.judge(&site.ask("summary").await);
        if seen.stale > stale_before {
            last_stale = begun.elapsed();
        }
        sleep(POLL).await;
    }
    let (stale, answers) = (seen.stale, seen.answers);
    let last_ms = last_stale.as_millis();
    println!("{when}: {stale} of {answers} answers were stale, the last after {last_ms} ms");
    site.assert_exact(when).await;
    let ((), seen) = site.under_load(sleep(WHILE / 3)).await;
    site.recover(when, seen).await;
}

/// A reader has asked the database before a call is recorded, and comes to plant its answer only after that is acknowledged.
async fn an_answer_is_planted_late(site: &Site) {
    for question in QUESTIONS {
        site.send().await;
        site.acknowledged().await;
        let held = site.readers.redis.hold(b"\r\nSET\r\n", 1, When::Before);
        site.until(question, "is not right", |told| told.is_right())
            .await;
        held.reached().await;
        site.send().await;
        site.acknowledged().await;
        held.release();
        let mut seen = Seen::default();
        for _ in 0..10 {
            seen.judge(&site.ask(question).await);
            sleep(POLL).await;
        }
        assert_eq!(seen.stale, 0, "{question}: {seen:?}");
    }
    site.assert_exact("an answer is planted late").await;
}
