//! Every number of every endpoint, for every LP of the sample, today and as of three past dates, is the oracle's.

use std::sync::Arc;

use chrono::NaiveDate;
use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::database::Database;
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::history::Scope;
use tests::oracle::questions::{Question, scopes};
use tests::oracle::read::read_truth;
use tests::oracle::truth::Lp;
use tests::reporting::latest_noon;
use tests::stack::Stack;

/// In the middle of the investment years, in the middle of a quarter, and at the end of one.
const PAST_DATES: [&str; 3] = ["2019-12-31", "2023-05-17", "2026-06-30"];
/// How many LPs are asked about at a time: as many as there are cores to compute the expected answers.
const CONCURRENT_LPS: usize = 2;
/// Months and years are checked for every so many LPs; they are cut out of the same points as quarters.
const GRANULARITY_STRIDE: usize = 10;
/// How many differences are shown; one mistake makes thousands.
const SHOWN_DIFFERENCES: usize = 40;

/// What every LP's check needs.
struct Sample {
    stack: Stack,
    oracle: Oracle,
    token: String,
}

/// Every fund's summary, for its own GP, on every date.
async fn check_funds(sample: &Sample) -> (usize, Vec<String>) {
    let (mut checked, mut found) = (0, Vec::new());
    for fund_id in sample.oracle.truth().funds.keys() {
        let token = sample.stack.token(&format!("gp-{fund_id}"));
        for Question { path, answer } in sample.oracle.fund_summaries(*fund_id, &as_of_dates()) {
            let got = sample.stack.get(&path, &token).await.body;
            let problems = differences(&answer.expect("a fund"), &got);
            found.extend(problems.iter().map(|problem| format!("{path} {problem}")));
            checked += 1;
        }
    }
    (checked, found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_answer_about_the_sample_is_the_oracles() {
    // It takes minutes, within which no midnight is to come.
    let (today, clock_offset_seconds) = latest_noon();
    let stack = Stack::start_shifted(&[], clock_offset_seconds).await;
    let truth = read_truth(&stack.database().await)
        .await
        .expect("the truth is readable");
    let token = stack.token("auditor");
    let lp_ids: Vec<i64> = truth.lps.keys().copied().collect();
    assert!(lp_ids.len() >= 100, "the sample has {} LPs", lp_ids.len());
    let sample = Arc::new(Sample {
        stack,
        oracle: Oracle::new(truth, today),
        token,
    });

    let checks = stream::iter(lp_ids.iter().copied().enumerate())
        .map(|(index, lp_id)| {
            let sample = Arc::clone(&sample);
            tokio::spawn(async move { sample.check(index, lp_id).await })
        })
        .buffer_unordered(CONCURRENT_LPS);
    let (mut requests, mut found) = check_funds(&sample).await;
    let mut done = 0;
    let mut checks = std::pin::pin!(checks);
    while let Some(check) = checks.next().await {
        let (checked, differences) = check.expect("a check does not panic");
        requests += checked;
        found.extend(differences);
        done += 1;
        if done % 10 == 0 {
            eprintln!(
                "{done} of {} LPs, {requests} answers, {} differences",
                lp_ids.len(),
                found.len()
            );
        }
    }
    let first = found
        .iter()
        .take(SHOWN_DIFFERENCES)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        found.is_empty(),
        "{} differences in {requests} answers, the first:\n{first}",
        found.len()
    );
}

impl Sample {
    /// Asks everything about an LP; returns how many answers were compared, and the differences.
    async fn check(&self, index: usize, lp_id: i64) -> (usize, Vec<String>) {
        let questions = self.questions(index, &self.oracle.truth().lps[&lp_id]);
        let mut found = Vec::new();
        for Question { path, answer } in &questions {
            let problems = match (answer, self.whole_answer(path).await) {
                (Some(expected), (StatusCode::OK, got)) => differences(expected, &got),
                (None, (StatusCode::NOT_FOUND, _)) => Vec::new(),
                (expected, (status, got)) => {
                    let expected = if expected.is_some() {
                        "an answer"
                    } else {
                        "404"
                    };
                    vec![format!(": expected {expected}, got {status} {got}")]
                }
            };
            found.extend(problems.iter().map(|problem| format!("{path} {problem}")));
        }
        (questions.len(), found)
    }

    /// An answer with the items of all its pages.
    async fn whole_answer(&self, path: &str) -> (StatusCode, Value) {
        let first = self.stack.get(path, &self.token).await;
        let (status, mut whole) = (first.status, first.body);
        while let Some(cursor) = whole["nextCursor"].as_str() {
            let page = self
                .stack
                .get(&format!("{path}&cursor={cursor}"), &self.token)
                .await;
            assert_eq!(
                page.status,
                StatusCode::OK,
                "{path}, page {cursor}: {}",
                page.body
            );
            whole["nextCursor"] = page.body["nextCursor"].clone();
            let items = page.body["items"]
                .as_array()
                .expect("a page has items")
                .clone();
            assert!(
                !items.is_empty(),
                "{path}: a page that was announced is empty"
            );
            whole["items"]
                .as_array_mut()
                .expect("a page has items")
                .extend(items);
        }
        (status, whole)
    }

    /// Every tenth LP is asked about in small pages and by months and years as well, and up to and from each date.
    fn questions(&self, index: usize, lp: &Lp) -> Vec<Question> {
        let everything = index.is_multiple_of(GRANULARITY_STRIDE);
        let mut questions = self.oracle.positions(lp, &as_of_dates());
        let limit = if everything { 97 } else { 1000 };
        questions.extend(self.oracle.lists(lp, limit, past_dates()));
        for scope in scopes(lp) {
            let mut asked = vec![("quarterly", (None, None))];
            if everything {
                asked.extend([("monthly", (None, None)), ("yearly", (None, None))]);
            }
            if everything || scope == Scope::Lp {
                for date in past_dates() {
                    asked.push(("quarterly", (None, Some(date))));
                    asked.push(("monthly", (Some(date), None)));
                }
            }
            questions.extend(self.oracle.histories(lp.lp_id, scope, &asked));
        }
        questions
    }
}

/// The default date, which is today, and the past ones.
fn as_of_dates() -> Vec<Option<NaiveDate>> {
    [None].into_iter().chain(past_dates().map(Some)).collect()
}

fn past_dates() -> impl Iterator<Item = NaiveDate> {
    PAST_DATES.iter().map(|date| date.parse().expect("a date"))
}

/// The generator rolls each commitment's NAV by its own annual rate, so that rate is the IRR at every report. Whole cents
/// leave it within a millionth.
#[tokio::test]
async fn every_annual_irr_at_a_nav_date_is_the_rate_that_the_sample_was_made_with() {
    let database = Database::sample().await;
    let rows = database
        .connect()
        .await
        .query(
            "select s.commitment_id, s.snapshot_date, s.net_irr, (c.metadata -> 'sample' ->> 'annualRate')::float8
             from lp_performance_snapshots s
             join lp_fund_commitments c on c.commitment_id = s.commitment_id
             where s.annualised and c.metadata -> 'sample' ? 'annualRate'
               and exists (select from commitment_navs n where n.commitment_id = s.commitment_id and n.as_of_date = s.snapshot_date)",
            &[],
        )
        .await
        .expect("the snapshots are readable");
    assert!(
        rows.len() > 40_000,
        "only {} snapshots to compare",
        rows.len()
    );
    let mut wrong = rows
        .iter()
        .filter(|row| (row.get::<_, f64>(2) - row.get::<_, f64>(3)).abs() > 1e-6);
    if let Some(row) = wrong.next() {
        let first = json!([
            row.get::<_, i64>(0),
            row.get::<_, NaiveDate>(1),
            row.get::<_, f64>(2),
            row.get::<_, f64>(3)
        ]);
        panic!(
            "{} of {} rates differ, the first (commitment, date, got, made with): {first}",
            wrong.count() + 1,
            rows.len()
        );
    }
}
