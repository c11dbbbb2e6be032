//! Claims on event ids: what makes recording an event twice equal to once.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use serde_json::{Value, json};
use tokio_postgres::types::Json;

use super::message::{Event, Fact};
use crate::db;
use crate::error::Error;
use crate::refusal::{Reason, Refusal};

/// What a claim says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This transaction is the first to record it. The id is that of its ledger entry, if it makes one.
    New { activity_id: Option<i64> },
    /// It is recorded already.
    Duplicate,
    /// Its id belongs to another content.
    Refused(Refusal),
}

/// Claims the ids of the events at the given positions of the batch; two statements however many they are.
pub async fn claim(
    transaction: &Transaction<'_>,
    events: &[(usize, &Event)],
) -> Result<HashMap<usize, Claim>, Error> {
    let wanted: Vec<Value> = events
        .iter()
        .map(|(position, event)| {
            json!({
                "position": position,
                "source": event.source,
                "event_id": event.event_id,
                "payload_hash": hex(&event.payload_hash),
                "is_activity": matches!(event.fact, Fact::Activity(_)),
            })
        })
        .collect();
    let wanted = Json(wanted);
    let rows = db::query(transaction, include_str!("claim.sql"), &[&wanted]).await?;
    let mut new: HashSet<(String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let standing = db::query(transaction, include_str!("compare.sql"), &[&wanted]).await?;
    let mut claims = HashMap::with_capacity(events.len());
    for ((position, event), row) in events.iter().zip(&standing) {
        let id = (event.source.clone(), event.event_id.clone());
        let claim = if !row.get::<_, bool>("is_same") {
            Claim::Refused(Refusal::new(
                Reason::EventIdReused,
                "an event with this source and eventId and other content is recorded already",
            ))
        } else if new.remove(&id) {
            Claim::New {
                activity_id: row.get("activity_id"),
            }
        } else {
            Claim::Duplicate
        };
        claims.insert(*position, claim);
    }
    Ok(claims)
}

/// Gives claims back, so that the event can be claimed when it comes again.
pub async fn unclaim(transaction: &Transaction<'_>, events: &[&Event]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let ids: Vec<Value> = events
        .iter()
        .map(|event| json!({"source": event.source, "event_id": event.event_id}))
        .collect();
    db::execute(transaction, include_str!("unclaim.sql"), &[&Json(ids)]).await?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
