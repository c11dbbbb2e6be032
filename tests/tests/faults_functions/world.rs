//! A world to be recorded in, and what must be true of it at any moment and in the end.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use lambda_http::{Body, Response};
use serde_json::Value;
use shared::app::App;
use tests::asking::get;
use tests::builders::{self, activity_message, fund_nav_message, grant};
use tests::http::{header, json_of};
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::history::Scope;
use tests::oracle::pending::hide_pending;
use tests::oracle::questions::Question;
use tests::oracle::read::read_truth;
use tests::queue::Queues;
use tests::reporting::Reporting;

use crate::clocks::today_of;

/// Who asks.
pub const SUBJECT: &str = "ada";
/// Far beyond what any wait takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);

/// An LP with many commitments and entries, some of them dated ahead, so that no view is read for it; one with a single commitment,
/// for which they are. Everything about them is settled and refreshed. And the queues of a recorder.
pub struct World {
    pub reporting: Reporting,
    pub plain: builders::World,
    pub queues: Queues,
}

impl World {
    pub async fn settled() -> Self {
        let reporting = Reporting::settled().await;
        let client = &reporting.desk.client;
        let plain = builders::World::insert(client).await;
        for lp_id in [reporting.lp_id.get(), plain.lp_id] {
            grant(client, SUBJECT, lp_id).await;
        }
        reporting.desk.call(&plain, 5_000_000, "2023-05-01").await;
        reporting.settle().await;
        reporting.refresh().await;
        Self {
            reporting,
            plain,
            queues: Queues::create().await,
        }
    }

    /// A call of the LP with a single commitment.
    pub fn call(&self, amount_cents: i64) -> Value {
        let commitment_id = self.plain.commitment_id;
        activity_message(commitment_id, "capital_call", amount_cents, "2024-03-01")
    }

    /// A NAV of a fund that two LPs are in, of a day of its own.
    pub fn fund_nav(&self, day: u32) -> Value {
        let date = format!("2025-01-{day:02}");
        let fund_id = self.reporting.double_fund.get();
        fund_nav_message(fund_id, 91_000_000 + i64::from(day), &date, "2025-03-01")
    }

    pub async fn oracle(&self, today: NaiveDate) -> Oracle {
        let truth = read_truth(&self.reporting.desk.client).await;
        Oracle::new(truth.expect("the truth is readable"), today)
    }

    /// One question of each kind about each LP, and one for each of its funds.
    pub fn questions(&self, oracle: &Oracle) -> Vec<Question> {
        let mut questions = Vec::new();
        for lp_id in [self.reporting.lp_id.get(), self.plain.lp_id] {
            let lp = &oracle.truth().lps[&lp_id];
            questions.extend(oracle.positions(lp, &[None]));
            questions.extend(oracle.lists(lp, 100, []));
            questions.extend(oracle.histories(lp_id, Scope::Lp, &[("monthly", (None, None))]));
        }
        questions
    }

    /// Asks everything twice: what is asked for the second time comes from the cache.
    pub async fn warm_up(&self) {
        self.assert_settled().await;
    }

    /// Every answer is that of the ledger as it is now, but for rates that say that they are still owed.
    pub async fn assert_of_this_moment(&self, what: &str) {
        let reader = &self.reporting.desk.reader;
        self.assert_each(reader, what, async |question| {
            let (mut got, cache) = ask(reader, &question.path).await;
            let mut expected = question.answer.clone().expect("the LP is there");
            hide_pending(&mut expected, &mut got);
            compare(&question.path, &cache, &expected, &got)
        })
        .await;
    }

    /// Every answer is right to the last figure, and kept in the cache; nothing is owed.
    pub async fn assert_settled(&self) {
        self.assert_settled_for(&self.reporting.desk.reader).await;
    }

    /// As before, to somebody with a clock of their own.
    pub async fn assert_settled_for(&self, reader: &App) {
        assert_eq!(
            self.number("select count(*) from pending_performance")
                .await,
            0
        );
        self.assert_each(reader, "settled", async |question| {
            ask_and_compare(reader, question).await?;
            let cache = ask_and_compare(reader, question).await?;
            let path = &question.path;
            (cache == "hit")
                .then_some(())
                .ok_or(format!("{path}: {cache}"))
        })
        .await;
    }

    /// Every answer is right to the last figure, for the day of whoever gives it.
    pub async fn assert_right_for(&self, reader: &App) {
        self.assert_each(reader, "for its day", async |question| {
            ask_and_compare(reader, question).await.map(drop)
        })
        .await;
    }

    /// Checks the answers to all questions. When midnight passes for the reader meanwhile, they are checked again for the next day.
    async fn assert_each(
        &self,
        reader: &App,
        what: &str,
        check: impl AsyncFn(&Question) -> Result<(), String>,
    ) {
        loop {
            let day = today_of(reader);
            let mut checked = Ok(());
            for question in self.questions(&self.oracle(day).await) {
                checked = check(&question).await;
                if checked.is_err() {
                    break;
                }
            }
            if today_of(reader) == day {
                assert_eq!(checked, Ok(()), "{what}");
                return;
            }
        }
    }

    /// Everything that was sent is in the ledger, and once: also what no claim leads to. Messages differ in what they say.
    pub async fn assert_recorded_once(&self, sent: &[Value]) {
        for message in sent {
            let text = |name: &str| message[name].as_str().unwrap_or_default();
            let number = |name: &str| message[name].as_i64().unwrap_or(-1);
            let sql = format!(
                "with claim as (select activity_id from received_events where event_id = '{}')
                 select (select count(*) from claim) * 100
                      + (select count(*) from claim join capital_activities using (activity_id)) * 10
                      + (select count(*) from capital_activities a where a.commitment_id = {} and a.amount_cents = {}
                         and a.effective_date = nullif('{}', '')::date)
                      + (select count(*) from fund_nav_snapshots n where n.gross_nav_cents = {}) * 11",
                text("eventId"),
                number("commitmentId"),
                number("amountCents"),
                text("effectiveDate"),
                number("grossNavCents")
            );
            assert_eq!(self.number(&sql).await, 111, "{message}");
        }
    }

    pub async fn number(&self, sql: &str) -> i64 {
        self.reporting.desk.number(sql).await
    }

    /// How many entries and NAVs there are.
    pub async fn recorded(&self) -> i64 {
        self.number("select (select count(*) from capital_activities) + (select count(*) from fund_nav_snapshots)")
            .await
    }

    /// Waits until the server has noticed the end of every session of recorders.
    pub async fn until_no_recorder(&self) {
        self.until_zero(
            "select count(*) from pg_stat_activity a
             where a.datname = current_database() and a.usename = 'recorder' and a.application_name = 'activity-refresh'",
        )
        .await;
    }

    pub async fn until_zero(&self, sql: &str) {
        let begun = Instant::now();
        while self.number(sql).await != 0 {
            assert!(begun.elapsed() < LIMIT, "{sql}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn assert_no_deadlock(&self) {
        let sql = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(self.number(sql).await, 0);
    }
}

/// Asks, and compares with what must be answered. Returns where the answer came from.
async fn ask_and_compare(app: &App, question: &Question) -> Result<String, String> {
    let (got, cache) = ask(app, &question.path).await;
    let expected = question.answer.as_ref().expect("the LP is there");
    compare(&question.path, &cache, expected, &got)?;
    Ok(cache)
}

fn compare(path: &str, cache: &str, expected: &Value, got: &Value) -> Result<(), String> {
    let found = differences(expected, got);
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("{path} ({cache}): {found:?}: {got}"))
}

/// The body of a 200, and where it came from.
async fn ask(app: &App, path: &str) -> (Value, String) {
    let response = handle(app, path).await;
    let body = json_of(&response);
    assert_eq!(response.status(), 200, "{path}: {body}");
    (body, header(&response, "x-cache").to_owned())
}

pub async fn handle(app: &App, path_and_query: &str) -> Response<Body> {
    get(app, SUBJECT, path_and_query).await
}
