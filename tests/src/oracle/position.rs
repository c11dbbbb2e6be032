//! What an LP has in one or several commitments at the end of a day: plain sums over the entries dated not after it.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::arithmetic::{rate, ratio};
use super::irr::{Irr, irr};
use super::truth::{Commitment, Entry, Report};

/// The reasons and warnings that an answer carries, sorted and without repetition.
pub type Flags = BTreeSet<String>;

/// How a commitment without a NAV report enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreported {
    /// One commitment by itself: its NAV is not known.
    Unknown,
    /// In a total: at what was paid in less what came back.
    AtCost,
}

/// One commitment at the end of a day.
#[derive(Debug)]
struct Balance {
    commitment_cents: i128,
    paid_in_cents: i128,
    distributed_cents: i128,
    unfunded_cents: i128,
    adjusted_nav_cents: Option<i128>,
    reported: Option<(NaiveDate, i128)>,
    last_event: Option<NaiveDate>,
}

/// One or several commitments at the end of a day, with their performance.
#[derive(Debug)]
pub struct Position {
    commitment_cents: i128,
    paid_in_cents: i128,
    distributed_cents: i128,
    unfunded_cents: i128,
    nav_cents: Option<i128>,
    reported_nav_cents: Option<i128>,
    nav_as_of: Option<NaiveDate>,
    irr_as_of: Option<NaiveDate>,
    irr: Irr,
    /// What has to be said about it.
    pub flags: Flags,
}

/// Whether a commitment stands in an answer as of a day: from its own date on, or from the first thing recorded for it.
#[must_use]
pub fn exists(commitment: &Commitment, as_of: NaiveDate) -> bool {
    commitment.date <= as_of
        || commitment.entries.iter().any(|entry| entry.date <= as_of)
        || commitment.navs.iter().any(|report| report.date <= as_of)
}

/// The report that counts on a day: of the latest date, the one reported last, and of those the one recorded last.
#[must_use]
pub fn last_report(reports: &[Report], as_of: NaiveDate) -> Option<&Report> {
    let known = reports.iter().filter(|report| report.date <= as_of);
    known.max_by_key(|report| (report.date, report.reported_at, report.report_id))
}

/// The commitment in force: the original amount plus increases minus releases.
#[must_use]
pub fn in_force_cents(commitment: &Commitment, as_of: NaiveDate) -> i128 {
    let changes = commitment
        .entries
        .iter()
        .filter(|entry| entry.date <= as_of && entry.cash_cents == 0);
    promised_cents(commitment, as_of)
        + changes
            .map(|entry| i128::from(entry.unfunded_cents))
            .sum::<i128>()
}

fn promised_cents(commitment: &Commitment, as_of: NaiveDate) -> i128 {
    if commitment.date <= as_of {
        i128::from(commitment.original_cents)
    } else {
        0
    }
}

fn balance(commitment: &Commitment, as_of: NaiveDate) -> Balance {
    let mut balance = Balance {
        commitment_cents: in_force_cents(commitment, as_of),
        paid_in_cents: 0,
        distributed_cents: 0,
        unfunded_cents: promised_cents(commitment, as_of),
        adjusted_nav_cents: None,
        reported: last_report(&commitment.navs, as_of)
            .map(|report| (report.date, i128::from(report.nav_cents))),
        last_event: None,
    };
    let mut since_report_cents = 0;
    for entry in commitment
        .entries
        .iter()
        .filter(|entry| entry.date <= as_of)
    {
        balance.paid_in_cents += i128::from(entry.paid_in_cents);
        balance.distributed_cents += i128::from(entry.distributed_cents);
        balance.unfunded_cents += i128::from(entry.unfunded_cents);
        if entry.cash_cents != 0 {
            balance.last_event = balance.last_event.max(Some(entry.date));
        }
        if balance.reported.is_some_and(|(date, _)| entry.date > date) {
            since_report_cents +=
                i128::from(entry.paid_in_cents) - i128::from(entry.distributed_cents);
        }
    }
    balance.adjusted_nav_cents = balance
        .reported
        .map(|(_, cents)| cents + since_report_cents);
    balance.last_event = balance
        .last_event
        .max(balance.reported.map(|(date, _)| date));
    balance
}

/// The position of commitments together as of a day, or none when none of them exists then.
#[must_use]
pub fn position(
    commitments: &[&Commitment],
    as_of: NaiveDate,
    unreported: Unreported,
) -> Option<Position> {
    let members: Vec<&Commitment> = commitments
        .iter()
        .copied()
        .filter(|commitment| exists(commitment, as_of))
        .collect();
    if members.is_empty() {
        return None;
    }
    let balances: Vec<Balance> = members
        .iter()
        .map(|member| balance(member, as_of))
        .collect();
    let sum = |part: fn(&Balance) -> i128| balances.iter().map(part).sum::<i128>();
    let all_reported = balances.iter().all(|balance| balance.reported.is_some());
    let nav_known = all_reported || unreported == Unreported::AtCost;
    let nav_cents = nav_known.then(|| sum(nav_or_cost_cents));
    let nav_as_of = balances
        .iter()
        .filter_map(|balance| balance.reported)
        .map(|(date, _)| date)
        .max();
    let irr_as_of = balances
        .iter()
        .filter_map(|balance| balance.last_event)
        .max();
    let mut position = Position {
        commitment_cents: sum(|balance| balance.commitment_cents),
        paid_in_cents: sum(|balance| balance.paid_in_cents),
        distributed_cents: sum(|balance| balance.distributed_cents),
        unfunded_cents: sum(|balance| balance.unfunded_cents),
        nav_cents,
        reported_nav_cents: nav_as_of
            .map(|_| sum(|balance| balance.reported.map_or(0, |(_, cents)| cents))),
        nav_as_of,
        irr_as_of,
        irr: net_irr(&members, nav_cents, irr_as_of),
        flags: Flags::new(),
    };
    position.flags = flags(&position, nav_known && !all_reported);
    Some(position)
}

fn nav_or_cost_cents(balance: &Balance) -> i128 {
    balance
        .adjusted_nav_cents
        .unwrap_or(balance.paid_in_cents - balance.distributed_cents)
}

/// Nothing happens between the last event and the day asked about, so the NAV of that day is the one of the last event.
fn net_irr(members: &[&Commitment], nav_cents: Option<i128>, last_event: Option<NaiveDate>) -> Irr {
    let Some(nav_cents) = nav_cents else {
        return Irr::none("NO_NAV");
    };
    let Some(last_event) = last_event else {
        return Irr::none("INSUFFICIENT_FLOWS");
    };
    let flows: Vec<_> = members
        .iter()
        .flat_map(|member| {
            let flows = member.entries.iter();
            flows.filter(move |entry| entry.date <= last_event && is_flow(member, entry))
        })
        .map(|entry| (entry.date, i128::from(entry.cash_cents)))
        .collect();
    irr(&flows, nav_cents, last_event)
}

/// Whether an entry is cash. What cancels counts, unless a NAV is reported for its day: docs/openapi.yaml, `INSUFFICIENT_FLOWS`.
fn is_flow(member: &Commitment, entry: &Entry) -> bool {
    let is_reported = member.navs.iter().any(|report| report.date == entry.date);
    let of_day = member
        .entries
        .iter()
        .filter(|other| other.date == entry.date);
    let cash_cents: i128 = of_day.map(|other| i128::from(other.cash_cents)).sum();
    entry.cash_cents != 0 && (cash_cents != 0 || !is_reported)
}

fn flags(position: &Position, at_cost: bool) -> Flags {
    let said = [
        (at_cost, "NAV_AT_COST"),
        (position.nav_cents.is_none(), "NO_NAV"),
        (position.paid_in_cents <= 0, "ZERO_PAID_IN"),
        (position.commitment_cents <= 0, "ZERO_COMMITMENT"),
        (position.unfunded_cents < 0, "UNFUNDED_NEGATIVE"),
        (
            position.paid_in_cents > position.commitment_cents,
            "PAID_IN_EXCEEDS_COMMITMENT",
        ),
    ];
    let said = said
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, flag)| flag);
    said.chain(position.irr.flags.iter().copied())
        .map(str::to_owned)
        .collect()
}

impl Position {
    /// The fields of a position as an answer shows them, without its currency and its flags.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = self.performance_fields();
        for (name, value) in [
            ("commitmentCents", json!(self.commitment_cents)),
            ("unfundedCents", json!(self.unfunded_cents)),
            ("reportedNavCents", json!(self.reported_nav_cents)),
            ("navAsOf", json!(self.nav_as_of)),
            ("pic", ratio(self.paid_in_cents, self.commitment_cents)),
            ("irrAsOf", json!(self.irr_as_of)),
        ] {
            fields.insert(name.to_owned(), value);
        }
        fields
    }

    /// The fields that a point of a history shows too.
    #[must_use]
    pub fn performance_fields(&self) -> Map<String, Value> {
        let nav_ratio = |numerator: Option<i128>| {
            numerator.map_or(Value::Null, |cents| ratio(cents, self.paid_in_cents))
        };
        let fields = [
            ("paidInCents", json!(self.paid_in_cents)),
            ("distributedCents", json!(self.distributed_cents)),
            ("navCents", json!(self.nav_cents)),
            ("dpi", ratio(self.distributed_cents, self.paid_in_cents)),
            ("rvpi", nav_ratio(self.nav_cents)),
            (
                "tvpi",
                nav_ratio(
                    self.nav_cents
                        .map(|nav_cents| self.distributed_cents + nav_cents),
                ),
            ),
            ("netIrr", rate(self.irr.rate)),
            ("annualised", json!(self.irr.annualised)),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}
