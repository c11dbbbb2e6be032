//! Capital accounts, recomputed from the entries and NAV reports from the earliest changed day on. Recording and rebuilding
//! run the same statement, so both write the same bytes; verifying compares what it computes.

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use serde::Serialize;
use tokio_postgres::types::Json;

use crate::db::{self, Values};
use crate::error::Error;

/// A commitment whose account changes from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedAccount {
    /// The LP.
    pub lp_id: i64,
    /// The fund.
    pub fund_id: i64,
    /// The commitment; it may stand in the list more than once.
    pub commitment_id: i64,
    /// The first day that changes.
    pub from_date: NaiveDate,
}

/// Recomputes the accounts, in one statement however many they are. The LPs' rows must be locked.
pub async fn refresh_accounts(
    transaction: &Transaction<'_>,
    changed: &[ChangedAccount],
) -> Result<u64, Error> {
    if changed.is_empty() {
        return Ok(0);
    }
    let sql = concat!(
        include_str!("accounts.sql"),
        include_str!("write_accounts.sql")
    );
    db::execute(transaction, sql, &[&Json(changed)]).await
}

/// Compares the accounts of the LPs with the entries and reports, and returns whose differ, in how many rows. `changed` is every
/// commitment that they have, from its beginning. Nothing is locked and nothing is written.
pub(crate) async fn compare_accounts(
    transaction: &Transaction<'_>,
    lp_ids: &[i64],
    changed: &[ChangedAccount],
) -> Result<Vec<(i64, i64)>, Error> {
    let sql = concat!(
        include_str!("accounts.sql"),
        include_str!("compare_accounts.sql")
    );
    let values: Values<'_> = &[&Json(changed), &lp_ids];
    let rows = db::query(transaction, sql, values).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
