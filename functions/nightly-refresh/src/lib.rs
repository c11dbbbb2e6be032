//! The night's work, and the rebuilding of everything derived when it is asked for.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use shared::app::App;
use shared::config::{Environment, QueueConfig};
use shared::ledger::note_unforgotten;
use shared::queue::Queue;
use shared::refresh::{Night, Scope, Settled, rebuild, work_the_night};

/// What the function holds between two nights.
pub struct Nightly {
    app: App,
    queue: Queue,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Settle what is owed, look for drift, refresh the views.
    Refresh,
    /// Make everything derived again from the truth, then refresh.
    Rebuild,
}

/// What was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    task: Task,
    rebuilt_lps: usize,
    rebuilt_funds: usize,
    settled_lps: usize,
    settled_funds: usize,
    drift_rows: i64,
    marks_cleared: i64,
    as_of: NaiveDate,
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
        let App {
            db, cache, clock, ..
        } = &self.app;
        let rebuilt = match task {
            Task::Refresh => Settled::default(),
            Task::Rebuild => rebuild(db, cache, Scope::All).await?.unwrap_or_default(),
        };
        let Night {
            settled,
            drift_rows,
            refreshed,
        } = work_the_night(db, cache, *clock).await?;
        let unforgotten: BTreeSet<i64> = &rebuilt.unforgotten | &settled.unforgotten;
        note_unforgotten(&self.queue, &unforgotten).await?;
        Ok(Done {
            task,
            rebuilt_lps: rebuilt.lps,
            rebuilt_funds: rebuilt.funds,
            settled_lps: settled.lps,
            settled_funds: settled.funds,
            drift_rows,
            marks_cleared: refreshed.marks_cleared,
            as_of: refreshed.as_of,
        })
    }
}

/// Does what the event asks for: `{"task": …}`, bare or as the detail of an event of the schedule.
pub async fn handle(nightly: &Nightly, event: LambdaEvent<Value>) -> Result<Done, Error> {
    let outcome = nightly.work(task_of(&event.payload)?).await;
    if let Err(error) = &outcome {
        tracing::error!(error = %error.chain(), "the night's work failed");
    }
    Ok(outcome?)
}

/// The task that an event names; one that names none asks for a refresh.
fn task_of(event: &Value) -> Result<Task, String> {
    let detail = event.get("detail").unwrap_or(event);
    match detail.get("task").map(|task| (task, task.as_str())) {
        None | Some((_, Some("refresh"))) => Ok(Task::Refresh),
        Some((_, Some("rebuild"))) => Ok(Task::Rebuild),
        Some((task, _)) => Err(format!("the task is neither refresh nor rebuild: {task}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_task_is_read_bare_or_as_the_detail_of_an_event_and_is_a_refresh_unless_named() {
        for (event, expected) in [
            (json!({}), Task::Refresh),
            (json!(null), Task::Refresh),
            (json!({"task": "refresh"}), Task::Refresh),
            (json!({"task": "rebuild"}), Task::Rebuild),
            (
                json!({"detail-type": "Scheduled Event", "detail": {}}),
                Task::Refresh,
            ),
            (json!({"detail": {"task": "rebuild"}}), Task::Rebuild),
        ] {
            assert_eq!(task_of(&event), Ok(expected), "{event}");
        }
    }

    #[test]
    fn an_unknown_task_is_refused_by_name() {
        for event in [json!({"task": "vacuum"}), json!({"detail": {"task": 7}})] {
            assert!(
                task_of(&event)
                    .is_err_and(|reason| reason.contains("vacuum") || reason.contains('7'))
            );
        }
    }

    #[test]
    fn the_sample_event_asks_for_a_refresh() {
        let event = include_str!("../../../events/nightly-refresh.json");
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(task_of(&event), Ok(Task::Refresh));
    }
}
