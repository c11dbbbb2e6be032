//! What the second wall costs: the summary's statement as a reader runs it, in a transaction of its own in the scope of the LP and
//! below the policies, and as it would be run without a wall, by the administrator on the bare view. Round by round in turns.

use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join4;
use local::servers::postgres::Role;
use local::stack::connect;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Statement};

use crate::floors::alone;
use crate::rig::{Rig, say};
use crate::statistics::Latency;

const SUMMARY: &str = include_str!("../../shared/src/reports/summary.sql");
const ENTER: &str = "select believed_until, fund_ids from enter_lp_scope($1::text, $2::bigint, null, $3::double precision)";
/// As the role `reader` plans.
const PLANS: &str = "set plan_cache_mode = force_generic_plan; set jit = off";
const OPERATIONS: i64 = 1000;
const ROUNDS: usize = 5;

/// The same statement on either side of the wall.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Wall {
    /// By the administrator, whom no policy binds, the statement alone.
    pub without: Latency,
    /// By a reader: begin, the look at the grant, the statement, commit, in one round trip.
    pub behind: Latency,
}

/// Measures both.
pub async fn measure(rig: &Rig) -> Result<Wall> {
    say("The second wall");
    let (mut without, mut behind) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (unbound, reader) = (
            rig.database.url(Role::Administrator),
            rig.database.url(Role::Reader),
        );
        without.push(alone(move || bare(unbound)).await?);
        behind.push(alone(move || walled(reader)).await?);
    }
    Ok(Wall {
        without: Latency::median(&without),
        behind: Latency::median(&behind),
    })
}

async fn bare(url: String) -> Result<Latency> {
    let client = connect(&url).await?;
    client.batch_execute(PLANS).await?;
    let summary = client.prepare(&SUMMARY.replace("_in_scope", "")).await?;
    let today = chrono::Utc::now().date_naive();
    timed(async |lp_id| {
        let rows = client.query(&summary, &[&lp_id, &today]).await?;
        Ok(rows.len())
    })
    .await
}

async fn walled(url: String) -> Result<Latency> {
    let client = connect(&url).await?;
    let (enter, summary) = (client.prepare(ENTER).await?, client.prepare(SUMMARY).await?);
    timed(async |lp_id| in_scope(&client, &enter, &summary, lp_id).await).await
}

/// All four are sent before the first is answered.
async fn in_scope(
    client: &Client,
    enter: &Statement,
    summary: &Statement,
    lp_id: i64,
) -> Result<usize> {
    let subject = format!("lp-{lp_id}");
    let today = chrono::Utc::now().date_naive();
    let (_, _, rows, _) = try_join4(
        client.batch_execute("begin read only"),
        client.query_one(enter, &[&subject, &lp_id, &60.0_f64]),
        client.query(summary, &[&lp_id, &today]),
        client.batch_execute("commit"),
    )
    .await?;
    Ok(rows.len())
}

/// Times one round; every LP has to be seen.
async fn timed(ask: impl AsyncFn(i64) -> Result<usize>) -> Result<Latency> {
    let start = Instant::now();
    let mut series = Vec::new();
    for operation in 0..OPERATIONS {
        let begun = Instant::now();
        let rows = ask(1 + (operation * 37) % 100).await?;
        series.push(begun.elapsed());
        anyhow::ensure!(rows > 0, "an LP is not seen");
    }
    Ok(Latency::of(series, start.elapsed()))
}
