//! From the start of a function's process to its first answer, with TLS to Postgres and Redis, and what memory that takes.

use std::time::Instant;

use anyhow::Result;
use axum::body::Bytes;
use local::host::Invoke;
use serde::{Deserialize, Serialize};

use crate::memory::peak_mib;
use crate::rig::{Cast, HELLO, Rig, Way, say};
use crate::statistics::{Latency, median};

/// How long starting takes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Start {
    /// The function that does nothing.
    pub hello: Latency,
    /// The summary, not in the cache, over TLS.
    pub summary: Latency,
    /// The memory that the summary's process held at most.
    pub summary_peak_mib: f64,
}

/// Starts both functions again and again.
pub async fn measure(rig: &Rig, question: &Bytes) -> Result<Start> {
    say("Starts");
    let (hello, _) = starts(rig, HELLO, question).await?;
    let (summary, summary_peak_mib) = starts(rig, "summary", question).await?;
    Ok(Start {
        hello,
        summary,
        summary_peak_mib,
    })
}

async fn starts(rig: &Rig, function: &str, question: &Bytes) -> Result<(Latency, f64)> {
    let (mut series, mut peaks) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for _ in 0..rig.effort.starts {
        rig.empty_cache().await?;
        let start = Instant::now();
        let host = rig
            .host(Cast {
                name: "start",
                functions: &[function],
                instances: 1,
                way: Way::Tls,
            })
            .await?;
        host.invoke(function, question.clone()).await?;
        series.push(start.elapsed());
        peaks.push(peak_mib(&[&host], function));
        host.stop().await;
    }
    Ok((Latency::of(series, begun.elapsed()), median(peaks)))
}
