//! What an entry does to an account: its type's signs, times its amount.

use super::money::Overflow;

/// The signs of an activity type, each −1, 0 or 1. They are data, one row a type, and not branches in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// The LP's cash: −1 pays, 1 receives.
    pub cash: i8,
    /// Cumulative paid-in.
    pub paid_in: i8,
    /// Cumulative distributed.
    pub distributed: i8,
    /// What may still be called.
    pub unfunded: i8,
}

/// The effects of one entry on its account, in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Change of the LP's cash.
    pub cash_cents: i64,
    /// Change of cumulative paid-in.
    pub paid_in_cents: i64,
    /// Change of cumulative distributed.
    pub distributed_cents: i64,
    /// Change of what may still be called.
    pub unfunded_cents: i64,
}

impl Signs {
    /// The effects of an amount, which is negative on a reversal. A reversal so undoes its original by addition.
    ///
    /// # Errors
    /// [`Overflow`] for the one amount whose opposite does not exist, `i64::MIN`.
    pub fn effects(self, amount_cents: i64) -> Result<Effects, Overflow> {
        let effect = |sign: i8| i64::from(sign).checked_mul(amount_cents).ok_or(Overflow);
        Ok(Effects {
            cash_cents: effect(self.cash)?,
            paid_in_cents: effect(self.paid_in)?,
            distributed_cents: effect(self.distributed)?,
            unfunded_cents: effect(self.unfunded)?,
        })
    }
}

impl Effects {
    /// Change of the commitment in force. What moves no cash but changes unfunded can only have changed the promise
    /// itself: an increase or a release.
    pub const fn commitment_cents(self) -> i64 {
        if self.cash_cents == 0 {
            self.unfunded_cents
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Signs = Signs {
        cash: -1,
        paid_in: 1,
        distributed: 0,
        unfunded: -1,
    };
    const RECALLABLE: Signs = Signs {
        cash: 1,
        paid_in: 0,
        distributed: 1,
        unfunded: 1,
    };
    const RELEASE: Signs = Signs {
        cash: 0,
        paid_in: 0,
        distributed: 0,
        unfunded: -1,
    };

    #[test]
    fn a_call_moves_cash_paid_in_and_unfunded() {
        let effects = Effects {
            cash_cents: -70,
            paid_in_cents: 70,
            distributed_cents: 0,
            unfunded_cents: -70,
        };
        assert_eq!(CALL.effects(70), Ok(effects));
        assert_eq!(effects.commitment_cents(), 0);
    }

    #[test]
    fn a_recallable_distribution_counts_gross_and_can_be_called_again() {
        let effects = Effects {
            cash_cents: 40,
            paid_in_cents: 0,
            distributed_cents: 40,
            unfunded_cents: 40,
        };
        assert_eq!(RECALLABLE.effects(40), Ok(effects));
        assert_eq!(effects.commitment_cents(), 0);
    }

    #[test]
    fn a_release_lowers_the_commitment_in_force_and_its_reversal_restores_it() {
        assert_eq!(
            RELEASE.effects(500).map(Effects::commitment_cents),
            Ok(-500)
        );
        assert_eq!(
            RELEASE.effects(-500).map(Effects::commitment_cents),
            Ok(500)
        );
    }

    #[test]
    fn an_amount_without_opposite_is_refused() {
        assert_eq!(CALL.effects(i64::MIN), Err(Overflow));
    }
}
