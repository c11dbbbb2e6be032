//! A desk: a database and a corner of Redis of a test's own, and the clients that record on them as a function would.

use std::time::{Duration, Instant};

use local::servers::postgres::Role;
use serde_json::Value;
use shared::app::App;
use shared::config::Environment;
use shared::ledger::{Event, Message, Outcome, Recorded, parse_message, record};
use shared::refresh::{Settled, settle_owed, settle_performance};
use shared::refusal::Reason;
use tokio_postgres::Client;

use crate::builders::{World, activity_message};
use crate::database::Database;
use crate::queue;
use crate::redis::{Keyspace, PATIENT};

/// Far beyond what any wait takes; only a test that fails waits so long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a recording test needs.
pub struct Desk {
    /// A plain connection, to set up and to look.
    pub client: Client,
    /// The clients of the function that records.
    pub app: App,
    /// The clients of the function that works at night.
    pub night: App,
    /// The clients of a function that answers.
    pub reader: App,
    /// Dropped last: the database and the keys go with it.
    pub database: Database,
    /// The test's keys.
    pub keyspace: Keyspace,
}

impl Desk {
    /// A desk over the bare schema.
    pub async fn empty() -> Self {
        Self::over(Database::empty().await).await
    }

    /// A desk over the sample.
    pub async fn sample() -> Self {
        Self::over(Database::sample().await).await
    }

    async fn over(database: Database) -> Self {
        let keyspace = Keyspace::default();
        let app = |role| {
            let environment = Environment::of(&[
                ("DATABASE_URL", &database.url(role)),
                ("REDIS_URL", &keyspace.url()),
                ("REDIS_PREFIX", keyspace.prefix()),
                PATIENT,
            ]);
            App::from_environment(&environment).expect("the environment is usable")
        };
        Self {
            client: database.connect().await,
            app: app(Role::Recorder),
            night: app(Role::Refresher),
            reader: app(Role::Reader),
            database,
            keyspace,
        }
    }

    /// Records messages as one batch.
    pub async fn record(&self, messages: &[&Value]) -> Recorded {
        let events: Vec<Event> = messages.iter().map(|message| event(message)).collect();
        let events: Vec<&Event> = events.iter().collect();
        let mut connection = self.app.db.connection().await.expect("a connection");
        record(&mut connection, &self.app.cache, &events)
            .await
            .expect("the batch is recorded")
    }

    /// Records a capital call.
    pub async fn call(&self, world: &World, amount_cents: i64, date: &str) -> Recorded {
        let call = activity_message(world.commitment_id, "capital_call", amount_cents, date);
        self.record(&[&call]).await
    }

    /// Settles what is owed to an LP.
    pub async fn settle(&self, lp_id: i64) -> Settled {
        settle_performance(&self.app.db, &self.app.cache, &[lp_id])
            .await
            .expect("performance is settled")
    }

    /// Settles whatever is owed, as the night does. Redis is in reach here, so nothing is left to be noted on a queue.
    pub async fn settle_owed(&self) -> Settled {
        settle_owed(&self.night.db, &self.night.cache, &queue::nowhere().await)
            .await
            .expect("what is owed is settled")
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        let ran = self.client.batch_execute(sql).await;
        ran.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Waits until so many sessions of this database wait for a lock.
    pub async fn until_waiting(&self, sessions: i64) {
        let sql =
            "select count(distinct l.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid
                   where not l.granted and a.datname = current_database()";
        let start = Instant::now();
        while self.number(sql).await < sessions {
            assert!(start.elapsed() < LONGEST_WAIT, "nobody waits for a lock");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A single number.
    pub async fn number(&self, sql: &str) -> i64 {
        let row = self.client.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .get(0)
    }

    /// The rows of a query as text, one a line: for comparing whole tables.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let sql = format!("select r::text from ({sql}) r");
        let rows = self.client.query(&sql, &[]).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .iter()
            .map(|row| row.get(0))
            .collect()
    }
}

/// The event of a message that must parse.
#[must_use]
pub fn event(message: &Value) -> Event {
    match parse_message(&message.to_string()).expect("the message parses") {
        Message::Event(event) => *event,
        other => panic!("not an event: {other:?}"),
    }
}

/// The reasons of a batch, `None` for what is not refused.
#[must_use]
pub fn reasons(recorded: &Recorded) -> Vec<Option<Reason>> {
    let reason = |outcome: &Outcome| match outcome {
        Outcome::Refused(refusal) => Some(refusal.reason),
        Outcome::Recorded | Outcome::Duplicate | Outcome::Undecided => None,
    };
    recorded.outcomes.iter().map(reason).collect()
}
