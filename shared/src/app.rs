//! What a function holds between two events: the database, the cache, the clock, how long a grant is believed, and the log of who
//! looked; and how the functions that answer HTTP are run with it.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use lambda_http::lambda_runtime::layers::TracingLayer;
use lambda_http::tower::util::ThenLayer;
use lambda_http::{Body, Request, Response, service_fn};

use crate::access_log::AccessLog;
use crate::cache::Cache;
use crate::config::{AccessConfig, ClockConfig, DatabaseConfig, Environment, RedisConfig};
use crate::db::Database;
use crate::error::Error;
use crate::metrics::{BREAKER_OPEN, FUNCTION, Metrics, Pending, Waits};

/// The clients that outlive a request; each connects when it is first used, if not before.
#[derive(Clone)]
pub struct App {
    /// Postgres.
    pub db: Database,
    /// Redis.
    pub cache: Cache,
    /// What "now" and "today" are.
    pub clock: Clock,
    /// How long a grant is believed.
    pub access: AccessConfig,
    /// Who looked at what.
    pub access_log: AccessLog,
    /// What is told of the request at work, once it is answered.
    pub metrics: Pending,
}

impl App {
    /// Starts a function: as [`App::from_env`], and connects to Postgres and Redis in the background, so that the first event
    /// waits for what is left of that, or, for an answer from the cache, for Redis alone. What cannot be reached is tried again by the
    /// event that needs it. Needs a Tokio runtime.
    pub fn start() -> Result<Self, Error> {
        let app = Self::from_env()?;
        let connecting = app.clone();
        tokio::spawn(
            async move { tokio::join!(connecting.db.connect(), connecting.cache.connect()) },
        );
        Ok(app)
    }

    /// Reads the environment of the process and fails, naming the variable, when it is not usable.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(&Environment::of_process())
    }

    /// As [`App::from_env`], with the variables given.
    pub fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let db = Database::new(&DatabaseConfig::read(environment)?)?;
        Ok(Self {
            access_log: AccessLog::new(db.clone()),
            db,
            cache: Cache::new(&RedisConfig::read(environment)?)?,
            clock: Clock::new(ClockConfig::read(environment)?),
            access: AccessConfig::read(environment)?,
            metrics: Pending::default(),
        })
    }

    /// The line of an event that is no request: how long it waited for what, and whether the cache is left alone.
    pub fn measured(&self, function: &str, waits: Waits) -> Metrics {
        Metrics::new()
            .dimension(FUNCTION, function)
            .waits(waits)
            .count(BREAKER_OPEN, self.cache.is_left_alone().into())
    }

    /// Answers requests as a Lambda function until the environment ends it.
    ///
    /// What was measured is told, and who looked is recorded, after the answer is sent, which therefore does not wait for it, and
    /// before the next event is asked for, until when the platform does not freeze the process.
    pub async fn serve<H, F>(self, handler: H) -> Result<(), lambda_http::Error>
    where
        H: Fn(&'static Self, Request) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        // It is needed for as long as the process lives.
        let app: &'static Self = Box::leak(Box::new(self));
        let service = service_fn(move |request| {
            let response = handler(app, request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let then_record = ThenLayer::new(move |sent| async move {
            app.metrics.write();
            app.access_log.record().await;
            sent
        });
        lambda_http::runtime(service)
            .layer(then_record)
            .layer(TracingLayer::new())
            .run()
            .await
    }
}

/// The clock of the functions: UTC, set off in the local stack so that midnight can be tested. It is read once a request,
/// so that one answer has one as-of date.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    offset: TimeDelta,
}

impl Clock {
    /// A clock set off from the machine's as configured.
    pub fn new(config: ClockConfig) -> Self {
        Self {
            offset: config.offset,
        }
    }

    /// How far it is set off; a database session is told, so that both mean the same by "today".
    pub fn offset(&self) -> TimeDelta {
        self.offset
    }

    /// The time now; its date is what "today" means.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.offset
    }
}
