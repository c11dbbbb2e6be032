//! What stands to be done, told as metrics: after each refresh, and every few minutes for the time in which none succeeds.

use serde::Serialize;

use crate::db::{self, Database};
use crate::error::Error;
use crate::metrics::{MARKS_OUTSTANDING, Metrics, PERFORMANCE_PENDING, VIEW_AGE};

/// What is outstanding, and how old the views are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outstanding {
    /// Marks of what was recorded since the views were refreshed.
    pub marks: i64,
    /// Performance that is still to be computed, in rows.
    pub performance_pending: i64,
    /// How long ago the last refresh that succeeded began; none before the first.
    pub view_age_seconds: Option<f64>,
}

/// Tells how many marks and how much owed performance there are, and how old the views are: not at all before the first refresh.
pub async fn measure(db: &Database) -> Result<Outstanding, Error> {
    let connection = db.connection().await?;
    let row = db::query_one(&connection, include_str!("gauges.sql"), &[]).await?;
    let outstanding = Outstanding {
        marks: row.get("marks_outstanding"),
        performance_pending: row.get("performance_pending"),
        view_age_seconds: row.get("view_age_seconds"),
    };
    Metrics::new()
        .count(MARKS_OUTSTANDING, outstanding.marks.unsigned_abs())
        .count(
            PERFORMANCE_PENDING,
            outstanding.performance_pending.unsigned_abs(),
        )
        .seconds(VIEW_AGE, outstanding.view_age_seconds.unwrap_or(f64::NAN))
        .write();
    Ok(outstanding)
}
