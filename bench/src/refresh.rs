//! What readers notice of a refresh of the views: their slowest answers while one runs after the other, against a calm time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::body::Bytes;
use futures_util::future::join_all;
use local::host::{Host, Invoke};
use serde::{Deserialize, Serialize};
use tokio::time::sleep_until;

use crate::questions::Questions;
use crate::rig::{Cast, Rig, Way, say};
use crate::statistics::Latency;

/// Readers' part of one core.
const SHARE_OF_A_CORE: f64 = 0.2;

/// What readers notice.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Beside {
    /// Requests a second.
    pub per_second: f64,
    /// While nothing else runs.
    pub calm: Latency,
    /// While the views are refreshed again and again.
    pub refreshing: Latency,
    /// Refreshes in that time.
    pub refreshes: u32,
}

/// Measures summaries from the database at a rate that takes a fifth of a core, of which `service_ms` each.
pub async fn measure(rig: &Rig, summaries: &Questions, service_ms: f64) -> Result<Beside> {
    say("Readers beside refreshes");
    let host = rig
        .host(Cast {
            name: "beside",
            functions: &["summary", "nightly-refresh"],
            instances: 2,
            way: Way::WithoutCache,
        })
        .await?;
    let outcome = measure_with(&host, summaries, service_ms, rig.effort.span).await;
    host.stop().await;
    outcome
}

async fn measure_with(
    host: &Arc<Host>,
    summaries: &Questions,
    service_ms: f64,
    span: Duration,
) -> Result<Beside> {
    let per_second = SHARE_OF_A_CORE / (service_ms / 1e3);
    let refresher = Arc::clone(host);
    // Once before the calm time too, so that the views have nothing else to catch up with.
    refresher
        .invoke("nightly-refresh", Bytes::from_static(b"{}"))
        .await?;
    read(host, summaries, per_second, span / 10).await?;
    let calm = read(host, summaries, per_second, span).await?;
    let until = Instant::now() + span;
    let refreshing = async {
        let mut refreshes = 0;
        while Instant::now() < until {
            refresher
                .invoke("nightly-refresh", Bytes::from_static(b"{}"))
                .await?;
            refreshes += 1;
        }
        anyhow::Ok(refreshes)
    };
    let (latency, refreshes) =
        tokio::try_join!(read(host, summaries, per_second, span), refreshing)?;
    Ok(Beside {
        per_second,
        calm,
        refreshing: latency,
        refreshes,
    })
}

/// Asks at a rate of its own, whatever the answers take. The timer's own lateness, up to a millisecond, is no part of an answer's time.
async fn read(
    host: &Arc<Host>,
    summaries: &Questions,
    per_second: f64,
    span: Duration,
) -> Result<Latency> {
    let start = Instant::now();
    let count = (span.as_secs_f64() * per_second) as usize;
    let mut asked = Vec::with_capacity(count);
    for (number, (_, question)) in (0..count).zip(summaries.events.iter().cycle()) {
        let due = start + Duration::from_secs_f64(number as f64 / per_second);
        sleep_until(due.into()).await;
        let (host, question) = (Arc::clone(host), question.clone());
        let begun = Instant::now();
        asked.push(tokio::spawn(async move {
            host.invoke("summary", question)
                .await
                .map(|_| begun.elapsed())
        }));
    }
    let mut series = Vec::with_capacity(count);
    for answered in join_all(asked).await {
        series.push(answered??);
    }
    Ok(Latency::of(series, start.elapsed()))
}
