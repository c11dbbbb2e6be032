//! The oracle's bisection against the public test vectors for XIRR, so that it is no less right than what it judges.

use chrono::NaiveDate;
use serde_json::Value;
use tests::database::project;
use tests::oracle::irr::irr;

#[test]
fn the_oracles_rates_are_those_of_the_public_vectors() {
    let file = project().join("shared/fixtures/xirr.json");
    let text = std::fs::read_to_string(file).expect("the fixture is readable");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the fixture is JSON");
    assert!(cases.len() > 100, "only {} cases", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What is wrong with a case, if anything. Its last flow stands for the NAV. The vectors know annual rates only, and bound those.
fn difference(case: &Value) -> Option<String> {
    let flows: Vec<(NaiveDate, i128)> = case["flows"]
        .as_array()
        .expect("flows")
        .iter()
        .map(flow)
        .collect();
    let dates = || {
        flows
            .iter()
            .filter(|(_, amount)| *amount != 0)
            .map(|(date, _)| *date)
    };
    let (last, before) = flows.split_last()?;
    let result = irr(before, last.1, last.0);
    let days = dates()
        .max()
        .zip(dates().min())
        .map_or(365, |(last, first)| (last - first).num_days())
        .clamp(1, 365);
    let annual = result.rate.map(|rate| match rate {
        -1.0 => rate,
        _ => (rate.ln_1p() * 365.0 / days as f64).exp_m1(),
    });
    let annual = annual.filter(|annual| *annual <= 1e6);
    let (Some(expected), Some(annual)) = (case["expected"].as_f64(), annual) else {
        return (case["expected"].is_null() != annual.is_none())
            .then(|| format!("{}: got {result:?}", case["name"]));
    };
    let tolerance = case["tolerance"].as_f64().expect("a tolerance");
    let matches = |value: f64| (annual - value).abs() <= tolerance * value.abs().max(1.0);
    let roots = case["roots_act365"]
        .as_array()
        .expect("roots")
        .iter()
        .filter_map(Value::as_f64);
    let mut allowed = roots
        .filter(|_| case["multiple_roots"] == true)
        .chain([expected]);
    (!allowed.any(matches)).then(|| format!("{}: expected {expected}, got {annual}", case["name"]))
}

/// Amounts have decimals in the vectors; a billionth is left of each.
fn flow(flow: &Value) -> (NaiveDate, i128) {
    let date = flow[0].as_str().expect("a date").parse().expect("a date");
    (
        date,
        (flow[1].as_f64().expect("an amount") * 1e9).round() as i128,
    )
}
