//! Finds every difference between an expected and a received answer, and says where it is.

use chrono::DateTime;
use serde_json::Value;

/// Rates are compared to a millionth of themselves: either side may round a tie in the sixth decimal the other way.
const RATE_TOLERANCE: f64 = 1.1e-6;

/// The differences, each as `path: expected … got …`. Fields that only one side has are differences too.
#[must_use]
pub fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, got, &mut found);
    found
}

fn compare(path: &str, expected: &Value, got: &Value, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (name, value) in expected {
                match got.get(name) {
                    Some(other) => compare(&format!("{path}.{name}"), value, other, found),
                    None => found.push(format!("{path}.{name}: expected {value}, got nothing")),
                }
            }
            let unknown = got.iter().filter(|(name, _)| !expected.contains_key(*name));
            found.extend(
                unknown
                    .map(|(name, value)| format!("{path}.{name}: expected nothing, got {value}")),
            );
        }
        (Value::Array(expected), Value::Array(got)) => {
            if expected.len() != got.len() {
                found.push(format!(
                    "{path}: expected {} items, got {}",
                    expected.len(),
                    got.len()
                ));
            }
            for (index, (value, other)) in expected.iter().zip(got).enumerate() {
                compare(&format!("{path}[{index}]"), value, other, found);
            }
        }
        _ if equal(path, expected, got) => {}
        _ => found.push(format!("{path}: expected {expected}, got {got}")),
    }
}

fn equal(path: &str, expected: &Value, got: &Value) -> bool {
    if let (Value::String(expected), Value::String(got)) = (expected, got) {
        let instants = (
            DateTime::parse_from_rfc3339(expected),
            DateTime::parse_from_rfc3339(got),
        );
        return expected == got || matches!(instants, (Ok(expected), Ok(got)) if expected == got);
    }
    if path.ends_with("Cents") || !expected.is_f64() {
        // Money is exact. A whole ratio may be written without decimals.
        return expected == got;
    }
    let (Some(expected), Some(got)) = (expected.as_f64(), got.as_f64()) else {
        return false;
    };
    let tolerance = if path.ends_with("Irr") {
        RATE_TOLERANCE * expected.abs().max(1.0)
    } else {
        1e-9
    };
    (expected - got).abs() <= tolerance
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_difference_is_found() {
        let expected = json!({"navCents": 100, "netIrr": 0.1, "flags": ["NO_NAV"], "at": "2026-01-01T00:00:00Z", "dpi": 0.5, "gone": 1});
        let got = json!({"navCents": 101, "netIrr": 0.100_002, "flags": [], "at": "2026-01-01T00:00:01Z", "dpi": 0.500_001, "new": 1});
        assert_eq!(differences(&expected, &got).len(), 7);
    }

    #[test]
    fn a_rounded_tie_another_spelling_of_an_instant_and_a_whole_ratio_are_not_differences() {
        let expected =
            json!({"netIrr": 0.1, "at": "2026-01-01T00:00:00Z", "dpi": 1.0, "pic": null});
        let got = json!({"netIrr": 0.100_001, "at": "2026-01-01T00:00:00.000000+00:00", "dpi": 1, "pic": null});
        assert_eq!(differences(&expected, &got), Vec::<String>::new());
    }
}
