//! When a fund calls and distributes, and how much: the model of Takahashi and Alexander (2002), with noise in the dates
//! and in how a year's share is split over its notices.

use chrono::NaiveDate;

use super::calendar::{LAST_QUARTER_END, LEDGER_END, business_day, plus_days};
use super::random::Random;

/// What a step does to one commitment; shares, so that it fits commitments of every size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Calls a share of the commitment in force.
    Call(f64),
    /// Calls a share of the commitment in force for fees that do not count against it.
    CallOutside(f64),
    /// Pays back a share of the last call.
    ReturnUnused(f64),
    /// Distributes a share of the NAV.
    Distribute(f64),
    /// Distributes a share of the NAV that may be called again.
    DistributeRecallable(f64),
    /// Distributes the whole NAV: nothing comes after it.
    Liquidate,
    /// Raises the commitment by a share of the original.
    Increase(f64),
    /// Releases a share of what is unfunded.
    Release(f64),
    /// Calls a share of the commitment by mistake, and reverses that.
    CallByMistake(f64),
    /// Loses everything.
    WriteOff,
}

/// A step on its date, with its number in the fund's correspondence.
#[derive(Debug, Clone, Copy)]
pub struct Notice {
    /// The day on which it is effective.
    pub date: NaiveDate,
    /// Its number, from 1.
    pub number: usize,
    /// What it does.
    pub step: Step,
}

/// The share of what remains to be called, by year; the last stands for all later ones.
const CALLED_BY_YEAR: [f64; 6] = [0.25, 0.33, 0.50, 0.50, 0.50, 0.50];
/// Calls by year.
const CALLS_BY_YEAR: [u32; 6] = [5, 5, 4, 4, 4, 2];
/// Distributions by year from the third on; the last stands for all later ones.
const DISTRIBUTIONS_BY_YEAR: [u32; 5] = [1, 2, 3, 3, 4];
/// Of all distributions.
const RECALLABLE_SHARE: f64 = 0.065;

/// A fund's notices up to the end of the ledger, by date.
pub fn notices(first_closing: NaiveDate, term_years: i64, random: &mut Random) -> Vec<Notice> {
    let mut steps = calls(first_closing, random);
    steps.extend(fees_outside(first_closing, random));
    steps.extend(distributions(first_closing, term_years, random));
    numbered(steps)
}

/// Puts steps in order, numbers them, and drops what lies beyond the end of the ledger. A liquidation after the last NAV
/// waits for the next quarter too: it pays out that NAV and what it grew by, and would leave an adjusted NAV below zero.
fn numbered(mut steps: Vec<(NaiveDate, Step)>) -> Vec<Notice> {
    steps.retain(|&(date, step)| {
        date <= if step == Step::Liquidate {
            LAST_QUARTER_END
        } else {
            LEDGER_END
        }
    });
    steps.sort_by_key(|&(date, _)| date);
    steps
        .into_iter()
        .enumerate()
        .map(|(index, (date, step))| Notice {
            date,
            number: index + 1,
            step,
        })
        .collect()
}

/// Calls of the first six years; now and then part of a call is paid back unused.
fn calls(first_closing: NaiveDate, random: &mut Random) -> Vec<(NaiveDate, Step)> {
    let mut steps = Vec::new();
    let mut uncalled = 1.0;
    for (year, (called, count)) in (0..).zip(CALLED_BY_YEAR.into_iter().zip(CALLS_BY_YEAR)) {
        let of_year = uncalled * called;
        uncalled -= of_year;
        for (date, share) in split(first_closing, year, count, random) {
            steps.push((date, Step::Call(of_year * share)));
            if random.chance(0.06) {
                let returned_on = business_day(plus_days(date, random.whole(25, 45)));
                steps.push((returned_on, Step::ReturnUnused(random.between(0.1, 0.3))));
            }
        }
    }
    steps
}

/// In some years, a fee on top of the commitment.
fn fees_outside(first_closing: NaiveDate, random: &mut Random) -> Vec<(NaiveDate, Step)> {
    (1..10)
        .filter_map(|year| {
            let date = in_year(first_closing, year, random.unit());
            let share = random.between(0.002, 0.006);
            random
                .chance(0.12)
                .then_some((date, Step::CallOutside(share)))
        })
        .collect()
}

/// Distributions from the third year on, at a yearly rate of (year / term)^2.5 of the NAV; the last one pays out everything.
fn distributions(
    first_closing: NaiveDate,
    term_years: i64,
    random: &mut Random,
) -> Vec<(NaiveDate, Step)> {
    let mut steps = Vec::new();
    for year in 2..term_years {
        let age = (year + 1) as f64 / term_years as f64;
        let rate = age * age * age.sqrt();
        let count = DISTRIBUTIONS_BY_YEAR[DISTRIBUTIONS_BY_YEAR.len().min(year as usize - 1) - 1];
        let mut paid_out = 0.0;
        for (date, share) in split(first_closing, year, count, random) {
            // Of the NAV that is left, so that the year's notices together pay out the year's rate.
            let of_nav = rate * share / (1.0 - paid_out);
            paid_out += rate * share;
            let recallable = random.chance(RECALLABLE_SHARE);
            steps.push((
                date,
                if recallable {
                    Step::DistributeRecallable(of_nav)
                } else {
                    Step::Distribute(of_nav)
                },
            ));
        }
    }
    if let Some((_, last)) = steps.last_mut() {
        *last = Step::Liquidate;
    }
    steps
}

/// Dates spread over a year of the fund's life, in order, each with its share of the year's whole.
fn split(
    first_closing: NaiveDate,
    year: i64,
    count: u32,
    random: &mut Random,
) -> Vec<(NaiveDate, f64)> {
    let weights: Vec<f64> = (0..count).map(|_| random.between(0.6, 1.4)).collect();
    let whole: f64 = weights.iter().sum();
    (0..count)
        .zip(weights)
        .map(|(part, weight)| {
            let within = (f64::from(part) + random.between(0.05, 0.45)) / f64::from(count);
            (in_year(first_closing, year, within), weight / whole)
        })
        .collect()
}

/// A working day in a year of the fund's life.
fn in_year(first_closing: NaiveDate, year: i64, within: f64) -> NaiveDate {
    business_day(plus_days(
        first_closing,
        year * 365 + 10 + (within * 340.0) as i64,
    ))
}

#[cfg(test)]
mod tests {
    use super::{Step, notices};
    use crate::sample::calendar::day;
    use crate::sample::random::{Random, Subject};

    #[test]
    fn a_fund_of_full_age_calls_nearly_everything_and_is_liquidated_by_its_last_notice() {
        let notices = notices(day(2012, 2, 1), 12, &mut Random::of(Subject::Fund, 1));
        let calls: Vec<f64> = notices
            .iter()
            .filter_map(|notice| {
                if let Step::Call(share) = notice.step {
                    Some(share)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(calls.len(), 24);
        assert!((0.93..0.97).contains(&calls.iter().sum()), "{calls:?}");
        assert_eq!(
            notices.last().map(|notice| notice.step),
            Some(Step::Liquidate)
        );
        assert!(notices.is_sorted_by_key(|notice| notice.date));
    }
}
