//! A commit with the cache told before and after it, and a note of what it could not be told.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Utc;
use deadpool_postgres::Transaction;

use super::note::OwedForgetting;
use crate::cache::{Cache, Closure, TagSet};
use crate::db;
use crate::error::Error;
use crate::ids::LpId;
use crate::queue::Queue;

/// Closes the tags of the LPs, whose rows the transaction has locked, commits, and opens the tags. Redis failing never
/// undoes the work: the LPs whose answers are still to be forgotten are returned. When nobody knows whether the commit was
/// done, the tags stay closed: until they expire, or whoever repeats the work opens them, answers come from the database.
pub(crate) async fn commit_and_forget(
    transaction: Transaction<'_>,
    cache: &Cache,
    changes: &[(LpId, TagSet)],
) -> Result<BTreeSet<i64>, Error> {
    let closure = Closure::new(changes.iter().copied());
    if let Err(unreached) = cache.close(&closure).await {
        tracing::warn!(error = %unreached.error.chain(), lps = unreached.lp_ids.len(), "cache tags could not be closed before a commit");
    }
    let committed = match db::commit(transaction).await {
        Err(error) if !error.is_refusal_of_database() => return Err(error),
        known => known,
    };
    let opened = cache.open(&closure).await;
    committed?;
    let Err(unreached) = opened else {
        return Ok(BTreeSet::new());
    };
    tracing::warn!(error = %unreached.error.chain(), lps = unreached.lp_ids.len(), "cached answers could not be forgotten after a commit");
    Ok(unreached.lp_ids.iter().map(|lp_id| lp_id.get()).collect())
}

/// LPs whose tags are opened at once: well within the time that the cache allows itself.
const LPS_AT_ONCE: usize = 1_000;

/// Opens the tags of LPs whose rows nobody has locked, so that none may be closed: what their cached answers lack is committed already.
/// Returns the LPs for whom that is still to be done. Once Redis fails the rest is not tried: others may wait for locks meanwhile.
pub(crate) async fn forget(cache: &Cache, changes: &[(LpId, TagSet)]) -> BTreeSet<i64> {
    let mut left = changes.chunks(LPS_AT_ONCE);
    while let Some(some) = left.next() {
        let closure = Closure::new(some.iter().copied());
        let Err(unreached) = cache.open(&closure).await else {
            continue;
        };
        tracing::warn!(error = %unreached.error.chain(), "cached answers could not be forgotten after a commit");
        let rest = left.flatten().map(|(lp_id, _)| *lp_id);
        let unforgotten = unreached.lp_ids.into_iter().chain(rest);
        return unforgotten.map(LpId::get).collect();
    }
    BTreeSet::new()
}

/// How many LPs one note names, so that it stays far below the queue's message size.
const LPS_A_NOTE: usize = 1_000;

/// Leaves notes on the queue of whose answers are still to be forgotten, for the activity refresh to try until it succeeds.
pub async fn note_unforgotten(queue: &Queue, lp_ids: &BTreeSet<i64>) -> Result<(), Error> {
    let lp_ids: Vec<i64> = lp_ids.iter().copied().collect();
    for lp_ids in lp_ids.chunks(LPS_A_NOTE) {
        let note = OwedForgetting {
            schema: OwedForgetting::SCHEMA.to_owned(),
            owed_since: Utc::now(),
            lp_ids: lp_ids.to_vec(),
        };
        let body = serde_json::to_string(&note)?;
        queue.send(&body, Duration::ZERO).await?;
    }
    Ok(())
}
