//! The night: a refresh of all views, and the rebuilding of everything derived.

use std::time::Instant;

use anyhow::Result;
use axum::body::Bytes;
use serde::{Deserialize, Serialize};

use crate::memory::peak_mib;
use crate::rig::{Cast, Rig, Way, invoke, say};

/// How long the night's work takes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Night {
    /// Settling, looking for drift and refreshing the views.
    pub night_s: f64,
    /// The refresh alone.
    pub refresh_s: f64,
    /// The rebuilding of accounts and performance, without the refresh after it.
    pub rebuild_s: f64,
    /// Snapshots of performance that were computed for it; those already right are compared and not written again.
    pub snapshots: i64,
    /// Ranges of LPs that it had no time for and handed on to the queue; the figures above are of all LPs only without any.
    #[serde(default)]
    pub handed_on: i64,
    /// The memory of the function at most.
    pub peak_mib: f64,
}

/// Works a night, then rebuilds.
pub async fn measure(rig: &Rig) -> Result<Night> {
    let host = rig
        .host(Cast {
            name: "night",
            functions: &["nightly-refresh"],
            instances: 1,
            way: Way::Plain,
        })
        .await?;
    let work = async |payload: &'static str| -> Result<(f64, f64, i64)> {
        let start = Instant::now();
        let payload = Bytes::from_static(payload.as_bytes());
        let answer = invoke(&host, "nightly-refresh", &payload).await?;
        let handed_on = answer["handedOn"].as_i64().unwrap_or_default();
        let sql = "select extract(epoch from finished_at - started_at)::float8 from view_refreshes
                   where as_of_date is not null order by refresh_id desc limit 1";
        let refresh_s = rig.administrator.query_one(sql, &[]).await?.get(0);
        Ok((start.elapsed().as_secs_f64(), refresh_s, handed_on))
    };
    let outcome = async {
        say("A night");
        let (night_s, refresh_s, _) = work("{}").await?;
        say("A rebuild of everything");
        let (rebuild_and_night_s, _, handed_on) = work(r#"{"task": "rebuild"}"#).await?;
        let sql = "select (select count(*) from lp_performance_snapshots) + (select count(*) from lp_pooled_performance)
                   + (select count(*) from fund_performance)";
        anyhow::Ok(Night {
            night_s,
            refresh_s,
            rebuild_s: rebuild_and_night_s - night_s,
            handed_on,
            snapshots: rig.administrator.query_one(sql, &[]).await?.get(0),
            peak_mib: peak_mib(&[&host], "nightly-refresh"),
        })
    }
    .await;
    host.stop().await;
    outcome
}
