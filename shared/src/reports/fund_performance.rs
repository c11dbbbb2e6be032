//! `GET /api/lp/{lpId}/fund/{fundId}/performance`: the LP's position in one fund, pooled over its commitments there, and the
//! fund's gross figures.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;
use tokio_postgres::Row;

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

const SQL: &str = include_str!("fund_performance.sql");
static LIVE_SQL: LazyLock<String> =
    LazyLock::new(|| without_views(SQL, &["lp_performance_latest"]));

/// The question.
#[derive(Debug, Clone)]
pub struct FundPerformance {
    lp_id: LpId,
    fund_id: FundId,
    as_of: NaiveDate,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    lp_id: LpId,
    as_of: NaiveDate,
    #[serde(flatten)]
    fund: FundPosition,
}

/// An LP's position in a fund.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FundPosition {
    fund_id: FundId,
    fund_name: String,
    vintage_year: i32,
    #[serde(flatten)]
    position: Position,
    #[serde(flatten)]
    gross: Gross,
}

impl FundPosition {
    /// Reads the columns of a position, of its fund and of the fund's performance.
    pub(super) fn from_row(row: &Row, fund_id: FundId) -> Self {
        let mut position = Position::from_row(row);
        let (gross, flags) = Gross::from_row(row);
        position.flags = position.flags.union(flags);
        Self {
            fund_id,
            fund_name: row.get("fund_name"),
            vintage_year: row.get("vintage_year"),
            position,
            gross,
        }
    }
}

impl FundPerformance {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &["asOf"];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let (lp_id, fund_id) = (parameters.lp_id(), parameters.fund_id_in_path());
        let as_of = parameters.as_of();
        Ok(Self::new(lp_id?, fund_id?, as_of?))
    }

    /// The question as of a day.
    #[must_use]
    pub fn new(lp_id: LpId, fund_id: FundId, as_of: NaiveDate) -> Self {
        Self {
            lp_id,
            fund_id,
            as_of,
        }
    }
}

impl Report for FundPerformance {
    const NAME: &'static str = ReportName::FundPerformance.slug();
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, Funds::Only(vec![self.fund_id]))
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        let fingerprint = format!("fund={} asOf={}", self.fund_id, self.as_of);
        Some((ReportName::FundPerformance, fingerprint))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let rows = query_view(
            db,
            SQL,
            &LIVE_SQL,
            &[&self.lp_id, &self.as_of, &self.fund_id],
        )
        .await?;
        Ok(rows.first().map(|row| Answer {
            lp_id: self.lp_id,
            as_of: self.as_of,
            fund: FundPosition::from_row(row, self.fund_id),
        }))
    }
}
