//! The daily care of what grows with time: room in the access log for the months to come, months taken out of it that are older than
//! the retention, and the history of refreshes shortened. The truth, its audit trail and the claims of events are kept for good.

use serde::Serialize;
use tokio_postgres::error::SqlState;

use crate::db::{self, Database};
use crate::error::Error;

/// The history of refreshes is kept for a quarter, like the statements that people compare it with.
const HISTORY_DAYS: i32 = 90;
/// Months of the access log that are kept beside the present one, unless asked otherwise: an audit asks about last year.
const MONTHS_KEPT: i32 = 24;

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Partitions of the access log that were made.
    pub partitions_made: i32,
    /// Months that were taken out of the access log; each is a table of its own now. A year's worth at most: the rest has its day.
    pub detached: Vec<String>,
    /// Whether somebody held the log just then, so that no month was taken out; another day will do.
    pub is_log_busy: bool,
    /// Refreshes whose history was forgotten.
    pub refreshes_forgotten: u64,
}

/// Does it. Room for looks comes first: nothing that fails should keep them from being recorded.
pub async fn keep_up(db: &Database, months_kept: Option<i32>) -> Result<Kept, Error> {
    let connection = db.connection().await?;
    let make = "select create_access_log_partitions()";
    let partitions_made = db::query_one(&connection, make, &[]).await?.get(0);
    let detach = "select detach_access_log_partitions($1)";
    let months_kept = months_kept.unwrap_or(MONTHS_KEPT);
    let detached = match db::query_one(&connection, detach, &[&months_kept]).await {
        Ok(row) => Some(row.get(0)),
        Err(error) if is_lock_timeout(&error) => {
            tracing::warn!("the access log is in use; its old months are left for another day");
            None
        }
        Err(error) => return Err(error),
    };
    let prune = include_str!("prune_history.sql");
    let refreshes_forgotten = db::execute(&connection, prune, &[&HISTORY_DAYS]).await?;
    Ok(Kept {
        partitions_made,
        is_log_busy: detached.is_none(),
        detached: detached.unwrap_or_default(),
        refreshes_forgotten,
    })
}

fn is_lock_timeout(error: &Error) -> bool {
    matches!(error, Error::Database(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}
