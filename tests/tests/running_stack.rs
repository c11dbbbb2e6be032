//! The whole system as it runs: from a message on the queue to the next answer, with each part taken away in turn. After
//! every step the LP's answers are the oracle's.

use std::time::{Duration, Instant};

use chrono::Utc;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::builders::activity_message;
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::read::read_truth;
use tests::stack::Stack;

/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);

struct Run {
    stack: Stack,
    token: String,
    lp_id: i64,
    fund_id: i64,
    commitment_id: i64,
}

impl Run {
    async fn start() -> Self {
        let stack = Stack::start().await;
        Self {
            token: stack.setting("TOKEN").to_owned(),
            lp_id: stack.id("LP_ID"),
            fund_id: stack.id("FUND_ID"),
            commitment_id: stack.id("COMMITMENT_ID"),
            stack,
        }
    }

    fn path(&self, report: &str) -> String {
        format!("/api/lp/{}/{report}", self.lp_id)
    }

    fn fund_path(&self) -> String {
        self.path(&format!("fund/{}/performance", self.fund_id))
    }

    async fn ask(&self, path: &str) -> (Value, String) {
        let answer = self.stack.get(path, &self.token).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let cache = answer.headers["x-cache"].to_str().expect("text").to_owned();
        (answer.body, cache)
    }

    fn call(&self, amount_cents: i64) -> Value {
        let today = Utc::now().date_naive().to_string();
        activity_message(self.commitment_id, "capital_call", amount_cents, &today)
    }

    /// Waits until every message sent so far is acknowledged.
    async fn acknowledged(&self) {
        let start = Instant::now();
        while self.stack.unacknowledged().await > 0 {
            assert!(start.elapsed() < LIMIT, "messages are still on the queue");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The LP's answers are what the raw truth says, to the cent.
    async fn assert_right(&self, when: &str) {
        let truth = read_truth(&self.stack.database().await)
            .await
            .expect("the truth");
        let today = Utc::now().date_naive();
        let oracle = Oracle::new(truth, today);
        let (lp_id, fund_id) = (self.lp_id, self.fund_id);
        let expected = [
            (self.path("summary"), oracle.summary(lp_id, today)),
            (self.path("performance"), oracle.performance(lp_id, today)),
            (
                self.fund_path(),
                oracle.fund_performance(lp_id, fund_id, today),
            ),
        ];
        for (path, expected) in expected {
            let (got, _) = self.ask(&path).await;
            let differences = differences(&expected.expect("the oracle knows the LP"), &got);
            assert!(differences.is_empty(), "{when}, {path}: {differences:#?}");
        }
    }

    async fn paid_in_cents(&self) -> (i64, Value) {
        let (body, _) = self.ask(&self.fund_path()).await;
        let paid_in = body["paidInCents"].as_i64().expect("cents");
        (paid_in, body)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_answer_is_right_whatever_part_is_away() {
    let run = Run::start().await;
    a_call_shows_in_the_next_answer(&run).await;
    duplicates_and_disorder_change_nothing(&run).await;
    without_redis_the_database_answers(&run).await;
    without_views_the_definitions_answer(&run).await;
    each_function_logs_in_as_its_role(&run).await;
    without_the_database_messages_wait(&run).await;
    nobody_sees_another_lp(&run).await;
    who_looked_is_shown(&run).await;
    a_command_grants_and_revokes(&run).await;
}

async fn a_call_shows_in_the_next_answer(run: &Run) {
    run.ask(&run.fund_path()).await;
    let (before, _) = run.paid_in_cents().await;
    let (_, cache) = run.ask(&run.fund_path()).await;
    assert_eq!(cache, "hit", "the answer was planted");
    let sent = Instant::now();
    run.stack.send(&run.call(123_45)).await;
    let queued = sent.elapsed();
    let settled = loop {
        assert!(sent.elapsed() < LIMIT, "the call never showed");
        let (paid_in, body) = run.paid_in_cents().await;
        assert!(
            [before, before + 123_45].contains(&paid_in),
            "no answer is in between"
        );
        let pending = body["flags"]
            .as_array()
            .expect("flags")
            .contains(&json!("IRR_PENDING"));
        if paid_in == before + 123_45 && !pending {
            break sent.elapsed();
        }
        assert!(
            paid_in == before + 123_45 || !pending,
            "an old answer owes nothing"
        );
    };
    println!("from send to right and settled answer {settled:?}, of which sending took {queued:?}");
    run.acknowledged().await;
    let (activity, _) = run.ask(&run.path("capital-activity?limit=1")).await;
    assert_eq!(activity["items"][0]["amountCents"], json!(123_45));
    run.assert_right("after a call").await;
}

async fn duplicates_and_disorder_change_nothing(run: &Run) {
    let (before, _) = run.paid_in_cents().await;
    let calls: Vec<Value> = (1..=12).map(|cents| run.call(cents)).collect();
    // Every message twice, the second time in the opposite order.
    for call in calls.iter().chain(calls.iter().rev()) {
        run.stack.send(call).await;
    }
    run.acknowledged().await;
    assert_eq!(run.paid_in_cents().await.0, before + 78);
    run.assert_right("after duplicates").await;
}

async fn without_redis_the_database_answers(run: &Run) {
    run.stack.server("redis", "stop").await;
    let (before, body) = run.paid_in_cents().await;
    let (again, cache) = run.ask(&run.fund_path()).await;
    assert_eq!((again, cache.as_str()), (body, "bypass"));
    run.stack.send(&run.call(1000)).await;
    let sent = Instant::now();
    while run.paid_in_cents().await.0 != before + 1000 {
        assert!(sent.elapsed() < LIMIT, "the call never showed");
    }
    run.assert_right("without Redis").await;
    run.stack.server("redis", "start").await;
    run.acknowledged().await;
    run.assert_right("with Redis again").await;
}

async fn without_views_the_definitions_answer(run: &Run) {
    let refreshed = run.stack.invoke("nightly-refresh", &json!({})).await;
    assert_eq!(refreshed["driftRows"], json!(0), "{refreshed}");
    let database = run.stack.database().await;
    for view in [
        "lp_dashboard_summary",
        "lp_performance_latest",
        "fund_lp_summary",
    ] {
        let sql = format!("drop materialized view {view} cascade");
        database
            .batch_execute(&sql)
            .await
            .expect("the view is dropped");
        // A past day and today's numbers, under keys that no cached answer has.
        run.stack.send(&run.call(1)).await;
        run.acknowledged().await;
        run.assert_right(&format!("without {view}")).await;
    }
    run.stack
        .invoke("nightly-refresh", &json!({"task": "refresh"}))
        .await;
    let views = "select count(*) from pg_matviews where ispopulated";
    let count: i64 = database
        .query_one(views, &[])
        .await
        .expect("the catalogue")
        .get(0);
    assert_eq!(count, 3, "the night brings the views back");
}

/// Whoever has worked by now is still logged in.
async fn each_function_logs_in_as_its_role(run: &Run) {
    let sql = "select distinct application_name, usename::text from pg_stat_activity
        where datname = current_database() and application_name <> '' order by 1, 2";
    let database = run.stack.database().await;
    let sessions = database.query(sql, &[]).await.expect("the sessions");
    let sessions: Vec<(String, String)> = sessions
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    for (function, role) in &sessions {
        let expected = match function.as_str() {
            "activity-refresh" => "recorder",
            "nightly-refresh" => "refresher",
            _ => "reader",
        };
        assert_eq!(role, expected, "{function}");
    }
    for function in ["activity-refresh", "nightly-refresh", "summary"] {
        assert!(
            sessions.iter().any(|(name, _)| name == function),
            "{function} among {sessions:?}"
        );
    }
    // Of all that the owner alone may do, this is the database's and not the schema's, so that a test's own copy does not have it.
    let sql = "select count(*) from unnest(array['reader', 'recorder', 'refresher']) as r (role)
        where has_database_privilege(r.role, current_database(), 'temporary')";
    let row = database.query_one(sql, &[]).await.expect("a count");
    assert_eq!(
        row.get::<_, i64>(0),
        0,
        "roles that create temporary tables"
    );
}

async fn without_the_database_messages_wait(run: &Run) {
    let (before, _) = run.paid_in_cents().await;
    run.stack.server("postgres", "stop").await;
    let path = run.path("summary?asOf=2020-02-29");
    let answer = run.stack.get(&path, &run.token).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        answer.body
    );
    assert!(answer.headers.contains_key("retry-after"));
    run.stack.send(&run.call(500)).await;
    run.stack.server("postgres", "start").await;
    let start = Instant::now();
    run.acknowledged().await;
    println!(
        "acknowledged {:?} after the database came back",
        start.elapsed()
    );
    assert_eq!(run.paid_in_cents().await.0, before + 500);
    assert!(
        run.stack.dead_letters().await.is_empty(),
        "nothing is buried for an outage"
    );
    run.assert_right("after the outage").await;
}

async fn nobody_sees_another_lp(run: &Run) {
    let other = run.stack.id("OTHER_LP_ID");
    let not_mine = run
        .stack
        .get(&format!("/api/lp/{other}/summary"), &run.token)
        .await;
    let not_there = run.stack.get("/api/lp/987654321/summary", &run.token).await;
    assert_eq!(not_mine.status, StatusCode::NOT_FOUND);
    assert_eq!(
        (not_mine.status, &not_mine.body),
        (not_there.status, &not_there.body)
    );
    let nobody = run.stack.get(&run.path("summary"), "no.valid.token").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    let wrong = run
        .stack
        .get(&run.path("summary?asof=2020-01-01"), &run.token)
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.body["errors"][0]["parameter"], json!("asof"));
}

/// A look is recorded once it was answered, and each answer comes from an instance of its own: it may take a moment to be shown, or on
/// a busy machine be in the function's log instead.
async fn who_looked_is_shown(run: &Run) {
    let start = Instant::now();
    let look = loop {
        run.ask(&run.path("holdings?limit=1")).await;
        let (page, cache) = run.ask(&run.path("access-log?limit=10")).await;
        assert_eq!(cache, "bypass");
        let looks = page["items"].as_array().expect("looks");
        if let Some(look) = looks.iter().find(|look| look["route"] == "holdings") {
            break look.clone();
        }
        assert!(start.elapsed() < LIMIT, "the look is not shown: {looks:?}");
    };
    assert_eq!(look["subject"], json!(format!("lp-{}", run.lp_id)));
    assert_eq!(look["outcome"], json!("allowed"));
}

/// As an administrator gives it, to the function that nothing else invokes.
async fn a_command_grants_and_revokes(run: &Run) {
    let (stack, path) = (&run.stack, run.fund_path());
    let token = stack.token("newcomer");
    let words = json!({"subject": "newcomer", "role": "lp_viewer", "lpId": run.lp_id, "fundId": run.fund_id, "by": "a test"});
    for (verb, done, status) in [
        ("grant", json!({"changed": true}), StatusCode::OK),
        (
            "revoke",
            json!({"changed": true, "forgotten": true}),
            StatusCode::NOT_FOUND,
        ),
    ] {
        assert_eq!(
            stack.invoke("entitlements", &json!({ verb: words })).await,
            done
        );
        let answer = stack.get(&path, &token).await;
        assert_eq!(answer.status, status, "{verb}: {}", answer.body);
    }
    let refused = stack.invoke("entitlements", &json!({"grant": {}})).await;
    let said = refused["errorMessage"].as_str().unwrap_or_default();
    assert!(said.contains("subject"), "{refused}");
    let fund = format!("/api/fund/{}/summary", run.fund_id);
    let own = stack.get(&fund, stack.setting("GP_TOKEN")).await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.body);
    let lps = stack.get(&fund, &run.token).await;
    assert_eq!(lps.status, StatusCode::NOT_FOUND, "{}", lps.body);
}
