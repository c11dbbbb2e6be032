//! The long tasks, asked for in parts, so that it can be told how far they are, and they can be stopped.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::Outcome;
use crate::cli::{Rebuild, Verify};
use crate::columns::{DONE, VERIFIED};
use crate::progress::Progress;
use crate::show::{Field, Format, lines, names, table};
use crate::target::Target;
use crate::tasks::{asked, task};

/// How long the function goes on with a part before it tells how far it is: so much is lost at most.
const PART_SECONDS: u64 = 20;

/// Makes everything derived again, or a part of it.
pub async fn rebuild(target: &Target, rebuild: &Rebuild) -> Result<Outcome> {
    let answer = match *rebuild {
        Rebuild { funds: true, .. } => {
            asked(
                target,
                "rebuilding",
                json!({"task": "rebuild", "funds": true}),
            )
            .await?
        }
        Rebuild { lp: Some(lp), .. } => {
            let task = json!({"task": "rebuild", "lpId": lp});
            asked(target, "rebuilding", task).await?
        }
        Rebuild {
            fund: Some(fund), ..
        } => {
            let task = json!({"task": "rebuild", "fundId": fund});
            asked(target, "rebuilding", task).await?
        }
        Rebuild {
            from_lp: Some(from),
            to_lp: Some(to),
            ..
        } => rebuild_range(target, from, to).await?,
        Rebuild { .. } => {
            let of_lps = rebuild_range(target, 1, i64::MAX).await?;
            let mut rest = asked(
                target,
                "rebuilding funds",
                json!({"task": "rebuild", "funds": true}),
            )
            .await?;
            for count in ["rebuiltLps", "failedLps"] {
                add(&mut rest[count], &of_lps[count]);
            }
            rest
        }
    };
    let failed = |name: &str| answer[name].as_i64().unwrap_or_default();
    Ok(Outcome {
        text: lines(&answer, &DONE),
        is_wrong: failed("failedLps") + failed("failedFunds") > 0,
        answer,
    })
}

/// Part after part, so that it can be told how far it is, and be stopped.
async fn rebuild_range(target: &Target, from: i64, to: i64) -> Result<Value> {
    let progress = Progress::start("rebuilding");
    let mut next = Some(from);
    let mut total = json!({});
    while let Some(from) = next {
        let task =
            json!({"task": "rebuild", "fromLpId": from, "toLpId": to, "forSeconds": PART_SECONDS});
        let resume =
            || format!("stopped; go on with: lp-ops rebuild --from-lp {from} --to-lp {to}");
        let answer = tokio::select! {
            answer = target.invoke(&task) => answer.with_context(resume)?,
            _ = tokio::signal::ctrl_c() => bail!(resume()),
        };
        for count in ["rebuiltLps", "failedLps"] {
            add(&mut total[count], &answer[count]);
        }
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        progress.tell(number(&total["rebuiltLps"]), number(&answer["leftLps"]));
        next = answer["restFromLpId"].as_i64();
    }
    Ok(total)
}

/// Compares everything derived with what it should be, or a part of it.
pub async fn verify(target: &Target, verify: &Verify) -> Result<Outcome> {
    let progress = Progress::start("verifying");
    let mut extent = vec![
        ("lpId", verify.lp.map(Value::from)),
        ("sample", verify.sample.map(Value::from)),
        ("fromLpId", verify.from_lp.map(Value::from)),
    ];
    let mut total = json!({"driftRows": {}, "differingLpIds": [], "differingFundIds": []});
    loop {
        let parts = extent.clone();
        let parts = parts
            .into_iter()
            .chain([("forSeconds", Some(json!(PART_SECONDS)))]);
        let answer = target.invoke(&task("verify", parts)).await?;
        add_verified(&mut total, &answer);
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        progress.tell(number(&total["lps"]), number(&answer["leftLps"]));
        let rest = answer["restFromLpId"].as_i64();
        let Some(rest) = rest else { break };
        extent = vec![("fromLpId", Some(json!(rest)))];
    }
    let count = |name: &str| total[name].as_i64().unwrap_or_default();
    let is_wrong = count("totalDriftRows") + count("failures") > 0;
    let by_relation = total["driftRows"].as_object().into_iter().flatten();
    let by_relation: Vec<Value> = by_relation
        .map(|(name, rows)| json!({"name": name, "rows": rows}))
        .collect();
    let relations: [Field; 2] = [
        ("view or table", "name", Format::Text),
        ("drift, rows", "rows", Format::Count),
    ];
    let text = table(&json!(by_relation), &relations, "")
        + "\n"
        + &lines(&total, &VERIFIED)
        + &names("LPs that differ", &total["differingLpIds"])
        + &names("funds that differ", &total["differingFundIds"]);
    Ok(Outcome {
        answer: total,
        text,
        is_wrong,
    })
}

/// Adds a part to what is known.
fn add_verified(total: &mut Value, part: &Value) {
    for (_, name, _) in VERIFIED {
        add(&mut total[name], &part[name]);
    }
    for (relation, rows) in part["driftRows"].as_object().into_iter().flatten() {
        add(&mut total["driftRows"][relation], rows);
    }
    for name in ["differingLpIds", "differingFundIds"] {
        let further = part[name].as_array().cloned().unwrap_or_default();
        if let Some(known) = total[name].as_array_mut() {
            known.extend(further);
        }
    }
}

fn add(total: &mut Value, further: &Value) {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    *total = json!(number(total) + number(further));
}
