//! Lives a commitment's life: follows its notices in order, rolls its NAV at its true rate in between, and writes down
//! the ledger entries and NAV reports. A flow moves the NAV by exactly its cash, so the true rate is the IRR at every
//! report; and as the NAV never falls below zero, it is the only one.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::calendar::{next_quarter_end, quarter_end, recorded_at};
use super::commitment::{Commitment, Reports};
use super::entry::{Entry, Kind, NavReport, components_of};
use super::growth::growth;
use super::pacing::{Notice, Step};
use super::random::{Random, Subject};

/// One in so many entries is recorded with a wrong amount first, then reversed and replaced.
const MISTAKEN_SHARE: f64 = 0.003;
/// One in so many entries is learned days, sometimes months, after it was effective.
const BACK_DATED_SHARE: f64 = 0.02;
/// One in so many NAVs is restated later.
const RESTATED_SHARE: f64 = 0.015;

/// What became of a commitment: its entries in the order in which they were recorded, and its NAV reports likewise.
#[derive(Debug, Default)]
pub struct Life {
    /// Ledger entries; `reverses` is an index into this list.
    pub entries: Vec<Entry>,
    /// NAV reports.
    pub navs: Vec<NavReport>,
}

/// Everything that happens to a commitment.
pub fn live(commitment: &Commitment) -> Life {
    let mut account = Account::new(commitment);
    for notice in &commitment.notices {
        account.report_before(Some(notice.date));
        account.follow(notice);
    }
    account.report_before(None);
    in_order_of_recording(account.life)
}

/// A commitment on its way through its notices.
struct Account {
    annual_rate: f64,
    original_cents: f64,
    in_force_cents: f64,
    unfunded_cents: f64,
    last_call_cents: f64,
    nav_cents: f64,
    nav_date: NaiveDate,
    next_report: Option<NaiveDate>,
    reports: Reports,
    random: Random,
    life: Life,
}

impl Account {
    fn new(commitment: &Commitment) -> Self {
        let original_cents = commitment.amount_cents as f64;
        Self {
            annual_rate: commitment.rate.fraction(),
            original_cents,
            in_force_cents: original_cents,
            unfunded_cents: original_cents,
            last_call_cents: 0.0,
            nav_cents: 0.0,
            nav_date: commitment.date,
            next_report: None,
            reports: commitment.reports,
            random: Random::of(Subject::Account, commitment.commitment_id),
            life: Life::default(),
        }
    }

    /// Lets the NAV grow up to a date.
    fn roll_to(&mut self, date: NaiveDate) {
        self.nav_cents *= growth(self.annual_rate, (date - self.nav_date).num_days());
        self.nav_date = date;
    }

    /// Reports the NAV at the quarter ends before a date, or at all that are left.
    fn report_before(&mut self, date: Option<NaiveDate>) {
        let Reports::Until(last) = self.reports else {
            return;
        };
        while let Some(quarter) = self
            .next_report
            .filter(|&quarter| quarter <= last && date.is_none_or(|date| quarter < date))
        {
            self.roll_to(quarter);
            self.report(quarter);
            self.next_report = Some(next_quarter_end(quarter));
        }
    }

    /// Reports the NAV some 45 days after the quarter; at times a wrong one first, restated weeks later, and of those
    /// one in three arrives after its own restatement.
    fn report(&mut self, quarter: NaiveDate) {
        let nav_cents = self.nav_cents.round() as i64;
        let reported_at = recorded_at(
            quarter,
            self.random.whole(38, 52) * 86_400 + self.random.whole(32_400, 61_200),
        );
        let minutes_later = self.random.whole(60, 3_600);
        let right = NavReport::new(quarter, nav_cents, reported_at, minutes_later);
        let restated_at = recorded_at(
            quarter,
            self.random.whole(60, 90) * 86_400 + self.random.whole(32_400, 61_200),
        );
        let error = self.random.between(-0.03, 0.03);
        if !self.random.chance(RESTATED_SHARE) || restated_at <= reported_at {
            self.life.navs.push(right);
            return;
        }
        let mut wrong = NavReport {
            nav_cents: nav_cents + (self.nav_cents * error) as i64,
            ..right
        };
        let restated = NavReport::new(quarter, nav_cents, restated_at, minutes_later);
        if self.random.chance(1.0 / 3.0) {
            wrong.recorded_at = restated.recorded_at + TimeDelta::hours(20);
        }
        self.life.navs.extend([wrong, restated]);
    }

    /// Does what a notice says.
    fn follow(&mut self, notice: &Notice) {
        self.roll_to(notice.date);
        match notice.step {
            Step::Call(share) => {
                self.last_call_cents = (self.in_force_cents * share).round();
                self.post(Kind::CapitalCall, self.last_call_cents, notice);
            }
            Step::CallOutside(share) => self.post(
                Kind::CapitalCallOutside,
                self.in_force_cents * share,
                notice,
            ),
            Step::ReturnUnused(share) => self.post(
                Kind::ReturnOfUnusedCapital,
                self.last_call_cents * share,
                notice,
            ),
            Step::Distribute(share) => {
                self.post(Kind::Distribution, self.nav_cents * share, notice)
            }
            Step::DistributeRecallable(share) => {
                self.post(Kind::RecallableDistribution, self.nav_cents * share, notice)
            }
            Step::Liquidate => {
                self.post(Kind::Distribution, self.nav_cents, notice);
                self.nav_cents = 0.0;
            }
            Step::Increase(share) => {
                let raised_cents = (self.original_cents * share).round();
                self.in_force_cents += raised_cents;
                self.post(Kind::CommitmentIncrease, raised_cents, notice);
            }
            Step::Release(share) => {
                self.post(Kind::CommitmentRelease, self.unfunded_cents * share, notice)
            }
            Step::CallByMistake(share) => {
                self.post_mistake(
                    Kind::CapitalCall,
                    (self.in_force_cents * share) as i64,
                    notice,
                );
            }
            Step::WriteOff => self.nav_cents = 0.0,
        }
    }

    /// Records an entry, and moves the NAV by its cash. Less than a cent is not worth an entry.
    fn post(&mut self, kind: Kind, amount_cents: f64, notice: &Notice) {
        let amount_cents = amount_cents.round() as i64;
        if amount_cents < 1 {
            return;
        }
        let mut entry = self.entry(kind, amount_cents, notice);
        if self.random.chance(MISTAKEN_SHARE) {
            let wrong_cents = (amount_cents as f64 * self.random.between(1.01, 1.2)) as i64;
            entry.recorded_at = self.post_mistake(kind, wrong_cents, notice);
        }
        self.life.entries.push(entry);
        let signs = kind.signs();
        self.nav_cents -= (i64::from(signs.cash) * amount_cents) as f64;
        self.unfunded_cents += (i64::from(signs.unfunded) * amount_cents) as f64;
        if signs.cash != 0 && self.next_report.is_none() {
            self.next_report = Some(quarter_end(notice.date));
        }
    }

    /// Records an entry that should not have been, and some days later its reversal; returns when that was.
    fn post_mistake(&mut self, kind: Kind, amount_cents: i64, notice: &Notice) -> NaiveDateTime {
        let mistaken = self.entry(kind, amount_cents, notice);
        let noticed_at = mistaken.recorded_at.date();
        let days_later = self.random.whole(2, 20);
        let at = recorded_at(
            noticed_at,
            days_later * 86_400 + self.random.whole(32_400, 61_200),
        );
        let reversal = mistaken.reversed(self.life.entries.len(), at);
        self.life.entries.extend([mistaken, reversal]);
        at
    }

    /// An entry, learned on the day itself, or later when it is back-dated.
    fn entry(&mut self, kind: Kind, amount_cents: i64, notice: &Notice) -> Entry {
        let mut days_late = 0;
        if self.random.chance(BACK_DATED_SHARE) {
            // Half of them within six days, and one in thirty later than a quarter.
            days_late = (3.0 / (1.0 - self.random.between(0.0, 0.99))) as i64;
        }
        Entry {
            kind,
            amount_cents,
            effective_date: notice.date,
            recorded_at: recorded_at(
                notice.date,
                days_late * 86_400 + self.random.whole(32_400, 61_200),
            ),
            notice_number: notice.number,
            components: components_of(kind, amount_cents, &mut self.random),
            has_metadata: self.random.chance(0.05),
            reverses: None,
        }
    }
}

/// Sorts both lists by when things were recorded, and lets reversals follow what they reverse.
fn in_order_of_recording(life: Life) -> Life {
    let Life { entries, mut navs } = life;
    navs.sort_by_key(|nav| nav.recorded_at);
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&old| entries[old].recorded_at);
    let mut new_place = vec![0; entries.len()];
    for (new, &old) in order.iter().enumerate() {
        new_place[old] = new;
    }
    let mut entries: Vec<Entry> = entries
        .into_iter()
        .map(|entry| Entry {
            reverses: entry.reverses.map(|old| new_place[old]),
            ..entry
        })
        .collect();
    entries.sort_by_key(|entry| entry.recorded_at);
    Life { entries, navs }
}
