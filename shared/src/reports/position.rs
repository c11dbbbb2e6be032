//! A position: what an LP has in a fund, or in all its funds of one currency, with its multiples and its net IRR. Three
//! reports show positions; their statements name the columns alike.

use chrono::NaiveDate;
use serde::{Serialize, Serializer};
use tokio_postgres::Row;

use crate::finance::flags::{Flag, Flags};
use crate::finance::multiples::{self, Multiples, Rounded, compute_multiples, funding_flags};
use crate::finance::xirr::{DatedFlow, Irr, irr_at};

/// A position at the end of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The currency of every amount.
    pub currency: String,
    /// The commitment in force.
    pub commitment_cents: i64,
    /// Paid in, cumulatively.
    pub paid_in_cents: i64,
    /// Distributed, cumulatively.
    pub distributed_cents: i64,
    /// What may still be called; below zero when more was.
    pub unfunded_cents: i64,
    /// The last reported NAV adjusted to the day; none for a single commitment without a report.
    pub nav_cents: Option<i64>,
    /// The last reported NAV itself.
    pub reported_nav_cents: Option<i64>,
    /// The date of that report.
    pub nav_as_of: Option<NaiveDate>,
    /// Distributed to paid-in.
    pub dpi: Option<f64>,
    /// NAV to paid-in.
    pub rvpi: Option<f64>,
    /// Distributed and NAV to paid-in.
    pub tvpi: Option<f64>,
    /// Paid-in to commitment.
    pub pic: Option<f64>,
    /// The net rate of return, as a fraction with six decimals.
    pub net_irr: Option<f64>,
    /// The day of the rate.
    pub irr_as_of: Option<NaiveDate>,
    /// Whether the rate is per year; none without a rate.
    pub annualised: Option<bool>,
    /// Why a figure is null, or what to know about it.
    #[serde(serialize_with = "write_flags")]
    pub flags: Flags,
}

impl Position {
    /// Reads the columns of a position and works out what is computed from them.
    pub(super) fn from_row(row: &Row) -> Self {
        let amounts = multiples::Position {
            commitment_cents: row.get("commitment_cents"),
            paid_in_cents: row.get("paid_in_cents"),
            distributed_cents: row.get("distributed_cents"),
            nav_cents: row.get("nav_cents"),
        };
        let unfunded_cents = row.get("unfunded_cents");
        let Multiples {
            dpi,
            rvpi,
            tvpi,
            pic,
            flags,
        } = compute_multiples(amounts);
        let (irr, irr_as_of) = net_irr(row, amounts.nav_cents);
        let mut flags = flags
            .union(funding_flags(
                amounts.commitment_cents,
                amounts.paid_in_cents,
                unfunded_cents,
            ))
            .union(irr.flags);
        if row.get("nav_at_cost") {
            flags.insert(Flag::NavAtCost);
        }
        Self {
            currency: row.get("currency"),
            commitment_cents: amounts.commitment_cents,
            paid_in_cents: amounts.paid_in_cents,
            distributed_cents: amounts.distributed_cents,
            unfunded_cents,
            nav_cents: amounts.nav_cents,
            reported_nav_cents: row.get("reported_nav_cents"),
            nav_as_of: row.get("nav_as_of_date"),
            dpi: dpi.map(Rounded::to_f64),
            rvpi: rvpi.map(Rounded::to_f64),
            tvpi: tvpi.map(Rounded::to_f64),
            pic: pic.map(Rounded::to_f64),
            net_irr: irr.rate.map(shown_rate),
            irr_as_of,
            annualised: irr.rate.map(|_| irr.annualised),
            flags,
        }
    }
}

/// The rate and its day. While performance is owed, the stored rate is shown and says so. Otherwise it moves only when
/// something happens: the stored rate is the answer if it is of the day on which something last did, and what is not
/// stored, as for some days in the past, is computed from the ledger.
fn net_irr(row: &Row, nav_cents: Option<i64>) -> (Irr, Option<NaiveDate>) {
    let (stored_date, irr_date): (Option<NaiveDate>, Option<NaiveDate>) =
        (row.get("performance_date"), row.get("irr_date"));
    if row.get("irr_is_pending") {
        let mut irr = stored_irr(row);
        irr.flags.insert(Flag::IrrPending);
        return (irr, stored_date);
    }
    let irr = match (nav_cents, irr_date) {
        (None, _) => without_rate(Flag::NoNav),
        (Some(_), None) => without_rate(Flag::InsufficientFlows),
        (Some(_), Some(date)) if stored_date == Some(date) => stored_irr(row),
        (Some(nav_cents), Some(date)) => irr_at(&flows(row), date, nav_cents),
    };
    (irr, irr_date)
}

fn without_rate(reason: Flag) -> Irr {
    Irr {
        rate: None,
        annualised: false,
        flags: reason.into(),
    }
}

fn stored_irr(row: &Row) -> Irr {
    Irr {
        rate: row.get("net_irr"),
        annualised: row.get::<_, Option<bool>>("annualised").unwrap_or_default(),
        flags: read_flags(row, "irr_flags")
            .iter()
            .filter(|flag| flag.is_of_irr())
            .collect(),
    }
}

fn flows(row: &Row) -> Vec<DatedFlow> {
    let dates: Vec<NaiveDate> = row.get::<_, Option<_>>("flow_dates").unwrap_or_default();
    let cents: Vec<i64> = row.get::<_, Option<_>>("flow_cents").unwrap_or_default();
    dates
        .into_iter()
        .zip(cents)
        .map(|(date, amount_cents)| DatedFlow { date, amount_cents })
        .collect()
}

/// The flags of a stored row; none when there is no row. Codes are written by this project alone, and one that a newer
/// version has added says nothing to this one.
pub(super) fn read_flags(row: &Row, column: &str) -> Flags {
    let codes: Option<Vec<&str>> = row.get(column);
    codes
        .unwrap_or_default()
        .into_iter()
        .filter_map(Flag::from_code)
        .collect()
}

/// A rate with six decimals, half-even. Adding zero turns a negative zero into a plain one.
pub(super) fn shown_rate(rate: f64) -> f64 {
    (rate * 1e6).round_ties_even() / 1e6 + 0.0
}

/// Writes flags as their codes in alphabetical order.
pub(super) fn write_flags<S: Serializer>(flags: &Flags, serializer: S) -> Result<S::Ok, S::Error> {
    let mut codes = flags.codes();
    codes.sort_unstable();
    serializer.collect_seq(codes)
}
