//! What happened to every commitment of some LPs, read from their capital accounts in two statements: an account has a row
//! for each day on which anything happened, so the differences between its rows are the history.

use std::collections::HashMap;

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use futures_util::future::try_join;
use tokio_postgres::Row;

use crate::db::{self, Values};
use crate::error::Error;
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
        let commitment_id = row.get("commitment_id");
        let mut history = History {
            commitment_date: row.get("commitment_date"),
            commitment_cents: row.get("commitment_amount_cents"),
            changes: Vec::new(),
            flows: Vec::new(),
            navs: Vec::new(),
        };
        tell(&mut history, accounts.get(&commitment_id));
        Commitment {
            lp_id: row.get("lp_id"),
            fund_id: row.get("fund_id"),
            commitment_id,
            currency: row.get("currency"),
            history,
        }
    };
    Ok(commitments.iter().map(commitment).collect())
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

/// Takes an account apart into what made it. Cash is what was distributed less what was paid in, for every type of entry.
fn tell(history: &mut History, account: Option<&Vec<AccountDay>>) {
    let (mut paid_in, mut distributed, mut changed) = (0, 0, 0);
    for day in account.into_iter().flatten() {
        let flow = FlowDay {
            date: day.date,
            paid_in_cents: day.paid_in_cents - paid_in,
            distributed_cents: day.distributed_cents - distributed,
            cash_cents: (day.distributed_cents - distributed) - (day.paid_in_cents - paid_in),
        };
        let change_cents = day.commitment_effect_cents - changed;
        (paid_in, distributed) = (day.paid_in_cents, day.distributed_cents);
        changed = day.commitment_effect_cents;
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
}
