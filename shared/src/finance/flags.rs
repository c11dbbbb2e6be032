//! The reasons and warnings that accompany a number: why it is null, or how it has to be read.

use std::fmt;

/// One reason or warning. A number that is null always comes with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flag {
    /// Nothing was paid in, so there is nothing to divide by: DPI, RVPI and TVPI are null.
    ZeroPaidIn,
    /// No NAV was reported yet: NAV, RVPI, TVPI and IRR of a single commitment are null.
    NoNav,
    /// Some NAV in a total was never reported, and is carried at cost (paid-in minus distributed).
    NavAtCost,
    /// Fewer than two dates bear a flow: IRR is null.
    InsufficientFlows,
    /// All flows go the same way: IRR is null.
    NoSignChange,
    /// The flows cancel on every date, so that every rate solves the equation: IRR is null.
    ZeroEverywhere,
    /// Capital was paid in, nothing came back and nothing is left: IRR is −1.
    TotalLoss,
    /// The flows change sign, and yet no rate solves the equation: IRR is null.
    NoRoot,
    /// Several rates solve the equation; the IRR given is the one nearest 10 %.
    MultipleRoots,
    /// The rate is beyond 1,000,000 (100,000,000 %): IRR is null.
    OutOfBounds,
    /// The IRR shown was computed before the latest entries, which are already in the balances.
    IrrPending,
    /// Gross figures belong to one fund, and can't be given over several.
    NotPoolable,
    /// The commitment in force is zero: PIC is null.
    ZeroCommitment,
    /// More was called than was left to call. Legal, and never clamped.
    UnfundedNegative,
    /// Paid-in exceeds the commitment, as recycling allows.
    PaidInExceedsCommitment,
    /// The investments cost nothing: MOIC is null.
    ZeroCost,
    /// A holding that has no valuation is carried at its cost.
    ValuedAtCost,
    /// Releases exceed the commitment, so that a share reckoned by it is below zero. Never clamped.
    CommitmentNegative,
    /// [`Flag::InsufficientFlows`], said of the gross IRR.
    GrossInsufficientFlows,
    /// [`Flag::NoSignChange`], said of the gross IRR.
    GrossNoSignChange,
    /// [`Flag::ZeroEverywhere`], said of the gross IRR.
    GrossZeroEverywhere,
    /// [`Flag::TotalLoss`], said of the gross IRR.
    GrossTotalLoss,
    /// [`Flag::NoRoot`], said of the gross IRR.
    GrossNoRoot,
    /// [`Flag::MultipleRoots`], said of the gross IRR.
    GrossMultipleRoots,
    /// [`Flag::OutOfBounds`], said of the gross IRR.
    GrossOutOfBounds,
}

impl Flag {
    /// Every flag, in the order in which an answer lists them.
    pub const ALL: [Flag; 25] = [
        Flag::ZeroPaidIn,
        Flag::NoNav,
        Flag::NavAtCost,
        Flag::InsufficientFlows,
        Flag::NoSignChange,
        Flag::ZeroEverywhere,
        Flag::TotalLoss,
        Flag::NoRoot,
        Flag::MultipleRoots,
        Flag::OutOfBounds,
        Flag::IrrPending,
        Flag::NotPoolable,
        Flag::ZeroCommitment,
        Flag::UnfundedNegative,
        Flag::PaidInExceedsCommitment,
        Flag::ZeroCost,
        Flag::ValuedAtCost,
        Flag::CommitmentNegative,
        Flag::GrossInsufficientFlows,
        Flag::GrossNoSignChange,
        Flag::GrossZeroEverywhere,
        Flag::GrossTotalLoss,
        Flag::GrossNoRoot,
        Flag::GrossMultipleRoots,
        Flag::GrossOutOfBounds,
    ];

    /// The code under which answers and tables know the flag.
    pub const fn code(self) -> &'static str {
        match self {
            Flag::ZeroPaidIn => "ZERO_PAID_IN",
            Flag::NoNav => "NO_NAV",
            Flag::NavAtCost => "NAV_AT_COST",
            Flag::InsufficientFlows => "INSUFFICIENT_FLOWS",
            Flag::NoSignChange => "NO_SIGN_CHANGE",
            Flag::ZeroEverywhere => "ZERO_EVERYWHERE",
            Flag::TotalLoss => "TOTAL_LOSS",
            Flag::NoRoot => "NO_ROOT",
            Flag::MultipleRoots => "MULTIPLE_ROOTS",
            Flag::OutOfBounds => "OUT_OF_BOUNDS",
            Flag::IrrPending => "IRR_PENDING",
            Flag::NotPoolable => "NOT_POOLABLE",
            Flag::ZeroCommitment => "ZERO_COMMITMENT",
            Flag::UnfundedNegative => "UNFUNDED_NEGATIVE",
            Flag::PaidInExceedsCommitment => "PAID_IN_EXCEEDS_COMMITMENT",
            Flag::ZeroCost => "ZERO_COST",
            Flag::ValuedAtCost => "VALUED_AT_COST",
            Flag::CommitmentNegative => "COMMITMENT_NEGATIVE",
            Flag::GrossInsufficientFlows => "GROSS_INSUFFICIENT_FLOWS",
            Flag::GrossNoSignChange => "GROSS_NO_SIGN_CHANGE",
            Flag::GrossZeroEverywhere => "GROSS_ZERO_EVERYWHERE",
            Flag::GrossTotalLoss => "GROSS_TOTAL_LOSS",
            Flag::GrossNoRoot => "GROSS_NO_ROOT",
            Flag::GrossMultipleRoots => "GROSS_MULTIPLE_ROOTS",
            Flag::GrossOutOfBounds => "GROSS_OUT_OF_BOUNDS",
        }
    }

    /// The flag known under a code, if there is one.
    pub fn from_code(code: &str) -> Option<Flag> {
        Flag::ALL.into_iter().find(|flag| flag.code() == code)
    }

    /// Whether the flag says something of a net IRR, stored beside it.
    pub const fn is_of_irr(self) -> bool {
        matches!(self, Flag::NoNav) || self.gross().is_some()
    }

    /// The same reason said of the gross IRR, for the flags that one can carry. A fund's residual is never unknown.
    pub const fn gross(self) -> Option<Flag> {
        Some(match self {
            Flag::InsufficientFlows => Flag::GrossInsufficientFlows,
            Flag::NoSignChange => Flag::GrossNoSignChange,
            Flag::ZeroEverywhere => Flag::GrossZeroEverywhere,
            Flag::TotalLoss => Flag::GrossTotalLoss,
            Flag::NoRoot => Flag::GrossNoRoot,
            Flag::MultipleRoots => Flag::GrossMultipleRoots,
            Flag::OutOfBounds => Flag::GrossOutOfBounds,
            _ => return None,
        })
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// A set of flags, listed in one fixed order, so that equal sets are written as equal bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// The set without flags.
    pub const NONE: Flags = Flags(0);

    /// Adds a flag.
    pub fn insert(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u8;
    }

    /// Whether the flag is in the set.
    pub const fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    /// Whether the set has no flags.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags of both sets.
    pub const fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// The flags, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL
            .into_iter()
            .filter(move |&flag| self.contains(flag))
    }

    /// The codes of the flags, in the same order.
    pub fn codes(self) -> Vec<&'static str> {
        self.iter().map(Flag::code).collect()
    }

    /// The set as said of the gross IRR; flags that it cannot carry are left out.
    pub fn gross(self) -> Flags {
        self.iter().filter_map(Flag::gross).collect()
    }
}

impl From<Flag> for Flags {
    fn from(flag: Flag) -> Flags {
        Flags(1 << flag as u8)
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Flags {
        flags
            .into_iter()
            .fold(Flags::NONE, |set, flag| set.union(flag.into()))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_listed_once_and_found_again_by_its_code() {
        for (position, flag) in Flag::ALL.into_iter().enumerate() {
            assert_eq!(flag as usize, position);
            assert_eq!(Flag::from_code(flag.code()), Some(flag));
        }
        assert_eq!(Flag::from_code("no_nav"), None);
    }

    #[test]
    fn a_gross_code_is_the_net_code_with_a_prefix() {
        for flag in Flag::ALL {
            if let Some(gross) = flag.gross() {
                assert_eq!(gross.code(), format!("GROSS_{}", flag.code()));
                assert_eq!(gross.gross(), None);
                assert!(flag.is_of_irr() && !gross.is_of_irr());
            }
        }
        assert!(Flag::NoNav.is_of_irr() && !Flag::NavAtCost.is_of_irr());
        assert_eq!(
            Flags::from_iter([Flag::NoRoot, Flag::ZeroPaidIn])
                .gross()
                .codes(),
            ["GROSS_NO_ROOT"]
        );
    }

    #[test]
    fn a_set_lists_its_flags_in_one_order_whatever_the_order_of_insertion() {
        let mut set = Flags::from(Flag::GrossOutOfBounds);
        set.insert(Flag::NoNav);
        set.insert(Flag::NoNav);
        assert_eq!(set, Flags::from_iter([Flag::NoNav, Flag::GrossOutOfBounds]));
        assert_eq!(set.codes(), ["NO_NAV", "GROSS_OUT_OF_BOUNDS"]);
        assert!(set.contains(Flag::NoNav) && !set.contains(Flag::NoRoot));
        assert!(Flags::NONE.is_empty() && !set.is_empty());
    }
}
