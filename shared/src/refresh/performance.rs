//! Net performance that is owed: of the commitments that changed, from the earliest changed date on, and of their LPs' pools.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Settled;
use super::history::{Commitment, load_commitments};
use super::series::{Pending, Series, compute_lp};
use super::shares::forget_shares;
use super::step::{LPS_AT_ONCE, Step};
use crate::cache::{Cache, Tag, TagSet};
use crate::db::{self, Connection, Database};
use crate::error::Error;
use crate::ids::LpId;
use crate::ledger::{commit_and_forget, lock_lps};

/// Computes what is owed to the LPs and writes it, a bounded number of them a transaction. Whoever is owed nothing costs a
/// lock and a probe. One that cannot be computed is left out, and keeps nobody else from being settled.
pub async fn settle_performance(
    db: &Database,
    cache: &Cache,
    lp_ids: &[i64],
) -> Result<Settled, Error> {
    let mut settled = Settled::default();
    let mut connection = db.connection().await?;
    for some in lp_ids.chunks(LPS_AT_ONCE) {
        settled.add(Step::Settle.take(&mut connection, cache, some).await?);
    }
    Ok(settled)
}

/// One transaction: the same lock as recording takes, then, in later statements, which see what was committed while it
/// waited, the reading. Only the rows of the list that were read are settled: what comes later stays owed.
pub(super) async fn settle_lps(
    connection: &mut Connection,
    cache: &Cache,
    lp_ids: &[i64],
) -> Result<Settled, Error> {
    let transaction = db::begin(connection).await?;
    lock_lps(&transaction, lp_ids, &[]).await?;
    let rows = db::query(&transaction, include_str!("pending.sql"), &[&lp_ids]).await?;
    let pending: Vec<Pending> = rows.iter().map(read_pending).collect();
    let owed_to: Vec<i64> = by_lp(&pending).into_keys().collect();
    if owed_to.is_empty() {
        return Ok(Settled::default());
    }
    // Before anything can fail: it is nobody else's, and once what is owed is settled it is forgotten that it was owed.
    let mut unforgotten = forget_shares(&transaction, cache, &left_funds(&rows)).await?;
    let commitments = load_commitments(&transaction, &owed_to).await?;
    let series = compute(&pending, &commitments)?;
    write(&transaction, &owed_to, &pending, &series).await?;
    let tags = TagSet::of(&[Tag::Performance]);
    let changes: Vec<(LpId, TagSet)> = owed_to
        .iter()
        .filter_map(|&lp_id| Some((LpId::try_from(lp_id).ok()?, tags)))
        .collect();
    unforgotten.extend(commit_and_forget(transaction, cache, &changes).await?);
    Ok(Settled {
        lps: owed_to.len(),
        unforgotten,
        ..Settled::default()
    })
}

fn read_pending(row: &Row) -> Pending {
    Pending {
        pending_id: row.get("pending_id"),
        lp_id: row.get("lp_id"),
        fund_id: row.get("fund_id"),
        commitment_id: row.get("commitment_id"),
        from_date: row.get("from_date"),
        is_pooled: row.get("is_pooled"),
    }
}

/// The funds in which a commitment was that is gone, or elsewhere now: nothing but what is owed tells of it.
fn left_funds(pending: &[Row]) -> Vec<i64> {
    let has_left = |row: &&Row| row.get("has_left");
    let left = pending.iter().filter(has_left);
    left.map(|row| row.get("fund_id")).collect()
}

fn by_lp(pending: &[Pending]) -> BTreeMap<i64, Vec<Pending>> {
    let mut grouped: BTreeMap<i64, Vec<Pending>> = BTreeMap::new();
    for owed in pending {
        grouped.entry(owed.lp_id).or_default().push(owed.clone());
    }
    grouped
}

fn compute(pending: &[Pending], commitments: &[Commitment]) -> Result<Series, Error> {
    let mut series = Series::default();
    for (lp_id, owed) in by_lp(pending) {
        // They are sorted by LP.
        let first = commitments.partition_point(|commitment| commitment.lp_id < lp_id);
        let end = commitments.partition_point(|commitment| commitment.lp_id <= lp_id);
        compute_lp(&mut series, &owed, &commitments[first..end])
            .map_err(|overflow| Error::Inconsistent(format!("of LP {lp_id} {overflow}")))?;
    }
    Ok(series)
}

async fn write(
    transaction: &Transaction<'_>,
    lp_ids: &[i64],
    pending: &[Pending],
    series: &Series,
) -> Result<(), Error> {
    let pending_ids: Vec<i64> = pending.iter().map(|owed| owed.pending_id).collect();
    let snapshot_dates = Json(&series.snapshot_dates);
    let pooled_dates = Json(&series.pooled_dates);
    db::execute(
        transaction,
        include_str!("prune_snapshots.sql"),
        &[&snapshot_dates],
    )
    .await?;
    db::execute(
        transaction,
        include_str!("write_snapshots.sql"),
        &[&Json(&series.snapshots)],
    )
    .await?;
    db::execute(
        transaction,
        include_str!("prune_pooled.sql"),
        &[&lp_ids, &pooled_dates],
    )
    .await?;
    db::execute(
        transaction,
        include_str!("write_pooled.sql"),
        &[&Json(&series.pooled)],
    )
    .await?;
    db::execute(
        transaction,
        include_str!("settle.sql"),
        &[&pending_ids, &Json(&series.marks)],
    )
    .await?;
    Ok(())
}
