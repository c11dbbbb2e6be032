//! What the performance history has to answer: a position on each day on which something was reported or paid.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use serde_json::{Value, json};

use super::Oracle;
use super::answers::by_currency;
use super::gross::Gross;
use super::position::{Unreported, position};
use super::truth::Commitment;

/// Whose history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The LP's, pooled in each currency.
    Lp,
    /// The LP's in one fund.
    Fund(i64),
    /// One commitment's.
    Commitment(i64),
}

/// Flags about figures that a point does not show: the commitment and what is unfunded.
const ABOUT_CAPITAL: [&str; 3] = [
    "ZERO_COMMITMENT",
    "UNFUNDED_NEGATIVE",
    "PAID_IN_EXCEEDS_COMMITMENT",
];

/// Every point up to today by date, one series a currency. Periods and ranges are cut out of it.
pub type Series = Vec<(String, BTreeMap<NaiveDate, Value>)>;

impl Oracle {
    /// All points of a scope, or none when the fund or commitment is not the LP's.
    #[must_use]
    pub fn series(&self, lp_id: i64, scope: Scope) -> Option<Series> {
        let lp = self.truth.lps.get(&lp_id)?;
        let wanted = |commitment: &&Commitment| match scope {
            Scope::Lp => true,
            Scope::Fund(fund_id) => commitment.fund_id == fund_id,
            Scope::Commitment(commitment_id) => commitment.commitment_id == commitment_id,
        };
        if scope != Scope::Lp && !lp.commitments.iter().any(|commitment| wanted(&commitment)) {
            return None;
        }
        let series = by_currency(lp)
            .into_iter()
            .filter_map(|(currency, commitments)| {
                let members: Vec<&Commitment> = commitments.into_iter().filter(wanted).collect();
                (!members.is_empty()).then(|| (currency.to_owned(), self.points(scope, &members)))
            });
        Some(series.collect())
    }

    fn points(&self, scope: Scope, members: &[&Commitment]) -> BTreeMap<NaiveDate, Value> {
        let unreported = if scope != Scope::Lp && members.len() == 1 {
            Unreported::Unknown
        } else {
            Unreported::AtCost
        };
        let dates: BTreeSet<NaiveDate> = members
            .iter()
            .flat_map(|member| snapshot_dates(member))
            .collect();
        let until_today = dates.into_iter().filter(|date| *date <= self.today);
        let point = |date| {
            let position =
                position(members, date, unreported).expect("something happened on the day");
            let gross = if scope == Scope::Lp {
                Gross::not_poolable()
            } else {
                self.gross(members[0].fund_id, date)
            };
            let mut fields = position.performance_fields();
            let mut flags = position.flags;
            flags.retain(|flag| !ABOUT_CAPITAL.contains(&flag.as_str()));
            flags.extend(gross.flags);
            for (name, value) in [
                ("date", json!(date)),
                ("grossIrr", gross.irr),
                ("moic", gross.moic),
                ("flags", json!(flags)),
            ] {
                fields.insert(name.to_owned(), value);
            }
            (date, Value::Object(fields))
        };
        until_today.map(point).collect()
    }
}

/// Each day with a NAV report, and each day with cash after the last one.
fn snapshot_dates(commitment: &Commitment) -> BTreeSet<NaiveDate> {
    let mut dates: BTreeSet<NaiveDate> = commitment.navs.iter().map(|report| report.date).collect();
    let last_report = dates.last().copied();
    let cash = commitment
        .entries
        .iter()
        .filter(|entry| entry.cash_cents != 0 && Some(entry.date) > last_report);
    dates.extend(cash.map(|entry| entry.date));
    dates
}

/// The answer of `GET /api/lp/{lpId}/performance/history`: of each calendar period the last point within the range.
#[must_use]
pub fn history(
    (lp_id, scope, today): (i64, Scope, NaiveDate),
    series: &Series,
    granularity: &str,
    range: (Option<NaiveDate>, Option<NaiveDate>),
) -> Value {
    let in_range = |date: &NaiveDate| {
        range.0.is_none_or(|start| start <= *date) && range.1.is_none_or(|end| *date <= end)
    };
    let series = series.iter().map(|(currency, points)| {
        let mut last_of_period: BTreeMap<(i32, u32), &Value> = BTreeMap::new();
        for (date, point) in points.iter().filter(|(date, _)| in_range(date)) {
            last_of_period.insert(period(*date, granularity), point);
        }
        json!({"currency": currency, "points": last_of_period.into_values().collect::<Vec<_>>()})
    });
    let (kind, fund_id, commitment_id) = match scope {
        Scope::Lp => ("lp", None, None),
        Scope::Fund(fund_id) => ("fund", Some(fund_id), None),
        Scope::Commitment(commitment_id) => ("commitment", None, Some(commitment_id)),
    };
    json!({
        "lpId": lp_id,
        "asOf": today,
        "scope": {"kind": kind, "fundId": fund_id, "commitmentId": commitment_id},
        "granularity": granularity,
        "series": series.collect::<Vec<_>>(),
    })
}

fn period(date: NaiveDate, granularity: &str) -> (i32, u32) {
    match granularity {
        "monthly" => (date.year(), date.month0()),
        "quarterly" => (date.year(), date.month0() / 3),
        "yearly" => (date.year(), 0),
        other => panic!("no such granularity: {other}"),
    }
}
