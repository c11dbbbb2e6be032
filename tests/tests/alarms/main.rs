//! Every alarm of the template: its condition is brought about on a running stack, whose metric then crosses the threshold that
//! stands in the template, having been on the good side of it before.
//!
//! Time that an alarm looks at is waited for where it is short. Where it is long, it is shifted: the clock of the stack, which tells
//! how old a message is, and the row that tells when a refresh began.

mod alarm;
mod formula;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::builders::activity_message;
use tests::figures::Figures;
use tests::reporting::date;
use tests::stack::{Answer, Stack};
use tokio_postgres::Client;

use alarm::{Alarm, alarms};

/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(240);
/// How many slow answers there are at once: as many as a function has instances.
const AT_ONCE: usize = 4;
/// What is left to wait for of the time that a message has to be old.
const LEFT_SECONDS: f64 = 2.0;

struct Run {
    stack: Stack,
    alarms: BTreeMap<String, Alarm>,
    rung: RefCell<BTreeSet<String>>,
}

impl Run {
    async fn start() -> Self {
        let alarms = alarms();
        let ahead_seconds = alarms["OldMessages"].threshold - LEFT_SECONDS;
        Self {
            stack: Stack::start_shifted(&[], ahead_seconds as i64).await,
            alarms,
            rung: RefCell::default(),
        }
    }

    /// Looks at an alarm from now on.
    async fn watch(&self, id: &str) -> Watch<'_> {
        Watch {
            run: self,
            alarm: &self.alarms[id],
            before: self.stack.figures().await,
        }
    }

    async fn ask(&self, path: &str) -> Answer {
        let path = format!("/api/lp/{}/{path}", self.stack.setting("LP_ID"));
        self.stack.get(&path, self.stack.setting("TOKEN")).await
    }

    fn call(&self, amount_cents: i64) -> Value {
        let commitment_id = self.stack.id("COMMITMENT_ID");
        activity_message(commitment_id, "capital_call", amount_cents, "2021-03-01")
    }

    async fn task(&self, payload: Value) -> Value {
        self.stack.invoke("nightly-refresh", &payload).await
    }

    /// As somebody who may do anything.
    async fn change(&self, sql: &str) {
        let client = self.stack.administration().await;
        client.batch_execute(sql).await.expect(sql);
    }
}

/// An alarm, and how things stood before.
struct Watch<'a> {
    run: &'a Run,
    alarm: &'a Alarm,
    before: Figures,
}

impl Watch<'_> {
    async fn value(&self) -> Option<f64> {
        let now = self.run.stack.figures().await;
        self.alarm.value(&self.before, &now)
    }

    async fn rings(&self) -> bool {
        let value = self.value().await;
        value.is_some() && self.alarm.rings_at(value)
    }

    /// Waits until there is something to look at, and the alarm is quiet.
    async fn until_quiet(&self) {
        self.until("is quiet", |value| {
            value.is_some() && !self.alarm.rings_at(value)
        })
        .await;
    }

    /// Waits until it rings.
    async fn until_it_rings(&self) {
        self.until("rings", |value| {
            value.is_some() && self.alarm.rings_at(value)
        })
        .await;
        self.run.rung.borrow_mut().insert(self.alarm.id.clone());
    }

    async fn until(&self, what: &str, is_so: impl Fn(Option<f64>) -> bool) {
        let start = Instant::now();
        loop {
            let value = self.value().await;
            let Alarm { id, threshold, .. } = self.alarm;
            if is_so(value) {
                println!("{id} {what} at {value:?}; its threshold is {threshold}");
                return;
            }
            assert!(
                start.elapsed() < LIMIT,
                "{id}: {value:?} against {threshold}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A transaction that holds a lock until it is released.
struct Lock {
    holder: Client,
    pid: i32,
}

impl Lock {
    async fn take(run: &Run, sql: &str) -> Self {
        let holder = run.stack.administration().await;
        let row = holder.query_one("select pg_backend_pid()", &[]).await;
        let pid = row.expect("a session").get(0);
        let begin = format!("begin; {sql}");
        holder.batch_execute(&begin).await.expect(sql);
        Self { holder, pid }
    }

    /// Waits until somebody waits for it.
    async fn until_waited_for(&self, client: &Client) {
        let sql = "select exists (select from pg_stat_activity a where $1::int = any (pg_blocking_pids(a.pid)))";
        let start = Instant::now();
        while !client
            .query_one(sql, &[&self.pid])
            .await
            .expect(sql)
            .get::<_, bool>(0)
        {
            assert!(start.elapsed() < LIMIT, "nobody waits for the lock");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn release(self) {
        self.holder
            .batch_execute("rollback")
            .await
            .expect("its end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alarm_rings_when_its_condition_is_brought_about() {
    let run = Run::start().await;
    slow_answers(&run).await;
    old_messages(&run).await;
    dead_letters(&run).await;
    stale_views(&run).await;
    slow_view_refresh(&run).await;
    drift(&run).await;
    index_bloat(&run).await;
    low_hit_rate(&run).await;
    server_errors(&run).await;
    let all: BTreeSet<String> = run.alarms.keys().cloned().collect();
    assert_eq!(
        *run.rung.borrow(),
        all,
        "each alarm of the template has its part here"
    );
}

/// Reports wait for a lock on what they read.
async fn slow_answers(run: &Run) {
    let watch = run.watch("SlowAnswers").await;
    ask_until_quiet(&watch).await;
    // Days that nobody has asked for yet are in no cache.
    let mut days = date("2019-01-01").iter_days();
    let client = run.stack.administration().await;
    let start = Instant::now();
    while !watch.rings().await {
        assert!(start.elapsed() < LIMIT, "slow answers do not count");
        let sql = "lock table lp_fund_commitments in access exclusive mode";
        let lock = Lock::take(run, sql).await;
        let paths: Vec<String> = days
            .by_ref()
            .take(AT_ONCE)
            .map(|day| format!("summary?asOf={day}"))
            .collect();
        let held = async {
            lock.until_waited_for(&client).await;
            let threshold_ms = watch.alarm.threshold;
            tokio::time::sleep(Duration::from_secs_f64(threshold_ms / 1e3)).await;
            lock.release().await;
        };
        let (answers, ()) = tokio::join!(join_all(paths.iter().map(|path| run.ask(path))), held);
        for answer in answers {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        }
    }
    watch.until_it_rings().await;
}

/// Asks for what is in the cache. The first answers of each instance are slow on a busy machine, and count until there are many others.
async fn ask_until_quiet(watch: &Watch<'_>) {
    let start = Instant::now();
    loop {
        for _ in 0..5 {
            watch.run.ask("summary").await;
        }
        if watch.value().await.is_some() && !watch.rings().await {
            return;
        }
        assert!(start.elapsed() < LIMIT, "answers from the cache are slow");
    }
}

/// An entry waits for its LP, whom somebody holds.
async fn old_messages(run: &Run) {
    let watch = run.watch("OldMessages").await;
    watch.until_quiet().await;
    let lp_id = run.stack.id("LP_ID");
    let sql = format!("select from limited_partners where lp_id = {lp_id} for update");
    let lock = Lock::take(run, &sql).await;
    run.stack.send(&run.call(1)).await;
    watch.until_it_rings().await;
    assert!(run.stack.unacknowledged().await > 0, "it is not recorded");
    lock.release().await;
    watch.until_quiet().await;
}

/// The database is away, so that messages come back again and again.
async fn old_messages_are_told_of_when_the_queue_does_not(run: &Run) {
    let watch = run.watch("OldMessages").await;
    watch.until_quiet().await;
    run.stack.send(&run.call(1)).await;
    let of_queue = r#"aws_sqs_approximate_age_of_oldest_message_seconds{queue="ActivityQueue"}"#;
    watch
        .until("rings without the queue", |value| {
            value.is_some() && watch.alarm.rings_at(value)
        })
        .await;
    let start = Instant::now();
    while run.stack.figures().await.of(of_queue) > 0.0 {
        assert!(start.elapsed() < LIMIT, "the queue still tells of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    watch.until_it_rings().await;
}

/// A message that cannot ever be recorded.
async fn dead_letters(run: &Run) {
    let watch = run.watch("DeadLetters").await;
    watch.until_quiet().await;
    run.stack.send(&run.call(0)).await;
    watch.until_it_rings().await;
    assert_eq!(run.stack.dead_letters().await.len(), 1);
    watch.until_quiet().await;
}

/// No refresh has succeeded for long.
async fn stale_views(run: &Run) {
    let watch = run.watch("StaleViews").await;
    run.task(json!({"task": "refresh"})).await;
    watch.until_quiet().await;
    let seconds = watch.alarm.threshold;
    run.change(&format!(
        "update view_refreshes set started_at = started_at - make_interval(secs => {seconds}) where started_at is not null"
    ))
    .await;
    run.task(json!({"task": "measure"})).await;
    watch.until_it_rings().await;
    run.task(json!({"task": "refresh"})).await;
    watch.until_quiet().await;
}

/// A refresh waits for a lock on the marks that it clears, and began as long ago as the alarm allows. That changes the row that it
/// closes in the end, so it fails; one that does has taken its time all the same.
async fn slow_view_refresh(run: &Run) {
    let watch = run.watch("SlowViewRefresh").await;
    run.task(json!({"task": "refresh"})).await;
    watch.until_quiet().await;
    let lock = Lock::take(run, "lock table touched_commitments in share mode").await;
    let client = run.stack.administration().await;
    let seconds = watch.alarm.threshold;
    let held = async {
        lock.until_waited_for(&client).await;
        run.change(&format!(
            "update view_refreshes set started_at = started_at - make_interval(secs => {seconds})
             where started_at is not null and finished_at is null"
        ))
        .await;
        lock.release().await;
    };
    let (failed, ()) = tokio::join!(run.task(json!({"task": "refresh"})), held);
    assert!(failed["errorMessage"].is_string(), "{failed}");
    watch.until_it_rings().await;
    let done = run.task(json!({"task": "refresh"})).await;
    assert!(done["asOf"].is_string(), "the next one succeeds: {done}");
}

/// Somebody changes what a view is made of, and nothing marks it.
async fn drift(run: &Run) {
    let watch = run.watch("Drift").await;
    run.task(json!({"task": "refresh"})).await;
    watch.until_quiet().await;
    let lp_id = run.stack.id("LP_ID");
    run.change(&format!(
        "update lp_performance_snapshots s set net_irr = coalesce(net_irr, 0) + 1
         where (s.commitment_id, s.snapshot_date) in (
             select l.commitment_id, max(l.snapshot_date) from lp_performance_snapshots l where l.lp_id = {lp_id} group by l.commitment_id)"
    ))
    .await;
    run.task(json!({"task": "refresh"})).await;
    watch.until_it_rings().await;
    for payload in [
        json!({"task": "rebuild", "lpId": lp_id}),
        json!({"task": "refresh"}),
        json!({"task": "refresh"}),
    ] {
        run.task(payload).await;
    }
    watch.until_quiet().await;
}

/// Most of what an index had is gone.
async fn index_bloat(run: &Run) {
    let watch = run.watch("IndexBloat").await;
    run.task(json!({"task": "reindex"})).await;
    run.task(json!({"task": "bloat"})).await;
    watch.until_quiet().await;
    // As of days to come, so that no reader counts them.
    run.change(
        "insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
             select 0, 0, 0, date '2200-01-01' + n from generate_series(1, 200000) n;
         delete from touched_commitments where lp_id = 0 and (latest_date - date '2200-01-01') % 4 > 0",
    )
    .await;
    let start = Instant::now();
    while !watch.rings().await {
        assert!(start.elapsed() < LIMIT, "the index is not bloated");
        // It takes out only what no snapshot sees any more, and others have some.
        run.change("vacuum touched_commitments").await;
        run.task(json!({"task": "bloat"})).await;
    }
    watch.until_it_rings().await;
    run.task(json!({"task": "reindex"})).await;
    run.task(json!({"task": "bloat"})).await;
    watch.until_quiet().await;
    run.change("delete from touched_commitments where lp_id = 0")
        .await;
}

/// The cache is away.
async fn low_hit_rate(run: &Run) {
    let watch = run.watch("LowHitRate").await;
    ask_until_told(&watch).await;
    watch.until_quiet().await;
    let watch = run.watch("LowHitRate").await;
    run.stack.server("redis", "stop").await;
    ask_until_told(&watch).await;
    watch.until_it_rings().await;
    run.stack.server("redis", "start").await;
}

/// A few answers do not count.
async fn ask_until_told(watch: &Watch<'_>) {
    let start = Instant::now();
    while watch.value().await.is_none() {
        assert!(start.elapsed() < LIMIT, "there is no hit rate");
        for _ in 0..10 {
            watch.run.ask("summary").await;
        }
    }
}

/// The database is away.
async fn server_errors(run: &Run) {
    let watch = run.watch("ServerErrors").await;
    run.ask("summary").await;
    watch.until_quiet().await;
    run.stack.server("postgres", "stop").await;
    let answer = run.ask("summary?asOf=2018-02-28").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    watch.until_it_rings().await;
    old_messages_are_told_of_when_the_queue_does_not(run).await;
    run.stack.server("postgres", "start").await;
}
