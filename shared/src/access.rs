//! Who may see what: a subject sees an LP only while a row of `lp_access` says so. What is kept of that in the cache is
//! the cache's concern, and what a refusal looks like is the HTTP edge's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;

use crate::db;
use crate::error::Error;
use crate::ids::LpId;

/// Proof that a subject may see an LP, good for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Until when it may be believed without asking the database again: at most the time to live asked for, and never
    /// beyond the entitlement itself.
    pub believed_until: DateTime<Utc>,
}

/// Asks the database whether `subject` may see the LP now; `None` is no.
pub async fn load_grant(
    client: &impl GenericClient,
    subject: &str,
    lp_id: LpId,
    ttl: Duration,
) -> Result<Option<Grant>, Error> {
    let row = db::query_opt(
        client,
        include_str!("access.sql"),
        &[&subject, &lp_id, &ttl.as_secs_f64()],
    )
    .await?;
    Ok(row.map(|row| Grant {
        believed_until: row.get("believed_until"),
    }))
}
