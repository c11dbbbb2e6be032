//! No answer older than the last commit is served: around a commit, on every report, and from a Redis that answers readers
//! and refuses recorders.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Utc;
use local::servers::redis::{Redis, RedisCluster};
use redis::Value;
use serde_json::json;
use shared::cache::{Cache, Closure, Finding, Place, ReportName, Tag, TagSet};
use shared::config::RedisConfig;
use shared::grant::Funds;
use shared::ids::LpId;
use shared::refresh::settle_fund_performance;
use tests::builders::{
    activity_message, fund_nav_message, insert_commitment, insert_lp, kept_grant,
};
use tests::office::Office;
use tests::redis::PATIENCE;
use tests::refusing_redis::{Reader, cluster_nodes, run};
use tests::teardown::unique_name;
use tests::throwaway::Throwaway;

const NONE: [usize; 0] = [];
const HOLDINGS: TagSet = TagSet::of(&[Tag::Holdings]);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set; run the tests with `make test`"))
}

fn lp(id: i64) -> LpId {
    LpId::try_from(id).expect("an id")
}

fn place(cache: &Cache, lp_id: i64, report: ReportName) -> Place {
    cache.place(report, lp(lp_id), "", "ada", Utc::now())
}

/// The answer that is served; when there is none, `old` is loaded and planted, as far as it may be.
async fn ask(cache: &Cache, place: &Place, old: &[u8]) -> Option<Vec<u8>> {
    let grant = kept_grant(Duration::from_secs(60));
    cache.keep_grant(place, &grant).await;
    match cache.find(place, &Funds::All, Some).await {
        Finding::Answer { answer } => Some(answer),
        Finding::Absent { turn } => {
            cache.settle(place, turn, Some(old)).await;
            None
        }
        Finding::Unproven => panic!("the grant is not kept"),
    }
}

async fn is_served(cache: &Cache, place: &Place) -> bool {
    ask(cache, place, b"new").await.is_some()
}

#[tokio::test]
async fn tags_are_closed_before_the_commit_and_opened_only_after_it() {
    let office = Office::open().await;
    let cache = &office.desk.app.cache;
    let summary = place(cache, office.world.lp_id, ReportName::Summary);
    assert_eq!(ask(cache, &summary, b"old").await, None);
    assert!(is_served(cache, &summary).await);
    office.interfere_at_commit("pg_advisory_xact_lock(1)").await;
    let held = office.desk.number("select count(pg_advisory_lock(1))");
    held.await;
    let during = async {
        office.desk.until_waiting(1).await;
        // Whoever asks now reads the old rows.
        for _ in 0..2 {
            assert_eq!(
                ask(cache, &summary, b"old").await,
                None,
                "nothing is served or planted"
            );
        }
        office
            .desk
            .number("select count(pg_advisory_unlock(1))")
            .await;
    };
    let body = [office.call()];
    let (failed, ()) = tokio::join!(office.deliver(&body, 1), during);
    assert_eq!(failed, NONE);
    assert!(
        !is_served(cache, &summary).await,
        "what was read before is not served"
    );
    assert!(is_served(cache, &summary).await);
}

#[tokio::test]
async fn after_a_commit_of_unknown_outcome_nothing_is_planted_until_it_is_repeated() {
    let office = Office::open().await;
    let cache = &office.desk.app.cache;
    let summary = place(cache, office.world.lp_id, ReportName::Summary);
    assert_eq!(ask(cache, &summary, b"old").await, None);
    office
        .interfere_at_commit("pg_terminate_backend(pg_backend_pid())")
        .await;
    let body = [office.call()];
    assert_eq!(office.deliver(&body, 1).await, [0]);
    for _ in 0..2 {
        assert_eq!(ask(cache, &summary, b"old").await, None);
    }
    let drop = "drop trigger at_commit on capital_activities";
    office
        .desk
        .client
        .batch_execute(drop)
        .await
        .expect("it is there");
    assert_eq!(office.deliver(&body, 2).await, NONE);
    assert!(!is_served(cache, &summary).await);
    assert!(is_served(cache, &summary).await);
}

#[tokio::test]
async fn a_note_makes_good_what_a_redis_that_refuses_writes_did_not_forget() {
    let mut office = Office::open().await;
    let reader = Reader::create(vec![office.desk.keyspace.url()]).await;
    // A password is sent over TLS only.
    let url = reader.url(&variable("REDIS_TLS_URL"));
    let authority = variable("TLS_CA_FILE");
    let refusing = [("REDIS_URL", url.as_str()), ("REDIS_CA_FILE", &authority)];
    office.replace_worker(&refusing).await;
    let cache = office.desk.app.cache.clone();
    let places = [
        ReportName::Summary,
        ReportName::CapitalActivity,
        ReportName::Holdings,
    ]
    .map(|report| place(&cache, office.world.lp_id, report));
    for place in &places {
        ask(&cache, place, b"old").await;
    }
    assert_eq!(office.deliver(&[office.call()], 1).await, NONE);
    let sent = office.sent_messages().await;
    let is_note = |message: &&serde_json::Value| message["schema"] == "lp-reporting/forget/1";
    let note = sent.iter().find(is_note).expect("a note of what is owed");
    assert_eq!(note["lpIds"], json!([office.world.lp_id]));
    let note = [note.to_string()];
    assert_eq!(office.deliver(&note, 1).await, [0], "it still refuses");
    office.replace_worker(&[]).await;
    assert_eq!(office.deliver(&note, 2).await, NONE);
    for place in &places {
        assert!(!is_served(&cache, place).await);
    }
}

async fn configure(server: &str, name: &str, value: &str) {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg(name).arg(value);
    let set = run(server, &command).await;
    assert_eq!(set.expect("Redis answers"), Value::Okay);
}

fn cluster(url: &str, prefix: &str, timeout: Duration) -> Cache {
    let config = RedisConfig {
        url: url.to_owned(),
        iam: None,
        ca_file: None,
        cluster: true,
        prefix: prefix.to_owned(),
        timeout,
    };
    Cache::new(&config).expect("the URL is well formed")
}

/// LPs that lie on all shards.
const LPS: std::ops::RangeInclusive<i64> = 1..=300;

/// Closes or opens all of [`LPS`] and tells for whom that failed: about a third, of a shard that does not do it.
async fn tell_all(recorder: &Cache, closes: bool) -> BTreeSet<i64> {
    let closure = Closure::new(LPS.map(|id| (lp(id), HOLDINGS)));
    let told = if closes {
        recorder.close(&closure).await
    } else {
        recorder.open(&closure).await
    };
    let left = told.expect_err("one shard does not do it").lp_ids;
    assert!((50..150).contains(&left.len()), "a third: {}", left.len());
    left.into_iter().map(LpId::get).collect()
}

#[tokio::test]
async fn a_redis_without_memory_still_forgets() {
    let throwaway = Throwaway::create();
    let server = Redis::start(&throwaway.home, &throwaway.processes).await;
    let server = server.expect("Redis starts");
    let url = server.url();
    let config = RedisConfig {
        url: url.clone(),
        iam: None,
        ca_file: None,
        cluster: false,
        prefix: String::new(),
        timeout: PATIENCE,
    };
    let cache = Cache::new(&config).expect("the URL is well formed");
    let holdings = place(&cache, 42, ReportName::Holdings);
    let closure = Closure::new([(lp(42), HOLDINGS)]);
    for opened in [false, true] {
        ask(&cache, &holdings, b"old").await;
        configure(&url, "maxmemory", "1").await;
        let told = if opened {
            cache.open(&closure).await
        } else {
            cache.close(&closure).await
        };
        // A mark needs memory, taking a tag away does not.
        assert_eq!(told.is_ok(), opened, "{told:?}");
        assert_eq!(ask(&cache, &holdings, b"old").await, None);
        configure(&url, "maxmemory", "0").await;
        assert_eq!(
            ask(&cache, &holdings, b"new").await,
            None,
            "nothing was planted"
        );
        cache.open(&closure).await.expect("there is room again");
    }
    server.server.stop().await;
}

#[tokio::test]
async fn while_one_shard_refuses_the_lps_of_the_others_are_closed_and_forgotten() {
    let seed = std::env::var("REDIS_CLUSTER_URL").expect("REDIS_CLUSTER_URL is set");
    let reader = Reader::create(cluster_nodes(&seed).await).await;
    let prefix = format!("{}:", unique_name("t"));
    let (free, hampered) = (
        cluster(&seed, &prefix, PATIENCE),
        cluster(&reader.url(&seed), &prefix, PATIENCE),
    );
    for closes in [true, false] {
        for id in LPS {
            ask(&free, &place(&free, id, ReportName::Holdings), b"old").await;
        }
        let left = tell_all(&hampered, closes).await;
        for id in LPS {
            let holdings = place(&free, id, ReportName::Holdings);
            let served = ask(&free, &holdings, b"old").await;
            assert_eq!(served.is_some(), left.contains(&id), "{id}");
        }
        let all = Closure::new(LPS.map(|id| (lp(id), HOLDINGS)));
        free.open(&all).await.expect("it may do anything");
    }
}

#[tokio::test]
async fn while_one_shard_is_gone_the_others_are_told() {
    let throwaway = Throwaway::create();
    let servers = RedisCluster::start(&throwaway.home, &throwaway.processes).await;
    let servers = servers.expect("the cluster starts");
    let seed = servers.seed_url();
    let nodes = cluster_nodes(&seed).await;
    for node in &nodes {
        configure(node, "cluster-require-full-coverage", "no").await;
    }
    // While a node is looked for in vain, what is asked of the others has to be asked again within the time for all.
    let cache = cluster(&seed, "", Duration::from_millis(80));
    let all = Closure::new(LPS.map(|id| (lp(id), HOLDINGS)));
    cache.close(&all).await.expect("all are there");
    let gone = nodes.iter().find(|node| **node != seed);
    // The server says nothing any more, so this is an error.
    let _ = run(
        gone.expect("three nodes"),
        redis::cmd("SHUTDOWN").arg("NOSAVE"),
    )
    .await;
    tell_all(&cache, true).await;
    tell_all(&cache, false).await;
    servers.stop().await;
}

/// An LP joins the fund and asks while something waits for the lock of another LP in it. Returns whether what was cached then is
/// served afterwards.
async fn is_served_to_who_joins_during(office: &Office, acting: impl Future<Output = ()>) -> bool {
    let (desk, world) = (&office.desk, &office.world);
    let cache = &desk.app.cache;
    let mut holder = desk.database.connect().await;
    let held = holder.transaction().await.expect("a transaction");
    let sql = "select lp_id from limited_partners where lp_id = $1 for no key update";
    held.query_one(sql, &[&world.lp_id]).await.expect("the LP");
    let joining = async {
        desk.until_waiting(1).await;
        let lp_id = insert_lp(&desk.client, "Lakeside Endowment").await;
        insert_commitment(&desk.client, lp_id, world.fund_id, 5_000, "2020-01-01").await;
        let holdings = place(cache, lp_id, ReportName::Holdings);
        assert_eq!(ask(cache, &holdings, b"old").await, None);
        held.rollback().await.expect("the lock is given back");
        holdings
    };
    let ((), holdings) = tokio::join!(acting, joining);
    is_served(cache, &holdings).await
}

#[tokio::test]
async fn who_joins_a_fund_while_a_change_to_it_waits_for_locks_is_told_of_it() {
    let office = Office::open().await;
    let (desk, world) = (&office.desk, &office.world);
    let date = "2021-03-01";
    for change in [
        activity_message(world.commitment_id, "commitment_increase", 1_000, date),
        fund_nav_message(world.fund_id, 300_000, date, date),
    ] {
        // Alone: whoever settles what is owed after it would forget as well.
        let recording = async { assert!(desk.record(&[&change]).await.unforgotten.is_empty()) };
        assert!(
            !is_served_to_who_joins_during(&office, recording).await,
            "{change}"
        );
    }
    let owe = format!(
        "insert into pending_performance (fund_id, from_date) values ({}, '{date}')",
        world.fund_id
    );
    desk.run(&owe).await;
    let settling = async {
        let settled =
            settle_fund_performance(&desk.app.db, &desk.app.cache, &[world.fund_id]).await;
        assert_eq!(settled.expect("it is settled").funds, 1);
    };
    assert!(!is_served_to_who_joins_during(&office, settling).await);
}
