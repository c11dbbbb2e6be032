//! What each LP's states were, as the database noted them, and whether an answer is that of one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use chrono::NaiveDate;
use serde_json::{Value, json};
use tests::desk::Desk;
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::pending::{has_day_of, hide_pending, may_lack_points};
use tests::oracle::read::read_truth;
use tests::oracle::truth::Truth;

use crate::checker::Commit;
use crate::question::Question;
use crate::traffic::Delivered;
use crate::world::Planned;

/// What was added to the ledger and the reports, in the order of the locks.
struct Noted {
    position: i64,
    transaction: String,
    relation: String,
    row_id: i64,
    event_id: String,
}

/// The history of what was recorded.
pub struct Judge {
    truth: Truth,
    today: NaiveDate,
    positions: HashMap<(String, i64), i64>,
    /// Of each LP, up to where its commits go, and which messages are in each.
    commits: BTreeMap<i64, Vec<(i64, Vec<String>)>>,
    oracles: RefCell<HashMap<i64, Rc<Oracle>>>,
    answers: RefCell<HashMap<(usize, usize), Value>>,
}

impl Judge {
    /// Reads what was recorded. Every message has to be there once.
    pub async fn read(desk: &Desk, plan: &[Planned], today: NaiveDate) -> Self {
        let noted = read_noted(desk).await;
        let mut event_ids: Vec<&str> = noted.iter().map(|row| row.event_id.as_str()).collect();
        let mut planned: Vec<&str> = plan.iter().map(|m| m.event_id.as_str()).collect();
        event_ids.sort_unstable();
        planned.sort_unstable();
        assert_eq!(event_ids, planned, "recorded and sent");
        let mut commits = BTreeMap::new();
        for message in plan {
            for &lp_id in &message.lp_ids {
                commits
                    .entry(lp_id)
                    .or_insert_with(|| commits_of(lp_id, &noted, plan));
            }
        }
        let key = |row: Noted| ((row.relation, row.row_id), row.position);
        Self {
            truth: read_truth(&desk.client).await.expect("the truth"),
            today,
            positions: noted.into_iter().map(key).collect(),
            commits,
            oracles: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    /// The commits that concern an LP, with the times of their batches.
    pub fn commits(&self, lp_id: i64, plan: &[Planned], batches: &[Delivered]) -> Vec<Commit> {
        let of_commit = |(_, event_ids): &(i64, Vec<String>)| {
            let is_in = |message: usize| event_ids.contains(&plan[message].event_id);
            let begun = batches
                .iter()
                .filter(|batch| batch.messages.iter().any(|m| is_in(*m)));
            let acknowledges = |batch: &&Delivered| {
                let mut messages = batch.messages.iter();
                messages.any(|message| is_in(*message) && !batch.failed.contains(message))
            };
            let acknowledged = batches.iter().filter(acknowledges);
            Commit {
                begun: begun
                    .map(|batch| batch.span.begin)
                    .min()
                    .expect("it was delivered"),
                acknowledged: acknowledged
                    .map(|batch| batch.span.end)
                    .min()
                    .expect("it was acknowledged"),
            }
        };
        self.commits[&lp_id].iter().map(of_commit).collect()
    }

    /// How an answer differs from that of a state.
    pub fn differences(
        &self,
        index: usize,
        question: Question,
        state: usize,
        got: &Value,
    ) -> Vec<String> {
        let mut answers = self.answers.borrow_mut();
        let expected = answers
            .entry((index, state))
            .or_insert_with(|| question.expected(&self.oracle(question.lp_id, state)));
        let (mut expected, mut got) = (expected.clone(), got.clone());
        keep_common_points(&mut expected, &mut got);
        hide_pending(&mut expected, &mut got);
        differences(&expected, &got)
    }

    fn oracle(&self, lp_id: i64, state: usize) -> Rc<Oracle> {
        let upto = state
            .checked_sub(1)
            .map_or(0, |commit| self.commits[&lp_id][commit].0);
        let mut oracles = self.oracles.borrow_mut();
        let made = oracles
            .entry(upto)
            .or_insert_with(|| Rc::new(Oracle::new(self.truth_upto(upto), self.today)));
        Rc::clone(made)
    }

    /// The truth without what came later. For whoever's commit ends there that is whole commits: others' may be cut, but they
    /// concern neither the LP nor its funds.
    fn truth_upto(&self, upto: i64) -> Truth {
        let is_there = |relation: &str, row_id: i64| {
            let position = self.positions.get(&(relation.to_owned(), row_id));
            position.is_none_or(|position| *position <= upto)
        };
        let mut truth = self.truth.clone();
        for commitment in truth.lps.values_mut().flat_map(|lp| &mut lp.commitments) {
            commitment
                .entries
                .retain(|entry| is_there("capital_activities", entry.activity_id));
            commitment
                .navs
                .retain(|nav| is_there("commitment_navs", nav.report_id));
        }
        for fund in truth.funds.values_mut() {
            fund.navs
                .retain(|nav| is_there("fund_nav_snapshots", nav.report_id));
        }
        truth
    }
}

async fn read_noted(desk: &Desk) -> Vec<Noted> {
    let sql = "select position, transaction_id::text, relation, row_id, event_id from noted order by position";
    let rows = desk.client.query(sql, &[]).await.expect("the notes");
    let noted = rows.iter().map(|row| Noted {
        position: row.get(0),
        transaction: row.get(1),
        relation: row.get(2),
        row_id: row.get(3),
        event_id: row.get(4),
    });
    noted.collect()
}

/// The transactions that concern an LP. Its lock keeps them apart, so that the rows of each stand together.
fn commits_of(lp_id: i64, noted: &[Noted], plan: &[Planned]) -> Vec<(i64, Vec<String>)> {
    let lps: HashMap<&str, &Vec<i64>> = plan
        .iter()
        .map(|m| (m.event_id.as_str(), &m.lp_ids))
        .collect();
    let of_lp: Vec<&Noted> = noted
        .iter()
        .filter(|row| lps[row.event_id.as_str()].contains(&lp_id))
        .collect();
    let transactions = of_lp.chunk_by(|a, b| a.transaction == b.transaction);
    let commits: Vec<&[&Noted]> = transactions.collect();
    let mut ids: Vec<&str> = commits
        .iter()
        .map(|rows| rows[0].transaction.as_str())
        .collect();
    ids.sort_unstable();
    assert!(
        ids.windows(2).all(|pair| pair[0] != pair[1]),
        "two transactions held the lock of LP {lp_id} at once"
    );
    let commit = |rows: &&[&Noted]| {
        let event_ids = rows.iter().map(|row| row.event_id.clone()).collect();
        (rows[rows.len() - 1].position, event_ids)
    };
    commits.iter().map(commit).collect()
}

/// Of histories of which the second may lack points, keeps those of days that both have. It may also show some that the ledger does not
/// lead to: a report makes those before it needless, and a period shows an earlier day while its last is not there yet.
fn keep_common_points(expected: &mut Value, got: &mut Value) {
    let [expected, got] =
        [expected, got].map(|answer| answer.get_mut("series").and_then(Value::as_array_mut));
    let (expected, got) = (expected.into_iter().flatten(), got.into_iter().flatten());
    for (expected, got) in expected.zip(got) {
        let [expected, got] =
            [expected, got].map(|series| series["points"].as_array_mut().expect("points"));
        if may_lack_points(got) {
            got.retain(|point| has_day_of(expected, point));
            expected.retain(|point| has_day_of(got, point));
        }
    }
}

#[test]
fn only_a_history_whose_last_point_is_pending_may_have_other_days() {
    let history = |points: &[(u32, &[&str])]| {
        let point = |(date, flags): &(u32, &[&str])| json!({"date": date, "flags": flags});
        let points: Vec<Value> = points.iter().map(point).collect();
        json!({"series": [{"points": points}]})
    };
    let common = |expected: &Value, got: &Value| {
        let (mut expected, mut got) = (expected.clone(), got.clone());
        keep_common_points(&mut expected, &mut got);
        (expected, got)
    };
    let pending: &[&str] = &["IRR_PENDING"];
    let expected = history(&[(1, &[]), (3, &[]), (4, &[])]);
    let got = history(&[(1, &[]), (2, &[]), (3, pending)]);
    let kept = history(&[(1, &[]), (3, &[])]);
    let kept = (kept, history(&[(1, &[]), (3, pending)]));
    assert_eq!(common(&expected, &got), kept);
    let none = history(&[]);
    let got = history(&[(2, pending)]);
    assert_eq!(common(&expected, &got), (none.clone(), none));
    let settled = history(&[(1, pending), (2, &[])]);
    assert_eq!(common(&expected, &settled), (expected, settled));
}
