//! Indexes rebuilt beside their readers and writers, one at a time. It cannot be done within a transaction, hence in no function of the
//! database, and only the owner may: so this alone logs in as the owner, for as long as it takes, in a session that is read-only but for
//! dropping what an earlier one left.

use std::time::{Duration, Instant};

use deadpool_postgres::{ClientWrapper, Object};
use serde::Serialize;
use tokio_postgres::error::SqlState;

use super::bloat::measure_indexes;
use crate::db::Database;
use crate::error::Error;

/// Held by the session that reindexes: "lp-index" in ASCII.
const REINDEX_LOCK: i64 = 0x6c70_2d69_6e64_6578;
/// Dropping what was left waits so long for whoever holds the table: somebody else may be building just that index.
const DROP_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Which indexes are rebuilt.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// Those of which more than so many per cent are empty.
    AboveBloat(f64),
    /// The one of this name.
    Named(String),
}

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reindexed {
    /// The indexes that were rebuilt.
    pub rebuilt: Vec<RebuiltIndex>,
    /// Those that time was too short for. To ask again goes on with them: what is rebuilt is not above the bloat any more.
    pub left: Vec<String>,
    /// What earlier rebuilding had left, and was dropped.
    pub dropped: Vec<String>,
}

/// An index, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltIndex {
    /// Its name.
    pub name: String,
    /// Its size as it was.
    pub bytes_before: i64,
    /// Its size as it is.
    pub bytes_after: i64,
}

/// Rebuilds; an index that is not done by `until` is left as it was, with those that were to follow. `owner` is the database as its
/// owner reaches it. Only one at a time may reindex.
pub async fn reindex(
    db: &Database,
    owner: &Database,
    which: Which,
    until: Instant,
) -> Result<Reindexed, Error> {
    let session = Session::open(owner).await?;
    let outcome = rebuild_wanted(&session, db, which, until).await;
    // A connection that is gone has taken the lock along.
    if let Err(error) = session.close().await {
        tracing::warn!(error = %error.chain(), "the lock of a reindexing could not be given back");
    }
    outcome
}

async fn rebuild_wanted(
    session: &Session,
    db: &Database,
    which: Which,
    until: Instant,
) -> Result<Reindexed, Error> {
    let mut done = Reindexed {
        dropped: session.drop_broken().await?,
        ..Reindexed::default()
    };
    let wanted = match which {
        Which::Named(name) => vec![name],
        Which::AboveBloat(percent) => {
            let (measured, left) = measure_indexes(&mut db.connection().await?, until).await?;
            done.left = left;
            let above = measured
                .into_iter()
                .filter(|index| index.bloat_percent > percent);
            above.map(|index| index.name).collect()
        }
    };
    for name in wanted {
        match session.rebuild(&name, until).await {
            Ok(Some(rebuilt)) => {
                tracing::info!(index = name, "an index is rebuilt");
                done.rebuilt.push(rebuilt);
            }
            Ok(None) => done.left.push(name),
            Err(failure) => {
                session.drop_broken().await?;
                return Err(failure);
            }
        }
    }
    if !done.left.is_empty() {
        done.dropped.extend(session.drop_broken().await?);
    }
    Ok(done)
}

/// A session of the owner's that holds the lock. It ends with this value, and the lock with it.
struct Session(ClientWrapper);

impl Session {
    async fn open(owner: &Database) -> Result<Self, Error> {
        let session = Self(Object::take(owner.connection().await?));
        session
            .run("set default_transaction_read_only = on; set statement_timeout = 0")
            .await?;
        let lock = "select pg_try_advisory_lock($1)";
        let row = session.0.query_one(lock, &[&REINDEX_LOCK]).await?;
        if !row.get::<_, bool>(0) {
            return Err(Error::Refused("indexes are being rebuilt already".into()));
        }
        Ok(session)
    }

    /// Unlocks at once, rather than when the server notices the end of the session.
    async fn close(self) -> Result<(), Error> {
        self.run(&format!("select pg_advisory_unlock({REINDEX_LOCK})"))
            .await
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        Ok(self.0.batch_execute(sql).await?)
    }

    /// Drops what was broken off, and returns its names. What cannot be had soon is left.
    async fn drop_broken(&self) -> Result<Vec<String>, Error> {
        let broken = include_str!("broken_indexes.sql");
        let rows = self.0.query(broken, &[]).await?;
        let mut dropped = Vec::new();
        for row in &rows {
            let quoted: String = row.get("quoted");
            let settings = format!(
                "set default_transaction_read_only = off; set statement_timeout = 0; set lock_timeout = {}",
                DROP_LOCK_TIMEOUT.as_millis()
            );
            self.run(&settings).await?;
            let outcome = self
                .run(&format!("drop index concurrently public.{quoted}"))
                .await;
            self.run("set default_transaction_read_only = on; set lock_timeout = 0")
                .await?;
            match outcome {
                Err(Error::Database(error))
                    if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
                {
                    tracing::warn!(
                        index = quoted,
                        "its table is in use; it is left for the next time"
                    );
                }
                outcome => {
                    outcome?;
                    tracing::info!(index = quoted, "an index that was broken off is dropped");
                    dropped.push(quoted);
                }
            }
        }
        Ok(dropped)
    }

    /// Rebuilds an index. `None` when the time was up first.
    async fn rebuild(&self, name: &str, until: Instant) -> Result<Option<RebuiltIndex>, Error> {
        let (quoted, bytes_before) = self.look_up(name).await?;
        let left = until.saturating_duration_since(Instant::now());
        // To Postgres, zero is no limit.
        if left.as_millis() == 0 {
            return Ok(None);
        }
        let timeout = format!("set statement_timeout = {}", left.as_millis());
        self.run(&timeout).await?;
        let sql = format!("reindex index concurrently public.{quoted}");
        match self.0.batch_execute(&sql).await {
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => return Ok(None),
            outcome => outcome?,
        }
        let (_, bytes_after) = self.look_up(name).await?;
        Ok(Some(RebuiltIndex {
            name: name.to_owned(),
            bytes_before,
            bytes_after,
        }))
    }

    /// The index as SQL names it, and its size.
    async fn look_up(&self, name: &str) -> Result<(String, i64), Error> {
        let sql = "select quote_ident(c.relname), pg_relation_size(c.oid) from pg_class c
                   where c.relnamespace = 'public'::regnamespace and c.relkind = 'i' and c.relname = $1::text";
        let row = self.0.query_opt(sql, &[&name]).await?;
        match row {
            Some(row) => Ok((row.get(0), row.get(1))),
            None => Err(Error::Refused(format!("there is no index {name}"))),
        }
    }
}
