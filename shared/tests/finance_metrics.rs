//! The public multiples cases, with recallable distributions counted gross on both sides (the GIPS convention).

use chrono::NaiveDate;
use serde_json::Value;
use shared::finance::effects::{Effects, Signs};
use shared::finance::money::checked_sum;
use shared::finance::multiples::{Position, Rounded, compute_multiples};
use shared::finance::xirr::{DatedFlow, compute_annual_irr, compute_irr};

const CALL: Signs = Signs {
    cash: -1,
    paid_in: 1,
    distributed: 0,
    unfunded: -1,
};
const DISTRIBUTION: Signs = Signs {
    cash: 1,
    paid_in: 0,
    distributed: 1,
    unfunded: 0,
};
const RECALLABLE: Signs = Signs {
    cash: 1,
    paid_in: 0,
    distributed: 1,
    unfunded: 1,
};

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../fixtures/metrics.json")).expect("a list of cases")
}

fn number(text: &Value) -> f64 {
    text.as_str()
        .expect("a number as text")
        .parse()
        .expect("a number")
}

fn cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}

/// The effects of an event. A reversal is its original negated, and both are simply added.
fn effects(event: &Value, events: &[Value]) -> Effects {
    let amount = cents(number(&event["amount"]));
    let (kind, amount) = match event["reversalOfEventId"].as_i64() {
        None => (&event["eventType"], amount),
        Some(id) => {
            let original = events
                .iter()
                .find(|event| event["id"] == id)
                .expect("the original");
            (&original["eventType"], -amount)
        }
    };
    let signs = match kind.as_str().expect("a type") {
        "lp_capital_call" => CALL,
        "lp_distribution" | "realized_proceeds" => DISTRIBUTION,
        "recallable_distribution" => RECALLABLE,
        other => panic!("an unknown type, {other}"),
    };
    signs.effects(amount).expect("an amount within bounds")
}

/// Compares with as many decimals as the source gives.
fn assert_ratio(ratio: Option<Rounded>, expected: &Value, what: &str) {
    let tolerance = if expected.as_str().is_some_and(|text| text.len() < 8) {
        5e-5
    } else {
        0.0
    };
    let got = ratio.expect("a ratio").to_f64();
    assert!(
        (got - number(expected)).abs() <= tolerance,
        "{what}: {got}, not {expected}"
    );
}

#[test]
fn balances_are_plain_sums_of_effects() {
    for case in cases() {
        let Some(events) = case["events"].as_array() else {
            continue;
        };
        let all: Vec<Effects> = events.iter().map(|event| effects(event, events)).collect();
        let expected = &case["gross_recallable_gips"];
        let paid_in = checked_sum(all.iter().map(|effects| effects.paid_in_cents));
        assert_eq!(
            paid_in,
            Ok(cents(number(&expected["paid_in"]))),
            "{}",
            case["id"]
        );
        let distributed = checked_sum(all.iter().map(|effects| effects.distributed_cents));
        assert_eq!(
            distributed,
            Ok(cents(number(&expected["distributions"]))),
            "{}",
            case["id"]
        );
    }
}

#[test]
fn every_case_has_the_published_multiples() {
    let cases = cases();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let expected = &case["gross_recallable_gips"];
        let commitment = case["commitment"]
            .as_str()
            .map_or(0.0, |_| number(&case["commitment"]));
        let multiples = compute_multiples(Position {
            commitment_cents: cents(commitment),
            paid_in_cents: cents(number(&expected["paid_in"])),
            distributed_cents: cents(number(&expected["distributions"])),
            nav_cents: Some(cents(number(&case["nav"]))),
        });
        let name = case["id"].to_string();
        assert_ratio(multiples.dpi, &expected["dpi"], &name);
        assert_ratio(multiples.rvpi, &expected["rvpi"], &name);
        assert_ratio(multiples.tvpi, &expected["tvpi"], &name);
        if expected["pic"].is_string() {
            assert_ratio(multiples.pic, &expected["pic"], &name);
        }
    }
}

#[test]
fn every_case_has_the_published_irr() {
    let mut compared = 0;
    for case in cases() {
        let Some(expected) = case["irr_act365_all_cash"].as_f64() else {
            continue;
        };
        let flows: Vec<(NaiveDate, f64)> =
            serde_json::from_value(case["flows_all_cash"].clone()).expect("dated amounts");
        let annual = compute_annual_irr(&flows).rate.expect("a rate");
        assert!(
            (annual - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            "{}: {annual}",
            case["id"]
        );

        let in_cents: Vec<DatedFlow> = flows
            .iter()
            .map(|&(date, amount)| DatedFlow {
                date,
                amount_cents: cents(amount),
            })
            .collect();
        let irr = compute_irr(&in_cents);
        let days = (flows[flows.len() - 1].0 - flows[0].0).num_days();
        assert_eq!(irr.annualised, days >= 365, "{}", case["id"]);
        let over_period = if irr.annualised {
            expected
        } else {
            (1.0 + expected).powf(days as f64 / 365.0) - 1.0
        };
        assert!(
            (irr.rate.expect("a rate") - over_period).abs() <= 1e-9,
            "{}: {irr:?}",
            case["id"]
        );
        compared += 1;
    }
    assert_eq!(compared, 7);
}
