//! What the function can be asked to do.

use serde_json::Value;
use shared::ids::LpId;
use shared::operations::{Asked, Wanted, Which};
use shared::refresh::{Extent, Scope};

use crate::payload::Payload;

/// A payload that is not understood is repeated in its refusal up to here.
const LONGEST_ECHO: usize = 300;

/// What is to be done. `docs/operations.md` has the payload of each.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Settle what is owed, look for drift, refresh the views. Also when nothing is said.
    Refresh,
    /// Make everything derived again from the truth, then the same. LPs that are not reached in time go to the queue, in ranges.
    Rebuild,
    /// Make the funds' own figures again, then the same.
    RebuildFunds,
    /// Make again what an LP, a fund or some LPs have, and nothing else, for so many seconds at most. Several such may run at once.
    RebuildPart(Scope, Option<u64>),
    /// Tell how old the views are and what is outstanding, as metrics.
    Measure,
    /// Compare everything derived with what a rebuild would make of it, for so many seconds at most.
    Verify(Extent, Option<u64>),
    /// Take the planner's statistics anew.
    Analyze,
    /// Rebuild indexes beside their readers and writers.
    Reindex(Which),
    /// Measure indexes and tables.
    Bloat,
    /// Tell which statements, so many of them, took longest.
    SlowQueries(u16),
    /// Forget the cached answers of an LP.
    Forget(LpId),
    /// Make room for what is to come, and put away what is old: beyond so many months.
    Upkeep(Option<u16>),
    /// Look up LPs and funds.
    Find(Wanted),
    /// Show how a question is answered.
    Explain(Asked),
    /// Tell of the last refreshes of the views, so many of them.
    RefreshHistory(u16),
}

/// The task that an event names, bare or as its detail; one that names none asks for a refresh. What is not understood is
/// refused: a misspelt range must not rebuild everything.
pub fn read(event: &Value) -> Result<Task, String> {
    let detail = event.get("detail").unwrap_or(event);
    if detail.get("task").is_none() {
        return Ok(Task::Refresh);
    }
    let payload = serde_json::from_value(detail.clone()).map_err(|error| error.to_string());
    payload.and_then(Payload::check).map_err(|reason| {
        let echo: String = detail.to_string().chars().take(LONGEST_ECHO).collect();
        format!("the task is not understood: {reason}: {echo}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::ledger::LpRange;

    use super::*;

    fn lp(id: i64) -> LpId {
        LpId::try_from(id).unwrap()
    }

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
            (
                json!({"task": "rebuild", "funds": true}),
                Task::RebuildFunds,
            ),
            (json!({"task": "measure"}), Task::Measure),
            (json!({"task": "analyze"}), Task::Analyze),
            (json!({"task": "bloat"}), Task::Bloat),
            (json!({"task": "slowQueries"}), Task::SlowQueries(20)),
            (
                json!({"task": "refreshHistory", "most": 3}),
                Task::RefreshHistory(3),
            ),
            (json!({"task": "forget", "lpId": 7}), Task::Forget(lp(7))),
            (json!({"task": "upkeep"}), Task::Upkeep(None)),
            (
                json!({"task": "upkeep", "keepMonths": 36}),
                Task::Upkeep(Some(36)),
            ),
        ] {
            assert_eq!(read(&event), Ok(expected), "{event}");
        }
    }

    #[test]
    fn a_rebuild_and_verifying_may_be_of_a_part() {
        let range = LpRange {
            from_lp_id: 3,
            to_lp_id: 9,
            fund_id: None,
        };
        for (event, expected) in [
            (
                json!({"task": "rebuild", "fromLpId": 3, "toLpId": 9}),
                Task::RebuildPart(Scope::Lps(range), None),
            ),
            (
                json!({"task": "rebuild", "lpId": 3, "forSeconds": 20}),
                Task::RebuildPart(Scope::Lp(3), Some(20)),
            ),
            (
                json!({"task": "rebuild", "fundId": 3}),
                Task::RebuildPart(Scope::Fund(3), None),
            ),
            (json!({"task": "verify"}), Task::Verify(Extent::All, None)),
            (
                json!({"task": "verify", "sample": 10}),
                Task::Verify(Extent::Sample(10), None),
            ),
            (
                json!({"task": "verify", "fromLpId": 21, "forSeconds": 5}),
                Task::Verify(Extent::From(21), Some(5)),
            ),
            (
                json!({"task": "verify", "lpId": 7}),
                Task::Verify(Extent::Lp(7), None),
            ),
        ] {
            assert_eq!(read(&event), Ok(expected), "{event}");
        }
    }

    #[test]
    fn indexes_are_named_or_above_a_bloat() {
        for (event, expected) in [
            (json!({"task": "reindex"}), Which::AboveBloat(30.0)),
            (
                json!({"task": "reindex", "aboveBloatPercent": 0}),
                Which::AboveBloat(0.0),
            ),
            (
                json!({"task": "reindex", "index": "an_idx"}),
                Which::Named("an_idx".into()),
            ),
        ] {
            assert_eq!(read(&event), Ok(Task::Reindex(expected)), "{event}");
        }
    }

    #[test]
    fn an_unknown_task_or_part_of_one_is_refused_by_name() {
        for (event, named) in [
            (json!({"task": "vacuum"}), "vacuum"),
            (json!({"detail": {"task": 7}}), "7"),
            (json!({"task": "refresh", "x": 1}), "x"),
            (json!({"task": "rebuild", "fromLpId": 3}), "fromLpId"),
            (
                json!({"task": "rebuild", "fromLpId": 0, "toLpId": 9}),
                "fromLpId",
            ),
            (json!({"task": "rebuild", "fund": true}), "fund"),
            (json!({"task": "rebuild", "funds": false}), "funds"),
            (json!({"task": "rebuild", "forSeconds": 9}), "forSeconds"),
            (
                json!({"task": "rebuild", "fromLpId": 1, "toLpId": 9, "x": 1}),
                "x",
            ),
            (json!({"task": "rebuild", "lpId": 1, "fundId": 9}), "fundId"),
            (
                json!({"task": "rebuild", "lpId": 1, "forSeconds": 0}),
                "forSeconds",
            ),
            (json!({"task": "verify", "sample": 0}), "sample"),
            (json!({"task": "verify", "lpId": -1}), "lpId"),
            (
                json!({"task": "reindex", "aboveBloatPercent": 100}),
                "aboveBloatPercent",
            ),
            (
                json!({"task": "reindex", "index": "i", "aboveBloatPercent": 1}),
                "exclude",
            ),
            (json!({"task": "forget"}), "lpId"),
            (json!({"task": "forget", "lpId": "7"}), "lpId"),
            (json!({"task": "upkeep", "keepMonths": 0}), "keepMonths"),
            (json!({"task": "find"}), "metadata"),
            (json!({"task": "find", "name": "a", "most": 201}), "most"),
            (json!({"task": "explain", "lpId": 1}), "report"),
            (
                json!({"task": "explain", "report": "summary", "query": {"a": 1}}),
                "query",
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
