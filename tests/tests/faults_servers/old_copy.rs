//! Redis comes back from an old copy. Then, and only then, answers may be old although everything is in reach, for as long as an
//! answer is kept at most.

use std::fs;
use std::time::Duration;

use local::servers::postgres::Role;
use redis::cmd;
use shared::app::App;
use shared::cache::LONGEST_ANSWER_TTL;
use shared::config::Environment;
use tests::http::{header, json_of, request};
use tests::redis::PATIENT;

use crate::cache::{Cache, with_a_redis};
use crate::functions::Changed;
use crate::site::{LIMIT, POLL, SUBJECT, Site};
use crate::watch::Told;

/// Days on which everything is recorded, and which are today for nobody.
const DAYS: [&str; 2] = ["2024-01-30", "2024-01-31"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_redis_is_believed_until_the_next_call_or_its_answers_end() {
    with_a_redis(Changed::default(), async |site, cache| {
        record(site).await;
        // A refresh of the views would say nothing to the cache, but its settling might.
        site.drained().await;
        for day in DAYS {
            until_hit(site, day).await;
        }
        let old = site.watch.sent();
        let copy = copy_of(cache).await;
        record(site).await;
        restore(cache, &copy).await;
        for day in DAYS {
            assert_eq!(until_hit(site, day).await.shown(), old, "the old answer is back");
        }
        let left = life_left(cache).await;
        println!(
            "an old copy of Redis: its answers have {} s left, of {} s that an answer is kept at most",
            left.as_secs(),
            LONGEST_ANSWER_TTL.as_secs()
        );
        assert!(left <= LONGEST_ANSWER_TTL);
        // The end stands in the answer as well. Redis has it still.
        let later = left + Duration::from_secs(2);
        let told = ask_later(site, cache, DAYS[0], later).await;
        assert_eq!(told, ("miss".to_owned(), site.watch.sent()));
        assert_eq!(until_hit(site, DAYS[1]).await.shown(), old);
        record(site).await;
        assert_eq!(until_hit(site, DAYS[1]).await.shown(), site.watch.sent());
        site.assert_exact("an old copy of Redis").await;
    })
    .await;
}

async fn record(site: &Site) {
    site.send().await;
    site.acknowledged().await;
}

fn path(site: &Site, day: &str) -> String {
    format!("{}?asOf={day}", site.path("summary"))
}

/// Asks until the answer comes from the cache.
async fn until_hit(site: &Site, day: &str) -> Told {
    let asking = async {
        loop {
            let told = site.watch.ask("summary", &path(site, day)).await;
            if told.cache == "hit" {
                return told;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let asking = tokio::time::timeout(LIMIT, asking).await;
    asking.expect("it is cached")
}

/// The file of all that Redis has.
async fn copy_of(cache: &Cache) -> Vec<u8> {
    cache.run::<()>(&cmd("SAVE")).await;
    fs::read(dump(cache)).expect("it was saved")
}

async fn restore(cache: &Cache, copy: &[u8]) {
    cache.server.server.kill().await;
    fs::write(dump(cache), copy).expect("it is replaced");
    let started = cache.server.server.start().await;
    started.expect("it starts from the copy");
}

fn dump(cache: &Cache) -> std::path::PathBuf {
    cache.throwaway.home.path.join("redis/dump.rdb")
}

/// The longest that Redis keeps any of the answers.
async fn life_left(cache: &Cache) -> Duration {
    let keys: Vec<String> = cache.run(cmd("KEYS").arg("*:summary:*")).await;
    let mut longest_ms = 0;
    for key in keys {
        let left_ms: i64 = cache.run(cmd("PTTL").arg(key)).await;
        longest_ms = longest_ms.max(left_ms);
    }
    Duration::from_millis(longest_ms.unsigned_abs())
}

/// What somebody is told whose clock is so far ahead: how the cache was of use, and the calls in the answer.
async fn ask_later(site: &Site, cache: &Cache, day: &str, later: Duration) -> (String, u64) {
    let app = App::from_environment(&Environment::of(&[
        ("DATABASE_URL", &site.url(Role::Reader)),
        ("REDIS_URL", &cache.server.url()),
        PATIENT,
        ("CLOCK_OFFSET_SECONDS", &later.as_secs().to_string()),
    ]));
    let app = app.expect("the environment is usable");
    let response = summary::handle(&app, request(&path(site, day), Some(SUBJECT), &[])).await;
    let shown = json_of(&response)["totals"][0]["paidInCents"].as_u64();
    let shown = shown.expect("an answer");
    (header(&response, "x-cache").to_owned(), shown)
}
