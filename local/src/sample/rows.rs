//! The sample as lines of Postgres's text format for COPY: one function a table, its columns beside it. No generated text
//! holds a tab, a line break or a backslash, so nothing needs to be escaped.

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Map, Value, json};

use super::account::Life;
use super::calendar::{plus_days, recorded_at};
use super::commitment::Commitment;
use super::entry::Entry;
use super::fund::Fund;
use super::names;
use super::portfolio::{FundNav, Investment};

/// SQL's null in this format.
const NULL: &str = "\\N";

/// Lines for one table.
#[derive(Debug)]
pub struct Rows {
    /// The table and its columns, as COPY wants them.
    pub target: &'static str,
    /// The lines.
    pub text: String,
}

impl Rows {
    fn collect(target: &'static str, lines: impl IntoIterator<Item = String>) -> Self {
        let mut text = String::new();
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        Self { target, text }
    }
}

/// Limited partners: their numbers, with what is awkward about them, if anything.
pub fn limited_partners(partners: impl Iterator<Item = (i64, Option<&'static str>)>) -> Rows {
    Rows::collect(
        "limited_partners (lp_id, name, metadata)",
        partners.map(|(lp_id, case)| {
            let metadata =
                case.map_or_else(|| json!({}), |case| json!({ "sample": { "case": case } }));
            format!("{lp_id}\t{}\t{metadata}", names::limited_partner(lp_id))
        }),
    )
}

/// A fund.
pub fn funds(fund: &Fund) -> Rows {
    let Fund {
        fund_id,
        name,
        vintage_year,
        currency,
        ..
    } = fund;
    Rows::collect(
        "funds (fund_id, name, vintage_year, currency, status)",
        [format!(
            "{fund_id}\t{name}\t{vintage_year}\t{currency}\t{}",
            fund.status()
        )],
    )
}

/// Commitments, with the truth about them: the rate that is their IRR.
pub fn commitments(commitments: &[Commitment]) -> Rows {
    Rows::collect(
        "lp_fund_commitments (commitment_id, lp_id, fund_id, commitment_amount_cents, commitment_date, status, metadata)",
        commitments.iter().map(|commitment| {
            let mut truth = Map::new();
            if let Some(rate) = commitment.known_rate() {
                truth.insert("annualRate".to_owned(), Value::from(rate.fraction()));
            }
            if let Some(case) = commitment.case {
                truth.insert("case".to_owned(), Value::from(case));
            }
            let Commitment {
                commitment_id,
                lp_id,
                fund_id,
                amount_cents,
                date,
                status,
                ..
            } = commitment;
            let metadata = json!({ "sample": truth });
            format!(
                "{commitment_id}\t{lp_id}\t{fund_id}\t{amount_cents}\t{date}\t{status}\t{metadata}"
            )
        }),
    )
}

/// Companies by number.
pub fn companies(company_ids: impl Iterator<Item = i64>) -> Rows {
    Rows::collect(
        "portfolio_companies (company_id, name, sector, stage)",
        company_ids.map(|id| {
            format!(
                "{id}\t{}\t{}\t{}",
                names::company(id),
                names::sector(id),
                names::stage(id)
            )
        }),
    )
}

/// A fund's investments.
pub fn investments(fund: &Fund, investments: &[Investment]) -> Rows {
    Rows::collect(
        "fund_investments (investment_id, fund_id, company_id, investment_date, exit_date)",
        investments.iter().map(|investment| {
            let exit_date = or_null(investment.exit_date);
            let Investment {
                investment_id,
                company_id,
                date,
                ..
            } = investment;
            format!(
                "{investment_id}\t{}\t{company_id}\t{date}\t{exit_date}",
                fund.fund_id
            )
        }),
    )
}

/// Their flows, each learned a day later.
pub fn cash_flows(investments: &[Investment]) -> Rows {
    Rows::collect(
        "fund_cash_flows (investment_id, flow_date, amount_cents, recorded_at)",
        investments.iter().flat_map(|investment| {
            investment.flows.iter().map(|(date, cents)| {
                format!(
                    "{}\t{date}\t{cents}\t{}",
                    investment.investment_id,
                    evening(*date, 1)
                )
            })
        }),
    )
}

/// Their valuations, each learned some weeks later.
pub fn valuations(investments: &[Investment]) -> Rows {
    Rows::collect(
        "investment_valuations (investment_id, valuation_date, fair_value_cents, recorded_at)",
        investments.iter().flat_map(|investment| {
            investment.valuations.iter().map(|(date, cents)| {
                format!(
                    "{}\t{date}\t{cents}\t{}",
                    investment.investment_id,
                    evening(*date, 40)
                )
            })
        }),
    )
}

/// A fund's NAVs.
pub fn fund_navs(fund: &Fund, navs: &[FundNav]) -> Rows {
    Rows::collect(
        "fund_nav_snapshots (fund_id, as_of_date, gross_nav_cents, net_nav_cents, reported_at, recorded_at)",
        navs.iter().map(|nav| {
            let at = evening(nav.as_of_date, nav.reported_after_days);
            let FundNav {
                as_of_date,
                gross_nav_cents,
                net_nav_cents,
                ..
            } = nav;
            format!(
                "{}\t{as_of_date}\t{gross_nav_cents}\t{net_nav_cents}\t{at}\t{at}",
                fund.fund_id
            )
        }),
    )
}

/// The ledger entries of commitments, numbered on from `first_id`: a reversal needs the number of what it reverses.
pub fn activities(commitments: &[Commitment], lives: &[Life], first_id: i64) -> Rows {
    let mut next_id = first_id;
    Rows::collect(
        "capital_activities (activity_id, lp_id, fund_id, commitment_id, activity_type, amount_cents, effective_date, recorded_at, \
         cash_effect_cents, paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents, \
         components, description, reference_number, metadata, reverses_activity_id)",
        commitments
            .iter()
            .zip(lives)
            .flat_map(|(commitment, life)| {
                let first_id = next_id;
                next_id += life.entries.len() as i64;
                (first_id..)
                    .zip(&life.entries)
                    .map(move |(id, entry)| activity(id, first_id, commitment, entry))
            }),
    )
}

fn activity(id: i64, first_id: i64, commitment: &Commitment, entry: &Entry) -> String {
    let Commitment {
        commitment_id,
        lp_id,
        fund_id,
        ..
    } = commitment;
    let Entry {
        amount_cents,
        effective_date,
        ..
    } = entry;
    let signs = entry.kind.signs();
    let [cash, paid_in, distributed, unfunded] =
        [signs.cash, signs.paid_in, signs.distributed, signs.unfunded]
            .map(|sign| i64::from(sign) * amount_cents);
    let reference = or_null(
        (entry.notice_number > 0).then(|| format!("F{fund_id:03}-{:03}", entry.notice_number)),
    );
    let reverses = or_null(entry.reverses.map(|place| first_id + place as i64));
    let metadata = if entry.has_metadata {
        json!({ "noticeId": format!("N-{id}") })
    } else {
        json!({})
    };
    [
        format!(
            "{id}\t{lp_id}\t{fund_id}\t{commitment_id}\t{}\t{amount_cents}\t{effective_date}",
            entry.kind.name()
        ),
        format!(
            "{}\t{cash}\t{paid_in}\t{distributed}\t{unfunded}",
            utc(entry.recorded_at)
        ),
        format!(
            "{}\t{}\t{reference}\t{metadata}\t{reverses}",
            components(entry),
            description(entry)
        ),
    ]
    .join("\t")
}

fn description(entry: &Entry) -> String {
    let title = entry.kind.title();
    if entry.reverses.is_some() {
        format!("Reversal of a wrong entry: {title}")
    } else {
        title.to_owned()
    }
}

fn components(entry: &Entry) -> String {
    if entry.components.is_empty() {
        return NULL.to_owned();
    }
    let parts: Map<String, Value> = entry
        .components
        .iter()
        .map(|&(name, cents)| (name.to_owned(), Value::from(cents)))
        .collect();
    Value::Object(parts).to_string()
}

/// The NAV reports of commitments.
pub fn navs(commitments: &[Commitment], lives: &[Life]) -> Rows {
    Rows::collect(
        "commitment_navs (commitment_id, as_of_date, nav_cents, reported_at, recorded_at)",
        commitments
            .iter()
            .zip(lives)
            .flat_map(|(commitment, life)| {
                life.navs.iter().map(|nav| {
                    let (reported_at, recorded_at) = (utc(nav.reported_at), utc(nav.recorded_at));
                    format!(
                        "{}\t{}\t{}\t{reported_at}\t{recorded_at}",
                        commitment.commitment_id, nav.as_of_date, nav.nav_cents
                    )
                })
            }),
    )
}

fn or_null<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NULL.to_owned(), |value| value.to_string())
}

/// Six in the evening, so many days later.
fn evening(date: NaiveDate, days_later: i64) -> String {
    utc(recorded_at(plus_days(date, days_later), 18 * 3_600))
}

fn utc(moment: NaiveDateTime) -> String {
    format!("{moment}+00")
}
