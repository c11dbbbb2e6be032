//! The one lock that every writer of an LP's rows takes: on the LPs themselves, in the order of their ids.

use deadpool_postgres::Transaction;

use crate::db;
use crate::error::Error;
use crate::ids::LpId;

/// Locks the LPs, and all LPs of the funds, until the transaction ends. Returns whom it has locked.
pub(crate) async fn lock_lps(
    transaction: &Transaction<'_>,
    lp_ids: &[i64],
    fund_ids: &[i64],
) -> Result<Vec<LpId>, Error> {
    let rows = db::query(transaction, include_str!("lock.sql"), &[&lp_ids, &fund_ids]).await?;
    Ok(rows.iter().map(|row| row.get("lp_id")).collect())
}
