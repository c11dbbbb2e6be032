//! The raw truth in lists: what was promised, recorded, reported and valued.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

/// Everything that answers are computed from.
#[derive(Debug, Clone)]
pub struct Truth {
    /// LPs by id, each with its commitments.
    pub lps: BTreeMap<i64, Lp>,
    /// Funds by id, each with its investments.
    pub funds: BTreeMap<i64, Fund>,
}

/// A limited partner.
#[derive(Debug, Clone)]
pub struct Lp {
    /// Its id.
    pub lp_id: i64,
    /// Its name.
    pub name: String,
    /// Its commitments, ordered by id.
    pub commitments: Vec<Commitment>,
}

/// A promise of an LP to a fund, with all that was recorded for it.
#[derive(Debug, Clone)]
pub struct Commitment {
    /// Its id.
    pub commitment_id: i64,
    /// The LP that promised.
    pub lp_id: i64,
    /// The fund it was promised to.
    pub fund_id: i64,
    /// That fund's currency.
    pub currency: String,
    /// The original amount.
    pub original_cents: i64,
    /// The day from which it counts.
    pub date: NaiveDate,
    /// Whether its status is active today.
    pub active: bool,
    /// Its ledger entries, ordered by id.
    pub entries: Vec<Entry>,
    /// Its NAV reports, ordered by id.
    pub navs: Vec<Report>,
}

/// A ledger entry. Its effects are worked out here from the table of types, not read from the stored ones.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub activity_id: i64,
    /// Its type.
    pub kind: String,
    /// Its amount, negative on a reversal.
    pub amount_cents: i64,
    /// The day on which it counts.
    pub date: NaiveDate,
    /// The moment at which it was learned.
    pub recorded_at: DateTime<Utc>,
    /// The amount's parts, where given.
    pub components: Option<Value>,
    /// Free text.
    pub description: Option<String>,
    /// The sender's reference.
    pub reference_number: Option<String>,
    /// Open data of the sender.
    pub metadata: Value,
    /// The entry that this one takes back.
    pub reverses_activity_id: Option<i64>,
    /// The LP's cash: calls are negative.
    pub cash_cents: i64,
    /// Change of paid-in capital.
    pub paid_in_cents: i64,
    /// Change of distributed capital.
    pub distributed_cents: i64,
    /// Change of the unfunded commitment.
    pub unfunded_cents: i64,
}

/// A NAV as reported for a date, of a commitment (net) or of a whole fund (gross).
#[derive(Debug, Clone)]
pub struct Report {
    /// Its id, which grows in the order of recording.
    pub report_id: i64,
    /// The date it speaks of, end of day.
    pub date: NaiveDate,
    /// The NAV.
    pub nav_cents: i64,
    /// The source's own time.
    pub reported_at: DateTime<Utc>,
}

/// A fund with what it holds.
#[derive(Debug, Clone)]
pub struct Fund {
    /// Its id.
    pub fund_id: i64,
    /// Its name.
    pub name: String,
    /// Its vintage year.
    pub vintage_year: i32,
    /// Its currency.
    pub currency: String,
    /// Its investments, ordered by id.
    pub investments: Vec<Investment>,
    /// Its reported gross NAVs, ordered by id.
    pub navs: Vec<Report>,
}

/// A fund's stake in a company.
#[derive(Debug, Clone)]
pub struct Investment {
    /// Its id.
    pub investment_id: i64,
    /// The company.
    pub company_id: i64,
    /// The company's name.
    pub company_name: String,
    /// The company's sector.
    pub sector: String,
    /// The company's stage.
    pub stage: String,
    /// The day from which it is a holding.
    pub date: NaiveDate,
    /// The day from which it is none any more.
    pub exit_date: Option<NaiveDate>,
    /// Cash between fund and company: invested is negative.
    pub flows: Vec<(NaiveDate, i64)>,
    /// Fair values of the stake in the order of recording.
    pub valuations: Vec<(NaiveDate, i64)>,
}
