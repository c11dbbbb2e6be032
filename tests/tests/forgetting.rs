//! No answer older than the last commit is served: around a commit, on every report, and from a Redis that answers readers
//! and refuses recorders.

use std::time::{Duration, Instant};

use chrono::Utc;
use local::process::ProcessDirectory;
use local::servers::{Home, redis::Redis};
use redis::Value;
use serde_json::json;
use shared::cache::{Cache, Closure, Finding, Place, ReportName, Tag, TagSet};
use shared::config::RedisConfig;
use shared::ids::LpId;
use tests::builders::activity_message;
use tests::office::Office;
use tests::refusing_redis::{Reader, cluster_nodes, run};
use tests::teardown::unique_name;

const NONE: [usize; 0] = [];
const HOLDINGS: TagSet = TagSet::of(&[Tag::Holdings]);
/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(10);

fn lp(id: i64) -> LpId {
    LpId::try_from(id).expect("an id")
}

fn place(cache: &Cache, lp_id: i64, report: ReportName) -> Place {
    cache.place(report, lp(lp_id), "", "ada", Utc::now())
}

/// The answer that is served; when there is none, `old` is loaded and planted, as far as it may be.
async fn ask(cache: &Cache, place: &Place, old: &[u8]) -> Option<Vec<u8>> {
    match cache.find(place, Some).await {
        Finding::Answer { answer, .. } => Some(answer),
        Finding::Absent { turn, .. } => {
            cache.settle(place, turn, Some(old), None).await;
            None
        }
    }
}

async fn is_served(cache: &Cache, place: &Place) -> bool {
    ask(cache, place, b"new").await.is_some()
}

fn call(office: &Office) -> String {
    activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    )
    .to_string()
}

async fn interfere_at_commit(office: &Office, action: &str) {
    let sql = format!(
        "create function interfere() returns trigger language plpgsql as $$ begin perform {action}; return null; end $$;
         create constraint trigger at_commit after insert on capital_activities deferrable initially deferred
         for each row execute function interfere();"
    );
    let created = office.desk.client.batch_execute(&sql).await;
    created.expect("the trigger is created");
}

#[tokio::test]
async fn tags_are_closed_before_the_commit_and_opened_only_after_it() {
    let office = Office::open().await;
    let cache = &office.desk.app.cache;
    let summary = place(cache, office.world.lp_id, ReportName::Summary);
    assert_eq!(ask(cache, &summary, b"old").await, None);
    assert!(is_served(cache, &summary).await);
    interfere_at_commit(&office, "pg_advisory_xact_lock(1)").await;
    let held = office.desk.number("select count(pg_advisory_lock(1))");
    held.await;
    let during = async {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                       and database = (select oid from pg_database where datname = current_database())";
        let start = Instant::now();
        while office.desk.number(waiting).await == 0 {
            assert!(
                start.elapsed() < LIMIT,
                "the recorder never came to its commit"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
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
    let body = [call(&office)];
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
    interfere_at_commit(&office, "pg_terminate_backend(pg_backend_pid())").await;
    let body = [call(&office)];
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
    let url = reader.url(&office.desk.keyspace.url());
    office.replace_worker(&[("REDIS_URL", &url)]).await;
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
    assert_eq!(office.deliver(&[call(&office)], 1).await, NONE);
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

/// A server of a test's own, whose memory can be taken away.
struct Throwaway {
    redis: Redis,
    folder: std::path::PathBuf,
}

impl Throwaway {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(unique_name("lp-reporting-redis"));
        std::fs::create_dir(&folder).expect("a folder is created");
        let home = Home::open(&folder).expect("a home");
        let processes = ProcessDirectory::open(&folder).expect("a folder for processes");
        let redis = Redis::start(&home, &processes).await;
        Self {
            redis: redis.expect("Redis starts"),
            folder,
        }
    }

    async fn set_memory(&self, bytes: u64) {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        let set = run(&self.redis.url(), &command).await;
        assert_eq!(set.expect("Redis answers"), Value::Okay);
    }

    async fn stop(self) {
        self.redis.server.stop().await;
        let _ = std::fs::remove_dir_all(self.folder);
    }
}

#[tokio::test]
async fn a_redis_without_memory_still_forgets() {
    let server = Throwaway::start().await;
    let config = RedisConfig {
        url: server.redis.url(),
        ca_file: None,
        cluster: false,
        prefix: String::new(),
    };
    let cache = Cache::new(&config).expect("the URL is well formed");
    let holdings = place(&cache, 42, ReportName::Holdings);
    let closure = Closure::new([(lp(42), HOLDINGS)]);
    for opened in [false, true] {
        ask(&cache, &holdings, b"old").await;
        server.set_memory(1).await;
        let told = if opened {
            cache.open(&closure).await
        } else {
            cache.close(&closure).await
        };
        // A mark needs memory, taking a tag away does not.
        assert_eq!(told.is_ok(), opened, "{told:?}");
        assert_eq!(ask(&cache, &holdings, b"old").await, None);
        server.set_memory(0).await;
        assert_eq!(
            ask(&cache, &holdings, b"new").await,
            None,
            "nothing was planted"
        );
        cache.open(&closure).await.expect("there is room again");
    }
    server.stop().await;
}

#[tokio::test]
async fn while_one_shard_refuses_the_lps_of_the_others_are_closed_and_forgotten() {
    let seed = std::env::var("REDIS_CLUSTER_URL").expect("REDIS_CLUSTER_URL is set");
    let reader = Reader::create(cluster_nodes(&seed).await).await;
    let config = |url: &str, prefix: &str| RedisConfig {
        url: url.to_owned(),
        ca_file: None,
        cluster: true,
        prefix: prefix.to_owned(),
    };
    let prefix = format!("{}:", unique_name("t"));
    let free = Cache::new(&config(&seed, &prefix)).expect("a URL");
    let hampered = Cache::new(&config(&reader.url(&seed), &prefix)).expect("a URL");
    let all: Vec<i64> = (1..=300).collect();
    let closure = Closure::new(all.iter().map(|&id| (lp(id), HOLDINGS)));
    for closes in [true, false] {
        for &id in &all {
            ask(&free, &place(&free, id, ReportName::Holdings), b"old").await;
        }
        let told = if closes {
            hampered.close(&closure).await
        } else {
            hampered.open(&closure).await
        };
        let left = told.expect_err("one shard refuses").lp_ids;
        assert!((50..150).contains(&left.len()), "a third: {}", left.len());
        for &id in &all {
            let served = ask(&free, &place(&free, id, ReportName::Holdings), b"old").await;
            assert_eq!(served.is_some(), left.contains(&lp(id)), "{id}");
        }
        free.open(&closure).await.expect("it may do anything");
    }
}
