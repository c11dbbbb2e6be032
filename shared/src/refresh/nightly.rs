//! The night's work: settle what is still owed, see whether the views drifted, refresh them.

use super::Settled;
use super::drift::count_drift;
use super::fund_performance::settle_fund_performance;
use super::performance::settle_performance;
use super::step::LPS_AT_ONCE;
use super::views::{Cause, Refreshed, refresh_views};
use crate::app::Clock;
use crate::cache::Cache;
use crate::db::{self, Database};
use crate::error::Error;
use crate::ledger::note_unforgotten;
use crate::queue::Queue;

/// What a night's work came to.
#[derive(Debug, Clone)]
pub struct Night {
    /// The performance that was still owed. Cached answers that Redis did not forget are noted on the queue already.
    pub settled: Settled,
    /// How many rows of the views were not what they should be.
    pub drift_rows: i64,
    /// The refresh.
    pub refreshed: Refreshed,
}

/// Does it all. An LP or fund that cannot be computed is told of in the result and keeps nothing else from being done. Another
/// refresh that does not end fails the night, for the platform to try again.
pub async fn work_the_night(
    db: &Database,
    cache: &Cache,
    queue: &Queue,
    clock: Clock,
) -> Result<Night, Error> {
    let settled = settle_owed(db, cache, queue).await?;
    let drift_rows = count_drift(db, clock).await?;
    let refreshed = refresh_views(db, clock, Cause::Nightly, Some(drift_rows)).await?;
    let refreshed = refreshed.ok_or(Error::DatabaseTimeout)?;
    Ok(Night {
        settled,
        drift_rows,
        refreshed,
    })
}

/// Settles whatever is owed, to LPs and to funds.
pub async fn settle_owed(db: &Database, cache: &Cache, queue: &Queue) -> Result<Settled, Error> {
    let mut settled = Settled::default();
    for part in owed(db).await? {
        let step = part.settle(db, cache).await?;
        // At once, so that no later failure loses the note.
        note_unforgotten(queue, &step.unforgotten).await?;
        settled.add(step);
    }
    Ok(settled)
}

/// So much of what is owed as is settled in one transaction.
enum Owed {
    Lps(Vec<i64>),
    Fund(i64),
}

impl Owed {
    async fn settle(&self, db: &Database, cache: &Cache) -> Result<Settled, Error> {
        match self {
            Self::Lps(lp_ids) => settle_performance(db, cache, lp_ids).await,
            Self::Fund(fund_id) => settle_fund_performance(db, cache, &[*fund_id]).await,
        }
    }
}

/// Everything that is owed now, the LPs' first.
async fn owed(db: &Database) -> Result<Vec<Owed>, Error> {
    let lps = "select distinct p.lp_id from pending_performance p where p.lp_id is not null order by p.lp_id";
    let funds = "select distinct p.fund_id from pending_performance p where p.lp_id is null order by p.fund_id";
    let connection = db.connection().await?;
    let lps: Vec<i64> = ids(db::query(&connection, lps, &[]).await?);
    let funds: Vec<i64> = ids(db::query(&connection, funds, &[]).await?);
    let lps = lps
        .chunks(LPS_AT_ONCE)
        .map(|lp_ids| Owed::Lps(lp_ids.to_vec()));
    Ok(lps.chain(funds.into_iter().map(Owed::Fund)).collect())
}

fn ids(rows: Vec<tokio_postgres::Row>) -> Vec<i64> {
    rows.iter().map(|row| row.get(0)).collect()
}
