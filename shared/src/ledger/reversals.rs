//! Whether a reversal may be recorded: it mirrors one entry, which must be there, and is its only one.

use std::collections::HashSet;

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::message::Activity;
use crate::db;
use crate::error::Error;
use crate::refusal::{Reason, Refusal};

/// A reversal of a batch.
pub struct Reversal<'a> {
    /// Its position in the batch.
    pub position: usize,
    /// Its source, which is also that of the event it takes back.
    pub source: &'a str,
    /// The entry.
    pub activity: &'a Activity,
}

/// For each reversal the entry that it takes back, or why it cannot. The LPs are locked and the other entries of the batch
/// are in, so nothing changes under it.
pub async fn find_reversed(
    transaction: &Transaction<'_>,
    reversals: &[Reversal<'_>],
) -> Result<Vec<Result<i64, Refusal>>, Error> {
    if reversals.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<Value> = reversals
        .iter()
        .map(|reversal| {
            json!({
                "position": reversal.position,
                "source": reversal.source,
                "reverses_event_id": reversal.activity.reverses_event_id,
            })
        })
        .collect();
    let rows = db::query(transaction, include_str!("reversed.sql"), &[&Json(wanted)]).await?;
    let mut taken = HashSet::new();
    Ok(reversals
        .iter()
        .zip(&rows)
        .map(|(reversal, row)| check(reversal.activity, row, &mut taken))
        .collect())
}

fn check(reversal: &Activity, row: &Row, taken: &mut HashSet<i64>) -> Result<i64, Refusal> {
    let Some(activity_id) = row.get::<_, Option<i64>>("activity_id") else {
        return Err(Refusal::new(
            Reason::ReversedEventNotFound,
            "the event that reversesEventId names is not recorded as an activity",
        ));
    };
    if row.get("is_reversal") {
        return Err(Refusal::new(
            Reason::ReversesAReversal,
            "the event that reversesEventId names is a reversal itself",
        ));
    }
    let mirrors = row.get::<_, i64>("commitment_id") == reversal.commitment_id
        && row.get::<_, &str>("activity_type") == reversal.activity_type
        && row.get::<_, i64>("amount_cents") == reversal.amount_cents
        && row.get::<_, NaiveDate>("effective_date") == reversal.effective_date;
    if !mirrors {
        return Err(Refusal::new(
            Reason::ReversalMismatch,
            "a reversal repeats the commitment, type, amount and effective date of its entry",
        ));
    }
    if row.get("is_reversed") || !taken.insert(activity_id) {
        return Err(Refusal::new(
            Reason::AlreadyReversed,
            "another event has reversed that entry",
        ));
    }
    Ok(activity_id)
}
