//! The refresh of the three views: one snapshot of the database for all of them and for the marks that they have seen, so
//! that readers switch from live rows to view rows at one instant, and no mark goes that a view has not seen.

use std::time::Duration;

use chrono::NaiveDate;
use deadpool_postgres::{ClientWrapper, Object};
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;

use super::gauges::measure;
use crate::app::Clock;
use crate::db::Database;
use crate::error::Error;
use crate::metrics::{CAUSE, Metrics, VIEW_REFRESH_DURATION, Wait};

/// Held by the session that refreshes: "lp-views" in ASCII.
const REFRESH_LOCK: i64 = 0x6c70_2d76_6965_7773;
/// What all views may take to refresh, at the full size several times over.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);

/// Why the views are refreshed, and with it how long to wait for another refresh to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Something was recorded.
    Activity,
    /// The night has come.
    Nightly,
}

impl Cause {
    /// As the history has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Nightly => "nightly",
        }
    }

    /// A message can come back later; the night comes once.
    const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Activity => 5,
            Self::Nightly => 120,
        })
    }
}

/// A refresh that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// The date that the views stand for.
    pub as_of: NaiveDate,
    /// How many marks they have made superfluous.
    pub marks_cleared: i64,
}

/// Refreshes all views and clears the marks that they have seen. `None` when another refresh was still under way after the
/// cause's patience. After a failure the request is outstanding again. `drift_rows` is what the history is to say of the
/// views as they were.
pub async fn refresh_views(
    db: &Database,
    clock: Clock,
    cause: Cause,
    drift_rows: Option<i64>,
) -> Result<Option<Refreshed>, Error> {
    let _wait = Wait::for_database();
    let Some(mut session) = Session::open(db, cause).await? else {
        return Ok(None);
    };
    let refresh_id = session.claim(cause).await?;
    match session.refresh(refresh_id, clock, drift_rows).await {
        Ok((refreshed, seconds)) => {
            tell_duration(cause, seconds);
            // It is committed, and a connection that is gone has taken the lock along.
            if let Err(error) = session.close().await {
                tracing::warn!(error = %error.chain(), "the lock of a refresh could not be given back");
            }
            if let Err(error) = measure(db).await {
                tracing::warn!(error = %error.chain(), "what is outstanding after a refresh could not be measured");
            }
            Ok(Some(refreshed))
        }
        Err(failure) => {
            match session.give_back(refresh_id, cause, &failure).await {
                // It took its time too.
                Ok(seconds) => tell_duration(cause, seconds),
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "a failed refresh could not be recorded");
                }
            }
            Err(failure)
        }
    }
}

/// Tells the views' definitions, for as long as the transaction lasts, which day it is by the clock; see there for what else it may be.
pub(super) async fn set_today(
    transaction: &tokio_postgres::Transaction<'_>,
    clock: Clock,
) -> Result<(), Error> {
    let offset_seconds = clock.offset().num_seconds();
    let sql = include_str!("today.sql");
    transaction.query_one(sql, &[&offset_seconds]).await?;
    Ok(())
}

/// Tells how long a refresh took, as its history has it.
fn tell_duration(cause: Cause, seconds: f64) {
    Metrics::new()
        .dimension(CAUSE, cause.name())
        .seconds(VIEW_REFRESH_DURATION, seconds)
        .write();
}

/// A session that holds the lock. Its connection is never given back to the pool: when it ends, however it ends, the lock
/// and the settings go with it.
struct Session(ClientWrapper);

impl Session {
    /// Opens the session and takes the lock, unless another keeps it for too long.
    async fn open(db: &Database, cause: Cause) -> Result<Option<Self>, Error> {
        let client = Object::take(db.connection().await?);
        let settings = format!(
            "set lock_timeout = {}; set statement_timeout = {}",
            cause.patience().as_millis(),
            STATEMENT_TIMEOUT.as_millis(),
        );
        client.batch_execute(&settings).await?;
        let lock = format!("select pg_advisory_lock({REFRESH_LOCK}); set lock_timeout = 0");
        match client.batch_execute(&lock).await {
            Ok(()) => Ok(Some(Self(client))),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the outstanding request, or begins without one. Returns the id of the row that tells this refresh's history.
    async fn claim(&self, cause: Cause) -> Result<i64, Error> {
        let row = self
            .0
            .query_one(include_str!("claim.sql"), &[&cause.name()])
            .await?;
        Ok(row.get("refresh_id"))
    }

    /// Refreshes, and returns how many seconds it took as well.
    async fn refresh(
        &mut self,
        refresh_id: i64,
        clock: Clock,
        drift_rows: Option<i64>,
    ) -> Result<(Refreshed, f64), Error> {
        let transaction = self
            .0
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .start()
            .await?;
        set_today(&transaction, clock).await?;
        transaction.batch_execute("select refresh_views()").await?;
        let row = transaction
            .query_one(include_str!("finish.sql"), &[&refresh_id, &drift_rows])
            .await?;
        transaction.commit().await?;
        let refreshed = Refreshed {
            as_of: row.get("as_of_date"),
            marks_cleared: row.get("marks_cleared"),
        };
        Ok((refreshed, row.get("took_seconds")))
    }

    /// Unlocks at once, rather than when the server notices the end of the session.
    async fn close(self) -> Result<(), Error> {
        let unlock = format!("select pg_advisory_unlock({REFRESH_LOCK})");
        Ok(self.0.batch_execute(&unlock).await?)
    }

    /// Records the failure and puts a request back, for whoever tries again. Returns how many seconds it took to fail.
    async fn give_back(self, refresh_id: i64, cause: Cause, failure: &Error) -> Result<f64, Error> {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&refresh_id, &failure.chain().to_string(), &cause.name()];
        let row = self
            .0
            .query_one(include_str!("give_back.sql"), &values)
            .await?;
        let seconds = row.get("took_seconds");
        self.close().await?;
        Ok(seconds)
    }
}
