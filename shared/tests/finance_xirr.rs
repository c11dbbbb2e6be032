//! The public XIRR cases, with every root that each of them has.

use chrono::NaiveDate;
use serde_json::Value;
use shared::finance::flags::Flag;
use shared::finance::xirr::{Irr, compute_annual_irr};

const CASES: &str = include_str!("../fixtures/xirr.json");

fn cases() -> Vec<Value> {
    serde_json::from_str(CASES).expect("the fixture is a list of cases")
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_f64)
        .collect()
}

fn solve(case: &Value) -> Irr {
    let flows = case["flows"].as_array().expect("flows");
    let flow = |pair: &Value| -> (NaiveDate, f64) {
        let date = pair[0].as_str().and_then(|date| date.parse().ok());
        (date.expect("a date"), pair[1].as_f64().expect("an amount"))
    };
    compute_annual_irr(&flows.iter().map(flow).collect::<Vec<_>>())
}

/// The rates that the case accepts: any of several roots, else the published one.
fn accepted(case: &Value) -> Vec<f64> {
    match case["multiple_roots"].as_bool() {
        Some(true) => numbers(&case["roots_act365"]),
        _ => case["expected"].as_f64().into_iter().collect(),
    }
}

fn is_right(case: &Value, irr: &Irr) -> bool {
    let tolerance = case["tolerance"].as_f64().unwrap_or(1e-9);
    match (irr.rate, accepted(case).as_slice()) {
        (None, []) => true,
        (Some(rate), roots) => roots
            .iter()
            .any(|root| (rate - root).abs() <= tolerance * root.abs().max(1.0)),
        (None, _) => false,
    }
}

#[test]
fn every_case_yields_an_accepted_rate() {
    let cases = cases();
    assert_eq!(cases.len(), 121);
    let wrong: Vec<String> = cases
        .iter()
        .map(|case| (case, solve(case)))
        .filter(|(case, irr)| !is_right(case, irr))
        .map(|(case, irr)| format!("{}: {irr:?}, not {:?}", case["name"], accepted(case)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_null_has_the_reason_of_its_case() {
    for case in cases() {
        let flag = match case["null_reason"].as_str() {
            Some("no_root") => Flag::NoRoot,
            Some("no_sign_change") => Flag::NoSignChange,
            Some("out_of_bounds") => Flag::OutOfBounds,
            Some("insufficient" | "same_date") => Flag::InsufficientFlows,
            Some("zero_npv") => Flag::ZeroEverywhere,
            Some(other) => panic!("an unknown reason, {other}"),
            None => continue,
        };
        let irr = solve(&case);
        assert_eq!(
            (irr.rate, irr.flags),
            (None, flag.into()),
            "{}",
            case["name"]
        );
    }
}

/// This case has a second root that its list of roots stops short of: r = −1 + 10⁻¹⁰⁷, where 120 digits show a change
/// of sign.
const UNLISTED_ROOT: &str = "pyxirr_case_30_23";

#[test]
fn several_roots_are_flagged_where_there_are_several_and_the_nearest_to_ten_percent_is_taken() {
    let distance = |rate: f64| (rate - 0.1).abs();
    let mut flagged = 0;
    for case in cases() {
        let irr = solve(&case);
        let roots = numbers(&case["roots_act365"]);
        let has_several = roots.len() > 1 || case["name"] == UNLISTED_ROOT;
        assert_eq!(
            irr.flags.contains(Flag::MultipleRoots),
            has_several,
            "{}: {roots:?}",
            case["name"]
        );
        if has_several {
            let nearest = roots
                .into_iter()
                .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
                .expect("a root");
            let rate = irr.rate.expect("a rate");
            assert!(
                (rate - nearest).abs() <= 1e-7 * nearest.abs().max(1.0),
                "{}: {rate}, not {nearest}",
                case["name"]
            );
            flagged += 1;
        }
    }
    assert_eq!(flagged, 36);
}
