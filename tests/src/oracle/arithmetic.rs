//! Half-even rounding, written for reading.

use serde_json::{Value, json};

/// The integer nearest to `numerator / denominator`; exactly between two, the even one. The denominator is not zero.
#[must_use]
pub fn half_even(numerator: i128, denominator: i128) -> i128 {
    let (n, d) = (numerator * denominator.signum(), denominator.abs());
    let below = n.div_euclid(d);
    let twice_the_rest = 2 * n.rem_euclid(d);
    let up = twice_the_rest > d || (twice_the_rest == d && below % 2 != 0);
    below + i128::from(up)
}

/// The ratio with six decimals as the JSON number that an answer shows, or null where there is nothing to divide by: more taken
/// back than was given is nothing either.
#[must_use]
pub fn ratio(numerator: i128, denominator: i128) -> Value {
    if denominator <= 0 {
        return Value::Null;
    }
    json!(half_even(numerator * 1_000_000, denominator) as f64 / 1e6)
}

/// A rate with six decimals, or null.
#[must_use]
pub fn rate(rate: Option<f64>) -> Value {
    rate.map_or(Value::Null, |rate| json!((rate * 1e6).round() / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_goes_to_the_even_neighbour_on_both_sides_of_zero() {
        for (numerator, denominator, expected) in [
            (5, 2, 2),
            (7, 2, 4),
            (-5, 2, -2),
            (-7, 2, -4),
            (5, -2, -2),
            (8, 3, 3),
            (-8, 3, -3),
            (7, 3, 2),
            (1, 2, 0),
            (-1, 2, 0),
        ] {
            assert_eq!(
                half_even(numerator, denominator),
                expected,
                "{numerator}/{denominator}"
            );
        }
    }

    #[test]
    fn a_ratio_has_six_decimals_and_none_without_a_denominator() {
        assert_eq!(ratio(2, 3), json!(0.666_667));
        assert_eq!(ratio(1, 2_000_000), json!(0.0));
        assert_eq!(ratio(3, 2_000_000), json!(0.000_002));
        assert_eq!(ratio(-1, 3), json!(-0.333_333));
        assert_eq!(ratio(1, 0), Value::Null);
        assert_eq!(ratio(-1, -1), Value::Null);
    }
}
