//! What readers ask: one question is held against many states, so it comes without an answer.

use chrono::NaiveDate;
use lambda_http::{Body, Response};
use serde_json::Value;
use shared::app::App;
use tests::asking::get;
use tests::oracle::Oracle;
use tests::oracle::history::Scope;
use tests::oracle::questions::What;

use crate::world::World;

/// A day in the middle of everything.
const PAST_DAY: &str = "2023-06-30";
/// More than any list has: two pages would be of two moments.
const LIMIT: u32 = 1000;

/// A question about an LP.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Whom it is about.
    pub lp_id: i64,
    /// What.
    pub what: What,
}

/// Every question about everyone.
pub fn questions(world: &World, today: NaiveDate) -> Vec<Question> {
    let past: NaiveDate = PAST_DAY.parse().expect("a date");
    let history = |scope| What::History(scope, None, (None, None));
    let mut questions = Vec::new();
    for &lp_id in &world.lp_ids {
        let mut ask = |what| questions.push(Question { lp_id, what });
        for date in [today, past] {
            ask(What::Summary(Some(date)));
            ask(What::Performance(Some(date)));
        }
        ask(What::CapitalActivity(LIMIT, None));
        ask(What::Holdings(LIMIT));
        ask(history(Scope::Lp));
        for commitment in world.commitments.iter().filter(|c| c.lp_id == lp_id) {
            let (fund_id, commitment_id) = (commitment.fund_id, commitment.commitment_id);
            ask(What::FundPerformance(fund_id, Some(today)));
            ask(history(Scope::Fund(fund_id)));
            ask(history(Scope::Commitment(commitment_id)));
        }
    }
    questions
}

impl Question {
    /// Asks it of the report's function.
    pub async fn ask(&self, app: &App, subject: &str) -> Response<Body> {
        get(app, subject, &self.what.path(self.lp_id)).await
    }

    /// What the oracle answers.
    pub fn expected(&self, oracle: &Oracle) -> Value {
        let answer = oracle.answer(self.lp_id, self.what);
        answer.expect("the oracle knows everyone")
    }
}
