//! A schema change under load: docs/schema-changes.md adds a column to a view, and takes it away, on the running stack. Redis is
//! stopped, so that every answer is asked of the database, while readers ask all the time and calls are recorded.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use local::servers::postgres::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::builders::activity_message;
use tests::database::connect;
use tests::document::block;
use tests::reporting::today;
use tests::stack::Stack;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

const PAGE: &str = "docs/schema-changes.md";
const COLUMN: &str = "active_commitment_count";
const READERS: usize = 3;
/// How many answers each state of the schema is tried with.
const ANSWERS: u64 = 200;
const CALL_CENTS: i64 = 1_01;
/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(120);

/// A path, and the token of somebody who may ask it.
struct Question {
    path: String,
    token: String,
}

impl Question {
    fn of_lp(stack: &Stack, lp_id: i64, report: &str, day: NaiveDate) -> Self {
        Self {
            path: format!("/api/lp/{lp_id}/{report}?asOf={day}"),
            token: stack.token(&format!("lp-{lp_id}")),
        }
    }
}

/// The stack under load.
struct Load {
    stack: Stack,
    owner: Client,
    /// What those are told for whom nothing is recorded: always the same.
    settled: Vec<(Question, Value)>,
    /// The summary of the LP of whom calls are recorded, and what it had paid in before.
    called: Question,
    paid_in_cents: i64,
    commitment_id: i64,
    /// Of which everything is asked, and the calls are.
    day: NaiveDate,
    calls_sent: AtomicI64,
    answers: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    async fn prepare() -> Self {
        let stack = Stack::start().await;
        let night = stack.invoke("nightly-refresh", &json!({})).await;
        assert_eq!(night["driftRows"], 0, "{night}");
        stack.server("redis", "stop").await;
        let lp_id = stack.id("LP_ID");
        let day = today();
        let called = Question::of_lp(&stack, lp_id, "summary", day);
        let mut load = Self {
            owner: connect(stack.setting("DATABASE_URL")).await,
            settled: Vec::new(),
            called,
            paid_in_cents: 0,
            commitment_id: stack.id("COMMITMENT_ID"),
            day,
            calls_sent: AtomicI64::new(0),
            answers: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            stack,
        };
        for lp_id in (1..=100).filter(|id| *id != lp_id).take(4) {
            for report in ["summary", "performance"] {
                let question = Question::of_lp(&load.stack, lp_id, report, day);
                let answer = load.ask(&question).await;
                load.settled.push((question, answer));
            }
        }
        load.paid_in_cents = load.paid_in().await;
        load
    }

    /// Whatever happens to the schema, there is an answer, and it comes from the database.
    async fn ask(&self, Question { path, token }: &Question) -> Value {
        let answer = self.stack.get(path, token).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert_eq!(answer.headers["x-cache"], "bypass", "{path}");
        self.answers.fetch_add(1, Ordering::SeqCst);
        answer.body
    }

    async fn paid_in(&self) -> i64 {
        let answer = self.ask(&self.called).await;
        let totals = answer["totals"].as_array().expect("totals").iter();
        let paid_in = totals.map(|total| total["paidInCents"].as_i64().expect("cents"));
        paid_in.sum()
    }

    /// Asks all there is to ask in turns. What was recorded once stays in every later answer, and nothing shows that was not sent.
    async fn read(&self, reader: usize) {
        let mut paid_in = self.paid_in_cents;
        for (question, expected) in self.settled.iter().cycle().skip(reader) {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let path = &question.path;
            assert_eq!(&self.ask(question).await, expected, "{path}");
            let now = self.paid_in().await;
            let calls = self.calls_sent.load(Ordering::SeqCst);
            let most = self.paid_in_cents + calls * CALL_CENTS;
            assert!((paid_in..=most).contains(&now), "{paid_in} {now} {most}");
            paid_in = now;
        }
    }

    /// Sends one call after the other, each once the one before can have been recorded.
    async fn record(&self) {
        while !self.is_over.load(Ordering::SeqCst) {
            let day = self.day.to_string();
            let call = activity_message(self.commitment_id, "capital_call", CALL_CENTS, &day);
            self.calls_sent.fetch_add(1, Ordering::SeqCst);
            self.stack.send(&call).await;
            self.until_answers(3).await;
        }
    }

    /// Waits for so many further answers.
    async fn until_answers(&self, further: u64) {
        let goal = self.answers.load(Ordering::SeqCst) + further;
        let start = Instant::now();
        while self.answers.load(Ordering::SeqCst) < goal && !self.is_over.load(Ordering::SeqCst) {
            assert!(start.elapsed() < LIMIT, "nobody is answered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As `migrate` applies it.
    async fn apply(&self, migration: &str) -> Result<(), tokio_postgres::Error> {
        let migrator = connect(self.stack.setting("DATABASE_URL")).await;
        migrator
            .batch_execute(&format!("begin; {migration}; commit"))
            .await
    }

    /// By now nobody has looked up what it takes away.
    async fn contract(&self) {
        let applied = self.apply(&contraction()).await;
        applied.expect("it is contracted");
    }

    async fn refresh(&self) {
        let night = self.stack.invoke("nightly-refresh", &json!({})).await;
        assert_eq!(night["driftRows"], 0, "{night}");
    }

    async fn number(&self, sql: &str) -> i64 {
        let row = self.owner.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .get(0)
    }

    async fn calls_recorded(&self) -> i64 {
        let sql =
            format!("select count(*) from capital_activities where amount_cents = {CALL_CENTS}");
        self.number(&sql).await
    }

    /// The view with all that belongs to it, as the catalogue has it.
    async fn definition(&self) -> String {
        let sql = "select pg_get_functiondef('lp_dashboard_summary_at'::regproc)
                || pg_get_viewdef('lp_dashboard_summary_definition'::regclass)
                || pg_get_viewdef('lp_dashboard_summary_in_scope'::regclass)
                || pg_get_indexdef('lp_dashboard_summary_key'::regclass)
                || (select string_agg(c.oid::regclass || c.relacl::text, ' ' order by c.relname)
                    from pg_class c where c.relname like 'lp\\_dashboard\\_summary%' and c.relkind in ('m', 'v'))";
        let row = self.owner.query_one(sql, &[]).await;
        row.expect("the catalogue").get(0)
    }

    /// The new report's question, as its role asks it.
    async fn read_column(&self, lp_id: i64) -> i64 {
        let url = self.stack.setting("DATABASE_URL");
        let url = url.replacen(Role::Migrator.name(), Role::Reader.name(), 1);
        let reader = connect(&url).await;
        tests::database::enter(&reader, &lp_id.to_string()).await;
        let sql = format!("select sum({COLUMN})::bigint from lp_dashboard_summary_in_scope");
        let row = reader.query_one(&sql, &[]).await;
        row.expect("the reader may read it").get(0)
    }
}

fn expansion() -> String {
    block(PAGE, "## A column for a view", "sql")
}

/// What takes away what only the release before had needed.
fn contraction() -> String {
    block(PAGE, "### Afterwards", "sql")
}

/// The expansion without the lines that name the column, as the page says: so it goes as it came.
fn removal() -> String {
    let expansion = expansion();
    let lines = expansion.lines().filter(|line| !line.contains(COLUMN));
    lines.collect::<Vec<_>>().join("\n")
}

/// All of it, in the order of the page.
async fn change(load: &Load) {
    let before = load.definition().await;
    load.until_answers(ANSWERS).await;
    it_gives_way_to_whoever_holds_the_view(load).await;
    for _ in 0..2 {
        release(load, &expansion()).await;
        let sql = "select count(*) from lp_fund_commitments where lp_id = 1 and status = 'active' and commitment_date <= current_date";
        assert_eq!(load.read_column(1).await, load.number(sql).await);
        load.contract().await;
        release(load, &removal()).await;
        load.contract().await;
        assert_eq!(load.definition().await, before, "as if nothing had been");
    }
}

/// Answers come while there is no view, and from the new one.
async fn release(load: &Load, migration: &str) {
    load.apply(migration).await.expect("it is applied");
    load.until_answers(ANSWERS).await;
    load.refresh().await;
    load.until_answers(ANSWERS).await;
}

/// Whoever compares the views holds them for minutes. The migration waits and lets readers pass, and at last changes nothing.
async fn it_gives_way_to_whoever_holds_the_view(load: &Load) {
    let comparison = load.stack.administration().await;
    let hold = "begin; select count(*) from lp_dashboard_summary_in_scope";
    comparison.batch_execute(hold).await.expect("it is held");
    let (before, answers) = (load.definition().await, load.answers.load(Ordering::SeqCst));
    // Ten times, to be done sooner.
    let impatient = expansion().replace("1..100", "1..10");
    let refused = load.apply(&impatient).await;
    let refused = refused.expect_err("somebody holds the view");
    assert_eq!(refused.code(), Some(&SqlState::LOCK_NOT_AVAILABLE));
    assert!(
        load.answers.load(Ordering::SeqCst) > answers,
        "readers wait"
    );
    assert_eq!(load.definition().await, before);
    let patient = expansion();
    let (expanded, ()) = tokio::join!(load.apply(&patient), async {
        load.until_answers(10).await;
        comparison.batch_execute("rollback").await.expect("it ends");
    });
    expanded.expect("it got its lock at last");
    load.until_answers(ANSWERS).await;
    load.contract().await;
    release(load, &removal()).await;
    load.contract().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_comes_into_a_view_and_goes_while_every_answer_is_right() {
    let load = Load::prepare().await;
    let readers = futures_util::future::join_all((0..READERS).map(|reader| load.read(reader)));
    let changes = async {
        change(&load).await;
        load.is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(readers, load.record(), changes);
    let calls = load.calls_sent.load(Ordering::SeqCst);
    let start = Instant::now();
    while load.calls_recorded().await < calls {
        assert!(start.elapsed() < LIMIT, "calls are still on the queue");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(load.calls_recorded().await, calls, "each is recorded once");
    let paid_in = load.paid_in().await;
    assert_eq!(paid_in, load.paid_in_cents + calls * CALL_CENTS);
    assert!(load.stack.dead_letters().await.is_empty());
    println!(
        "{} answers while {calls} calls were recorded",
        load.answers.load(Ordering::SeqCst)
    );
}
