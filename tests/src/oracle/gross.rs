//! A fund's own performance, before fees and carry: its flows with its companies and what it still holds.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::Value;

use super::arithmetic::{rate, ratio};
use super::irr::irr;
use super::position::{Flags, last_report};
use super::truth::{Fund, Investment};

/// Gross IRR and MOIC as an answer shows them.
#[derive(Debug, Clone)]
pub struct Gross {
    /// The rate with six decimals, or null.
    pub irr: Value,
    /// The multiple with six decimals, or null.
    pub moic: Value,
    /// The reasons for what is null.
    pub flags: Flags,
}

impl Gross {
    /// Of a fund in which nothing has happened yet.
    #[must_use]
    pub fn unknown() -> Self {
        let flags = ["GROSS_INSUFFICIENT_FLOWS", "ZERO_COST"]
            .map(str::to_owned)
            .into();
        Self {
            irr: Value::Null,
            moic: Value::Null,
            flags,
        }
    }

    /// Of several funds together, which cannot be said.
    #[must_use]
    pub fn not_poolable() -> Self {
        Self {
            irr: Value::Null,
            moic: Value::Null,
            flags: Flags::from(["NOT_POOLABLE".to_owned()]),
        }
    }
}

/// The days on which a fund's performance changes.
#[must_use]
pub fn gross_dates(fund: &Fund) -> BTreeSet<NaiveDate> {
    let investments = fund.investments.iter();
    let amounts =
        investments.flat_map(|investment| investment.flows.iter().chain(&investment.valuations));
    amounts
        .map(|(date, _)| *date)
        .chain(fund.navs.iter().map(|report| report.date))
        .collect()
}

/// A fund's performance at the end of a day.
#[must_use]
pub fn gross_at(fund: &Fund, day: NaiveDate) -> Gross {
    let all = fund
        .investments
        .iter()
        .flat_map(|investment| &investment.flows);
    let flows: Vec<(NaiveDate, i128)> = all
        .filter(|(date, _)| *date <= day)
        .map(|(date, cents)| (*date, i128::from(*cents)))
        .collect();
    let cost_cents: i128 = flows.iter().map(|(_, cents)| -cents.min(&0)).sum();
    let proceeds_cents: i128 = flows.iter().map(|(_, cents)| cents.max(&0)).sum();
    let residual_cents = residual_cents(fund, day);
    let result = irr(&flows, residual_cents, day);
    let mut flags: Flags = result
        .flags
        .iter()
        .map(|flag| format!("GROSS_{flag}"))
        .collect();
    if cost_cents == 0 {
        flags.insert("ZERO_COST".to_owned());
    }
    Gross {
        irr: rate(result.rate),
        moic: ratio(proceeds_cents + residual_cents, cost_cents),
        flags,
    }
}

/// What the fund still holds: the sum over its investments, or its reported gross NAV where that is newer than every valuation.
fn residual_cents(fund: &Fund, day: NaiveDate) -> i128 {
    let valuations = fund
        .investments
        .iter()
        .flat_map(|investment| &investment.valuations);
    let last_valued = valuations
        .map(|(date, _)| *date)
        .filter(|date| *date <= day)
        .max();
    if let Some(report) =
        last_report(&fund.navs, day).filter(|report| Some(report.date) > last_valued)
    {
        let since: i128 = fund
            .investments
            .iter()
            .map(|investment| put_in_cents(investment, Some(report.date), day))
            .sum();
        return (i128::from(report.nav_cents) + since).max(0);
    }
    fund.investments
        .iter()
        .map(|investment| held_cents(investment, day))
        .sum()
}

fn held_cents(investment: &Investment, day: NaiveDate) -> i128 {
    let (valued_on, fair_value_cents) = match last_valuation(investment, day) {
        Some((date, cents)) => (Some(date), i128::from(cents)),
        None => (None, 0),
    };
    (fair_value_cents + put_in_cents(investment, valued_on, day)).max(0)
}

/// Money put into a company less what came back, from the day after `after` (or from the beginning) to the end of `day`.
fn put_in_cents(investment: &Investment, after: Option<NaiveDate>, day: NaiveDate) -> i128 {
    let flows = investment
        .flows
        .iter()
        .filter(|(date, _)| Some(*date) > after && *date <= day);
    flows.map(|(_, cents)| -i128::from(*cents)).sum()
}

/// The latest valuation not after a day; of several on one date, the one recorded last.
#[must_use]
pub fn last_valuation(investment: &Investment, day: NaiveDate) -> Option<(NaiveDate, i64)> {
    let known = investment
        .valuations
        .iter()
        .filter(|(date, _)| *date <= day);
    // `max_by_key` keeps the last of equals, and valuations stand in the order of recording.
    known.max_by_key(|(date, _)| *date).copied()
}
