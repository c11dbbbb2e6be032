//! The one lock that every writer of an LP's rows takes, on the LPs themselves, in the order of their ids; then that of the funds.

use std::collections::BTreeSet;

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

/// Locks the funds' rows, after their LPs: until the transaction ends nobody brings or takes away a commitment. (One that only changes
/// hands within a fund waits for nothing; its own message follows.)
pub(crate) async fn lock_funds(
    transaction: &Transaction<'_>,
    fund_ids: &[i64],
) -> Result<(), Error> {
    let sql = "select f.fund_id from funds f where f.fund_id = any ($1) order by f.fund_id for no key update";
    db::query(transaction, sql, &[&fund_ids]).await?;
    Ok(())
}

/// Who joined the funds while [`lock_lps`] waited for others, and so is not among those that it has locked. The funds are locked.
pub(crate) async fn joined_since(
    transaction: &Transaction<'_>,
    fund_ids: &[i64],
    locked: &[LpId],
) -> Result<Vec<LpId>, Error> {
    let locked: BTreeSet<LpId> = locked.iter().copied().collect();
    let mut joined = members_of(transaction, fund_ids).await?;
    joined.retain(|lp_id| !locked.contains(lp_id));
    Ok(joined)
}

/// The LPs of the funds as of now.
pub(crate) async fn members_of(
    client: &impl GenericClient,
    fund_ids: &[i64],
) -> Result<Vec<LpId>, Error> {
    let rows = db::query(client, include_str!("members.sql"), &[&fund_ids]).await?;
    Ok(rows.iter().map(|row| row.get("lp_id")).collect())
}
