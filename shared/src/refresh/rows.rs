//! Performance as its tables hold it. Ratios travel as text, so that they arrive with the digits they were rounded to.

use chrono::NaiveDate;
use serde::Serialize;

use crate::finance::gross::GrossSnapshot;
use crate::finance::multiples::Rounded;
use crate::finance::performance::Snapshot;

/// A row of `lp_performance_snapshots`.
#[derive(Debug, Serialize)]
pub(super) struct SnapshotRow {
    pub(super) lp_id: i64,
    pub(super) fund_id: i64,
    pub(super) commitment_id: i64,
    pub(super) snapshot_date: NaiveDate,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// A row of `lp_pooled_performance`.
#[derive(Debug, Serialize)]
pub(super) struct PooledRow {
    pub(super) lp_id: i64,
    pub(super) currency: String,
    pub(super) fund_id: Option<i64>,
    pub(super) performance_date: NaiveDate,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// What both tables hold of a date. The flags are those of the rate: the reasons for absent multiples follow from the balances.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    commitment_cents: i64,
    paid_in_cents: i64,
    distributed_cents: i64,
    nav_cents: Option<i64>,
    dpi: Option<String>,
    rvpi: Option<String>,
    tvpi: Option<String>,
    pic: Option<String>,
    net_irr: Option<f64>,
    annualised: Option<bool>,
    flags: Vec<&'static str>,
}

impl From<Snapshot> for Figures {
    fn from(at: Snapshot) -> Self {
        Self {
            commitment_cents: at.commitment_cents,
            paid_in_cents: at.paid_in_cents,
            distributed_cents: at.distributed_cents,
            nav_cents: at.nav_cents,
            dpi: text(at.multiples.dpi),
            rvpi: text(at.multiples.rvpi),
            tvpi: text(at.multiples.tvpi),
            pic: text(at.multiples.pic),
            net_irr: at.irr.rate,
            annualised: at.irr.rate.map(|_| at.irr.annualised),
            flags: at.irr.flags.codes(),
        }
    }
}

/// A row of `fund_performance`.
#[derive(Debug, Serialize)]
pub(super) struct FundRow {
    fund_id: i64,
    performance_date: NaiveDate,
    invested_cents: i64,
    proceeds_cents: i64,
    residual_cents: i64,
    moic: Option<String>,
    gross_irr: Option<f64>,
    annualised: Option<bool>,
    flags: Vec<&'static str>,
}

impl FundRow {
    /// The row of a fund's figures at a date.
    pub(super) fn new(fund_id: i64, at: GrossSnapshot) -> Self {
        Self {
            fund_id,
            performance_date: at.date,
            invested_cents: at.invested_cents,
            proceeds_cents: at.proceeds_cents,
            residual_cents: at.residual_cents,
            moic: text(at.moic),
            gross_irr: at.irr.rate,
            annualised: at.irr.rate.map(|_| at.irr.annualised),
            flags: at.flags.codes(),
        }
    }
}

fn text(ratio: Option<Rounded>) -> Option<String> {
    ratio.map(|ratio| ratio.to_string())
}
