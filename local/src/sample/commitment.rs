//! A commitment's own terms: who promised what, when, and the rate that it truly earns.

use chrono::NaiveDate;

use super::calendar::{LAST_QUARTER_END, next_quarter_end, plus_days};
use super::fund::Fund;
use super::pacing::{Notice, Step};
use super::random::{Random, Subject};

/// An annual rate in millionths, so that it is written and read without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub i32);

impl Rate {
    /// The rate as a fraction.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

/// Which NAVs are reported: at the quarter ends from the first notice that is followed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// None at all.
    None,
    /// Up to and including a quarter end.
    Until(NaiveDate),
}

/// A commitment, and what is going to happen to it.
#[derive(Debug, Clone)]
pub struct Commitment {
    /// Its number, from 1.
    pub commitment_id: i64,
    /// Whose it is.
    pub lp_id: i64,
    /// The fund it is in.
    pub fund_id: i64,
    /// The original promise in cents.
    pub amount_cents: i64,
    /// The day of the promise.
    pub date: NaiveDate,
    /// Its status today.
    pub status: &'static str,
    /// What its NAV grows by between flows, a year: its net IRR at every NAV date at least a year after its first flow.
    pub rate: Rate,
    /// Why it is in the sample, if it is one of the awkward ones.
    pub case: Option<&'static str>,
    /// What happens to it, by date.
    pub notices: Vec<Notice>,
    /// Which NAVs are reported of it.
    pub reports: Reports,
}

impl Commitment {
    /// The rate that is its IRR: none when nothing is reported, or when everything is lost in the end.
    pub fn known_rate(&self) -> Option<Rate> {
        let knowable = self.reports != Reports::None
            && !self
                .notices
                .iter()
                .any(|notice| notice.step == Step::WriteOff);
        knowable.then_some(self.rate)
    }
}

/// One of the many: it follows its fund's notices from its closing on, at a rate of its own.
pub fn ordinary(commitment_id: i64, lp_id: i64, fund: &Fund) -> Commitment {
    let mut random = Random::of(Subject::Commitment, commitment_id);
    let closing = [0, 0, 0, 1, 2][random.whole(0, 4) as usize];
    let date = fund.closings[closing];
    let amount_cents = amount_cents(lp_id, &mut random);
    let rate = Rate((annual_rate(fund.typical_rate, &mut random) * 1e6) as i32);
    let mut notices: Vec<Notice> = fund
        .notices
        .iter()
        .copied()
        .filter(|notice| notice.date >= date)
        .collect();
    let own = changes_of_commitment(date, &mut random);
    notices.extend(own.into_iter().filter(|change| {
        fund.notices
            .last()
            .is_some_and(|last| change.date < last.date)
    }));
    notices.sort_by_key(|notice| notice.date);
    let status = match fund.liquidated_on() {
        Some(_) => "closed",
        None if random.chance(0.01) => "transferred",
        None => "active",
    };
    Commitment {
        commitment_id,
        lp_id,
        fund_id: fund.fund_id,
        amount_cents,
        date,
        status,
        rate,
        case: None,
        notices,
        reports: Reports::Until(last_report(fund)),
    }
}

/// The last quarter end at which a fund's NAVs are reported: a liquidated fund reports zeros twice, then no more.
pub fn last_report(fund: &Fund) -> NaiveDate {
    fund.liquidated_on().map_or(LAST_QUARTER_END, |date| {
        next_quarter_end(date).min(LAST_QUARTER_END)
    })
}

/// From a million to eighty, in quarter millions: large LPs promise more, though not always. A million keeps the
/// rounding of NAVs to cents far below the sixth decimal of an IRR.
fn amount_cents(lp_id: i64, random: &mut Random) -> i64 {
    const QUARTER_MILLION_CENTS: i64 = 25_000_000;
    let mut of_lp = Random::of(Subject::LimitedPartner, lp_id);
    let typical = [6.0, 10.0, 16.0, 24.0, 40.0, 64.0, 100.0, 160.0][of_lp.whole(0, 7) as usize];
    let quarters = (typical * random.between(0.5, 2.0)) as i64;
    quarters.max(4) * QUARTER_MILLION_CENTS
}

/// Around the fund's typical rate; one in twenty loses money year after year.
fn annual_rate(typical: f64, random: &mut Random) -> f64 {
    if random.chance(0.05) {
        random.between(-0.09, -0.005)
    } else {
        (typical + 0.035 * random.bell()).clamp(0.03, 0.27)
    }
}

/// Few commitments are raised in their first years, and few are partly released when the fund has stopped investing.
fn changes_of_commitment(date: NaiveDate, random: &mut Random) -> Vec<Notice> {
    let mut changes = Vec::new();
    let mut change = |days, step| {
        changes.push(Notice {
            date: plus_days(date, days),
            number: 0,
            step,
        })
    };
    if random.chance(0.03) {
        change(
            random.whole(120, 700),
            Step::Increase(random.between(0.1, 0.3)),
        );
    }
    if random.chance(0.04) {
        change(
            random.whole(2_300, 3_000),
            Step::Release(random.between(0.3, 0.9)),
        );
    }
    changes
}
