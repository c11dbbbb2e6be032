//! The series of performance snapshots, of one commitment or pooled over several.
//!
//! Snapshots stand at each reported NAV date and at each flow after the last report: those are the dates on which a
//! rate of return moves. They depend on the history alone, never on earlier snapshots, so computing only the later ones
//! gives the same as computing all.

use chrono::NaiveDate;

use super::flags::Flag;
use super::money::{Overflow, to_cents};
use super::multiples::{Multiples, Position, compute_multiples};
use super::pooling::{pool_dates, pool_flows};
use super::xirr::{DatedFlow, Irr, irr_at};

/// The sums of one commitment's entries on one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowDay {
    /// The effective date.
    pub date: NaiveDate,
    /// Cash as the LP sees it: negative when paid. It may be zero although something happened.
    pub cash_cents: i64,
    /// Change of paid-in.
    pub paid_in_cents: i64,
    /// Change of distributed.
    pub distributed_cents: i64,
}

/// A NAV as the administrator reported it, at the end of its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NavReport {
    /// The date it is the value of.
    pub date: NaiveDate,
    /// The value.
    pub nav_cents: i64,
}

/// What happened to one commitment. All sequences are sorted by date, with one element a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// When the original amount was promised.
    pub commitment_date: NaiveDate,
    /// The original amount.
    pub commitment_cents: i64,
    /// Increases minus releases.
    pub changes: Vec<(NaiveDate, i64)>,
    /// The dates with cash entries.
    pub flows: Vec<FlowDay>,
    /// The reports that count, one a date.
    pub navs: Vec<NavReport>,
}

/// Where one commitment, or a pool of them, stood at the end of a date.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// The date.
    pub date: NaiveDate,
    /// The commitment in force.
    pub commitment_cents: i64,
    /// Cumulative paid-in.
    pub paid_in_cents: i64,
    /// Cumulative distributed.
    pub distributed_cents: i64,
    /// The adjusted NAV: the last report, plus what was paid in and minus what was distributed since. `None` when
    /// nothing was reported for a single commitment yet.
    pub nav_cents: Option<i64>,
    /// Whether a part of the NAV is carried at cost, which only happens in a pool.
    pub nav_at_cost: bool,
    /// The net rate of return.
    pub irr: Irr,
    /// DPI, RVPI, TVPI and PIC.
    pub multiples: Multiples,
}

/// The snapshots of one commitment that are not before `from`.
///
/// # Errors
/// [`Overflow`] when a balance does not fit into 64-bit cents.
pub fn commitment_snapshots(history: &History, from: NaiveDate) -> Result<Vec<Snapshot>, Overflow> {
    let cash: Vec<DatedFlow> = cash_flows(history).collect();
    let mut account = Account::new(history);
    snapshot_dates(history)
        .into_iter()
        .filter(|&date| date >= from)
        .map(|date| account.balances_at(date).snapshot(date, &cash))
        .collect()
}

/// The snapshots of a pool that are not before `from`: at each date on which a member has one, over all members. A
/// member without a report is carried at cost.
///
/// # Errors
/// [`Overflow`] when a total does not fit into 64-bit cents.
pub fn pooled_snapshots(
    histories: &[&History],
    from: NaiveDate,
) -> Result<Vec<Snapshot>, Overflow> {
    let cash = pool_flows(histories.iter().flat_map(|history| cash_flows(history)))?;
    let mut accounts: Vec<Account<'_>> = histories
        .iter()
        .map(|history| Account::new(history))
        .collect();
    pooled_dates(histories)
        .into_iter()
        .filter(|&date| date >= from)
        .map(|date| {
            let members = accounts
                .iter_mut()
                .map(|account| account.balances_in_pool(date));
            members
                .fold(Balances::default(), Balances::plus)
                .snapshot(date, &cash)
        })
        .collect()
}

/// On which dates a commitment has snapshots: every NAV date, and every flow date after the last of them, ascending. A new
/// report takes the flow dates before it out of the series.
pub fn snapshot_dates(history: &History) -> Vec<NaiveDate> {
    let last_report = history.navs.last().map(|nav| nav.date);
    let reported = history.navs.iter().map(|nav| nav.date);
    let since = history
        .flows
        .iter()
        .map(|flow| flow.date)
        .filter(move |&date| Some(date) > last_report);
    reported.chain(since).collect()
}

/// On which dates a pool has snapshots: whenever a member has one, ascending.
pub fn pooled_dates(histories: &[&History]) -> Vec<NaiveDate> {
    pool_dates(histories.iter().flat_map(|history| snapshot_dates(history)))
}

fn cash_flows(history: &History) -> impl Iterator<Item = DatedFlow> {
    history.flows.iter().map(|flow| DatedFlow {
        date: flow.date,
        amount_cents: flow.cash_cents,
    })
}

/// A history read forward: what has happened up to a date that only moves on. Sums are wide and so never overflow.
struct Account<'a> {
    history: &'a History,
    flows_read: usize,
    navs_read: usize,
    changes_read: usize,
    balances: Balances,
}

impl<'a> Account<'a> {
    fn new(history: &'a History) -> Account<'a> {
        Account {
            history,
            flows_read: 0,
            navs_read: 0,
            changes_read: 0,
            balances: Balances::default(),
        }
    }

    /// Reads on to the end of a date. A NAV is end of day: it replaces what the flows up to its date had made of the
    /// previous one.
    fn advance_to(&mut self, date: NaiveDate) {
        while let Some(nav) = self
            .history
            .navs
            .get(self.navs_read)
            .filter(|nav| nav.date <= date)
        {
            self.navs_read += 1;
            self.read_flows(nav.date);
            self.balances.nav = Some(nav.nav_cents.into());
        }
        self.read_flows(date);
        self.read_changes(date);
    }

    fn read_flows(&mut self, date: NaiveDate) {
        while let Some(flow) = self
            .history
            .flows
            .get(self.flows_read)
            .filter(|flow| flow.date <= date)
        {
            self.flows_read += 1;
            let (paid_in, distributed) = (
                i128::from(flow.paid_in_cents),
                i128::from(flow.distributed_cents),
            );
            self.balances.paid_in += paid_in;
            self.balances.distributed += distributed;
            self.balances.nav = self.balances.nav.map(|nav| nav + paid_in - distributed);
        }
    }

    fn read_changes(&mut self, date: NaiveDate) {
        while let Some(change) = self
            .history
            .changes
            .get(self.changes_read)
            .filter(|change| change.0 <= date)
        {
            self.changes_read += 1;
            self.balances.commitment += i128::from(change.1);
        }
    }

    /// The balances at the end of a date. The original amount counts from the day it was promised.
    fn balances_at(&mut self, date: NaiveDate) -> Balances {
        self.advance_to(date);
        let is_promised = self.history.commitment_date <= date;
        let original = if is_promised {
            i128::from(self.history.commitment_cents)
        } else {
            0
        };
        Balances {
            commitment: original + self.balances.commitment,
            ..self.balances
        }
    }

    /// The same balances as they enter a pool: what was never reported enters at cost. A commitment is a member from its
    /// date on, or from its first entry if that is dated earlier, even while its cost is zero.
    fn balances_in_pool(&mut self, date: NaiveDate) -> Balances {
        let balances = self.balances_at(date);
        let is_member =
            self.history.commitment_date <= date || self.flows_read > 0 || self.changes_read > 0;
        let is_at_cost = balances.nav.is_none() && is_member;
        let nav = balances
            .nav
            .unwrap_or(balances.paid_in - balances.distributed);
        Balances {
            nav: Some(nav),
            is_at_cost,
            ..balances
        }
    }
}

/// Cumulative amounts in cents, wide enough for any sum of sums.
#[derive(Clone, Copy, Default)]
struct Balances {
    commitment: i128,
    paid_in: i128,
    distributed: i128,
    nav: Option<i128>,
    is_at_cost: bool,
}

impl Balances {
    /// Adds two balances; their NAVs are known.
    fn plus(self, other: Balances) -> Balances {
        Balances {
            commitment: self.commitment + other.commitment,
            paid_in: self.paid_in + other.paid_in,
            distributed: self.distributed + other.distributed,
            nav: Some(self.nav.unwrap_or(0) + other.nav.unwrap_or(0)),
            is_at_cost: self.is_at_cost || other.is_at_cost,
        }
    }

    fn snapshot(self, date: NaiveDate, cash: &[DatedFlow]) -> Result<Snapshot, Overflow> {
        let position = Position {
            commitment_cents: to_cents(self.commitment)?,
            paid_in_cents: to_cents(self.paid_in)?,
            distributed_cents: to_cents(self.distributed)?,
            nav_cents: self.nav.map(to_cents).transpose()?,
        };
        let mut irr = irr_with_nav(cash, date, position.nav_cents);
        if self.is_at_cost {
            irr.flags.insert(Flag::NavAtCost);
        }
        Ok(Snapshot {
            date,
            commitment_cents: position.commitment_cents,
            paid_in_cents: position.paid_in_cents,
            distributed_cents: position.distributed_cents,
            nav_cents: position.nav_cents,
            nav_at_cost: self.is_at_cost,
            irr,
            multiples: compute_multiples(position),
        })
    }
}

/// The IRR as of a date, which without a NAV is unknown: what is left is part of the answer.
fn irr_with_nav(cash: &[DatedFlow], date: NaiveDate, nav_cents: Option<i64>) -> Irr {
    match nav_cents {
        Some(nav_cents) => irr_at(cash, date, nav_cents),
        None => Irr {
            rate: None,
            annualised: false,
            flags: Flag::NoNav.into(),
        },
    }
}

#[cfg(test)]
mod tests;
