//! Redis is killed, paused, slow, or out of the recorder's reach alone.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::poll;
use tests::proxy::{Proxy, When};
use tokio::time::sleep;

use crate::cache::{Cache, with_a_redis};
use crate::functions::{Changed, IMPATIENT};
use crate::site::{LIMIT, POLL, QUESTIONS, Site};
use crate::watch::Seen;

const WHILE: Duration = Duration::from_secs(3);
/// Beyond what a recorder and a reader wait for Redis.
const LATE: Duration = Duration::from_millis(300);
/// How often a way is cut off within one fault.
const CUTS: u32 = 15;
/// How Redis seems to those whose way to it is cut off, what is done to the way, again and again, and whether nothing passes meanwhile.
type Severed = (&'static str, fn(&Proxy), bool);

const SEVERED: [Severed; 3] = [
    ("refuses", Proxy::refuse, true),
    ("is silent", Proxy::blackhole, true),
    ("drops connections", Proxy::cut, false),
];

/// For tests in which those who answer find Redis silent or slow, the one who records does, or all do.
const TO_READERS: Changed<'static> = Changed {
    reading: &IMPATIENT,
    recording: &[],
};
const TO_THE_RECORDER: Changed<'static> = Changed {
    reading: &[],
    recording: &IMPATIENT,
};
const TO_ALL: Changed<'static> = Changed {
    reading: &IMPATIENT,
    recording: &IMPATIENT,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_redis() {
    with_a_redis(TO_ALL, async |site, cache| {
        killed(site, cache).await;
        paused(site, cache).await;
        slow(site).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_recorder_brings_late_to_redis() {
    with_a_redis(TO_THE_RECORDER, async |site, _| {
        out_of_the_recorders_reach(site).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_reader_brings_late_to_redis() {
    with_a_redis(Changed::default(), async |site, _| {
        an_answer_is_planted_late(site).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_cut_off_from_redis_asks_the_database() {
    with_a_redis(TO_READERS, async |site, _| readers_are_cut_off(site).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_recorded_while_all_are_cut_off_from_redis() {
    with_a_redis(TO_ALL, async |site, _| all_are_cut_off(site).await).await;
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

/// For a while, in which only what drops connections makes a difference a second time.
async fn cut_off(ways: &[&Proxy], sever: fn(&Proxy)) {
    for _ in 0..CUTS {
        ways.iter().for_each(|way| sever(way));
        sleep(WHILE / CUTS).await;
    }
}

/// The recorder still closes the tags, so that nothing that was kept is taken for right when the readers are back.
async fn readers_are_cut_off(site: &Site) {
    for (how, sever, wholly) in SEVERED {
        let what = format!("Redis {how}, for readers");
        until_hit(site).await;
        let ways = [&site.readers.redis];
        let fault = cut_off(&ways, sever);
        let ((), seen) = site.under_load(fault).await;
        site.readers.redis.pass();
        let begun = Instant::now();
        assert_bypassed(&what, seen, wholly);
        tokio::join!(site.recover(&what, seen), hits_again(site, &what, begun));
    }
}

/// Nothing is closed either. Who reaches Redis between two cuts may find what the recorder could not forget.
async fn all_are_cut_off(site: &Site) {
    for (how, sever, wholly) in SEVERED {
        let what = format!("Redis {how}, for all");
        until_hit(site).await;
        let fault = async {
            cut_off(&site.redis(), sever).await;
            site.acknowledged().await;
        };
        let ((), seen) = site.under_load(fault).await;
        assert_bypassed(&what, seen, wholly);
        let stale = seen.stale;
        println!("{what}: {seen}, {stale} of them stale");
        assert!(stale == 0 || !wholly, "{what}: {seen:?}");
        site.redis().into_iter().for_each(Proxy::pass);
        let begun = Instant::now();
        forgotten(site, &what).await;
        hits_again(site, &what, begun).await;
    }
}

/// The database answers. A connection that is only dropped may be replaced before anybody misses it.
fn assert_bypassed(what: &str, seen: Seen, wholly: bool) {
    assert_eq!(seen.unavailable, 0, "{what}: {seen:?}");
    assert!(seen.bypasses > 0 || !wholly, "{what}: {seen:?}");
}

/// Waits for hits. No answer on the way to them is old.
async fn hits_again(site: &Site, what: &str, begun: Instant) {
    for question in QUESTIONS {
        site.until(question, "is no hit", |told| {
            assert!(told.is_right(), "{what}: {told:?}");
            told.cache == "hit"
        })
        .await;
    }
    let hit_ms = begun.elapsed().as_millis();
    println!("{what}: hits again after {hit_ms} ms");
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
        // What comes past the cache is not planted.
        site.until(question, "is not planted", |told| {
            told.is_right() && held.is_reached()
        })
        .await;
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
