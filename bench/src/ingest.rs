//! Recording: how many activities a second, how soon one shows in the answer, and what the refresh of the views costs while
//! they come.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use local::host::Host;
use local::metrics::InHand;
use local::poller::Poller;
use local::queue::{MemoryQueue, Queue};
use local::template::QueueSource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use crate::feed::{Commitments, Feed, queue};
use crate::rig::{Cast, Rig, Way, say};
use crate::singles;
use crate::statistics::Latency;

/// Records of one event, and what share of the most messages is sent in such events.
const BATCHES: [(usize, u64); 3] = [(10, 4), (100, 2), (1_000, 1)];
/// Instances, as the template's concurrency at rest.
const INSTANCES: usize = 2;
/// Long enough to fill the largest batch from memory.
const WINDOW: Duration = Duration::from_millis(50);
/// What one filling may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(300);
/// The steady stream: records a second.
const STEADY_PER_SECOND: u64 = 300;
const TICK: Duration = Duration::from_millis(100);

/// What was found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ingest {
    /// By batch size.
    pub batches: Vec<Rate>,
    /// One activity, from receipt of its event to the first right answer.
    pub right: Latency,
    /// To the first right answer whose rate is not pending.
    pub settled: Latency,
    /// The stream.
    pub steady: Steady,
    /// The most memory that an instance held.
    pub peak_mib: f64,
}

/// How fast a filled queue is emptied.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Rate {
    /// Records of one event.
    pub batch_size: usize,
    /// Messages sent, duplicates included.
    pub messages: u64,
    /// Entries a second an instance, counting the time until they are committed alone. The other instance does one or the other
    /// meanwhile.
    pub ledger_per_second: f64,
    /// Entries a second, from the first message to the last acknowledged with its performance settled.
    pub settled_per_second: f64,
    /// Entries that are missing, or too many: none.
    pub lost_or_doubled: i64,
}

/// A steady stream of records.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Steady {
    /// Records a second that came in.
    pub offered_per_second: f64,
    /// Messages that were waiting when the stream ended.
    pub backlog: usize,
    /// How long it took to work those off.
    pub drained_s: f64,
    /// How often the views were refreshed.
    pub refreshes: i64,
    /// The refreshes' time by all time, from the start of the first to the start of the last; of fewer than two nothing can be said.
    pub refresh_share: f64,
    /// Entries that are missing, or too many: none.
    pub lost_or_doubled: i64,
}

/// Measures everything.
pub async fn measure(rig: &Rig) -> Result<Ingest> {
    let host = rig
        .host(Cast {
            name: "ingest",
            functions: &["activity-refresh", "summary", "nightly-refresh"],
            instances: INSTANCES,
            way: Way::Plain,
        })
        .await?;
    let outcome = measure_with(rig, &host).await;
    host.stop().await;
    outcome
}

async fn measure_with(rig: &Rig, host: &Arc<Host>) -> Result<Ingest> {
    let (right, settled) = singles::measure(rig, host).await?;
    let mut feed = Feed::open(&rig.administrator, Commitments::All).await?;
    let mut batches = Vec::new();
    for (batch_size, part) in BATCHES {
        let messages = rig.effort.messages / part;
        say(&format!("{messages} messages in events of {batch_size}"));
        batches.push(rate(rig, host, &mut feed, batch_size, messages).await?);
    }
    Ok(Ingest {
        batches,
        right,
        settled,
        steady: steady(rig, host, &mut feed).await?,
        peak_mib: crate::memory::peak_mib(&[host], "activity-refresh"),
    })
}

/// Empties a filled queue.
async fn rate(
    rig: &Rig,
    host: &Arc<Host>,
    feed: &mut Feed,
    batch_size: usize,
    messages: u64,
) -> Result<Rate> {
    let before = feed.recorded(&rig.administrator).await?;
    let mut logs = Logs::at_the_end(rig)?;
    let queue = queue();
    let sent = feed.fill(&queue, messages);
    let start = Instant::now();
    let pollers: Vec<_> = (0..INSTANCES)
        .map(|_| tokio::spawn(poller(host, &queue, batch_size).run()))
        .collect();
    let drained = drain(&queue, DRAIN_LIMIT).await;
    let elapsed = start.elapsed().as_secs_f64();
    pollers.iter().for_each(tokio::task::JoinHandle::abort);
    drained.with_context(|| format!("events of {batch_size}"))?;
    let recorded = feed.recorded(&rig.administrator).await? - before;
    Ok(Rate {
        batch_size,
        messages: sent.messages,
        ledger_per_second: recorded as f64 / logs.ledger_seconds()?,
        settled_per_second: recorded as f64 / elapsed,
        lost_or_doubled: sent.entries.cast_signed() - recorded.cast_signed(),
    })
}

fn poller(host: &Arc<Host>, queue: &MemoryQueue, batch_size: usize) -> Poller<Host> {
    Poller {
        queue: Queue::Memory(queue.clone()),
        source: QueueSource {
            queue: "Memory".to_owned(),
            batch_size,
            window: WINDOW,
            reports_item_failures: true,
        },
        function: "activity-refresh".to_owned(),
        functions: Arc::clone(host),
        in_hand: InHand::default(),
    }
}

async fn drain(queue: &MemoryQueue, limit: Duration) -> Result<()> {
    let start = Instant::now();
    while !queue.is_empty() {
        ensure!(
            start.elapsed() < limit,
            "{} messages are left after {} s",
            queue.len(),
            limit.as_secs()
        );
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// A steady stream, with the requests for refreshes going over the real queue.
async fn steady(rig: &Rig, host: &Arc<Host>, feed: &mut Feed) -> Result<Steady> {
    say(&format!("{STEADY_PER_SECOND} records a second"));
    let sources = rig.template.queue_sources();
    let (source, _) = sources
        .first()
        .context("the template has no queue trigger")?;
    let requests = &rig.deployment.queues[&source.queue];
    let requested = tokio::spawn(
        Poller {
            queue: Queue::Sqs(requests.clone()),
            source: source.clone(),
            function: "activity-refresh".to_owned(),
            functions: Arc::clone(host),
            in_hand: InHand::default(),
        }
        .run(),
    );
    let queue = queue();
    let pollers: Vec<_> = (0..INSTANCES)
        .map(|_| tokio::spawn(poller(host, &queue, source.batch_size).run()))
        .collect();
    let since = rig
        .administrator
        .query_one("select clock_timestamp()", &[])
        .await?;
    let since: chrono::DateTime<chrono::Utc> = since.get(0);
    let before = feed.recorded(&rig.administrator).await?;
    let start = Instant::now();
    let (mut messages, mut entries) = (0, 0);
    while start.elapsed() < rig.effort.stream {
        let due = (start.elapsed().as_secs_f64() * STEADY_PER_SECOND as f64) as u64;
        let sent = feed.fill(&queue, due.saturating_sub(messages));
        messages += sent.messages;
        entries += sent.entries;
        sleep(TICK).await;
    }
    let offered_per_second = messages as f64 / start.elapsed().as_secs_f64();
    let (backlog, ended) = (queue.len(), Instant::now());
    let drained = drain(&queue, DRAIN_LIMIT).await;
    let drained_s = ended.elapsed().as_secs_f64();
    pollers.iter().for_each(tokio::task::JoinHandle::abort);
    requested.abort();
    drained?;
    let row = rig
        .administrator
        .query_one(include_str!("sql/refresh_share.sql"), &[&since])
        .await?;
    let recorded = feed.recorded(&rig.administrator).await? - before;
    Ok(Steady {
        offered_per_second,
        backlog,
        drained_s,
        refreshes: row.get("refreshes"),
        refresh_share: row.get("share"),
        lost_or_doubled: entries.cast_signed() - recorded.cast_signed(),
    })
}

/// What the instances log of each batch.
struct Logs(Vec<(PathBuf, u64)>);

impl Logs {
    /// From here on.
    fn at_the_end(rig: &Rig) -> Result<Self> {
        let ends = (1..=INSTANCES).map(|instance| {
            let file = rig.log("ingest", "activity-refresh", instance);
            let end = std::fs::metadata(&file)
                .with_context(|| format!("cannot read {}", file.display()))?
                .len();
            Ok((file, end))
        });
        Ok(Self(ends.collect::<Result<_>>()?))
    }

    /// How long the instances took to commit what has come since.
    fn ledger_seconds(&mut self) -> Result<f64> {
        let mut ledger_ms = 0.0;
        for (file, from) in &mut self.0 {
            let mut log = File::open(file)?;
            log.seek(SeekFrom::Start(*from))?;
            for line in BufReader::new(log).lines() {
                let line: Value = serde_json::from_str(&line?).unwrap_or_default();
                ledger_ms += line["ledger_ms"].as_f64().unwrap_or_default();
            }
        }
        ensure!(ledger_ms > 0.0, "no batch was logged");
        Ok(ledger_ms / 1e3)
    }
}
