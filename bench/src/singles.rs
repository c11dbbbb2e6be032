//! One activity at a time, each followed until the summary shows it, and shows it settled. It is always one of LPs that are alike
//! at every size: what is compared is what the rest of the database costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use local::host::{Host, Invoke};
use local::poller::sqs_event;
use local::queue::Message;
use serde_json::{Value, json};

use crate::feed::{Commitments, Feed};
use crate::questions::{event, plain};
use crate::rig::{Rig, invoke, say};
use crate::statistics::Latency;

/// What a single activity may take to show.
const LIMIT: Duration = Duration::from_secs(10);

/// How long until the summary shows an activity, and until it shows it settled.
pub async fn measure(rig: &Rig, host: &Arc<Host>) -> Result<(Latency, Latency)> {
    say("Single activities");
    make_alike(rig, host).await?;
    let mut feed = Feed::open(&rig.administrator, Commitments::Alike).await?;
    let (mut right, mut settled) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for number in 0..=rig.effort.singles {
        let (to_right, to_settled) = single(host, &mut feed).await?;
        // The first connects and prepares.
        if number > 0 {
            right.push(to_right);
            settled.push(to_settled);
        }
    }
    rig.administrator
        .batch_execute("delete from touched_commitments")
        .await?;
    let elapsed = begun.elapsed();
    Ok((Latency::of(right, elapsed), Latency::of(settled, elapsed)))
}

/// Creates the LPs that are alike and computes what derives from them.
async fn make_alike(rig: &Rig, host: &Arc<Host>) -> Result<()> {
    let administrator = &rig.administrator;
    administrator
        .batch_execute(include_str!("sql/alike.sql"))
        .await?;
    let sql = "select min(lp_id), max(lp_id) from limited_partners where name like 'Alike %'";
    let ids = administrator.query_one(sql, &[]).await?;
    let (from, to): (i64, i64) = (ids.get(0), ids.get(1));
    let task = json!({"task": "rebuild", "fromLpId": from, "toLpId": to}).to_string();
    let answer = invoke(host, "nightly-refresh", &Bytes::from(task)).await?;
    ensure!(answer["restFromLpId"].is_null(), "not rebuilt: {answer}");
    administrator
        .batch_execute("vacuum analyze lp_fund_commitments")
        .await?;
    Ok(())
}

async fn single(host: &Arc<Host>, feed: &mut Feed) -> Result<(Duration, Duration)> {
    let commitment = feed.any_commitment();
    let question = plain(&event(
        "summary",
        commitment.lp_id,
        commitment.fund_id,
        &[],
    )?)?;
    let before = paid_in_cents(&invoke(host, "summary", &question).await?)?.0;
    let (_, body) = feed.activity(&commitment);
    let expected = before + body["amountCents"].as_i64().context("an amount")?;
    let delivery = delivery(&body);
    let start = Instant::now();
    let recording = tokio::spawn({
        let host = Arc::clone(host);
        async move { host.invoke("activity-refresh", delivery).await }
    });
    let mut right = None;
    let settled = loop {
        let (paid_in_cents, is_pending) =
            paid_in_cents(&invoke(host, "summary", &question).await?)?;
        let elapsed = start.elapsed();
        ensure!(elapsed < LIMIT, "an activity does not show");
        if paid_in_cents == expected {
            right.get_or_insert(elapsed);
            if !is_pending {
                break elapsed;
            }
        }
    };
    let answer: Value = serde_json::from_slice(&recording.await??)?;
    let failures = answer["batchItemFailures"].as_array();
    ensure!(failures.is_none_or(Vec::is_empty), "refused: {answer}");
    Ok((right.unwrap_or(settled), settled))
}

/// All currencies together, and whether any rate is pending.
fn paid_in_cents(answer: &Value) -> Result<(i64, bool)> {
    let body = answer["body"].as_str().context("an answer without body")?;
    let body: Value = serde_json::from_str(body)?;
    let totals = body["totals"].as_array().context("no totals")?;
    let is_pending = totals.iter().any(|total| {
        let flags = total["flags"].as_array();
        flags.is_some_and(|flags| flags.contains(&json!("IRR_PENDING")))
    });
    let paid_in = totals
        .iter()
        .filter_map(|total| total["paidInCents"].as_i64());
    Ok((paid_in.sum(), is_pending))
}

/// An event of one message that no queue has.
fn delivery(body: &Value) -> Bytes {
    let message = Message {
        id: "single".to_owned(),
        receipt_handle: String::new(),
        body: body.to_string(),
        md5_of_body: String::new(),
        attributes: vec![("ApproximateReceiveCount".to_owned(), "1".to_owned())],
        message_attributes: Vec::new(),
    };
    Bytes::from(sqs_event(&[message], "arn:aws:sqs:us-east-1:000000000000:none").to_string())
}
