//! Questions to all functions in process, and whether what they answer is the oracle's.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde_json::Value;
use shared::app::App;
use shared::config::Environment;
use shared::refresh::{Cause, Scope, count_drift, rebuild, refresh_views};
use tests::builders::{grant, grant_fund};
use tests::derived::derived;
use tests::desk::Desk;
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::questions::{Question, scopes};
use tests::oracle::read::{Extent, read_truth_of};
use tests::oracle::truth::Lp;
use tests::queue;
use tests::redis::{Keyspace, PATIENT};
use tests::reporting::today;

/// Who asks.
pub const SUBJECT: &str = "limits";
/// For a worker that is given the largest batches: one may take as long to record as any may at all.
pub const UNHURRIED: (&str, &str) = ("DATABASE_STATEMENT_TIMEOUT_MS", "45000");
/// Far beyond what a rebuild takes here; only a test that fails waits so long.
const LONGEST_REBUILD: Duration = Duration::from_secs(600);
/// One mistake makes thousands.
const SHOWN_DIFFERENCES: usize = 20;

/// The status and the body; of a list, all its pages together.
pub async fn ask(app: &App, path: &str) -> (u16, Value) {
    tests::asking::ask(app, SUBJECT, path).await
}

/// Lets the subject see some LPs and funds.
pub async fn grant_all(desk: &Desk, lp_ids: &[i64], fund_ids: &[i64]) {
    for lp_id in lp_ids {
        grant(&desk.client, SUBJECT, *lp_id).await;
    }
    for fund_id in fund_ids {
        grant_fund(&desk.client, SUBJECT, *fund_id).await;
    }
}

/// Lets the subject see some LPs and funds, all that have to do with each other, and asks everything about them today; returns how many
/// answers there were.
pub async fn assert_all_right(desk: &Desk, lp_ids: &[i64], fund_ids: &[i64]) -> usize {
    grant_all(desk, lp_ids, fund_ids).await;
    let oracle = oracle(desk, lp_ids, fund_ids).await;
    let lps = oracle.truth().lps.values();
    let questions: Vec<_> = lps
        .flat_map(|lp| everything(&oracle, lp, &[None]))
        .collect();
    assert_right(desk, &questions).await
}

/// Someone independent who knows some LPs and funds, all that have to do with each other.
pub async fn oracle(desk: &Desk, lp_ids: &[i64], fund_ids: &[i64]) -> Oracle {
    let extent = Extent {
        lp_ids: Some(lp_ids),
        fund_ids: Some(fund_ids),
    };
    let truth = read_truth_of(&desk.client, extent).await;
    Oracle::new(truth.expect("the truth is readable"), today())
}

/// Everything that can be asked about the LP and its funds.
pub fn everything(oracle: &Oracle, lp: &Lp, dates: &[Option<NaiveDate>]) -> Vec<Question> {
    let mut questions = oracle.positions(lp, dates);
    questions.extend(oracle.lists(lp, 1000, dates.iter().copied().flatten()));
    let until = dates.iter().copied().flatten().next();
    for scope in scopes(lp) {
        let asked = [
            ("monthly", (None, None)),
            ("quarterly", (until, None)),
            ("yearly", (None, until)),
        ];
        questions.extend(oracle.histories(lp.lp_id, scope, &asked));
    }
    for commitment in &lp.commitments {
        questions.extend(oracle.fund_summaries(commitment.fund_id, dates));
    }
    questions
}

/// Asks the questions where nothing is cached yet, and says how many they were.
pub async fn assert_right(desk: &Desk, questions: &[Question]) -> usize {
    let keyspace = Keyspace::default();
    let app = App::from_environment(&Environment::of(&[
        ("DATABASE_URL", &desk.database.reader_url()),
        ("REDIS_URL", &keyspace.url()),
        ("REDIS_PREFIX", keyspace.prefix()),
        PATIENT,
    ]));
    let app = app.expect("the environment is usable");
    let mut found = Vec::new();
    for Question { path, answer } in questions {
        let problems = match (answer, ask(&app, path).await) {
            (Some(expected), (200, got)) => differences(expected, &got),
            (None, (404, _)) => Vec::new(),
            (expected, (status, got)) => {
                let expected = expected.as_ref().map_or("404", |_| "an answer");
                vec![format!("expected {expected}, got {status} {got}")]
            }
        };
        found.extend(problems.iter().map(|problem| format!("{path} {problem}")));
    }
    let shown = found.iter().take(SHOWN_DIFFERENCES).cloned();
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(found.is_empty(), "{} differences:\n{shown}", found.len());
    questions.len()
}

/// Refreshes the views, which then are what their definitions say.
pub async fn refresh(desk: &Desk) {
    let (db, clock) = (&desk.night.db, desk.night.clock);
    let refreshed = refresh_views(db, clock, Cause::Nightly, None).await;
    refreshed.expect("the views are refreshed");
    let drift = count_drift(db, clock).await;
    assert_eq!(drift.expect("the views are compared"), 0);
}

/// Rebuilds everything, by which no row changes, and says how many there are.
pub async fn assert_rebuild_is_the_same(desk: &Desk) -> usize {
    let before = derived(&desk.client, Extent::default()).await;
    let (db, cache, queue) = (&desk.night.db, &desk.night.cache, queue::nowhere().await);
    let until = Instant::now() + LONGEST_REBUILD;
    let rebuilt = rebuild(db, cache, &queue, Scope::All, until).await;
    let rebuilt = rebuilt.expect("it is rebuilt").expect("all is there");
    assert_eq!((rebuilt.rest, rebuilt.settled.failed_lps.len()), (None, 0));
    let after = derived(&desk.client, Extent::default()).await;
    assert!(before == after, "a rebuild makes something else");
    after.len()
}
