//! The internal rate of return: of all rates at which the flows sum to zero the one nearest to 10 %.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::roots::log_rates;

/// A rate, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Irr {
    /// Annual, or of the whole period when the history is shorter than a year.
    pub rate: Option<f64>,
    /// Whether the rate is annual; none without a rate.
    pub annualised: Option<bool>,
    /// What has to be said about it.
    pub flags: Vec<&'static str>,
}

impl Irr {
    /// No rate, for a reason.
    #[must_use]
    pub fn none(reason: &'static str) -> Self {
        Self {
            rate: None,
            annualised: None,
            flags: vec![reason],
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
            flags: vec!["TOTAL_LOSS"],
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
    let mut flags = Vec::new();
    if roots.len() > 1 {
        flags.push("MULTIPLE_ROOTS");
    }
    if rate > 1e6 {
        flags.push("OUT_OF_BOUNDS");
        return Irr {
            rate: None,
            annualised: None,
            flags,
        };
    }
    Irr {
        rate: Some(rate),
        annualised: Some(span >= 1.0),
        flags,
    }
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
        assert_eq!((result.annualised, result.flags), (Some(true), vec![]));
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
        assert_eq!((days.annualised, days.flags), (Some(false), vec![]));
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
                flags: vec!["TOTAL_LOSS"]
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
        assert_eq!(result.flags, ["MULTIPLE_ROOTS"]);
    }

    /// The grid meets this root, and may find the sum there a little above or below.
    #[test]
    fn a_root_on_a_point_of_the_grid_is_found_once() {
        let flows = [("2019-11-15", 1), ("2020-02-29", 1), ("2021-02-01", -1)];
        let result = rate_of(&flows, -1, "2021-02-01");
        assert_rate(&result, 0.0);
        assert_eq!(result.flags, [""; 0]);
    }

    /// The two roots, 0 and 0.0000119, lie between two points of the grid.
    #[test]
    fn two_roots_side_by_side_are_found() {
        let flows = [
            ("2019-11-15", -3),
            ("2022-06-30", -2_500_000),
            ("2023-03-31", 10_000_000),
            ("2023-06-30", -10_000_000),
        ];
        let result = rate_of(&flows, 2_500_003, "2023-06-30");
        assert_eq!(result.flags, ["MULTIPLE_ROOTS"]);
        assert!(
            result.rate.is_some_and(|rate| rate.abs() < 2e-5),
            "{result:?}"
        );
    }

    /// A cent back before millions are paid: at e^57 it outweighs them.
    #[test]
    fn a_root_beyond_all_bounds_is_one_too() {
        let flows = [("2019-11-15", 1), ("2020-03-01", -20_000_006)];
        let result = rate_of(&flows, 31_000_003, "2022-12-31");
        let without_the_cent = (31_000_003_f64 / 20_000_006.0).powf(365.0 / 1035.0) - 1.0;
        let rate = result.rate.expect("a rate");
        assert!((rate - without_the_cent).abs() < 1e-7, "{rate}");
        assert_eq!(result.flags, ["MULTIPLE_ROOTS"]);
    }
}
