//! Whole cents: sums that never wrap and divisions that round half to even.

/// An amount left the range of 64-bit cents. It is reported, never wrapped and never clamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount does not fit into 64-bit cents")]
pub struct Overflow;

/// The sum of amounts in cents.
///
/// # Errors
/// [`Overflow`] when the sum does not fit; partial sums may exceed the range.
pub fn checked_sum(amounts_cents: impl IntoIterator<Item = i64>) -> Result<i64, Overflow> {
    to_cents(amounts_cents.into_iter().map(i128::from).sum())
}

/// Narrows a wide intermediate result to cents.
///
/// # Errors
/// [`Overflow`] when it does not fit.
pub fn to_cents(wide: i128) -> Result<i64, Overflow> {
    i64::try_from(wide).map_err(|_| Overflow)
}

/// The quotient rounded to the nearest integer, and to the even one of two that are equally near, so that rounding
/// many amounts has no bias. 5 / 2 is 2, 7 / 2 is 4, −5 / 2 is −2.
///
/// # Panics
/// When the denominator is zero, as integer division does.
pub fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let rest = numerator.rem_euclid(denominator).unsigned_abs();
    let missing = denominator.unsigned_abs() - rest;
    // Euclidean division leaves a rest that is never negative, so the other candidate is one further along the
    // denominator's sign.
    let rounds_away = rest > missing || (rest == missing && floor % 2 != 0);
    if rounds_away {
        floor + denominator.signum()
    } else {
        floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour_on_both_sides_of_zero() {
        let cases = [
            (5, 2, 2),
            (7, 2, 4),
            (1, 2, 0),
            (3, 2, 2),
            (1, 3, 0),
            (2, 3, 1),
            (6, 3, 2),
            (0, 7, 0),
        ];
        for (numerator, denominator, expected) in cases {
            assert_eq!(divide_half_even(numerator, denominator), expected);
            assert_eq!(divide_half_even(-numerator, denominator), -expected);
            assert_eq!(divide_half_even(numerator, -denominator), -expected);
            assert_eq!(divide_half_even(-numerator, -denominator), expected);
        }
    }

    #[test]
    fn the_largest_products_of_cents_divide_without_overflow() {
        let square = i128::from(i64::MAX) * i128::from(i64::MAX);
        assert_eq!(
            divide_half_even(square, i128::from(i64::MAX)),
            i128::from(i64::MAX)
        );
        assert_eq!(
            divide_half_even(-square, i128::from(i64::MAX)),
            -i128::from(i64::MAX)
        );
    }

    #[test]
    fn a_sum_is_exact_or_refused() {
        assert_eq!(checked_sum([i64::MAX, 1, -1]), Ok(i64::MAX));
        assert_eq!(checked_sum([i64::MIN, -1, 1]), Ok(i64::MIN));
        assert_eq!(checked_sum([i64::MAX, 1]), Err(Overflow));
        assert_eq!(checked_sum([]), Ok(0));
    }
}
