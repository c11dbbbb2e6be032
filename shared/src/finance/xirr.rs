//! The internal rate of return of dated flows: Actual/365, as Excel's XIRR documents it.
//!
//! The rate r solves Σ cashᵢ / (1+r)^(daysᵢ/365) = 0. What has no rate has a flag that says why; how the equation is
//! solved is the business of the module `equation`.

use chrono::{Datelike, NaiveDate};

use super::equation::Equation;
use super::flags::{Flag, Flags};

/// Of several rates, the one nearest to this is given.
const PREFERRED_RATE: f64 = 0.1;

/// Rates beyond 100,000,000 % mean that there is no history to speak of, and are not given.
const MAX_RATE: f64 = 1_000_000.0;

/// A shorter history is not annualised.
const DAYS_OF_YEAR: i32 = 365;

/// A cash flow as the investor sees it: negative when paid, positive when received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedFlow {
    /// The day on which it counts.
    pub date: NaiveDate,
    /// The amount in cents.
    pub amount_cents: i64,
}

/// An internal rate of return, or the reason for its absence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Irr {
    /// The rate as a fraction: 0.1 is 10 %. Never NaN or infinite.
    pub rate: Option<f64>,
    /// Whether the rate is per year, or that of a history of less than 365 days as a whole.
    pub annualised: bool,
    /// Why there is no rate, or what to know about the one given.
    pub flags: Flags,
}

/// The IRR of flows in any order, several a date allowed. The last of them stands for what is left: when it is an
/// explicit zero and nothing ever came back, all is lost.
///
/// 10,000 paid on 2008-01-01 and 2,750, 4,250, 3,250, 2,750 received on 2008-03-01, 2008-10-30, 2009-02-15 and
/// 2009-04-01 yield 0.373362535.
pub fn compute_irr(flows: &[DatedFlow]) -> Irr {
    let mut sorted = flows.to_vec();
    sorted.sort_by_key(|flow| flow.date);
    let mut days: Vec<(i32, i128)> = Vec::with_capacity(sorted.len());
    for flow in sorted {
        add_to_day(&mut days, flow.date, flow.amount_cents);
    }
    let is_worthless = days.last().is_some_and(|last| last.1 == 0);
    solve(&in_floats(&days), is_worthless).over_period()
}

/// The IRR as of a date: of the flows not after it, and the NAV then as a last inflow. The flows are sorted, one a date.
pub fn irr_at(flows: &[DatedFlow], date: NaiveDate, nav_cents: i64) -> Irr {
    let count = flows.partition_point(|flow| flow.date <= date);
    let mut days: Vec<(i32, i128)> = Vec::with_capacity(count + 1);
    for flow in &flows[..count] {
        add_to_day(&mut days, flow.date, flow.amount_cents);
    }
    let is_worthless = nav_cents == 0;
    add_to_day(&mut days, date, nav_cents);
    solve(&in_floats(&days), is_worthless).over_period()
}

/// The annual rate of flows in any order and any unit, however short their history: what a spreadsheet's XIRR gives.
/// Amounts have to be finite numbers.
pub fn compute_annual_irr(flows: &[(NaiveDate, f64)]) -> Irr {
    let mut sorted = flows.to_vec();
    sorted.sort_by_key(|flow| flow.0);
    let mut days: Vec<(i32, f64)> = Vec::with_capacity(sorted.len());
    for (date, amount) in sorted {
        let day = date.num_days_from_ce();
        match days.last_mut() {
            Some(last) if last.0 == day => last.1 += amount,
            _ => days.push((day, amount)),
        }
    }
    let is_worthless = days.last().is_some_and(|last| last.1 == 0.0);
    solve(&days, is_worthless).over_year()
}

/// Adds an amount to the last day, or starts a new one. Sums are wide, so that they can't overflow.
fn add_to_day(days: &mut Vec<(i32, i128)>, date: NaiveDate, amount_cents: i64) {
    let day = date.num_days_from_ce();
    match days.last_mut() {
        Some(last) if last.0 == day => last.1 += i128::from(amount_cents),
        _ => days.push((day, amount_cents.into())),
    }
}

fn in_floats(days: &[(i32, i128)]) -> Vec<(i32, f64)> {
    days.iter()
        .map(|&(day, cents)| (day, cents as f64))
        .collect()
}

/// What the flows determine, before it is expressed per year or for the whole period.
struct Solution {
    /// ln(1 + r) of the annual rate r; −∞ for a total loss.
    log_rate: Option<f64>,
    days: i32,
    flags: Flags,
}

impl Solution {
    fn without_rate(days: i32, flag: Flag) -> Solution {
        Solution {
            log_rate: None,
            days,
            flags: flag.into(),
        }
    }

    fn over_year(self) -> Irr {
        self.over(1.0, true)
    }

    /// Expresses the rate for the period itself when that is shorter than a year: (1+r)^(days/365) − 1.
    fn over_period(self) -> Irr {
        if self.days >= DAYS_OF_YEAR {
            return self.over_year();
        }
        // At least a day: the logarithm of a total loss is infinite, and on the very day of the payment times zero.
        let share = f64::from(self.days.max(1)) / f64::from(DAYS_OF_YEAR);
        self.over(share, false)
    }

    /// The rate over a share of a year. What is bounded is the rate that is given: a few days' plain gain may be beyond all
    /// bounds as an annual rate.
    fn over(self, share: f64, annualised: bool) -> Irr {
        let rate = self.log_rate.map(|log_rate| (log_rate * share).exp_m1());
        let mut flags = self.flags;
        if rate.is_some_and(|rate| rate > MAX_RATE) {
            flags.insert(Flag::OutOfBounds);
        }
        Irr {
            rate: rate.filter(|&rate| rate <= MAX_RATE),
            annualised,
            flags,
        }
    }
}

/// Applies the rules in their order: a total loss, then what has no rate by its shape, then the equation.
///
/// The history runs from the first flow that isn't zero to the last, so that entries which cancel on their date never
/// change an IRR. Of a total loss it ends with the last payment: that nothing was left later is no flow.
fn solve(days: &[(i32, f64)], is_worthless: bool) -> Solution {
    let flows: Vec<(i32, f64)> = days.iter().copied().filter(|flow| flow.1 != 0.0).collect();
    let (Some(first), Some(last)) = (flows.first(), flows.last()) else {
        let flag = if days.len() > 1 {
            Flag::ZeroEverywhere
        } else {
            Flag::InsufficientFlows
        };
        return Solution::without_rate(0, flag);
    };
    let span = last.0 - first.0;
    let all_paid = flows.iter().all(|flow| flow.1 < 0.0);
    let all_received = flows.iter().all(|flow| flow.1 > 0.0);

    if is_worthless && all_paid {
        return Solution {
            log_rate: Some(f64::NEG_INFINITY),
            days: span,
            flags: Flag::TotalLoss.into(),
        };
    }
    if flows.len() < 2 {
        return Solution::without_rate(span, Flag::InsufficientFlows);
    }
    if all_paid || all_received {
        return Solution::without_rate(span, Flag::NoSignChange);
    }
    choose_root(&Equation::new(&flows).roots(), span)
}

/// The root nearest to 10 %, if there is one.
fn choose_root(roots: &[f64], days: i32) -> Solution {
    let distance = |log_rate: f64| (log_rate.exp_m1() - PREFERRED_RATE).abs();
    let nearest = roots
        .iter()
        .copied()
        .min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    let Some(log_rate) = nearest else {
        return Solution::without_rate(days, Flag::NoRoot);
    };
    let mut flags = Flags::NONE;
    if roots.len() > 1 {
        flags.insert(Flag::MultipleRoots);
    }
    Solution {
        log_rate: Some(log_rate),
        days,
        flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn irr(flows: &[(&str, i64)]) -> Irr {
        let flow = |&(day, amount_cents): &(&str, i64)| DatedFlow {
            date: date(day),
            amount_cents,
        };
        compute_irr(&flows.iter().map(flow).collect::<Vec<_>>())
    }

    fn flags(flows: &[(&str, i64)]) -> (Option<f64>, Vec<&'static str>) {
        let irr = irr(flows);
        (irr.rate, irr.flags.codes())
    }

    #[test]
    fn the_documented_example_of_excel_comes_out() {
        let example = irr(&[
            ("2008-01-01", -1_000_000),
            ("2008-03-01", 275_000),
            ("2008-10-30", 425_000),
            ("2009-02-15", 325_000),
            ("2009-04-01", 275_000),
        ]);
        assert!((example.rate.expect("a rate") - 0.373_362_535).abs() < 1e-8);
        assert!(example.annualised && example.flags.is_empty());
    }

    #[test]
    fn what_has_no_rate_has_a_reason() {
        assert_eq!(flags(&[]), (None, vec!["INSUFFICIENT_FLOWS"]));
        assert_eq!(
            flags(&[("2020-01-01", -5), ("2020-01-01", 7)]),
            (None, vec!["INSUFFICIENT_FLOWS"])
        );
        assert_eq!(
            flags(&[("2020-01-01", 5), ("2021-01-01", 0)]),
            (None, vec!["INSUFFICIENT_FLOWS"])
        );
        assert_eq!(
            flags(&[("2020-01-01", -5), ("2021-01-01", -7)]),
            (None, vec!["NO_SIGN_CHANGE"])
        );
        let wash = [
            ("2020-01-01", -5),
            ("2020-01-01", 5),
            ("2021-01-01", 7),
            ("2021-01-01", -7),
        ];
        assert_eq!(flags(&wash), (None, vec!["ZERO_EVERYWHERE"]));
        assert_eq!(
            flags(&[("2020-01-01", -1), ("2021-01-01", 2_000_000)]),
            (None, vec!["OUT_OF_BOUNDS"])
        );
    }

    #[test]
    fn a_total_loss_is_minus_one_however_short_its_history() {
        assert_eq!(
            flags(&[("2020-01-01", -5), ("2021-01-01", 0)]),
            (Some(-1.0), vec!["TOTAL_LOSS"])
        );
        assert_eq!(
            flags(&[("2020-01-01", -5), ("2020-02-01", -5), ("2020-03-01", 0)]),
            (Some(-1.0), vec!["TOTAL_LOSS"])
        );
        let same_day = irr_at(
            &[DatedFlow {
                date: date("2020-01-01"),
                amount_cents: -5,
            }],
            date("2020-01-01"),
            0,
        );
        assert_eq!((same_day.rate, same_day.annualised), (Some(-1.0), false));
    }

    #[test]
    fn the_history_of_a_total_loss_ends_with_the_last_payment() {
        let once = irr(&[("2020-01-01", -5), ("2023-01-01", 0)]);
        assert_eq!((once.rate, once.annualised), (Some(-1.0), false));
        let twice = irr(&[("2020-01-01", -5), ("2021-01-01", -5), ("2023-01-01", 0)]);
        assert_eq!((twice.rate, twice.annualised), (Some(-1.0), true));
    }

    #[test]
    fn the_rate_that_is_given_is_the_one_that_is_bounded() {
        let days = irr(&[("2026-09-27", -10_000), ("2026-09-30", 11_500)]);
        assert!((days.rate.expect("a rate") - 0.15).abs() < 1e-12);
        assert!(!days.annualised && days.flags.is_empty());
        assert_eq!(
            flags(&[("2026-09-27", -1), ("2026-09-30", 2_000_000)]),
            (None, vec!["OUT_OF_BOUNDS"])
        );
    }

    #[test]
    fn a_last_flow_equal_to_the_nav_is_not_a_total_loss() {
        let flows = [("2020-01-01", -1_000), ("2021-01-01", -100)];
        let flows = flows.map(|(day, amount_cents)| DatedFlow {
            date: date(day),
            amount_cents,
        });
        assert_eq!(
            irr_at(&flows, date("2021-01-01"), 100).flags,
            Flag::InsufficientFlows.into()
        );
    }

    #[test]
    fn less_than_a_year_is_not_annualised() {
        let half = irr(&[("2020-01-01", -10_000), ("2020-07-01", 11_000)]);
        assert!((half.rate.expect("a rate") - 0.1).abs() < 1e-12 && !half.annualised);
        let year = irr(&[("2021-01-01", -10_000), ("2022-01-01", 11_000)]);
        assert!((year.rate.expect("a rate") - 0.1).abs() < 1e-12 && year.annualised);
        let day = irr(&[("2021-01-01", -10_000), ("2021-01-02", 100)]);
        assert!((day.rate.expect("a rate") + 0.99).abs() < 1e-12, "{day:?}");
    }

    #[test]
    fn flows_after_the_date_do_not_count() {
        let flows = [("2020-01-01", -10_000), ("2022-01-01", -50_000)];
        let flows = flows.map(|(day, amount_cents)| DatedFlow {
            date: date(day),
            amount_cents,
        });
        let irr = irr_at(&flows, date("2020-12-31"), 12_100);
        assert!((irr.rate.expect("a rate") - 0.21).abs() < 1e-12, "{irr:?}");
    }

    #[test]
    fn centuries_and_the_largest_amounts_stay_finite() {
        let long = irr(&[("1900-01-01", -1), ("9998-12-31", i64::MAX)]);
        assert!(
            long.rate.is_some_and(|rate| rate > 0.0 && rate < 0.01),
            "{long:?}"
        );
        let lost = irr(&[("1900-01-01", i64::MIN), ("9998-12-31", 1)]);
        assert!(
            lost.rate.is_some_and(|rate| rate < 0.0 && rate > -0.01),
            "{lost:?}"
        );
        let sums = irr(&[
            ("2020-01-01", i64::MIN),
            ("2020-01-01", i64::MIN),
            ("2021-12-31", i64::MAX),
        ]);
        assert!(
            sums.rate
                .is_some_and(|rate| (rate + 0.292_893_218).abs() < 1e-6),
            "{sums:?}"
        );
    }
}
