//! Who looked at what. An answer notes the look, and once it is sent the look is recorded: in the database or, failing that, as
//! a line of the log. What came of a look is the answer's concern, and when it is sent the runtime's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join3;
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use crate::db::{self, Connection, Database};
use crate::error::Error;
use crate::ids::{FundId, LpId};

const INSERT: &str = include_str!("access_log.sql");
/// The server itself gives up after this, so that what was not recorded in time, and went to the log, is hardly ever recorded later
/// as well.
const BEGIN: &str = "begin; set local statement_timeout = '200ms'";
/// For all of it, connecting included, which a function that has answered from the cache alone does only now. The next event waits so
/// long at most, and the platform's limit for the event is not reached.
const LIMIT: Duration = Duration::from_secs(1);
/// How long the database is left alone after it has let a record wait for all of that, unless it answers a question before: an answer
/// from the cache needs it for nothing else, and callers of such answers shall not queue for a database that is silent.
const REST: Duration = Duration::from_secs(5);

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Allowed,
    /// The subject may look, and nothing is there.
    NotFound,
    /// The subject may not look, or there is none.
    Denied,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
        }
    }
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Who looked, as the token says.
    pub subject: Option<String>,
    /// At which LP, there or not.
    pub lp_id: Option<LpId>,
    /// At which fund, there or not.
    pub fund_id: Option<FundId>,
    /// By which function.
    pub route: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// The platform's id of the invocation, which the function's other lines of the log bear as well.
    pub request_id: String,
}

/// The access log of one process, which answers one event at a time.
#[derive(Clone)]
pub struct AccessLog {
    db: Database,
    noted: Arc<Mutex<Option<(Look, Span)>>>,
    rests_until: Arc<Mutex<Option<Instant>>>,
}

impl AccessLog {
    /// A log in this database; nothing is connected yet.
    pub fn new(db: Database) -> Self {
        Self {
            db,
            noted: Arc::default(),
            rests_until: Arc::default(),
        }
    }

    /// Keeps a look until it is recorded. What is logged then bears the trace of the request that this is called for.
    pub fn note(&self, look: Look) {
        *self.noted() = Some((look, Span::current()));
    }

    /// Records the look that was noted, if one was.
    pub async fn record(&self) {
        let noted = self.noted().take();
        if let Some((look, span)) = noted
            && let Err(error) = self.insert(&look).await
        {
            span.in_scope(|| look.write_to_log(&error));
        }
    }

    /// Says that the database has just answered, so that there is no reason to leave it alone.
    pub fn database_answers(&self) {
        *self.rests_until() = None;
    }

    fn rests_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Option<(Look, Span)>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn insert(&self, look: &Look) -> Result<(), Error> {
        let now = Instant::now();
        if self.rests_until().is_some_and(|until| now < until) {
            return Err(Error::DatabaseLeftAlone);
        }
        let inserted = self.insert_by(look, now + LIMIT).await;
        let is_silent = matches!(inserted, Err(Error::DatabaseTimeout));
        *self.rests_until() = is_silent.then(|| Instant::now() + REST);
        inserted
    }

    /// Tries once, since a second try could record it twice; but for a connection that died while the process was frozen, on which
    /// nothing was begun.
    async fn insert_by(&self, look: &Look, deadline: Instant) -> Result<(), Error> {
        match self.try_insert(look, deadline).await {
            Err(Failed::ToBegin(error)) if error.is_dead_connection() => {
                self.db.drop_idle_connections();
                self.try_insert(look, deadline).await
            }
            outcome => outcome,
        }
        .map_err(Failed::into_error)
    }

    async fn try_insert(&self, look: &Look, deadline: Instant) -> Result<(), Failed> {
        let connection = timeout_at(deadline, self.db.connection())
            .await
            .unwrap_or(Err(Error::DatabaseTimeout))
            .map_err(Failed::Later)?;
        let inserted = timeout_at(deadline, look.insert(&connection)).await;
        if !matches!(inserted, Ok(Ok(()))) {
            // It may be dead, or an answer may still arrive on it.
            drop(Connection::take(connection));
        }
        inserted.unwrap_or(Err(Failed::Later(Error::DatabaseTimeout)))
    }
}

/// How far a record came.
enum Failed {
    /// The transaction was never begun, so nothing is recorded.
    ToBegin(Error),
    /// It may be recorded all the same.
    Later(Error),
}

impl Failed {
    fn into_error(self) -> Error {
        match self {
            Self::ToBegin(error) | Self::Later(error) => error,
        }
    }
}

impl Look {
    /// One round trip when warm.
    async fn insert(&self, db: &Connection) -> Result<(), Failed> {
        // The three below are sent in the order in which they are polled, but only if none has to be prepared first.
        let prepared = db.prepare_cached(INSERT).await;
        prepared.map_err(|error| Failed::ToBegin(error.into()))?;
        let (begun, inserted, ended) = join3(
            db.batch_execute(BEGIN),
            db::execute(
                db,
                INSERT,
                &[
                    &self.subject,
                    &self.lp_id,
                    &self.fund_id,
                    &self.route,
                    &self.outcome.name(),
                    &self.request_id,
                ],
            ),
            db.batch_execute("commit"),
        )
        .await;
        begun.map_err(|error| Failed::ToBegin(error.into()))?;
        inserted.map_err(Failed::Later)?;
        ended.map_err(|error| Failed::Later(error.into()))
    }

    /// The same fields on one line. It is an error, so that no level that a deployment would set loses it, and somebody looks at
    /// why the database does not take it.
    fn write_to_log(&self, error: &Error) {
        tracing::error!(
            target: "access_log",
            subject = self.subject,
            lp_id = self.lp_id.map(LpId::get),
            fund_id = self.fund_id.map(FundId::get),
            route = self.route,
            outcome = self.outcome.name(),
            request_id = self.request_id,
            error = %error.chain(),
            "recorded here, because the database did not take it"
        );
    }
}
