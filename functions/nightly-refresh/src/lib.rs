//! The night's work, and everything else that operators have done by schedule or by hand: a task an event.

use std::time::{Duration, Instant};

use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::Value;
use shared::app::App;
use shared::config::{DatabaseConfig, Environment, QueueConfig};
use shared::db::Database;
use shared::error::Error;
use shared::metrics::measure_waits;
use shared::operations::{
    Asked, Explained, Reindexed, Which, analyze, explain, find, forget, keep_up, measure_bloat,
    refresh_history, reindex, slow_statements,
};
use shared::queue::Queue;
use shared::refresh::{Extent, Verified, measure, verify};

mod night;
mod payload;
mod task;

use night::{Done, Worker};
use task::Task;

/// How long a task goes on that leaves its rest to whoever asks again: the platform allows fifteen minutes.
const LONGEST: Duration = Duration::from_secs(12 * 60);

/// What the function holds between two events.
pub struct Nightly {
    app: App,
    queue: Queue,
    /// The database as its owner reaches it; connected to by the one task that needs it.
    owner: Option<DatabaseConfig>,
    /// As the functions that answer reach it; likewise.
    reader: Option<DatabaseConfig>,
}

impl Nightly {
    /// Reads the environment of the process and fails, naming the variable, when it is not usable.
    pub async fn from_env() -> Result<Self, Error> {
        let environment = Environment::of_process();
        Ok(Self {
            queue: Queue::new(&QueueConfig::read(&environment)?).await,
            owner: DatabaseConfig::read_owner(&environment)?,
            reader: DatabaseConfig::read_reader(&environment)?,
            app: App::from_environment(&environment)?,
        })
    }

    async fn work(&self, task: Task) -> Result<Value, Error> {
        let db = &self.app.db;
        let worker = Worker {
            app: &self.app,
            queue: &self.queue,
        };
        match task {
            Task::Refresh => finish(worker.refresh().await?),
            Task::Rebuild => finish(worker.rebuild_all().await?),
            Task::RebuildFunds => finish(worker.rebuild_funds().await?),
            Task::RebuildPart(scope, None) => finish(worker.rebuild_part(scope, LONGEST).await?),
            // Whoever asks for so little goes on with the rest, and sees by himself what could not be computed.
            Task::RebuildPart(scope, Some(seconds)) => {
                json(worker.rebuild_part(scope, longest(Some(seconds))).await?)
            }
            Task::Measure => json(measure(db).await?),
            Task::Verify(extent, seconds) => json(self.verify(extent, longest(seconds)).await?),
            Task::Analyze => json(analyze(db, Instant::now() + LONGEST).await?),
            Task::Reindex(which) => json(self.reindex(which).await?),
            Task::Bloat => {
                let bloat = measure_bloat(db, Instant::now() + LONGEST).await?;
                bloat.write_metrics();
                json(bloat)
            }
            Task::SlowQueries(most) => json(slow_statements(db, most.into()).await?),
            Task::Forget(lp_id) => {
                let forgotten = forget(db, &self.app.cache, &self.queue, lp_id).await?;
                json(forgotten.ok_or_else(|| Error::Refused(format!("there is no LP {lp_id}")))?)
            }
            Task::Upkeep(keep_months) => json(keep_up(db, keep_months.map(i32::from)).await?),
            Task::Find(wanted) => json(find(db, &wanted).await?),
            Task::Explain(asked) => json(self.explain(&asked).await?),
            Task::RefreshHistory(most) => json(refresh_history(db, most.into()).await?),
        }
    }

    async fn verify(&self, extent: Extent, longest: Duration) -> Result<Verified, Error> {
        let App { db, clock, .. } = &self.app;
        let verified = verify(db, *clock, extent, Instant::now() + longest).await?;
        verified.ok_or_else(|| Error::Refused("there is no such LP".into()))
    }

    async fn reindex(&self, which: Which) -> Result<Reindexed, Error> {
        let owner = connect_as(self.owner.as_ref(), "OWNER_DATABASE_URL")?;
        reindex(&self.app.db, &owner, which, Instant::now() + LONGEST).await
    }

    async fn explain(&self, asked: &Asked) -> Result<Explained, Error> {
        let reader = connect_as(self.reader.as_ref(), "READER_DATABASE_URL")?;
        explain(&reader, self.app.clock.now().date_naive(), asked).await
    }
}

/// A pool of its own, which ends with the task.
fn connect_as(config: Option<&DatabaseConfig>, variable: &str) -> Result<Database, Error> {
    let config = config
        .ok_or_else(|| Error::Refused(format!("this task needs {variable}, which is not set")))?;
    Database::new(config)
}

fn longest(seconds: Option<u64>) -> Duration {
    seconds.map_or(LONGEST, Duration::from_secs)
}

fn json(done: impl Serialize) -> Result<Value, Error> {
    Ok(serde_json::to_value(done)?)
}

/// It fails at the end, all else done, when an LP or a fund could not be computed: somebody has to look at it.
fn finish(done: Done) -> Result<Value, Error> {
    tracing::info!(?done, "what could be computed is");
    match done.failure() {
        Some(failure) => Err(Error::Inconsistent(failure)),
        None => json(done),
    }
}

/// Does what the event asks for: `{"task": …}`, bare or as the detail of an event of the schedule.
pub async fn handle(
    nightly: &Nightly,
    event: LambdaEvent<Value>,
) -> Result<Value, lambda_runtime::Error> {
    let task = task::read(&event.payload)?;
    let (outcome, waits) = measure_waits(nightly.work(task)).await;
    nightly.app.measured(env!("CARGO_PKG_NAME"), waits).write();
    match outcome {
        Ok(answer) => {
            tracing::info!("the task is done");
            Ok(answer)
        }
        Err(error) => {
            tracing::error!(error = %error.chain(), "the task failed");
            // Whoever asked is told as much as the log.
            Err(error.chain().to_string().into())
        }
    }
}
