//! The tasks of nightly-refresh: what each asks for, and how its answer reads.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::cli::{Explain, Find, Reindex, Task, Upkeep};
use crate::columns::{
    DONE, FUNDS, INDEXES, KEPT, LPS, OUTSTANDING, REBUILT_INDEXES, REFRESHES, STATEMENTS, TABLES,
};
use crate::progress::Progress;
use crate::show::{lines, names, table};
use crate::target::Target;
use crate::{Outcome, parts};

/// Has the task done.
pub async fn run(target: &Target, task: Task) -> Result<Outcome> {
    match task {
        Task::Refresh => {
            let answer = asked(target, "refreshing", json!({"task": "refresh"})).await?;
            Ok(told(answer, |answer| lines(answer, &DONE)))
        }
        Task::Rebuild(rebuild) => parts::rebuild(target, &rebuild).await,
        Task::Measure => {
            let answer = asked(target, "measuring", json!({"task": "measure"})).await?;
            Ok(told(answer, |answer| lines(answer, &OUTSTANDING)))
        }
        Task::Verify(verify) => parts::verify(target, &verify).await,
        Task::Analyze => {
            let answer = asked(target, "analyzing", json!({"task": "analyze"})).await?;
            Ok(told(answer, |answer| {
                names("analyzed", &answer["analyzed"]) + &names("no time for", &answer["left"])
            }))
        }
        Task::Reindex(reindex) => self::reindex(target, reindex).await,
        Task::Bloat => {
            let answer = asked(target, "measuring", json!({"task": "bloat"})).await?;
            Ok(told(answer, bloat_text))
        }
        Task::SlowQueries(most) => {
            let task = json!({"task": "slowQueries", "most": most.most});
            let answer = asked(target, "asking", task).await?;
            Ok(told(answer, |answer| {
                table(
                    &answer["statements"],
                    &STATEMENTS,
                    "No statement was counted.",
                )
            }))
        }
        Task::Forget { lp_id } => forget(target, lp_id).await,
        Task::Upkeep(upkeep) => self::upkeep(target, &upkeep).await,
        Task::Find(find) => self::find(target, find).await,
        Task::Explain(explain) => self::explain(target, explain).await,
        Task::RefreshHistory(most) => {
            let task = json!({"task": "refreshHistory", "most": most.most});
            let answer = asked(target, "asking", task).await?;
            Ok(told(answer, |answer| {
                table(
                    &answer["refreshes"],
                    &REFRESHES,
                    "Nothing was refreshed yet.",
                )
            }))
        }
    }
}

/// Asks for a task that is done in one go.
pub async fn asked(target: &Target, what: &'static str, task: Value) -> Result<Value> {
    let _progress = Progress::start(what);
    target.invoke(&task).await
}

fn told(answer: Value, text: impl FnOnce(&Value) -> String) -> Outcome {
    Outcome {
        text: text(&answer),
        answer,
        is_wrong: false,
    }
}

/// A task without what was not given.
pub fn task(
    name: &str,
    properties: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> Value {
    let given = properties
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let task = [("task".to_owned(), json!(name))];
    Value::Object(task.into_iter().chain(given).collect())
}

async fn reindex(target: &Target, reindex: Reindex) -> Result<Outcome> {
    let which = [
        ("index", reindex.index.map(Value::from)),
        ("aboveBloatPercent", reindex.above.map(Value::from)),
    ];
    let answer = asked(target, "rebuilding indexes", task("reindex", which)).await?;
    Ok(told(answer, |answer| {
        table(
            &answer["rebuilt"],
            &REBUILT_INDEXES,
            "No index was rebuilt.",
        ) + &names(
            "dropped, as an earlier rebuild was broken off",
            &answer["dropped"],
        ) + &names("no time for", &answer["left"])
    }))
}

fn bloat_text(answer: &Value) -> String {
    table(
        &answer["indexes"],
        &INDEXES,
        "No index is large enough to measure.",
    ) + &names("no time for", &answer["left"])
        + "\n"
        + &table(
            &answer["tables"],
            &TABLES,
            "No table is large enough to tell of.",
        )
}

async fn forget(target: &Target, lp_id: i64) -> Result<Outcome> {
    let task = json!({"task": "forget", "lpId": lp_id});
    let answer = asked(target, "forgetting", task).await?;
    Ok(told(answer, |answer| {
        if answer["forgotten"] == true {
            "Forgotten: the next answers come from the database.\n".to_owned()
        } else {
            "Redis is out of reach; activity-refresh will see to it.\n".to_owned()
        }
    }))
}

async fn upkeep(target: &Target, upkeep: &Upkeep) -> Result<Outcome> {
    let task = task(
        "upkeep",
        [("keepMonths", upkeep.keep_months.map(Value::from))],
    );
    let answer = asked(target, "keeping up", task).await?;
    Ok(told(answer, |answer| {
        lines(answer, &KEPT) + &names("taken out of the access log", &answer["detached"])
    }))
}

async fn find(target: &Target, find: Find) -> Result<Outcome> {
    // What is no JSON is meant as text.
    let read = |(name, value): (String, String)| {
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        (name, value)
    };
    let metadata: Map<String, Value> = find.metadata.into_iter().map(read).collect();
    let what = [
        ("name", find.name.map(Value::from)),
        (
            "metadata",
            (!metadata.is_empty()).then_some(metadata.into()),
        ),
        ("most", Some(find.most.most.into())),
    ];
    let answer = asked(target, "looking", task("find", what)).await?;
    Ok(told(answer, |answer| {
        let more = if answer["isTruncated"] == true {
            "There are more: --most N shows up to 200.\n"
        } else {
            ""
        };
        table(&answer["lps"], &LPS, "No LP.")
            + "\n"
            + &table(&answer["funds"], &FUNDS, "No fund.")
            + more
    }))
}

async fn explain(target: &Target, explain: Explain) -> Result<Outcome> {
    let query: Map<String, Value> = explain
        .query
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    let what = [
        ("report", Some(explain.report.into())),
        ("lpId", explain.lp.map(Value::from)),
        ("fundId", explain.fund.map(Value::from)),
        ("query", Some(query.into())),
    ];
    let answer = asked(target, "explaining", task("explain", what)).await?;
    Ok(told(answer, |answer| {
        let plans = answer["plans"].as_array().into_iter().flatten();
        let plans = plans.map(|plan| {
            let lines = plan.as_array().into_iter().flatten();
            let lines = lines.map(|line| format!("{}\n", line.as_str().unwrap_or_default()));
            lines.collect::<String>()
        });
        plans.collect::<Vec<_>>().join("\n")
    }))
}
