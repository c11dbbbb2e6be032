//! The night's work: settle what is still owed, see whether the views drifted, refresh them.

use super::Settled;
use super::drift::count_drift;
use super::fund_performance::settle_fund_performance;
use super::performance::settle_performance;
use super::views::{Cause, Refreshed, refresh_views};
use crate::app::Clock;
use crate::cache::Cache;
use crate::db::{self, Database};
use crate::error::Error;

/// What a night's work came to.
#[derive(Debug, Clone)]
pub struct Night {
    /// The performance that was still owed.
    pub settled: Settled,
    /// How many rows of the views were not what they should be.
    pub drift_rows: i64,
    /// The refresh.
    pub refreshed: Refreshed,
}

/// Does it all. Another refresh that does not end fails the night, for the platform to try again.
pub async fn work_the_night(db: &Database, cache: &Cache, clock: Clock) -> Result<Night, Error> {
    let settled = settle_owed(db, cache).await?;
    let drift_rows = count_drift(db, clock).await?;
    let refreshed = refresh_views(db, clock, Cause::Nightly, Some(drift_rows)).await?;
    Ok(Night {
        settled,
        drift_rows,
        refreshed: refreshed.ok_or(Error::DatabaseTimeout)?,
    })
}

/// Settles whatever is owed, to LPs and to funds.
pub async fn settle_owed(db: &Database, cache: &Cache) -> Result<Settled, Error> {
    let lps = "select distinct p.lp_id from pending_performance p where p.lp_id is not null order by p.lp_id";
    let mut settled = settle_performance(db, cache, &ids(db, lps).await?).await?;
    let funds = "select distinct p.fund_id from pending_performance p where p.lp_id is null order by p.fund_id";
    settled.add(settle_fund_performance(db, cache, &ids(db, funds).await?).await?);
    Ok(settled)
}

async fn ids(db: &Database, sql: &str) -> Result<Vec<i64>, Error> {
    let connection = db.connection().await?;
    let rows = db::query(&connection, sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
