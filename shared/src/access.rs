//! Who may see what: a subject sees an LP only while a row of `lp_access` says so, and a query only the LP in whose scope it
//! runs. What is kept of that in the cache is the cache's concern, and what a refusal looks like is the HTTP edge's.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use futures_util::future::{join4, try_join};
use tokio_postgres::Row;

use crate::db::{self, Connection, Values};
use crate::error::Error;
use crate::ids::LpId;

/// Asks whether a subject may see an LP, and enters the LP's scope.
const ENTER_IF_GRANTED: &str = include_str!("access.sql");
/// Enters an LP's scope for somebody whose grant is known.
const ENTER: &str = "select set_config('lp_reporting.lp_id', $1::bigint::text, true)";

/// Proof that a subject may see an LP, good for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Until when it may be believed without asking the database again: at most the time to live asked for, and never
    /// beyond the entitlement itself.
    pub believed_until: DateTime<Utc>,
}

/// Whoever wants to see an LP, before it is known whether he may.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who it is.
    pub subject: &'a str,
    /// The LP.
    pub lp_id: LpId,
    /// For how long a grant may be believed.
    pub ttl: Duration,
}

/// Asks the database whether the claim holds now; `None` is no.
pub async fn load_grant(
    client: &impl GenericClient,
    claim: Claim<'_>,
) -> Result<Option<Grant>, Error> {
    let Claim {
        subject,
        lp_id,
        ttl,
    } = claim;
    let values: Values<'_> = &[&subject, &lp_id, &ttl.as_secs_f64()];
    let row = db::query_one(client, ENTER_IF_GRANTED, values).await?;
    let believed_until: Option<_> = row.get("believed_until");
    Ok(believed_until.map(|believed_until| Grant { believed_until }))
}

/// A connection on which an LP's rows are seen and no other's, by row-level security. Entering the scope is what the grant
/// is for: without one every query comes back empty.
pub struct Scoped<'a> {
    db: &'a Connection,
    entry: Entry<'a>,
    grant: OnceLock<Grant>,
}

#[derive(Clone, Copy)]
enum Entry<'a> {
    Claimed(Claim<'a>),
    Granted(LpId),
}

impl<'a> Scoped<'a> {
    /// For a claim that the database has to decide.
    #[must_use]
    pub fn claimed(db: &'a Connection, claim: Claim<'a>) -> Self {
        Self::new(db, Entry::Claimed(claim))
    }

    /// For somebody of whom it is known that he may see the LP.
    #[must_use]
    pub fn granted(db: &'a Connection, lp_id: LpId) -> Self {
        Self::new(db, Entry::Granted(lp_id))
    }

    fn new(db: &'a Connection, entry: Entry<'a>) -> Self {
        Self {
            db,
            entry,
            grant: OnceLock::new(),
        }
    }

    /// The grant that a query found to hold; `None` before the first one, and where none was asked for.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        self.grant.get().copied()
    }

    /// Runs a statement that reads, in a transaction of its own: one round trip when warm.
    pub async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        // The four below are sent in the order in which they are polled, but only if none has to be prepared first.
        try_join(
            self.db.prepare_cached(self.entry.sql()),
            self.db.prepare_cached(sql),
        )
        .await?;
        // None is given up for another's failure: the commit is what ends the transaction, and undoes one that failed.
        let (begun, entered, rows, ended) = join4(
            self.db.batch_execute("begin read only"),
            self.enter(),
            db::query(self.db, sql, values),
            self.db.batch_execute("commit"),
        )
        .await;
        begun?;
        if let Some(grant) = entered? {
            self.grant.get_or_init(|| grant);
        }
        let rows = rows?;
        ended?;
        Ok(rows)
    }

    async fn enter(&self) -> Result<Option<Grant>, Error> {
        match self.entry {
            Entry::Claimed(claim) => load_grant(self.db, claim).await,
            Entry::Granted(lp_id) => {
                db::query_one(self.db, ENTER, &[&lp_id]).await?;
                Ok(None)
            }
        }
    }
}

impl Entry<'_> {
    const fn sql(&self) -> &'static str {
        match self {
            Self::Claimed(_) => ENTER_IF_GRANTED,
            Self::Granted(_) => ENTER,
        }
    }
}
