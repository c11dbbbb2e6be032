//! What the function can be asked to do.

use serde_json::Value;
use shared::ledger::LpRange;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `{"task": "refresh"}`, or nothing: settle what is owed, look for drift, refresh the views.
    Refresh,
    /// `{"task": "rebuild"}`: make everything derived again from the truth, then the same. LPs that are not reached in time go
    /// to the queue, in ranges.
    Rebuild,
    /// `{"task": "rebuild", "funds": true}`: the funds' own figures, then the same.
    RebuildFunds,
    /// `{"task": "rebuild", "fromLpId": 1, "toLpId": 100}`: what these LPs have, and nothing else. Several such may run at once.
    RebuildLps(LpRange),
}

/// The task that an event names, bare or as its detail; one that names none asks for a refresh. What is not understood is
/// refused: a misspelt range must not rebuild everything.
pub fn read(event: &Value) -> Result<Task, String> {
    let detail = event.get("detail").unwrap_or(event);
    let task = match detail.get("task").map(|task| (task, task.as_str())) {
        None | Some((_, Some("refresh"))) => return Ok(Task::Refresh),
        Some((_, Some("rebuild"))) => detail,
        Some((task, _)) => return Err(format!("the task is neither refresh nor rebuild: {task}")),
    };
    let names: Vec<&str> = task
        .as_object()
        .into_iter()
        .flat_map(|task| task.keys().map(String::as_str))
        .filter(|name| *name != "task")
        .collect();
    let id = |name: &str| task[name].as_i64().filter(|id| *id > 0);
    match (names.as_slice(), id("fromLpId"), id("toLpId")) {
        ([], ..) => Ok(Task::Rebuild),
        (["funds"], ..) if task["funds"] == true => Ok(Task::RebuildFunds),
        ([_, _], Some(from_lp_id), Some(to_lp_id)) => Ok(Task::RebuildLps(LpRange {
            from_lp_id,
            to_lp_id,
            fund_id: None,
        })),
        _ => Err(format!(
            "a rebuild is of everything, of funds (true), or of fromLpId to toLpId: {task}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_task_is_read_bare_or_as_the_detail_of_an_event_and_is_a_refresh_unless_named() {
        let range = LpRange {
            from_lp_id: 3,
            to_lp_id: 9,
            fund_id: None,
        };
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
            (
                json!({"task": "rebuild", "funds": true}),
                Task::RebuildFunds,
            ),
            (
                json!({"task": "rebuild", "fromLpId": 3, "toLpId": 9}),
                Task::RebuildLps(range),
            ),
        ] {
            assert_eq!(read(&event), Ok(expected), "{event}");
        }
    }

    #[test]
    fn an_unknown_task_or_part_of_a_rebuild_is_refused_by_name() {
        for (event, named) in [
            (json!({"task": "vacuum"}), "vacuum"),
            (json!({"detail": {"task": 7}}), "7"),
            (json!({"task": "rebuild", "fromLpId": 3}), "fromLpId"),
            (
                json!({"task": "rebuild", "fromLpId": 0, "toLpId": 9}),
                "fromLpId",
            ),
            (json!({"task": "rebuild", "fund": true}), "fund"),
            (json!({"task": "rebuild", "funds": false}), "funds"),
            (
                json!({"task": "rebuild", "fromLpId": 1, "toLpId": 9, "x": 1}),
                "x",
            ),
        ] {
            let refused = read(&event);
            assert!(
                refused.as_ref().is_err_and(|reason| reason.contains(named)),
                "{event}: {refused:?}"
            );
        }
    }

    #[test]
    fn the_sample_event_asks_for_a_refresh() {
        let event = include_str!("../../../events/nightly-refresh.json");
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(read(&event), Ok(Task::Refresh));
    }
}
