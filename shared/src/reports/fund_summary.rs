//! `GET /api/fund/{fundId}/summary`: what all LPs of a fund have in it together, for its GP.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;
use tokio_postgres::Row;

use super::position::write_flags;
use super::views::{query_view, without_view};
use crate::access::{Scope, Scoped};
use crate::answer::Report;
use crate::cache::ReportName;
use crate::error::Error;
use crate::finance::flags::{Flag, Flags};
use crate::finance::multiples::{Multiples, Position, Rounded, compute_multiples};
use crate::http::{Parameters, Refused};
use crate::ids::FundId;

const SQL: &str = include_str!("fund_summary.sql");
static LIVE_SQL: LazyLock<String> =
    LazyLock::new(|| without_view(SQL, "fund_lp_summary", "fund_lp_summary_in_scope_at"));

/// The question.
#[derive(Debug, Clone)]
pub struct FundSummary {
    fund_id: FundId,
    as_of: NaiveDate,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    fund_id: FundId,
    fund_name: String,
    vintage_year: i32,
    currency: String,
    as_of: NaiveDate,
    lp_count: i64,
    commitment_cents: i64,
    paid_in_cents: i64,
    distributed_cents: i64,
    nav_cents: i64,
    dpi: Option<f64>,
    tvpi: Option<f64>,
    #[serde(serialize_with = "write_flags")]
    flags: Flags,
}

impl FundSummary {
    /// The query parameters it takes.
    pub const PARAMETERS: &[&str] = &["asOf"];

    /// Reads the question from a request.
    pub fn parse(parameters: &mut Parameters) -> Result<Self, Refused> {
        let (fund_id, as_of) = (parameters.fund_id_in_path(), parameters.as_of());
        Ok(Self::new(fund_id?, as_of?))
    }

    /// The question as of a day.
    #[must_use]
    pub fn new(fund_id: FundId, as_of: NaiveDate) -> Self {
        Self { fund_id, as_of }
    }

    fn answer(&self, row: &Row) -> Answer {
        let nav_cents = row.get("nav_cents");
        let amounts = Position {
            commitment_cents: row.get("commitment_cents"),
            paid_in_cents: row.get("paid_in_cents"),
            distributed_cents: row.get("distributed_cents"),
            nav_cents: Some(nav_cents),
        };
        let multiples = compute_multiples(amounts);
        Answer {
            fund_id: self.fund_id,
            fund_name: row.get("fund_name"),
            vintage_year: row.get("vintage_year"),
            currency: row.get("currency"),
            as_of: self.as_of,
            lp_count: row.get("lp_count"),
            commitment_cents: amounts.commitment_cents,
            paid_in_cents: amounts.paid_in_cents,
            distributed_cents: amounts.distributed_cents,
            nav_cents,
            dpi: multiples.dpi.map(Rounded::to_f64),
            tvpi: multiples.tvpi.map(Rounded::to_f64),
            flags: flags(row, amounts, multiples),
        }
    }
}

/// There is no PIC here, so a flag about it would explain nothing.
fn flags(row: &Row, amounts: Position, multiples: Multiples) -> Flags {
    let is_shown = |flag: &Flag| *flag != Flag::ZeroCommitment;
    let mut flags: Flags = multiples.flags.iter().filter(is_shown).collect();
    if amounts.paid_in_cents > amounts.commitment_cents {
        flags.insert(Flag::PaidInExceedsCommitment);
    }
    if row.get("nav_at_cost") {
        flags.insert(Flag::NavAtCost);
    }
    flags
}

impl Report for FundSummary {
    const NAME: &'static str = "fund-summary";
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Fund(self.fund_id)
    }

    /// Few ask, and every commit of any of the fund's LPs would have to close a tag of the fund.
    fn cached_as(&self) -> Option<(ReportName, String)> {
        None
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let rows = query_view(db, SQL, &LIVE_SQL, &[&self.fund_id, &self.as_of]).await?;
        Ok(rows.first().map(|row| self.answer(row)))
    }
}
