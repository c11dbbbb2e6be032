//! Everything derived from a fresh sample, computed by the function that does so in the cloud: ranges of LPs side by side,
//! then the funds and the views.

use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, Result};
use axum::body::Bytes;
use futures_util::future::try_join_all;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::host::{Host, Invoke};

/// How many ranges are computed at once: as many as the function has instances.
pub(super) const AT_ONCE: usize = 2;
/// LPs of a range: seconds of work, so that the last ranges end together.
const LPS_AT_ONCE: i64 = 20;
const FUNCTION: &str = "nightly-refresh";

/// Rebuilds the LPs from 1 on up to `last_lp_id`, then the rest.
pub(super) async fn rebuild(host: &Host, last_lp_id: i64, progress: &ProgressBar) -> Result<()> {
    progress.set_length(last_lp_id.unsigned_abs());
    let next_lp_id = AtomicI64::new(1);
    let workers = (0..AT_ONCE).map(|_| rebuild_ranges(host, &next_lp_id, last_lp_id, progress));
    try_join_all(workers).await?;
    invoke(host, &json!({"task": "rebuild", "funds": true})).await?;
    progress.finish_and_clear();
    Ok(())
}

/// Takes one range after the other until there are no more.
async fn rebuild_ranges(
    host: &Host,
    next_lp_id: &AtomicI64,
    last_lp_id: i64,
    progress: &ProgressBar,
) -> Result<()> {
    loop {
        let from_lp_id = next_lp_id.fetch_add(LPS_AT_ONCE, Ordering::Relaxed);
        if from_lp_id > last_lp_id {
            return Ok(());
        }
        let to_lp_id = last_lp_id.min(from_lp_id + LPS_AT_ONCE - 1);
        rebuild_range(host, from_lp_id, to_lp_id).await?;
        progress.inc((to_lp_id - from_lp_id + 1).unsigned_abs());
    }
}

/// Asks again for what the function did not reach in its time.
async fn rebuild_range(host: &Host, from_lp_id: i64, to_lp_id: i64) -> Result<()> {
    let mut from_lp_id = Some(from_lp_id);
    while let Some(from) = from_lp_id {
        let range = json!({"task": "rebuild", "fromLpId": from, "toLpId": to_lp_id});
        from_lp_id = invoke(host, &range).await?["restFromLpId"].as_i64();
    }
    Ok(())
}

async fn invoke(host: &Host, payload: &Value) -> Result<Value> {
    let answer = host
        .invoke(FUNCTION, Bytes::from(payload.to_string()))
        .await
        .with_context(|| format!("cannot run {FUNCTION} on {payload}"))?;
    Ok(serde_json::from_slice(&answer)?)
}
