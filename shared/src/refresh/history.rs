//! What happened to every commitment of some LPs, read from their capital accounts in two statements: an account has a row
//! for each day on which anything happened, so the differences between its rows are the history.

use std::collections::HashMap;

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use futures_util::future::try_join;
use tokio_postgres::Row;

use crate::db::{self, Values};
use crate::error::Error;
use crate::finance::money::{Overflow, to_cents};
use crate::finance::performance::{FlowDay, History, NavReport};

/// A commitment and what happened to it.
#[derive(Debug)]
pub(super) struct Commitment {
    pub(super) lp_id: i64,
    pub(super) fund_id: i64,
    pub(super) commitment_id: i64,
    pub(super) currency: String,
    pub(super) history: History,
}

/// The commitments of the LPs in the order of LP and id. The statements share a round trip.
pub(super) async fn load_commitments(
    transaction: &Transaction<'_>,
    lp_ids: &[i64],
) -> Result<Vec<Commitment>, Error> {
    let of_lps: Values<'_> = &[&lp_ids];
    let (commitments, account_rows) = try_join(
        db::query(transaction, include_str!("commitments.sql"), of_lps),
        db::query(transaction, include_str!("accounts.sql"), of_lps),
    )
    .await?;
    let mut accounts: HashMap<i64, Vec<AccountDay>> = HashMap::new();
    for row in &account_rows {
        accounts
            .entry(row.get(0))
            .or_default()
            .push(AccountDay::read(row));
    }
    let commitment = |row: &Row| {
        let commitment_id: i64 = row.get("commitment_id");
        let mut history = History {
            commitment_date: row.get("commitment_date"),
            commitment_cents: row.get("commitment_amount_cents"),
            changes: Vec::new(),
            flows: Vec::new(),
            navs: Vec::new(),
        };
        let account = accounts.get(&commitment_id).map_or(&[][..], Vec::as_slice);
        tell(&mut history, account).map_err(|overflow| {
            Error::Inconsistent(format!("of commitment {commitment_id} {overflow}"))
        })?;
        Ok(Commitment {
            lp_id: row.get("lp_id"),
            fund_id: row.get("fund_id"),
            commitment_id,
            currency: row.get("currency"),
            history,
        })
    };
    commitments.iter().map(commitment).collect()
}

/// A row of the account: balances at the end of a day on which something happened.
#[derive(Debug, Clone, Copy)]
struct AccountDay {
    date: NaiveDate,
    paid_in_cents: i64,
    distributed_cents: i64,
    commitment_effect_cents: i64,
    reported_nav_cents: Option<i64>,
    nav_as_of_date: Option<NaiveDate>,
    irr_date: Option<NaiveDate>,
}

impl AccountDay {
    /// By position: there are thousands, and finding a column by its name takes longer than reading it.
    fn read(row: &Row) -> Self {
        Self {
            date: row.get(1),
            paid_in_cents: row.get(2),
            distributed_cents: row.get(3),
            commitment_effect_cents: row.get(4),
            reported_nav_cents: row.get(5),
            nav_as_of_date: row.get(6),
            irr_date: row.get(7),
        }
    }

    /// The report that counts for this very day.
    fn report(&self) -> Option<NavReport> {
        let nav_cents = self.reported_nav_cents?;
        (self.nav_as_of_date == Some(self.date)).then_some(NavReport {
            date: self.date,
            nav_cents,
        })
    }
}

/// Takes an account apart into what made it. Cash is what was distributed less what was paid in, for every type of entry. Of two
/// balances that fit into 64 bits the difference need not.
fn tell(history: &mut History, account: &[AccountDay]) -> Result<(), Overflow> {
    let (mut paid_in, mut distributed, mut changed) = (0, 0, 0);
    for day in account {
        let put_in = i128::from(day.paid_in_cents) - paid_in;
        let taken_out = i128::from(day.distributed_cents) - distributed;
        let flow = FlowDay {
            date: day.date,
            paid_in_cents: to_cents(put_in)?,
            distributed_cents: to_cents(taken_out)?,
            cash_cents: to_cents(taken_out - put_in)?,
        };
        let change_cents = to_cents(i128::from(day.commitment_effect_cents) - changed)?;
        (paid_in, distributed) = (day.paid_in_cents.into(), day.distributed_cents.into());
        changed = day.commitment_effect_cents.into();
        let report = day.report();
        // Entries that cancel leave no difference, but something happened all the same: only a day that moves the rate
        // without a report can be such a day of cash, and one that does not move it such a change.
        let moves_rate = day.irr_date == Some(day.date);
        if flow.paid_in_cents != 0
            || flow.distributed_cents != 0
            || (moves_rate && report.is_none())
        {
            history.flows.push(flow);
        }
        if change_cents != 0 || !moves_rate {
            history.changes.push((day.date, change_cents));
        }
        history.navs.extend(report);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accounts without a report, on one day after the other.
    fn told(balances: &[(i64, i64)]) -> Result<Vec<i64>, Overflow> {
        let days = balances.iter().zip(NaiveDate::default().iter_days());
        let account: Vec<AccountDay> = days
            .map(|(&(paid_in_cents, distributed_cents), date)| AccountDay {
                date,
                paid_in_cents,
                distributed_cents,
                commitment_effect_cents: 0,
                reported_nav_cents: None,
                nav_as_of_date: None,
                irr_date: Some(date),
            })
            .collect();
        let mut history = History {
            commitment_date: NaiveDate::default(),
            commitment_cents: 1,
            changes: Vec::new(),
            flows: Vec::new(),
            navs: Vec::new(),
        };
        tell(&mut history, &account)?;
        Ok(history.flows.iter().map(|flow| flow.cash_cents).collect())
    }

    #[test]
    fn cash_is_the_difference_of_the_balances_of_two_days() {
        assert_eq!(told(&[(10, 0), (10, 7), (4, 9)]), Ok(vec![-10, 7, 8]));
        assert_eq!(
            told(&[(i64::MAX, 0), (0, 0)]),
            Ok(vec![-i64::MAX, i64::MAX])
        );
    }

    #[test]
    fn cash_beyond_64_bits_is_an_error_though_both_balances_fit() {
        let most = i64::MAX;
        assert_eq!(told(&[(-most, most)]), Err(Overflow));
        assert_eq!(told(&[(most, 0), (-most, 0)]), Err(Overflow));
        assert_eq!(told(&[(0, -most), (0, most)]), Err(Overflow));
    }
}
