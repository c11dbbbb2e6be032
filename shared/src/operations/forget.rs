//! What is cached of an LP, forgotten because somebody says so: the next answers come from the database.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cache::{Cache, Closure, TagSet};
use crate::db::{self, Database};
use crate::error::Error;
use crate::ids::LpId;
use crate::ledger::note_unforgotten;
use crate::queue::Queue;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Whether it is done. If not, Redis was out of reach, and a note on the queue has activity-refresh see to it.
    pub forgotten: bool,
}

/// Takes all tags of the LP away, so that no answer that is kept is valid any more. `None` when there is no such LP.
pub async fn forget(
    db: &Database,
    cache: &Cache,
    queue: &Queue,
    lp_id: LpId,
) -> Result<Option<Forgotten>, Error> {
    let connection = db.connection().await?;
    let sql = "select from limited_partners l where l.lp_id = $1";
    if db::query_opt(&connection, sql, &[&lp_id]).await?.is_none() {
        return Ok(None);
    }
    let opened = cache.open(&Closure::new([(lp_id, TagSet::ALL)])).await;
    if let Err(unreached) = &opened {
        tracing::warn!(error = %unreached.error.chain(), "cached answers could not be forgotten now");
        note_unforgotten(queue, &BTreeSet::from([lp_id.get()])).await?;
    }
    Ok(Some(Forgotten {
        forgotten: opened.is_ok(),
    }))
}
