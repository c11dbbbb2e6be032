//! The night's work, and the rebuilding of everything derived when it is asked for.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use shared::app::App;
use shared::config::{Environment, QueueConfig};
use shared::ledger::LpRange;
use shared::queue::Queue;
use shared::refresh::{Night, Rebuilt, Scope, hand_on, rebuild, work_the_night};

mod task;

use task::Task;

/// How long a rebuild of everything goes on by itself before the queue gets the rest: the platform allows fifteen minutes, and
/// the night's own work comes after it.
const LONGEST_REBUILD: Duration = Duration::from_secs(8 * 60);
/// How long a range is rebuilt, after which nothing else comes.
const LONGEST_RANGE: Duration = Duration::from_secs(12 * 60);

/// What the function holds between two nights.
pub struct Nightly {
    app: App,
    queue: Queue,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    rebuilt_lps: usize,
    rebuilt_funds: usize,
    /// The first LP of a range that time was too short for: whoever asked for the range asks again from there.
    rest_from_lp_id: Option<i64>,
    /// Into how many messages the rest of a rebuild of everything went.
    handed_on: usize,
    settled_lps: usize,
    settled_funds: usize,
    failed_lps: usize,
    failed_funds: usize,
    drift_rows: i64,
    marks_cleared: i64,
    /// The day that the views stand for; null when only a range of LPs was asked for.
    as_of: Option<NaiveDate>,
}

impl Nightly {
    /// Reads the environment of the process and fails, naming the variable, when it is not usable.
    pub async fn from_env() -> Result<Self, shared::error::Error> {
        let queue = QueueConfig::read(&Environment::of_process())?;
        Ok(Self {
            app: App::from_env()?,
            queue: Queue::new(&queue).await,
        })
    }

    async fn work(&self, task: Task) -> Result<Done, shared::error::Error> {
        let mut done = Done::default();
        match task {
            Task::Refresh => self.work_the_night(&mut done).await?,
            Task::Rebuild => {
                let rest = self.rebuild(&mut done, Scope::All, LONGEST_REBUILD).await?;
                if let Some(rest) = rest {
                    done.handed_on = hand_on(&self.app.db, &self.queue, rest).await?;
                }
                self.work_the_night(&mut done).await?;
            }
            Task::RebuildFunds => {
                self.rebuild(&mut done, Scope::Funds, LONGEST_REBUILD)
                    .await?;
                self.work_the_night(&mut done).await?;
            }
            Task::RebuildLps(range) => {
                let rest = self
                    .rebuild(&mut done, Scope::Lps(range), LONGEST_RANGE)
                    .await?;
                done.rest_from_lp_id = rest.map(|rest| rest.from_lp_id);
            }
        }
        Ok(done)
    }

    /// Rebuilds for so long, and returns what is left.
    async fn rebuild(
        &self,
        done: &mut Done,
        scope: Scope,
        longest: Duration,
    ) -> Result<Option<LpRange>, shared::error::Error> {
        let App { db, cache, .. } = &self.app;
        let until = Instant::now() + longest;
        let rebuilt = rebuild(db, cache, &self.queue, scope, until).await?;
        let Rebuilt { settled, rest } = rebuilt.unwrap_or_default();
        done.rebuilt_lps = settled.lps;
        done.rebuilt_funds = settled.funds;
        done.failed_lps = settled.failed_lps.len();
        done.failed_funds = settled.failed_funds.len();
        Ok(rest)
    }

    async fn work_the_night(&self, done: &mut Done) -> Result<(), shared::error::Error> {
        let App {
            db, cache, clock, ..
        } = &self.app;
        let Night {
            settled,
            drift_rows,
            refreshed,
        } = work_the_night(db, cache, &self.queue, *clock).await?;
        done.settled_lps = settled.lps;
        done.settled_funds = settled.funds;
        // What a rebuild could not compute may not be owed, and what it left owed was tried again.
        done.failed_lps = done.failed_lps.max(settled.failed_lps.len());
        done.failed_funds = done.failed_funds.max(settled.failed_funds.len());
        done.drift_rows = drift_rows;
        done.marks_cleared = refreshed.marks_cleared;
        done.as_of = Some(refreshed.as_of);
        Ok(())
    }
}

/// Does what the event asks for: `{"task": …}`, bare or as the detail of an event of the schedule. It fails at the end, all
/// else done, when an LP or a fund could not be computed: somebody has to look at it.
pub async fn handle(nightly: &Nightly, event: LambdaEvent<Value>) -> Result<Done, Error> {
    let done = match nightly.work(task::read(&event.payload)?).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(error = %error.chain(), "the night's work failed");
            return Err(error.into());
        }
    };
    tracing::info!(?done, "the night's work is done");
    if done.failed_lps + done.failed_funds > 0 {
        let Done {
            failed_lps,
            failed_funds,
            ..
        } = done;
        let failure = format!(
            "{failed_lps} LPs and {failed_funds} funds could not be computed; the log names them"
        );
        tracing::error!(failure, "the night's work is not complete");
        return Err(failure.into());
    }
    Ok(done)
}
