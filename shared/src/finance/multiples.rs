//! DPI, RVPI, TVPI, PIC and MOIC: quotients of whole cents, rounded once.

use std::fmt;

use super::flags::{Flag, Flags};
use super::money::divide_half_even;

/// One unit of a [`Rounded`] is a millionth: six decimals are what answers show.
const MILLIONTHS: i128 = 1_000_000;

/// A ratio rounded half-even to six decimals, straight from its exact quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rounded(i128);

impl Rounded {
    /// The quotient of two exact numbers, or `None` when the denominator is zero or the numerator beyond 10³² .
    pub fn from_ratio(numerator: i128, denominator: i128) -> Option<Rounded> {
        let scaled = numerator.checked_mul(MILLIONTHS)?;
        (denominator != 0).then(|| Rounded(divide_half_even(scaled, denominator)))
    }

    /// The nearest floating-point number, which prints as the same six decimals.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / MILLIONTHS as f64
    }
}

impl fmt::Display for Rounded {
    /// Six decimals, always: `1.425600`, `-0.500000`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        let unit = MILLIONTHS.unsigned_abs();
        write!(formatter, "{sign}{}.{:06}", size / unit, size % unit)
    }
}

/// What the multiples are quotients of, at one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The commitment in force.
    pub commitment_cents: i64,
    /// Cumulative paid-in.
    pub paid_in_cents: i64,
    /// Cumulative distributed, recallable distributions included.
    pub distributed_cents: i64,
    /// NAV, unless it is unknown.
    pub nav_cents: Option<i64>,
}

/// The multiples of a position. What is `None` has its reason in the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiples {
    /// Distributed to paid-in.
    pub dpi: Option<Rounded>,
    /// Residual value (NAV) to paid-in.
    pub rvpi: Option<Rounded>,
    /// Total value (distributed and NAV) to paid-in.
    pub tvpi: Option<Rounded>,
    /// Paid-in to commitment.
    pub pic: Option<Rounded>,
    /// The reasons for what is `None`.
    pub flags: Flags,
}

/// Computes the multiples of a position.
///
/// TVPI is divided whole: as a sum of rounded DPI and RVPI it could be off by a millionth. 4,806 distributed and
/// 9,450 of NAV on 10,000 paid in, of 12,500 committed: DPI 0.480600, RVPI 0.945000, TVPI 1.425600, PIC 0.800000.
pub fn compute_multiples(position: Position) -> Multiples {
    let mut flags = Flags::NONE;
    if position.paid_in_cents <= 0 {
        flags.insert(Flag::ZeroPaidIn);
    }
    if position.nav_cents.is_none() {
        flags.insert(Flag::NoNav);
    }
    if position.commitment_cents <= 0 {
        flags.insert(Flag::ZeroCommitment);
    }
    let distributed = i128::from(position.distributed_cents);
    let nav = position.nav_cents.map(i128::from);
    let to_paid_in = |amount| positive_ratio(amount, position.paid_in_cents);
    Multiples {
        dpi: to_paid_in(distributed),
        rvpi: nav.and_then(to_paid_in),
        tvpi: nav.and_then(|nav| to_paid_in(distributed + nav)),
        pic: positive_ratio(position.paid_in_cents.into(), position.commitment_cents),
        flags,
    }
}

/// Computes MOIC, the gross multiple on invested capital: (proceeds + fair value) / cost, or the reason for its
/// absence. 300 of proceeds and 450 of fair value on a cost of 500 make 1.500000.
///
/// # Errors
/// [`Flag::ZeroCost`] when nothing was invested.
pub fn compute_moic(
    proceeds_cents: i64,
    fair_value_cents: i64,
    cost_cents: i64,
) -> Result<Rounded, Flag> {
    let value = i128::from(proceeds_cents) + i128::from(fair_value_cents);
    positive_ratio(value, cost_cents).ok_or(Flag::ZeroCost)
}

/// What is unusual, though legal, about how far a commitment was drawn. Recycling makes both possible.
pub fn funding_flags(commitment_cents: i64, paid_in_cents: i64, unfunded_cents: i64) -> Flags {
    let mut flags = Flags::NONE;
    if unfunded_cents < 0 {
        flags.insert(Flag::UnfundedNegative);
    }
    if paid_in_cents > commitment_cents {
        flags.insert(Flag::PaidInExceedsCommitment);
    }
    flags
}

/// A quotient by an amount that only means something when it is positive.
fn positive_ratio(numerator: i128, denominator: i64) -> Option<Rounded> {
    (denominator > 0)
        .then(|| Rounded::from_ratio(numerator, denominator.into()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKED: Position = Position {
        commitment_cents: 1_250_000,
        paid_in_cents: 1_000_000,
        distributed_cents: 480_600,
        nav_cents: Some(945_000),
    };

    fn shown(ratio: Option<Rounded>) -> Option<String> {
        ratio.map(|ratio| ratio.to_string())
    }

    #[test]
    fn the_worked_example_comes_out() {
        let multiples = compute_multiples(WORKED);
        assert_eq!(shown(multiples.dpi).as_deref(), Some("0.480600"));
        assert_eq!(shown(multiples.rvpi).as_deref(), Some("0.945000"));
        assert_eq!(shown(multiples.tvpi).as_deref(), Some("1.425600"));
        assert_eq!(shown(multiples.pic).as_deref(), Some("0.800000"));
        assert!(multiples.flags.is_empty());
        assert_eq!(multiples.tvpi.map(Rounded::to_f64), Some(1.4256));
    }

    #[test]
    fn tvpi_is_divided_whole_and_not_added_up() {
        let third = Position {
            paid_in_cents: 3,
            distributed_cents: 1,
            nav_cents: Some(1),
            ..WORKED
        };
        let multiples = compute_multiples(third);
        assert_eq!(shown(multiples.dpi).as_deref(), Some("0.333333"));
        assert_eq!(shown(multiples.tvpi).as_deref(), Some("0.666667"));
    }

    #[test]
    fn without_paid_in_the_multiples_are_null_and_pic_is_zero() {
        let multiples = compute_multiples(Position {
            paid_in_cents: 0,
            ..WORKED
        });
        assert_eq!(
            (multiples.dpi, multiples.rvpi, multiples.tvpi),
            (None, None, None)
        );
        assert_eq!(shown(multiples.pic).as_deref(), Some("0.000000"));
        assert_eq!(multiples.flags, Flag::ZeroPaidIn.into());
    }

    #[test]
    fn without_nav_only_dpi_and_pic_are_known() {
        let multiples = compute_multiples(Position {
            nav_cents: None,
            ..WORKED
        });
        assert!(multiples.dpi.is_some() && multiples.pic.is_some());
        assert_eq!((multiples.rvpi, multiples.tvpi), (None, None));
        assert_eq!(multiples.flags, Flag::NoNav.into());
    }

    #[test]
    fn without_commitment_pic_is_null() {
        let multiples = compute_multiples(Position {
            commitment_cents: 0,
            ..WORKED
        });
        assert_eq!(multiples.pic, None);
        assert_eq!(multiples.flags, Flag::ZeroCommitment.into());
    }

    #[test]
    fn rounding_is_half_even_and_extremes_are_exact() {
        let show = |numerator, denominator| shown(Rounded::from_ratio(numerator, denominator));
        assert_eq!(show(5, 10_000_000).as_deref(), Some("0.000000"));
        assert_eq!(show(15, 10_000_000).as_deref(), Some("0.000002"));
        assert_eq!(show(-1, 2).as_deref(), Some("-0.500000"));
        assert_eq!(
            show(2 * i128::from(i64::MAX), 1).as_deref(),
            Some("18446744073709551614.000000")
        );
        assert_eq!(show(1, 0), None);
        assert_eq!(show(i128::MAX, 1), None);
    }

    #[test]
    fn moic_needs_a_cost() {
        assert_eq!(
            compute_moic(300, 450, 500).map(|moic| moic.to_string()),
            Ok("1.500000".to_owned())
        );
        assert_eq!(compute_moic(300, 450, 0), Err(Flag::ZeroCost));
    }

    #[test]
    fn overdrawn_commitments_are_flagged_and_not_clamped() {
        assert!(funding_flags(100, 100, 0).is_empty());
        assert_eq!(
            funding_flags(100, 101, 5),
            Flag::PaidInExceedsCommitment.into()
        );
        assert_eq!(funding_flags(100, 90, -1), Flag::UnfundedNegative.into());
    }
}
