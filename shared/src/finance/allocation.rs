//! Splitting an amount: allocations that are stored add up to the whole, and shares that are shown are rounded each.

use std::cmp::Reverse;

use super::money::divide_half_even;

/// Splits a total in proportion to weights by the largest remainder: everyone gets the whole cents due, and the cents
/// left over go to the largest fractions, to the first of equal ones. 800 over 1:1:1 is 267, 267, 266. A negative
/// total is split as its opposite, so that a reversal undoes its original cent by cent.
///
/// `None` when a weight is negative or no weight is positive: nobody is there to give the total to.
pub fn allocate(total_cents: i64, weights: &[i64]) -> Option<Vec<i64>> {
    let whole: i128 = weights.iter().copied().map(i128::from).sum();
    if whole <= 0 || weights.iter().any(|&weight| weight < 0) {
        return None;
    }
    let size = i128::from(total_cents).abs();
    let mut shares: Vec<i128> = weights
        .iter()
        .map(|&weight| size * i128::from(weight) / whole)
        .collect();
    let left_over = size - shares.iter().sum::<i128>();

    let mut ranking: Vec<usize> = (0..weights.len()).collect();
    ranking.sort_by_key(|&index| Reverse(size * i128::from(weights[index]) % whole));
    for (index, _) in ranking.into_iter().zip(0..left_over) {
        shares[index] += 1;
    }
    let sign = i128::from(total_cents.signum());
    shares
        .into_iter()
        .map(|share| i64::try_from(sign * share).ok())
        .collect()
}

/// A part's share of an amount, rounded half-even to the cent by itself: shares shown side by side need not add up.
///
/// `None` when the whole is zero, or when the share does not fit into 64-bit cents.
pub fn pro_rata(amount_cents: i64, part: i64, whole: i64) -> Option<i64> {
    if whole == 0 {
        return None;
    }
    let product = i128::from(amount_cents) * i128::from(part);
    i64::try_from(divide_half_even(product, whole.into())).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_total_needs_a_taker() {
        assert_eq!(allocate(5, &[]), None);
        assert_eq!(allocate(5, &[0, 0]), None);
        assert_eq!(allocate(5, &[3, -1]), None);
        assert_eq!(allocate(5, &[0, 7]), Some(vec![0, 5]));
    }

    #[test]
    fn the_largest_amounts_are_allocated_whole() {
        assert_eq!(allocate(i64::MIN, &[i64::MAX]), Some(vec![i64::MIN]));
        assert_eq!(
            allocate(i64::MAX, &[i64::MAX, i64::MAX]),
            Some(vec![i64::MAX / 2 + 1, i64::MAX / 2])
        );
    }

    #[test]
    fn a_share_is_rounded_half_even() {
        assert_eq!(pro_rata(5, 1, 2), Some(2));
        assert_eq!(pro_rata(7, 1, 2), Some(4));
        assert_eq!(pro_rata(-5, 1, 2), Some(-2));
        assert_eq!(
            pro_rata(1_000_000_000_000_000, 333, 1_000),
            Some(333_000_000_000_000)
        );
        assert_eq!(pro_rata(5, 1, 0), None);
        assert_eq!(pro_rata(i64::MAX, 2, 1), None);
    }

    proptest! {
        #[test]
        fn allocations_add_up_and_differ_from_the_exact_share_by_less_than_a_cent(
            total in any::<i64>(),
            weights in prop::collection::vec(0..i64::MAX, 1..40),
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let shares = allocate(total, &weights).expect("a weight is positive");
            let whole: i128 = weights.iter().copied().map(i128::from).sum();
            prop_assert_eq!(shares.iter().copied().map(i128::from).sum::<i128>(), i128::from(total));
            for (&share, &weight) in shares.iter().zip(&weights) {
                let floor = i128::from(total).abs() * i128::from(weight) / whole;
                let size = i128::from(share).abs();
                prop_assert!(size == floor || size == floor + 1);
            }
        }

        #[test]
        fn a_reversal_is_the_exact_opposite(total in 0..i64::MAX, weights in prop::collection::vec(1..1_000_i64, 1..40)) {
            let opposite = allocate(-total, &weights).map(|shares| shares.into_iter().map(|share| -share).collect());
            prop_assert_eq!(allocate(total, &weights), opposite);
        }
    }
}
