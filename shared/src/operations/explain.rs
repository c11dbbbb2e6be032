//! How the database answers a report: the plan of its statement, for one question, as the role that answers runs it. It does run,
//! in a transaction that only reads; its rows are not told.

use std::collections::HashMap;

use chrono::NaiveDate;
use lambda_http::{Request, RequestExt};
use serde::Serialize;

use crate::access::Scoped;
use crate::answer::Report;
use crate::db::{Connection, Database};
use crate::error::Error;
use crate::http::{self, Parameters, Problem, Refused};
use crate::reports::{
    AccessLog, CapitalActivity, FundPerformance, FundSummary, Holdings, Performance,
    PerformanceHistory, Summary,
};

/// A question, as its request puts it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The function that answers it.
    pub report: String,
    /// The path's `lpId`.
    pub lp_id: Option<String>,
    /// The path's `fundId`.
    pub fund_id: Option<String>,
    /// The query's parameters.
    pub query: HashMap<String, String>,
}

/// How it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The function.
    pub report: String,
    /// The lines of the plan of each statement that ran: one, or another where a view is missing.
    pub plans: Vec<Vec<String>>,
}

/// Explains. `reader` is the database as the role of the functions that answer reaches it, with that role's settings.
pub async fn explain(
    reader: &Database,
    today: NaiveDate,
    asked: &Asked,
) -> Result<Explained, Error> {
    let connection = reader.connection().await?;
    let question = Question {
        db: &connection,
        request: request(asked),
        today,
    };
    let plans = question.explain_report(&asked.report).await;
    // It holds settings and a statement of this question's.
    drop(Connection::take(connection));
    Ok(Explained {
        report: asked.report.clone(),
        plans: plans?,
    })
}

/// As the gateway would hand it over.
fn request(asked: &Asked) -> Request {
    let in_path = [("lpId", &asked.lp_id), ("fundId", &asked.fund_id)];
    let path: HashMap<String, String> = in_path
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect();
    Request::default()
        .with_path_parameters(path)
        .with_query_string_parameters(asked.query.clone())
}

struct Question<'a> {
    db: &'a Connection,
    request: Request,
    today: NaiveDate,
}

impl Question<'_> {
    async fn explain_report(&self, report: &str) -> Result<Vec<Vec<String>>, Error> {
        match report {
            Summary::NAME => self.explain(Summary::PARAMETERS, Summary::parse).await,
            CapitalActivity::NAME => {
                self.explain(CapitalActivity::PARAMETERS, CapitalActivity::parse)
                    .await
            }
            FundPerformance::NAME => {
                self.explain(FundPerformance::PARAMETERS, FundPerformance::parse)
                    .await
            }
            Holdings::NAME => self.explain(Holdings::PARAMETERS, Holdings::parse).await,
            Performance::NAME => {
                self.explain(Performance::PARAMETERS, Performance::parse)
                    .await
            }
            PerformanceHistory::NAME => {
                self.explain(PerformanceHistory::PARAMETERS, PerformanceHistory::parse)
                    .await
            }
            AccessLog::NAME => self.explain(AccessLog::PARAMETERS, AccessLog::parse).await,
            FundSummary::NAME => {
                self.explain(FundSummary::PARAMETERS, FundSummary::parse)
                    .await
            }
            other => Err(Error::Refused(format!("there is no report {other}"))),
        }
    }

    async fn explain<R: Report>(
        &self,
        names: &[&str],
        read: impl FnOnce(&mut Parameters) -> Result<R, Refused> + Send,
    ) -> Result<Vec<Vec<String>>, Error> {
        let report = http::parse(&self.request, self.today, names, read).map_err(refusal)?;
        let scope = report.scope();
        let scoped = Scoped::explained(self.db, &scope);
        // It is shown no rows, so its answer says nothing.
        report.load(&scoped).await?;
        Ok(scoped.plans())
    }
}

/// A question that is not understood is refused with what a client would be told.
fn refusal(problem: Problem) -> Error {
    match problem {
        Problem::InvalidParameters(errors) => {
            let sentences: Vec<String> = errors
                .iter()
                .map(|error| format!("{} {}", error.parameter, error.detail))
                .collect();
            Error::Refused(sentences.join("; "))
        }
        Problem::Failure(error) => error,
        other => Error::Refused(format!("{other:?}")),
    }
}
