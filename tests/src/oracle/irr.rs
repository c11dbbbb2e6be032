//! The internal rate of return by looking everywhere: walk a grid, bisect wherever the sum changes its sign.

use std::collections::BTreeMap;

use chrono::NaiveDate;

/// A rate, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Irr {
    /// Annual, or of the whole period when the history is shorter than a year.
    pub rate: Option<f64>,
    /// Whether the rate is annual; none without a rate.
    pub annualised: Option<bool>,
    /// What has to be said about it.
    pub flag: Option<&'static str>,
}

impl Irr {
    /// No rate, for a reason.
    #[must_use]
    pub fn none(reason: &'static str) -> Self {
        Self {
            rate: None,
            annualised: None,
            flag: Some(reason),
        }
    }
}

/// The rate of dated cash flows and of what is left, valued at `nav_cents`, on the day `on`.
#[must_use]
pub fn irr(flows: &[(NaiveDate, i128)], nav_cents: i128, on: NaiveDate) -> Irr {
    let mut days: BTreeMap<NaiveDate, i128> = BTreeMap::from([(on, nav_cents)]);
    for (date, cents) in flows {
        *days.entry(*date).or_default() += cents;
    }
    let dates = days.len();
    days.retain(|_, cents| *cents != 0);
    if days.is_empty() {
        return Irr::none(if dates < 2 {
            "INSUFFICIENT_FLOWS"
        } else {
            "ZERO_EVERYWHERE"
        });
    }
    without_equation(&days, nav_cents).unwrap_or_else(|| nearest_to_ten_percent(&days))
}

/// What is known without solving anything: days whose cash goes one way only.
fn without_equation(days: &BTreeMap<NaiveDate, i128>, nav_cents: i128) -> Option<Irr> {
    let anything_out = days.values().any(|cents| *cents < 0);
    let anything_back = days.values().any(|cents| *cents > 0);
    if anything_out && !anything_back && nav_cents == 0 {
        // The history is that of the payments: on the day on which nothing was left, nothing flowed.
        let (first, last) = (days.keys().next(), days.keys().next_back());
        let annualised = last
            .zip(first)
            .map(|(last, first)| (*last - *first).num_days() >= 365);
        return Some(Irr {
            rate: Some(-1.0),
            annualised,
            flag: Some("TOTAL_LOSS"),
        });
    }
    if days.len() < 2 {
        return Some(Irr::none("INSUFFICIENT_FLOWS"));
    }
    (!anything_out || !anything_back).then(|| Irr::none("NO_SIGN_CHANGE"))
}

fn nearest_to_ten_percent(days: &BTreeMap<NaiveDate, i128>) -> Irr {
    let first = *days.keys().next().expect("there are flows");
    let years = |date: &NaiveDate| (*date - first).num_days() as f64 / 365.0;
    let flows: Vec<(f64, f64)> = days
        .iter()
        .map(|(date, cents)| (years(date), *cents as f64))
        .collect();
    let roots = log_rates(&flows);
    let distance = |x: &f64| (x.exp_m1() - 0.1).abs();
    let Some(x) = roots
        .iter()
        .copied()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
    else {
        return Irr::none("NO_ROOT");
    };
    let span = flows[flows.len() - 1].0;
    let rate = (x * span.min(1.0)).exp_m1();
    if rate > 1e6 {
        return Irr::none("OUT_OF_BOUNDS");
    }
    Irr {
        rate: Some(rate),
        annualised: Some(span >= 1.0),
        flag: (roots.len() > 1).then_some("MULTIPLE_ROOTS"),
    }
}

/// Every x = ln(1 + rate) on the grid's range at which the flows, compounded to the last day, sum to zero. The range covers
/// rates from −0.999999 to 1,000,000, and for short spans growth and loss by a factor of e^60 over the span.
fn log_rates(flows: &[(f64, f64)]) -> Vec<f64> {
    let span = flows[flows.len() - 1].0;
    let sum_at = |x: f64| {
        flows
            .iter()
            .map(|(t, cents)| cents * (x * (span - t)).exp())
            .sum::<f64>()
    };
    let reach = f64::max(14.0, 60.0 / span).min(600.0 / span);
    let step = 0.1 / span;
    // One step of the grid multiplies each flow by a constant, which spares an exponential a flow and step.
    let growths: Vec<f64> = flows
        .iter()
        .map(|(t, _)| (step * (span - t)).exp())
        .collect();
    let mut values: Vec<f64> = flows
        .iter()
        .map(|(t, cents)| cents * (-reach * (span - t)).exp())
        .collect();
    let (mut roots, mut before) = (Vec::new(), (-reach, values.iter().sum::<f64>()));
    for k in 1..=(2.0 * reach / step).ceil() as u32 {
        let mut sum = 0.0;
        for (value, growth) in values.iter_mut().zip(&growths) {
            *value *= growth;
            sum += *value;
        }
        let x = -reach + f64::from(k) * step;
        if sum * before.1 < 0.0 {
            roots.push(bisect(&sum_at, before.0, x));
        }
        if sum != 0.0 {
            before = (x, sum);
        }
    }
    roots
}

/// Halves an interval over which the sum changes its sign until no floating-point number is left between its ends.
fn bisect(sum_at: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let sign_below = sum_at(low).signum();
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if sum_at(middle) * sign_below > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn rate_of(flows: &[(&str, i128)], nav_cents: i128, on: &str) -> Irr {
        let flows: Vec<_> = flows
            .iter()
            .map(|(day, cents)| (date(day), *cents))
            .collect();
        irr(&flows, nav_cents, date(on))
    }

    fn assert_rate(irr: &Irr, expected: f64) {
        let rate = irr.rate.unwrap_or_else(|| panic!("no rate: {irr:?}"));
        assert!((rate - expected).abs() < 1e-9, "{rate} is not {expected}");
    }

    #[test]
    fn the_example_of_excels_manual_comes_out() {
        let flows = [
            ("2008-01-01", -1_000_000),
            ("2008-03-01", 275_000),
            ("2008-10-30", 425_000),
            ("2009-02-15", 325_000),
        ];
        let result = rate_of(&flows, 275_000, "2009-04-01");
        assert_rate(&result, 0.373_362_533_518_831_5);
        assert_eq!((result.annualised, result.flag), (Some(true), None));
    }

    #[test]
    fn exactly_one_year_is_annual_and_a_day_less_is_not() {
        assert_rate(&rate_of(&[("2021-01-01", -100)], 110, "2022-01-01"), 0.1);
        let shorter = rate_of(&[("2021-01-01", -100)], 110, "2021-12-31");
        assert_rate(&shorter, 0.1);
        assert_eq!(shorter.annualised, Some(false));
    }

    #[test]
    fn a_few_days_gain_is_bounded_as_it_is_given_and_not_as_an_annual_rate() {
        let days = rate_of(&[("2026-09-27", -1_000_000)], 1_150_000, "2026-09-30");
        assert_rate(&days, 0.15);
        assert_eq!((days.annualised, days.flag), (Some(false), None));
    }

    #[test]
    fn a_month_in_which_nearly_all_is_lost_has_a_rate_too() {
        assert_rate(
            &rate_of(&[("2021-01-01", -100_000)], 1, "2021-02-01"),
            -0.99999,
        );
    }

    #[test]
    fn what_has_no_rate_says_why() {
        for (flows, nav, on, reason) in [
            (&[][..], 0, "2020-01-01", "INSUFFICIENT_FLOWS"),
            (
                &[("2020-01-01", -100)],
                200,
                "2020-01-01",
                "INSUFFICIENT_FLOWS",
            ),
            (
                &[("2020-01-01", -100), ("2020-01-01", 100)],
                0,
                "2020-01-01",
                "INSUFFICIENT_FLOWS",
            ),
            (
                &[("2020-01-01", -100), ("2020-01-01", 100)],
                0,
                "2021-01-01",
                "ZERO_EVERYWHERE",
            ),
            (
                &[("2020-01-01", -100), ("2021-01-01", -100)],
                -5,
                "2022-01-01",
                "NO_SIGN_CHANGE",
            ),
            (
                &[("2020-01-01", 100), ("2021-01-01", 100)],
                0,
                "2022-01-01",
                "NO_SIGN_CHANGE",
            ),
            (
                &[("2020-01-01", -100), ("2021-01-01", 150)],
                -100,
                "2022-01-01",
                "NO_ROOT",
            ),
            (
                &[("2020-01-01", -100)],
                100_000_200,
                "2020-02-01",
                "OUT_OF_BOUNDS",
            ),
        ] {
            assert_eq!(
                rate_of(flows, nav, on),
                Irr::none(reason),
                "{flows:?} {nav}"
            );
        }
    }

    #[test]
    fn paid_in_and_nothing_left_is_a_total_loss() {
        let result = rate_of(
            &[("2020-01-01", -100), ("2020-06-01", -100)],
            0,
            "2021-01-01",
        );
        assert_eq!(
            result,
            Irr {
                rate: Some(-1.0),
                annualised: Some(false),
                flag: Some("TOTAL_LOSS")
            }
        );
        let longer = rate_of(
            &[("2020-01-01", -100), ("2021-01-01", -100)],
            0,
            "2021-01-01",
        );
        assert_eq!(longer.annualised, Some(true));
    }

    /// −100, +230, −132 a year apart is zero at 10 % and at 20 %.
    #[test]
    fn of_several_roots_the_one_nearest_ten_percent_is_taken() {
        let result = rate_of(
            &[
                ("2021-01-01", -100),
                ("2022-01-01", 230),
                ("2023-01-01", -132),
            ],
            0,
            "2023-01-01",
        );
        assert_rate(&result, 0.1);
        assert_eq!(result.flag, Some("MULTIPLE_ROOTS"));
    }
}
