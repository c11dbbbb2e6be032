//! `GET /api/lp/{lpId}/performance`: the LP's performance pooled in each currency, and in each of its funds.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;
use tokio_postgres::Row;

use super::fund_performance::FundPosition;
use super::gross::Gross;
use super::position::Position;
use super::views::{query_view, without_views};
use crate::access::{Scope, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::grant::Funds;
use crate::http::{Parameters, Refused};
use crate::ids::{FundId, LpId};

const SQL: &str = include_str!("performance.sql");
static LIVE_SQL: LazyLock<String> =
    LazyLock::new(|| without_views(SQL, &["lp_dashboard_summary", "lp_performance_latest"]));

/// The question.
#[derive(Debug, Clone)]
pub struct Performance {
    lp_id: LpId,
    as_of: NaiveDate,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    as_of: NaiveDate,
    totals: Vec<Total>,
    funds: Vec<FundPosition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    commitment_count: i64,
    #[serde(flatten)]
    position: Position,
    #[serde(flatten)]
    gross: Gross,
}

impl Performance {
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

impl Report for Performance {
    const NAME: &'static str = ReportName::Performance.slug();
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, Funds::All)
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        Some((ReportName::Performance, format!("asOf={}", self.as_of)))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let rows = query_view(db, SQL, &LIVE_SQL, &[&self.lp_id, &self.as_of]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut answer = Answer {
            lp_id: self.lp_id,
            as_of: self.as_of,
            totals: Vec::new(),
            funds: Vec::new(),
        };
        // The one row of an LP without commitments has no currency.
        for row in rows.iter().filter(|row| has_position(row)) {
            match row.get::<_, Option<FundId>>("fund_id") {
                Some(fund_id) => answer.funds.push(FundPosition::from_row(row, fund_id)),
                None => answer.totals.push(Total::from_row(row)),
            }
        }
        Ok(Some(answer))
    }
}

fn has_position(row: &Row) -> bool {
    row.get::<_, Option<&str>>("currency").is_some()
}

impl Total {
    fn from_row(row: &Row) -> Self {
        let mut position = Position::from_row(row);
        let (gross, flags) = Gross::not_poolable();
        position.flags = position.flags.union(flags);
        Self {
            commitment_count: row.get("commitment_count"),
            position,
            gross,
        }
    }
}
