//! Who may see what: a subject sees an LP, some of its funds, or as a GP a fund, only while a row of `lp_access` says so, and a query
//! only what lies in the scope it runs in. What is kept of that in the cache is the cache's concern, and what a refusal looks like is
//! the HTTP edge's.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use futures_util::future::{join4, try_join};
use tokio_postgres::Row;

use crate::db::{self, Connection, Values};
use crate::error::Error;
use crate::grant::{Funds, Grant};
use crate::ids::{FundId, LpId};

mod explained;

/// Asks whether a subject may see an LP, or some of its funds, and enters the LP's scope.
const ENTER_LP_IF_GRANTED: &str = "select believed_until, fund_ids
    from enter_lp_scope($1::text, $2::bigint, $3::bigint[], $4::double precision)";
/// Asks whether a subject is a GP of a fund, and enters the fund's scope.
const ENTER_FUND_IF_GRANTED: &str = "select believed_until, fund_ids
    from enter_fund_scope($1::text, $2::bigint, $3::double precision)";
/// Enters an LP's scope for somebody whose grant is known.
const ENTER_LP: &str = "select set_config('lp_reporting.lp_id', $1::bigint::text, true)";

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What an LP has, all of it or in some funds.
    Lp(LpId, Funds),
    /// What all LPs of a fund have in it together.
    Fund(FundId),
}

/// Whoever asks something, before it is known whether he may.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who it is.
    pub subject: &'a str,
    /// What it is about.
    pub scope: &'a Scope,
    /// For how long a grant may be believed.
    pub ttl: Duration,
}

/// Asks the database whether the claim holds now; `None` is no.
pub async fn load_grant(
    client: &impl GenericClient,
    claim: Claim<'_>,
) -> Result<Option<Grant>, Error> {
    let (subject, seconds) = (claim.subject, claim.ttl.as_secs_f64());
    let sql = claim.sql();
    let row = match claim.scope {
        Scope::Lp(lp_id, funds) => {
            let values: Values<'_> = &[&subject, lp_id, &funds.named(), &seconds];
            db::query_one(client, sql, values).await?
        }
        Scope::Fund(fund_id) => db::query_one(client, sql, &[&subject, fund_id, &seconds]).await?,
    };
    Ok(read_grant(&row))
}

fn read_grant(row: &Row) -> Option<Grant> {
    let believed_until: Option<DateTime<Utc>> = row.get("believed_until");
    let fund_ids: Option<Vec<FundId>> = row.get("fund_ids");
    believed_until.map(|believed_until| Grant {
        funds: fund_ids.map_or(Funds::All, Funds::Only),
        believed_until,
    })
}

impl Claim<'_> {
    const fn sql(&self) -> &'static str {
        match self.scope {
            Scope::Lp(..) => ENTER_LP_IF_GRANTED,
            Scope::Fund(_) => ENTER_FUND_IF_GRANTED,
        }
    }
}

/// A connection on which the rows of one scope are seen and no other's, by row-level security. Entering it is what the grant
/// is for: without one every query comes back empty.
pub struct Scoped<'a> {
    db: &'a Connection,
    mode: Mode<'a>,
}

enum Mode<'a> {
    Answering {
        entry: Entry<'a>,
        grant: OnceLock<Grant>,
    },
    Explaining {
        scope: &'a Scope,
        plans: Mutex<Vec<Vec<String>>>,
    },
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
        Self::answering(db, Entry::Claimed(claim))
    }

    /// For somebody of whom it is known that he may see the LP.
    #[must_use]
    pub fn granted(db: &'a Connection, lp_id: LpId) -> Self {
        Self::answering(db, Entry::Granted(lp_id))
    }

    fn answering(db: &'a Connection, entry: Entry<'a>) -> Self {
        let grant = OnceLock::new();
        let mode = Mode::Answering { entry, grant };
        Self { db, mode }
    }

    /// For an operator, who is shown how statements run and none of their rows: [`Scoped::plans`].
    #[must_use]
    pub fn explained(db: &'a Connection, scope: &'a Scope) -> Self {
        let plans = Mutex::default();
        let mode = Mode::Explaining { scope, plans };
        Self { db, mode }
    }

    /// The grant that a query found to hold; `None` before the first one, and where none was asked for.
    #[must_use]
    pub fn grant(&self) -> Option<Grant> {
        match &self.mode {
            Mode::Answering { grant, .. } => grant.get().cloned(),
            Mode::Explaining { .. } => None,
        }
    }

    /// Of each statement that was explained, the lines of its plan.
    #[must_use]
    pub fn plans(&self) -> Vec<Vec<String>> {
        match &self.mode {
            Mode::Answering { .. } => Vec::new(),
            Mode::Explaining { plans, .. } => {
                plans.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }

    /// Runs a statement that reads, in a transaction of its own: one round trip when warm.
    pub async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let (entry, grant) = match &self.mode {
            Mode::Answering { entry, grant } => (entry, grant),
            Mode::Explaining { scope, plans } => {
                let plan = Box::pin(explained::explain(self.db, scope, sql, values)).await?;
                let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
                plans.push(plan);
                return Ok(Vec::new());
            }
        };
        // The four below are sent in the order in which they are polled, but only if none has to be prepared first.
        try_join(
            self.db.prepare_cached(entry.sql()),
            self.db.prepare_cached(sql),
        )
        .await?;
        // None is given up for another's failure: the commit is what ends the transaction, and undoes one that failed.
        let (begun, entered, rows, ended) = join4(
            self.db.batch_execute("begin read only"),
            entry.enter(self.db),
            db::query(self.db, sql, values),
            self.db.batch_execute("commit"),
        )
        .await;
        begun?;
        if let Some(granted) = entered? {
            grant.get_or_init(|| granted);
        }
        let rows = rows?;
        ended?;
        Ok(rows)
    }
}

impl Entry<'_> {
    async fn enter(self, db: &Connection) -> Result<Option<Grant>, Error> {
        match self {
            Self::Claimed(claim) => load_grant(db, claim).await,
            Self::Granted(lp_id) => {
                db::query_one(db, ENTER_LP, &[&lp_id]).await?;
                Ok(None)
            }
        }
    }

    const fn sql(&self) -> &'static str {
        match self {
            Self::Claimed(claim) => claim.sql(),
            Self::Granted(_) => ENTER_LP,
        }
    }
}
