//! The one lock that every writer of an LP's rows takes: on the LPs themselves, in the order of their ids. And who the LPs of a fund are.

use deadpool_postgres::{GenericClient, Transaction};

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

/// The LPs of the funds as of now. Whoever waited for locks asks again: an LP may have joined a fund meanwhile.
pub(crate) async fn members_of(
    client: &impl GenericClient,
    fund_ids: &[i64],
) -> Result<Vec<LpId>, Error> {
    let rows = db::query(client, include_str!("members.sql"), &[&fund_ids]).await?;
    Ok(rows.iter().map(|row| row.get("lp_id")).collect())
}
