//! The sample as rows for COPY: one function a table, its columns beside their types, its values in the same order.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};
use tokio_postgres::types::{ToSql, Type};

use super::calendar::{plus_days, recorded_at};
use super::commitment::Commitment;
use super::entry::Entry;
use super::fund::Fund;
use super::generator::Told;
use super::names;
use super::portfolio::{FundNav, Investment};

/// What goes into one column of one row.
pub type Cell = Box<dyn ToSql + Send + Sync>;

/// Rows of one table. They are made one by one, as they are written; that each has a cell for each column, the compiler
/// knows, and that a cell is of its column's type, is checked as it is written.
pub struct Rows<'a, const COLUMNS: usize> {
    /// The table.
    pub table: &'static str,
    /// Its columns, with the types of their cells.
    pub columns: [(&'static str, Type); COLUMNS],
    /// The rows.
    pub rows: Box<dyn Iterator<Item = [Cell; COLUMNS]> + Send + 'a>,
}

/// A row of the given cells.
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { [$(Box::new($cell) as Cell),+] };
}

/// Limited partners: their numbers, with what is awkward about them, if anything.
pub fn limited_partners<'a>(
    partners: impl Iterator<Item = (i64, Option<&'static str>)> + Send + 'a,
) -> Rows<'a, 3> {
    Rows {
        table: "limited_partners",
        columns: [
            ("lp_id", Type::INT8),
            ("name", Type::TEXT),
            ("metadata", Type::JSONB),
        ],
        rows: Box::new(partners.map(|(lp_id, case)| {
            let metadata =
                case.map_or_else(|| json!({}), |case| json!({ "sample": { "case": case } }));
            row![lp_id, names::limited_partner(lp_id), metadata]
        })),
    }
}

/// Funds.
pub fn funds<'a>(funds: impl Iterator<Item = Fund> + Send + 'a) -> Rows<'a, 5> {
    Rows {
        table: "funds",
        columns: [
            ("fund_id", Type::INT8),
            ("name", Type::TEXT),
            ("vintage_year", Type::INT4),
            ("currency", Type::TEXT),
            ("status", Type::TEXT),
        ],
        rows: Box::new(funds.map(|fund| {
            let status = fund.status();
            row![
                fund.fund_id,
                fund.name,
                fund.vintage_year,
                fund.currency,
                status
            ]
        })),
    }
}

/// Companies by number.
pub fn companies<'a>(company_ids: impl Iterator<Item = i64> + Send + 'a) -> Rows<'a, 4> {
    Rows {
        table: "portfolio_companies",
        columns: [
            ("company_id", Type::INT8),
            ("name", Type::TEXT),
            ("sector", Type::TEXT),
            ("stage", Type::TEXT),
        ],
        rows: Box::new(
            company_ids.map(|id| row![id, names::company(id), names::sector(id), names::stage(id)]),
        ),
    }
}

/// Commitments, with the truth about them: the rate that is their IRR.
pub fn commitments(told: &[Told]) -> Rows<'_, 7> {
    Rows {
        table: "lp_fund_commitments",
        columns: [
            ("commitment_id", Type::INT8),
            ("lp_id", Type::INT8),
            ("fund_id", Type::INT8),
            ("commitment_amount_cents", Type::INT8),
            ("commitment_date", Type::DATE),
            ("status", Type::TEXT),
            ("metadata", Type::JSONB),
        ],
        rows: Box::new(told.iter().map(|Told { commitment, .. }| {
            row![
                commitment.commitment_id,
                commitment.lp_id,
                commitment.fund_id,
                commitment.amount_cents,
                commitment.date,
                commitment.status,
                truth(commitment),
            ]
        })),
    }
}

fn truth(commitment: &Commitment) -> Value {
    let mut truth = Map::new();
    if let Some(rate) = commitment.known_rate() {
        truth.insert("annualRate".to_owned(), Value::from(rate.fraction()));
    }
    if let Some(case) = commitment.case {
        truth.insert("case".to_owned(), Value::from(case));
    }
    json!({ "sample": truth })
}

/// A fund's investments.
pub fn investments(fund_id: i64, investments: &[Investment]) -> Rows<'_, 5> {
    Rows {
        table: "fund_investments",
        columns: [
            ("investment_id", Type::INT8),
            ("fund_id", Type::INT8),
            ("company_id", Type::INT8),
            ("investment_date", Type::DATE),
            ("exit_date", Type::DATE),
        ],
        rows: Box::new(investments.iter().map(move |investment| {
            row![
                investment.investment_id,
                fund_id,
                investment.company_id,
                investment.date,
                investment.exit_date,
            ]
        })),
    }
}

/// Their flows, each learned a day later.
pub fn cash_flows(investments: &[Investment]) -> Rows<'_, 4> {
    Rows {
        table: "fund_cash_flows",
        columns: [
            ("investment_id", Type::INT8),
            ("flow_date", Type::DATE),
            ("amount_cents", Type::INT8),
            ("recorded_at", Type::TIMESTAMPTZ),
        ],
        rows: Box::new(investments.iter().flat_map(|investment| {
            let flows = investment.flows.iter();
            flows
                .map(|&(date, cents)| row![investment.investment_id, date, cents, evening(date, 1)])
        })),
    }
}

/// Their valuations, each learned some weeks later.
pub fn valuations(investments: &[Investment]) -> Rows<'_, 4> {
    Rows {
        table: "investment_valuations",
        columns: [
            ("investment_id", Type::INT8),
            ("valuation_date", Type::DATE),
            ("fair_value_cents", Type::INT8),
            ("recorded_at", Type::TIMESTAMPTZ),
        ],
        rows: Box::new(investments.iter().flat_map(|investment| {
            let valuations = investment.valuations.iter();
            valuations.map(|&(date, cents)| {
                row![investment.investment_id, date, cents, evening(date, 40)]
            })
        })),
    }
}

/// A fund's NAVs.
pub fn fund_navs(fund_id: i64, navs: &[FundNav]) -> Rows<'_, 6> {
    Rows {
        table: "fund_nav_snapshots",
        columns: [
            ("fund_id", Type::INT8),
            ("as_of_date", Type::DATE),
            ("gross_nav_cents", Type::INT8),
            ("net_nav_cents", Type::INT8),
            ("reported_at", Type::TIMESTAMPTZ),
            ("recorded_at", Type::TIMESTAMPTZ),
        ],
        rows: Box::new(navs.iter().map(move |nav| {
            let at = evening(nav.as_of_date, nav.reported_after_days);
            row![
                fund_id,
                nav.as_of_date,
                nav.gross_nav_cents,
                nav.net_nav_cents,
                at,
                at,
            ]
        })),
    }
}

/// The ledger entries of commitments.
pub fn activities(told: &[Told]) -> Rows<'_, 17> {
    Rows {
        table: "capital_activities",
        columns: [
            ("activity_id", Type::INT8),
            ("lp_id", Type::INT8),
            ("fund_id", Type::INT8),
            ("commitment_id", Type::INT8),
            ("activity_type", Type::TEXT),
            ("amount_cents", Type::INT8),
            ("effective_date", Type::DATE),
            ("recorded_at", Type::TIMESTAMPTZ),
            ("cash_effect_cents", Type::INT8),
            ("paid_in_effect_cents", Type::INT8),
            ("distributed_effect_cents", Type::INT8),
            ("unfunded_effect_cents", Type::INT8),
            ("components", Type::JSONB),
            ("description", Type::TEXT),
            ("reference_number", Type::TEXT),
            ("metadata", Type::JSONB),
            ("reverses_activity_id", Type::INT8),
        ],
        rows: Box::new(told.iter().flat_map(|told| {
            let numbered = (told.first_activity_id..).zip(&told.life.entries);
            numbered.map(|(id, entry)| activity(id, entry, told))
        })),
    }
}

fn activity(id: i64, entry: &Entry, told: &Told) -> [Cell; 17] {
    let commitment = &told.commitment;
    let signs = entry.kind.signs();
    let effect_cents = |sign: i16| i64::from(sign) * entry.amount_cents;
    row![
        id,
        commitment.lp_id,
        commitment.fund_id,
        commitment.commitment_id,
        entry.kind.name(),
        entry.amount_cents,
        entry.effective_date,
        entry.recorded_at.and_utc(),
        effect_cents(signs.cash),
        effect_cents(signs.paid_in),
        effect_cents(signs.distributed),
        effect_cents(signs.unfunded),
        components(entry),
        description(entry),
        reference(commitment.fund_id, entry),
        metadata(id, entry),
        entry
            .reverses
            .map(|place| told.first_activity_id + place as i64),
    ]
}

fn description(entry: &Entry) -> String {
    let title = entry.kind.title();
    if entry.reverses.is_some() {
        format!("Reversal of a wrong entry: {title}")
    } else {
        title.to_owned()
    }
}

fn components(entry: &Entry) -> Option<Value> {
    let parts = entry
        .components
        .iter()
        .map(|&(name, cents)| (name.to_owned(), Value::from(cents)));
    (!entry.components.is_empty()).then(|| Value::Object(parts.collect()))
}

fn reference(fund_id: i64, entry: &Entry) -> Option<String> {
    (entry.notice_number > 0).then(|| format!("F{fund_id:03}-{:03}", entry.notice_number))
}

fn metadata(id: i64, entry: &Entry) -> Value {
    if entry.has_metadata {
        json!({ "noticeId": format!("N-{id}") })
    } else {
        json!({})
    }
}

/// The NAV reports of commitments.
pub fn navs(told: &[Told]) -> Rows<'_, 5> {
    Rows {
        table: "commitment_navs",
        columns: [
            ("commitment_id", Type::INT8),
            ("as_of_date", Type::DATE),
            ("nav_cents", Type::INT8),
            ("reported_at", Type::TIMESTAMPTZ),
            ("recorded_at", Type::TIMESTAMPTZ),
        ],
        rows: Box::new(told.iter().flat_map(
            |Told {
                 commitment, life, ..
             }| {
                life.navs.iter().map(|nav| {
                    row![
                        commitment.commitment_id,
                        nav.as_of_date,
                        nav.nav_cents,
                        nav.reported_at.and_utc(),
                        nav.recorded_at.and_utc(),
                    ]
                })
            },
        )),
    }
}

/// Six in the evening, so many days later.
fn evening(date: NaiveDate, days_later: i64) -> DateTime<Utc> {
    recorded_at(plus_days(date, days_later), 18 * 3_600).and_utc()
}
