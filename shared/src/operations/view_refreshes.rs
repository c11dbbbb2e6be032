//! The history of the views' refreshes, as far back as upkeep leaves it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tokio_postgres::Row;

use crate::db::{self, Database};
use crate::error::Error;

/// Refreshes, the newest first.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshHistory {
    /// Those that were asked for or done.
    pub refreshes: Vec<ViewRefresh>,
}

/// A refresh.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewRefresh {
    /// Its number.
    pub refresh_id: i64,
    /// `activity` or `nightly`.
    pub cause: String,
    /// When somebody asked for it, or it began.
    pub requested_at: DateTime<Utc>,
    /// When it began; null while it is only asked for.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; null while it is under way, or if it died.
    pub finished_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// The day that the views stand for since; null when it failed.
    pub as_of: Option<NaiveDate>,
    /// How many marks it made superfluous.
    pub marks_cleared: Option<i64>,
    /// How many rows of the views were not what they should be before it; null when nobody looked.
    pub drift_rows: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The last so many.
pub async fn refresh_history(db: &Database, most: i64) -> Result<RefreshHistory, Error> {
    let connection = db.connection().await?;
    let rows = db::query(&connection, include_str!("view_refreshes.sql"), &[&most]).await?;
    let refreshes = rows.iter().map(ViewRefresh::from_row).collect();
    Ok(RefreshHistory { refreshes })
}

impl ViewRefresh {
    fn from_row(row: &Row) -> Self {
        Self {
            refresh_id: row.get("refresh_id"),
            cause: row.get("cause"),
            requested_at: row.get("requested_at"),
            started_at: row.get("started_at"),
            finished_at: row.get("finished_at"),
            seconds: row.get("seconds"),
            as_of: row.get("as_of_date"),
            marks_cleared: row.get("marks_cleared"),
            drift_rows: row.get("drift_rows"),
            error: row.get("error"),
        }
    }
}
