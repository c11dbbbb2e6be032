//! What of an answer is said for good while some of it says that it is still pending.

use serde_json::{Map, Value};

/// The flag.
const PENDING: &str = "IRR_PENDING";
/// What a position that bears it does not vouch for.
const RATES: [&str; 6] = [
    "netIrr",
    "annualised",
    "irrAsOf",
    "grossIrr",
    "moic",
    "flags",
];

/// Whether an answer says anywhere that something is pending.
pub fn is_pending(answer: &Value) -> bool {
    match answer {
        Value::Object(fields) => flagged(fields) || fields.values().any(is_pending),
        Value::Array(items) => items.iter().any(is_pending),
        _ => false,
    }
}

/// Takes from both answers what the second does not vouch for: the rates of its positions that are pending, and of its histories
/// that are, all but the points that are not.
pub fn drop_pending(expected: &mut Value, got: &mut Value) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            if flagged(got) {
                for rate in RATES {
                    expected.remove(rate);
                    got.remove(rate);
                }
            }
            if let (Some(Value::Array(expected)), Some(Value::Array(got))) =
                (expected.get_mut("points"), got.get_mut("points"))
            {
                drop_points(expected, got);
            }
            for (name, value) in got {
                if let Some(expected) = expected.get_mut(name) {
                    drop_pending(expected, value);
                }
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            for (expected, got) in expected.iter_mut().zip(got) {
                drop_pending(expected, got);
            }
        }
        _ => {}
    }
}

/// A history of which points are pending may also lack some, or show some that a report is about to take out; the others are right.
fn drop_points(expected: &mut Vec<Value>, got: &mut Vec<Value>) {
    if !got.iter().any(is_pending) {
        return;
    }
    got.retain(|point| !is_pending(point) && of_day(expected, &point["date"]));
    expected.retain(|point| of_day(got, &point["date"]));
}

fn of_day(points: &[Value], date: &Value) -> bool {
    points.iter().any(|point| point["date"] == *date)
}

fn flagged(fields: &Map<String, Value>) -> bool {
    let flags = fields.get("flags").and_then(Value::as_array);
    flags.is_some_and(|flags| flags.iter().any(|flag| flag == PENDING))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn money_beside_a_pending_rate_is_kept_and_so_are_other_positions() {
        let mut expected = json!({"totals": [{"paidInCents": 1, "netIrr": 0.1, "flags": []}, {"netIrr": 0.3, "flags": []}]});
        let mut got = json!({"totals": [{"paidInCents": 2, "netIrr": 0.2, "flags": [PENDING]}, {"netIrr": 0.4, "flags": []}]});
        drop_pending(&mut expected, &mut got);
        let kept = |cents, rate| json!({"totals": [{"paidInCents": cents}, {"netIrr": rate, "flags": []}]});
        assert_eq!((expected, got), (kept(1, 0.3), kept(2, 0.4)));
    }

    #[test]
    fn of_a_pending_history_the_points_that_are_not_are_kept() {
        let point = |date, cents, flags: &[&str]| json!({"date": date, "paidInCents": cents, "flags": flags});
        let mut expected =
            json!({"points": [point(1, 1, &[]), point(2, 2, &[]), point(3, 3, &[])]});
        let mut got =
            json!({"points": [point(0, 5, &[]), point(1, 7, &[]), point(3, 9, &[PENDING])]});
        drop_pending(&mut expected, &mut got);
        assert_eq!(expected, json!({"points": [point(1, 1, &[])]}));
        assert_eq!(got, json!({"points": [point(1, 7, &[])]}));
        // Without the flag a missing point is a difference.
        let mut whole = json!({"points": [point(1, 1, &[]), point(2, 2, &[])]});
        let mut lacking = json!({"points": [point(1, 1, &[])]});
        drop_pending(&mut whole, &mut lacking);
        assert_ne!(whole, lacking);
    }
}
