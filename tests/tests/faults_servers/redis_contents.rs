//! Redis loses what it has, or some of it, at any moment: that costs hits and never brings an old answer.

use std::time::Duration;

use redis::cmd;
use tests::proxy::When;
use tokio::time::sleep;

use crate::cache::{Cache, with_a_redis};
use crate::functions::Changed;
use crate::site::{QUESTIONS, Site};
use crate::watch::Seen;

const WHILE: Duration = Duration::from_millis(1500);
const LOSSES: u32 = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_redis_loses() {
    with_a_redis(Changed::default(), async |site, cache| {
        // All, the tags alone, all that is an answer, a grant or a lease.
        for lost in ["*", "*:tag:*", "*}:[^t]*:*"] {
            let losses = async {
                let mut keys = 0;
                for _ in 0..LOSSES {
                    keys += cache.lose(lost).await;
                    sleep(WHILE / LOSSES).await;
                }
                keys
            };
            let (keys, seen) = site.under_load(losses).await;
            assert!(keys > 0, "there were such keys: {lost}");
            site.recover(&format!("Redis loses {lost}"), seen).await;
        }
        a_closed_tag_is_lost(site, cache).await;
        short_of_memory(site, cache).await;
    })
    .await;
}

/// Between its closing and the commit a reader makes new tags, and plants what it read before the commit.
async fn a_closed_tag_is_lost(site: &Site, cache: &Cache) {
    site.drained().await;
    let held = site.recorder.database.hold(b"COMMIT", 1, When::Before);
    site.send().await;
    held.reached().await;
    let closed: Vec<String> = cache.run(cmd("KEYS").arg("*:tag:*")).await;
    assert!(!closed.is_empty(), "the tags are closed");
    cache.run::<()>(&cmd("FLUSHALL")).await;
    let mut callers = [Seen::default(); 2];
    ask_all(site, &mut callers).await;
    assert!(callers.iter().all(|caller| caller.hits > 0), "{callers:?}");
    held.release();
    site.acknowledged().await;
    ask_all(site, &mut callers).await;
    let [first, second] = callers;
    site.recover("a closed tag is lost", first.and(second))
        .await;
}

async fn ask_all(site: &Site, callers: &mut [Seen; 2]) {
    for (question, caller) in QUESTIONS.into_iter().zip(callers) {
        for _ in 0..5 {
            caller.judge(&site.ask(question).await);
        }
    }
}

async fn short_of_memory(site: &Site, cache: &Cache) {
    for policy in ["allkeys-lru", "noeviction"] {
        let fault = async {
            cache.configure("maxmemory-policy", policy).await;
            cache.configure("maxmemory", "1").await;
            sleep(WHILE).await;
            cache.configure("maxmemory", "0").await;
        };
        let ((), seen) = site.under_load(fault).await;
        assert_eq!(seen.unavailable, 0, "the database answers: {seen:?}");
        site.recover(&format!("Redis has no memory, {policy}"), seen)
            .await;
    }
}
