//! The tag protocol of the cache, on one Redis node and on a cluster of three: whatever the order in which readers and
//! recorders come, an answer older than the last commit is never served.

mod server;

use std::time::{Duration, Instant};

use chrono::{SubsecRound, Utc};
use shared::cache::{Cache, Closure, Finding, ReportName, Tag, TagSet};
use shared::grant::Funds;
use tests::builders::kept_grant;

use server::{
    Server, answer, believed, close, closure, find, is_proven, lp, noon, open, plant, turn,
};

const LEDGER: TagSet = TagSet::of(&[Tag::Ledger]);
const HOLDINGS: TagSet = TagSet::of(&[Tag::Holdings]);

async fn a_planted_answer_is_found_by_another_process_and_so_is_the_grant(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    let turn = turn(cache, &place).await;
    assert!(turn.cache_is_reachable());
    cache.settle(&place, turn, Some(b"one")).await;
    let found = find(&server.other_process(), &place).await;
    assert!(matches!(found, Finding::Answer { answer } if answer == "one"));
}

async fn a_grant_is_one_subjects_for_what_it_covers(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    plant(cache, &place, "one").await;
    let fund = |id: i64| Funds::Only(vec![id.try_into().expect("an id")]);
    let mut grant = believed();
    grant.funds = fund(7);
    cache.keep_grant(&place, &grant).await;
    let others = cache.place(
        ReportName::Summary,
        lp(42),
        "asOf=2024-03-01",
        "bob",
        noon(),
    );
    assert!(is_proven(cache, &place, &fund(7)).await);
    assert!(!is_proven(cache, &place, &fund(8)).await);
    assert!(!is_proven(cache, &place, &Funds::All).await);
    assert!(!is_proven(cache, &others, &fund(7)).await);
}

/// Asked in the very moment in which it ends, of which there are several: on a busy machine one may be missed.
async fn a_grant_is_not_believed_from_its_end_on(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    plant(cache, &place, "one").await;
    for _ in 0..5 {
        let mut grant = kept_grant(Duration::from_millis(20));
        grant.believed_until = grant.believed_until.trunc_subsecs(3);
        cache.keep_grant(&place, &grant).await;
        while Utc::now() < grant.believed_until {
            tokio::task::yield_now().await;
        }
        assert!(!is_proven(cache, &place, &Funds::All).await);
    }
}

/// A client that lost its link sends again, and the first copy may come after everything else.
async fn a_claim_that_comes_twice_makes_another_token_each_time(server: Server) {
    let claim = async || -> Vec<String> {
        let mut command = redis::cmd("EVAL");
        command.arg(include_str!("../../../shared/src/cache/scripts/claim.lua"));
        let keys = ["lease", "tag"].map(|key| format!("{}{{42}}:{key}", server.config.prefix));
        command.arg(keys.len()).arg(&keys);
        server
            .run(command.arg("a reader").arg(60_000).arg(60_000))
            .await
    };
    let first = claim().await;
    assert_eq!(claim().await[1], first[1], "the token that is there");
    let tag = server.keys_with(":tag").await;
    server.run::<()>(redis::cmd("DEL").arg(&tag)).await;
    assert_ne!(claim().await[1], first[1]);
}

/// Who is not proven leaves nothing behind, and takes nobody's turn.
async fn who_is_not_proven_makes_no_token_and_takes_no_lease(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    assert!(matches!(find(cache, &place).await, Finding::Unproven));
    assert_eq!(server.keys_with("lp:{42}").await, [""; 0]);
}

async fn a_change_makes_stale_what_was_computed_from_it_and_nothing_else(server: Server) {
    let cache = &server.cache;
    for report in [
        ReportName::Summary,
        ReportName::CapitalActivity,
        ReportName::Holdings,
    ] {
        plant(cache, &server.place(report), report.slug()).await;
    }
    open(cache, &closure(LEDGER)).await;
    assert_eq!(
        answer(cache, &server.place(ReportName::Summary)).await,
        None
    );
    assert_eq!(
        answer(cache, &server.place(ReportName::CapitalActivity)).await,
        None
    );
    assert!(
        answer(cache, &server.place(ReportName::Holdings))
            .await
            .is_some()
    );
    open(cache, &closure(HOLDINGS)).await;
    assert_eq!(
        answer(cache, &server.place(ReportName::Holdings)).await,
        None
    );
}

async fn other_lps_keep_their_answers(server: Server) {
    let cache = &server.cache;
    let other = cache.place(
        ReportName::Summary,
        lp(43),
        "asOf=2024-03-01",
        "ada",
        noon(),
    );
    plant(cache, &other, "43").await;
    open(cache, &closure(LEDGER)).await;
    assert_eq!(answer(cache, &other).await.as_deref(), Some("43"));
}

async fn a_closure_reaches_every_lp_it_names(server: Server) {
    let cache = &server.cache;
    let place = |id| cache.place(ReportName::Holdings, lp(id), "", "ada", noon());
    for id in [1, 150, 300] {
        plant(cache, &place(id), "old").await;
    }
    let all = Closure::new((1..=300).map(|id| (lp(id), HOLDINGS)));
    close(cache, &all).await;
    assert_eq!(server.keys_with(":tag:holdings").await.len(), 300);
    open(cache, &all).await;
    for id in [1, 150, 300] {
        assert_eq!(answer(cache, &place(id)).await, None, "{id}");
    }
}

async fn a_slow_reader_cannot_plant_an_old_answer(server: Server) {
    let (cache, place, changes) = (&server.cache, server.summary(), closure(LEDGER));
    let slow = turn(cache, &place).await;
    // Here the reader reads the old rows; a recorder comes and goes.
    close(cache, &changes).await;
    open(cache, &changes).await;
    cache.settle(&place, slow, Some(b"old")).await;
    assert_eq!(answer(cache, &place).await, None);
}

async fn what_is_planted_while_a_tag_is_closed_is_never_found(server: Server) {
    let (cache, place, changes) = (&server.cache, server.summary(), closure(LEDGER));
    let slow = turn(cache, &place).await;
    close(cache, &changes).await;
    cache.settle(&place, slow, Some(b"old")).await;
    assert_eq!(answer(cache, &place).await, None);
    open(cache, &changes).await;
    assert_eq!(answer(cache, &place).await, None);
}

async fn while_a_tag_is_closed_nothing_is_planted_and_nobody_waits(server: Server) {
    let (cache, place, changes) = (&server.cache, server.summary(), closure(LEDGER));
    plant(cache, &place, "old").await;
    close(cache, &changes).await;
    let before = server.keys_with("summary").await;
    server.run::<()>(redis::cmd("DEL").arg(&before)).await;
    let (one, two) = (turn(cache, &place).await, turn(cache, &place).await);
    assert!(server.keys_with(":lease").await.is_empty());
    cache.settle(&place, one, Some(b"one")).await;
    cache.settle(&place, two, Some(b"two")).await;
    assert!(server.keys_with("summary").await.is_empty());
    open(cache, &changes).await;
    plant(cache, &place, "new").await;
    assert_eq!(answer(cache, &place).await.as_deref(), Some("new"));
}

async fn a_recorder_that_dies_causes_misses_only(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    plant(cache, &place, "old").await;
    close(cache, &closure(LEDGER)).await;
    let closed = server.keys_with(":tag:ledger").await;
    let left_ms: i64 = server.run(redis::cmd("PTTL").arg(&closed)).await;
    assert!(
        (1..=60_000).contains(&left_ms),
        "a closed tag ends by itself: {left_ms}"
    );
    server
        .run::<()>(redis::cmd("PEXPIRE").arg(&closed).arg(0))
        .await;
    assert_eq!(answer(cache, &place).await, None);
    plant(cache, &place, "new").await;
    assert_eq!(answer(cache, &place).await.as_deref(), Some("new"));
}

async fn tokens_outlive_what_is_planted_under_them(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    plant(cache, &place, "first").await;
    let ledger = server.keys_with(":tag:ledger").await;
    server
        .run::<()>(redis::cmd("PEXPIRE").arg(&ledger).arg(60_000))
        .await;
    // Another report under the same tag, planted when the token is nearly over.
    let late = server.place(ReportName::CapitalActivity);
    plant(cache, &late, "late").await;
    let answers = server.keys_with("capital-activity").await;
    let token_ms: i64 = server.run(redis::cmd("PTTL").arg(&ledger)).await;
    let answer_ms: i64 = server.run(redis::cmd("PTTL").arg(&answers)).await;
    assert!(token_ms >= answer_ms, "{token_ms} {answer_ms}");
}

async fn opening_leaves_alone_what_another_recorder_closed(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    let (first, second) = (closure(LEDGER), closure(LEDGER));
    close(cache, &first).await;
    close(cache, &second).await;
    open(cache, &first).await;
    let late = turn(cache, &place).await;
    cache.settle(&place, late, Some(b"old")).await;
    assert_eq!(answer(cache, &place).await, None);
    open(cache, &second).await;
    plant(cache, &place, "new").await;
    assert_eq!(answer(cache, &place).await.as_deref(), Some("new"));
}

async fn a_lost_tag_causes_misses_only(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    plant(cache, &place, "one").await;
    let tags = server.keys_with(":tag:performance").await;
    server.run::<()>(redis::cmd("DEL").arg(&tags)).await;
    assert_eq!(answer(cache, &place).await, None);
}

/// The others wait for a bounded time only, and a busy machine may let it run out or make a reader take Redis for away; then
/// they load as well, as they should, and the next attempt tells. Each is between processes of its own, with no breaker that
/// an earlier one has opened.
async fn one_loads_and_the_others_find_what_it_planted(server: Server) {
    for fingerprint in [
        "one", "two", "three", "four", "five", "six", "seven", "eight",
    ] {
        let (loader, waiter) = (server.other_process(), server.other_process());
        let place =
            |cache: &Cache| cache.place(ReportName::Summary, lp(42), fingerprint, "ada", noon());
        let (loaders_place, waiters_place) = (place(&loader), place(&waiter));
        let first = turn(&loader, &loaders_place).await;
        let loading = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            loader
                .settle(&loaders_place, first, Some(fingerprint.as_bytes()))
                .await;
        };
        if let (Finding::Answer { answer, .. }, ()) =
            futures_util::join!(find(&waiter, &waiters_place), loading)
        {
            assert_eq!(answer, fingerprint);
            return;
        }
    }
    panic!("none of those who waited found what was planted");
}

async fn who_waited_in_vain_loads_and_plants(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    let _stuck = turn(cache, &place).await;
    let start = Instant::now();
    let second = turn(&server.other_process(), &place).await;
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
    cache.settle(&place, second, Some(b"two")).await;
    assert_eq!(answer(cache, &place).await.as_deref(), Some("two"));
}

async fn a_turn_handed_back_is_anothers_at_once(server: Server) {
    assert_eq!(answer(&server.cache, &server.summary()).await, None);
    assert!(server.keys_with(":lease").await.is_empty());
}

async fn garbage_is_a_miss_and_is_replaced(server: Server) {
    let (cache, place) = (&server.cache, server.summary());
    plant(cache, &place, "one").await;
    let keys = server.keys_with(":summary:").await;
    server
        .run::<()>(redis::cmd("SET").arg(&keys).arg("garbage"))
        .await;
    assert_eq!(answer(cache, &place).await, None);
    plant(cache, &place, "two").await;
    assert_eq!(answer(cache, &place).await.as_deref(), Some("two"));
    let refused = cache.find(&place, &Funds::All, |_| None::<()>).await;
    assert!(matches!(refused, Finding::Absent { .. }));
}

async fn an_answer_ends_at_midnight(server: Server) {
    let cache = &server.cache;
    let at = |time: &str| {
        cache.place(
            ReportName::Holdings,
            lp(42),
            "",
            "ada",
            time.parse().expect("a time"),
        )
    };
    plant(cache, &at("2024-03-01T23:59:30Z"), "one").await;
    assert!(answer(cache, &at("2024-03-01T23:59:59Z")).await.is_some());
    assert_eq!(answer(cache, &at("2024-03-02T00:00:00Z")).await, None);
}

macro_rules! on_both_servers {
    ($($test:ident),* $(,)?) => {
        mod one_node {
            $(#[tokio::test] async fn $test() { super::$test(super::Server::one_node()).await })*
        }
        mod cluster {
            $(#[tokio::test] async fn $test() { super::$test(super::Server::cluster()).await })*
        }
    };
}

on_both_servers![
    a_planted_answer_is_found_by_another_process_and_so_is_the_grant,
    a_grant_is_one_subjects_for_what_it_covers,
    a_grant_is_not_believed_from_its_end_on,
    a_claim_that_comes_twice_makes_another_token_each_time,
    who_is_not_proven_makes_no_token_and_takes_no_lease,
    a_change_makes_stale_what_was_computed_from_it_and_nothing_else,
    other_lps_keep_their_answers,
    a_closure_reaches_every_lp_it_names,
    a_slow_reader_cannot_plant_an_old_answer,
    what_is_planted_while_a_tag_is_closed_is_never_found,
    while_a_tag_is_closed_nothing_is_planted_and_nobody_waits,
    a_recorder_that_dies_causes_misses_only,
    tokens_outlive_what_is_planted_under_them,
    opening_leaves_alone_what_another_recorder_closed,
    a_lost_tag_causes_misses_only,
    one_loads_and_the_others_find_what_it_planted,
    who_waited_in_vain_loads_and_plants,
    a_turn_handed_back_is_anothers_at_once,
    garbage_is_a_miss_and_is_replaced,
    an_answer_ends_at_midnight,
];
