//! What readers ask, and how a function is asked it in process.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::app::App;
use tests::database::project;
use tests::oracle::Oracle;
use tests::oracle::history::{Scope, history};

use crate::world::World;

/// A day in the middle of everything.
const PAST_DAY: &str = "2023-06-30";

/// A question about an LP.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Whom it is about.
    pub lp_id: i64,
    /// What.
    pub what: What,
}

/// A report and its parameters.
#[derive(Debug, Clone, Copy)]
pub enum What {
    Summary(NaiveDate),
    CapitalActivity,
    FundPerformance(i64, NaiveDate),
    Holdings,
    Performance(NaiveDate),
    History(Scope),
}

/// Every question about everyone.
pub fn questions(world: &World, today: NaiveDate) -> Vec<Question> {
    let past: NaiveDate = PAST_DAY.parse().expect("a date");
    let mut questions = Vec::new();
    for &lp_id in &world.lp_ids {
        let mut ask = |what| questions.push(Question { lp_id, what });
        for date in [today, past] {
            ask(What::Summary(date));
            ask(What::Performance(date));
        }
        ask(What::CapitalActivity);
        ask(What::Holdings);
        ask(What::History(Scope::Lp));
        for commitment in world.commitments.iter().filter(|c| c.lp_id == lp_id) {
            let (fund_id, commitment_id) = (commitment.fund_id, commitment.commitment_id);
            ask(What::FundPerformance(fund_id, today));
            ask(What::History(Scope::Fund(fund_id)));
            ask(What::History(Scope::Commitment(commitment_id)));
        }
    }
    questions
}

impl Question {
    /// Asks it of the report's function.
    pub async fn ask(&self, app: &App, subject: &str) -> Response<Body> {
        let request = self.request(subject);
        match self.what {
            What::Summary(_) => summary::handle(app, request).await,
            What::CapitalActivity => capital_activity::handle(app, request).await,
            What::FundPerformance(..) => fund_performance::handle(app, request).await,
            What::Holdings => holdings::handle(app, request).await,
            What::Performance(_) => performance::handle(app, request).await,
            What::History(_) => performance_history::handle(app, request).await,
        }
    }

    /// The function's sample event with this question in it, from a client that takes no gzip.
    fn request(&self, subject: &str) -> Request {
        let file = project().join(format!("events/{}.json", self.function()));
        let text = std::fs::read_to_string(file).expect("the event is there");
        let mut event: Value = serde_json::from_str(&text).expect("it is JSON");
        let query = self.query();
        let pairs: Vec<String> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
        event["rawQueryString"] = json!(pairs.join("&"));
        event["queryStringParameters"] = json!(query);
        event["headers"]["accept-encoding"] = json!("identity");
        event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(subject);
        event["pathParameters"]["lpId"] = json!(self.lp_id.to_string());
        if let What::FundPerformance(fund_id, _) = self.what {
            event["pathParameters"]["fundId"] = json!(fund_id.to_string());
        }
        lambda_http::request::from_str(&event.to_string()).expect("it is an event of API Gateway")
    }

    fn function(&self) -> &'static str {
        match self.what {
            What::Summary(_) => "summary",
            What::CapitalActivity => "capital-activity",
            What::FundPerformance(..) => "fund-performance",
            What::Holdings => "holdings",
            What::Performance(_) => "performance",
            What::History(_) => "performance-history",
        }
    }

    fn query(&self) -> BTreeMap<&str, String> {
        let pair = |name, value| BTreeMap::from([(name, value)]);
        match self.what {
            What::Summary(date) | What::Performance(date) | What::FundPerformance(_, date) => {
                pair("asOf", date.to_string())
            }
            What::CapitalActivity | What::Holdings => pair("limit", "1000".to_owned()),
            What::History(Scope::Lp) => BTreeMap::new(),
            What::History(Scope::Fund(fund_id)) => pair("fundId", fund_id.to_string()),
            What::History(Scope::Commitment(id)) => pair("commitmentId", id.to_string()),
        }
    }

    /// What the oracle answers.
    pub fn expected(&self, oracle: &Oracle, today: NaiveDate) -> Value {
        let lp_id = self.lp_id;
        let answer = match self.what {
            What::Summary(date) => oracle.summary(lp_id, date),
            What::CapitalActivity => oracle.capital_activity(lp_id, None, None),
            What::FundPerformance(fund_id, date) => oracle.fund_performance(lp_id, fund_id, date),
            What::Holdings => oracle.holdings(lp_id),
            What::Performance(date) => oracle.performance(lp_id, date),
            What::History(scope) => oracle.series(lp_id, scope).map(|series| {
                let whole = (None, None);
                history((lp_id, scope, today), &series, "quarterly", whole)
            }),
        };
        answer.expect("the oracle knows everyone")
    }
}
