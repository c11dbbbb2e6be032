//! `GET /api/lp/{lpId}/summary`: the LP's position in each currency.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;
use tokio_postgres::Row;

use super::position::Position;
use super::views::{query_view, without_views};
use crate::access::{Scope, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::grant::Funds;
use crate::http::{Parameters, Refused};
use crate::ids::LpId;

const SQL: &str = include_str!("summary.sql");
static LIVE_SQL: LazyLock<String> = LazyLock::new(|| without_views(SQL, &["lp_dashboard_summary"]));

/// The question.
#[derive(Debug, Clone)]
pub struct Summary {
    lp_id: LpId,
    as_of: NaiveDate,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    name: String,
    as_of: NaiveDate,
    totals: Vec<Total>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    fund_count: i64,
    commitment_count: i64,
    #[serde(flatten)]
    position: Position,
}

impl Summary {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &["asOf"];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let (lp_id, as_of) = (parameters.lp_id(), parameters.as_of());
        Ok(Self::new(lp_id?, as_of?))
    }

    /// The question as of a day.
    #[must_use]
    pub fn new(lp_id: LpId, as_of: NaiveDate) -> Self {
        Self { lp_id, as_of }
    }
}

impl Report for Summary {
    const NAME: &'static str = ReportName::Summary.slug();
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, Funds::All)
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        Some((ReportName::Summary, format!("asOf={}", self.as_of)))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let rows = query_view(db, SQL, &LIVE_SQL, &[&self.lp_id, &self.as_of]).await?;
        Ok(rows.first().map(|first| Answer {
            lp_id: self.lp_id,
            name: first.get("name"),
            as_of: self.as_of,
            totals: rows.iter().filter_map(total).collect(),
        }))
    }
}

/// The one row of an LP without commitments has no currency.
fn total(row: &Row) -> Option<Total> {
    row.get::<_, Option<&str>>("currency").map(|_| Total {
        fund_count: row.get("fund_count"),
        commitment_count: row.get("commitment_count"),
        position: Position::from_row(row),
    })
}
