//! What of an answer is said for good while some of it says that it is still pending.

use serde_json::{Map, Value};

/// The flag.
const PENDING: &str = "IRR_PENDING";
/// What a position that bears it does not vouch for: what it says of performance, and the flags about that.
const RATES: [&str; 6] = [
    "netIrr",
    "annualised",
    "irrAsOf",
    "grossIrr",
    "moic",
    "flags",
];
/// By which the points of a history are told from other positions, and from each other.
const DATE: &str = "date";

/// Whether an answer says anywhere that something is pending.
#[must_use]
pub fn is_pending(answer: &Value) -> bool {
    match answer {
        Value::Object(fields) => is_flagged(fields) || fields.values().any(is_pending),
        Value::Array(items) => items.iter().any(is_pending),
        _ => false,
    }
}

/// Whether these are points of a history that may lack some: they come with the performance of their days, and while some is owed,
/// the last that is there says so.
#[must_use]
pub fn may_lack_points(points: &[Value]) -> bool {
    let last = points.last().and_then(Value::as_object);
    last.is_some_and(|last| last.contains_key(DATE) && is_flagged(last))
}

/// Whether there is a point of the day of this one.
#[must_use]
pub fn has_day_of(points: &[Value], point: &Value) -> bool {
    points.iter().any(|other| other[DATE] == point[DATE])
}

/// Takes from both answers what the second does not vouch for: the rates of its positions that are pending, all but the dates of
/// points that are, since a history's money lags as well, and the points that it may lack.
pub fn hide_pending(expected: &mut Value, got: &mut Value) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            if is_flagged(got) {
                let is_point = got.contains_key(DATE);
                let is_kept = |name: &str| {
                    if is_point {
                        name == DATE
                    } else {
                        !RATES.contains(&name)
                    }
                };
                expected.retain(|name, _| is_kept(name));
                got.retain(|name, _| is_kept(name));
            }
            for (name, value) in got {
                if let Some(expected) = expected.get_mut(name) {
                    hide_pending(expected, value);
                }
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            if may_lack_points(got) {
                expected.retain(|point| has_day_of(got, point));
            }
            for (expected, got) in expected.iter_mut().zip(got) {
                hide_pending(expected, got);
            }
        }
        _ => {}
    }
}

fn is_flagged(fields: &Map<String, Value>) -> bool {
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
        assert!(is_pending(&got) && !is_pending(&expected));
        hide_pending(&mut expected, &mut got);
        let kept = |cents, rate| json!({"totals": [{"paidInCents": cents}, {"netIrr": rate, "flags": []}]});
        assert_eq!((expected, got), (kept(1, 0.3), kept(2, 0.4)));
    }

    fn point(date: u32, cents: u32, flags: &[&str]) -> Value {
        json!({"date": date, "paidInCents": cents, "flags": flags})
    }

    /// Both histories, when everything is hidden that the second does not vouch for.
    fn hidden(expected: &[Value], got: &[Value]) -> (Value, Value) {
        let [mut expected, mut got] = [expected, got].map(|points| json!({ "points": points }));
        hide_pending(&mut expected, &mut got);
        (expected["points"].take(), got["points"].take())
    }

    #[test]
    fn of_a_pending_history_the_points_that_are_not_are_kept_and_the_dates_of_those_that_are() {
        let expected = [point(1, 1, &[]), point(2, 2, &[]), point(3, 3, &[])];
        let (expected, got) = hidden(&expected, &[point(1, 7, &[]), point(3, 9, &[PENDING])]);
        assert_eq!(expected, json!([point(1, 1, &[]), {"date": 3}]));
        assert_eq!(got, json!([point(1, 7, &[]), {"date": 3}]));
    }

    #[test]
    fn a_point_too_many_is_a_difference_and_so_is_one_too_few_unless_the_last_is_pending() {
        let expected = [point(1, 1, &[]), point(2, 2, &[]), point(3, 3, &[])];
        let [first, second, third] = expected.clone();
        let pending = |date| point(date, 9, &[PENDING]);
        for got in [
            vec![point(0, 5, &[]), first.clone(), second.clone(), pending(3)],
            vec![first.clone(), second.clone(), pending(4)],
            vec![first, second],
            vec![pending(1), third],
        ] {
            let (expected, got) = hidden(&expected, &got);
            assert_ne!(expected, got);
        }
    }
}
