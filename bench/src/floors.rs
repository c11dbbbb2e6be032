//! The floors: what the parts of an answer cost when nothing else is done, on a thread and a runtime of their own, as a function has
//! them: no other thread has to be woken for an answer.

use std::time::Instant;

use anyhow::Result;
use local::servers::postgres::Role;
use local::stack::connect;
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::rig::Rig;
use crate::statistics::Latency;

/// Operations of one round.
const OPERATIONS: usize = 1000;
const KEY: &str = "bench:body";

/// The floors of a run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Floors {
    /// An invocation of the function that does nothing.
    pub hello: Latency,
    /// A GET of a body as long as a summary's.
    pub redis_get: Latency,
    /// A prepared select of one row by its key.
    pub select: Latency,
}

/// One round of GETs of a body of that length.
pub async fn redis_get(rig: &Rig, body_bytes: usize) -> Result<Latency> {
    let url = rig.redis.url();
    alone(move || gets(url, body_bytes)).await
}

/// One round of selects.
pub async fn select(rig: &Rig) -> Result<Latency> {
    let url = rig.database.url(Role::Administrator);
    alone(move || selects(url)).await
}

/// Runs it on a thread and a runtime of its own.
pub async fn alone<F, W>(work: F) -> Result<Latency>
where
    F: FnOnce() -> W + Send + 'static,
    W: Future<Output = Result<Latency>>,
{
    let run = move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work())
    };
    spawn_blocking(run).await?
}

async fn gets(url: String, body_bytes: usize) -> Result<Latency> {
    let client = redis::Client::open(url)?;
    let mut link = client.get_multiplexed_async_connection().await?;
    let body = vec![b'x'; body_bytes];
    link.set::<_, _, ()>(KEY, &body).await?;
    let start = Instant::now();
    let mut series = Vec::with_capacity(OPERATIONS);
    for _ in 0..OPERATIONS {
        let begun = Instant::now();
        let _: Vec<u8> = link.get(KEY).await?;
        series.push(begun.elapsed());
    }
    Ok(Latency::of(series, start.elapsed()))
}

async fn selects(url: String) -> Result<Latency> {
    let client = connect(&url).await?;
    let statement = client
        .prepare("select lp_id, name from limited_partners where lp_id = $1")
        .await?;
    let start = Instant::now();
    let mut series = Vec::with_capacity(OPERATIONS);
    for operation in 0..OPERATIONS {
        let lp_id = 1 + (operation as i64 * 37) % 100;
        let begun = Instant::now();
        client.query_one(&statement, &[&lp_id]).await?;
        series.push(begun.elapsed());
    }
    Ok(Latency::of(series, start.elapsed()))
}
