//! The reports, asked one at a time and by sixteen callers at once: answered from the cache, after a miss, by the database
//! alone, and for LPs that the views have not seen since they were touched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::body::Bytes;
use futures_util::future::try_join_all;
use local::host::Host;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::effort::Effort;
use crate::floors::{self, Floors};
use crate::memory::peak_mib;
use crate::questions::{Questions, plain};
use crate::rig::{Cast, HELLO, Rig, Way, invoke, say};
use crate::statistics::Latency;

/// Instances, and callers, when many ask at once.
const MANY: usize = 16;

/// The functions that answer.
pub const REPORTS: [&str; 6] = [
    "summary",
    "capital-activity",
    "fund-performance",
    "holdings",
    "performance",
    "performance-history",
];

/// How fast one report is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answers {
    /// The function.
    pub function: String,
    /// What was asked.
    pub what: String,
    /// The median length of the answers, uncompressed.
    pub body_bytes: usize,
    /// From the cache.
    pub hit: Latency,
    /// Not in the cache: looked up there, answered by the database, planted.
    pub miss: Latency,
    /// By the database alone, without a cache.
    pub database: Latency,
    /// By the database alone, of LPs whose commitments all bear a mark.
    pub touched: Latency,
    /// As hit, miss, database and touched, by sixteen callers of sixteen instances.
    pub many: [Latency; 4],
    /// The most memory that one instance ever held.
    pub peak_mib: f64,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    /// The floors, measured in the same rounds.
    pub floors: Floors,
    /// The floor of the runtime under sixteen callers.
    pub hello_many: Latency,
    /// Each report.
    pub answers: Vec<Answers>,
}

/// Where an answer has to come from to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Cache,
    DatabaseAfterMiss,
    Database,
}

impl From {
    const fn header(self) -> &'static str {
        match self {
            Self::Cache => "hit",
            Self::DatabaseAfterMiss => "miss",
            Self::Database => "bypass",
        }
    }
}

/// Measures everything.
pub async fn measure(rig: &Rig, questions: &[Questions]) -> Result<Found> {
    let all: Vec<&str> = REPORTS.into_iter().chain([HELLO]).collect();
    let cast = |name, instances, way| Cast {
        name,
        functions: &all,
        instances,
        way,
    };
    let cached = rig.host(cast("cached", 1, Way::Plain)).await?;
    let bare = rig.host(cast("bare", 1, Way::WithoutCache)).await?;
    let single = one_at_a_time(rig, questions, &cached, &bare).await;
    let peaks: Vec<f64> = REPORTS
        .iter()
        .map(|report| peak_mib(&[&cached, &bare], report))
        .collect();
    cached.stop().await;
    bare.stop().await;
    let (floors, mut answers) = single?;

    let cached = rig.host(cast("cached-many", MANY, Way::Plain)).await?;
    let bare = rig.host(cast("bare-many", MANY, Way::WithoutCache)).await?;
    let many = many_at_once(rig, questions, &cached, &bare, &mut answers).await;
    cached.stop().await;
    bare.stop().await;
    for (answer, peak) in answers.iter_mut().zip(peaks) {
        answer.peak_mib = peak;
    }
    Ok(Found {
        floors,
        hello_many: many?,
        answers,
    })
}

async fn one_at_a_time(
    rig: &Rig,
    questions: &[Questions],
    cached: &Arc<Host>,
    bare: &Arc<Host>,
) -> Result<(Floors, Vec<Answers>)> {
    let Effort {
        rounds: all,
        invocations,
        ..
    } = rig.effort;
    let greeting = greeting(questions, invocations);
    let body_bytes = body_bytes(bare, &questions[0]).await?;
    let mut floor_rounds = Vec::new();
    let mut rounds: Vec<Vec<[Latency; 4]>> = vec![Vec::new(); questions.len()];
    for round in 1..=all {
        say(&format!("Answers, round {round} of {all}"));
        floor_rounds.push([
            ask(cached, HELLO, &greeting, None, 1).await?,
            floors::redis_get(rig, body_bytes).await?,
            floors::select(rig).await?,
        ]);
        for (report, rounds) in questions.iter().zip(&mut rounds) {
            rounds.push(round_of(rig, report, cached, bare, 1).await?);
        }
    }
    let median = |index: usize| Latency::median(&column(&floor_rounds, index));
    let floors = Floors {
        hello: median(0),
        redis_get: median(1),
        select: median(2),
    };
    let mut answers = Vec::new();
    for (report, rounds) in questions.iter().zip(&rounds) {
        let median = |index: usize| Latency::median(&column(rounds, index));
        answers.push(Answers {
            function: report.function.to_owned(),
            what: report.what.to_owned(),
            body_bytes: self::body_bytes(bare, report).await?,
            hit: median(0),
            miss: median(1),
            database: median(2),
            touched: median(3),
            many: [Latency::default(); 4],
            peak_mib: 0.0,
        });
    }
    Ok((floors, answers))
}

fn column<const N: usize>(rounds: &[[Latency; N]], index: usize) -> Vec<Latency> {
    rounds.iter().map(|round| round[index]).collect()
}

/// One round of a report: from the cache, after misses, by the database, and by the database with marks.
async fn round_of(
    rig: &Rig,
    report: &Questions,
    cached: &Arc<Host>,
    bare: &Arc<Host>,
    callers: usize,
) -> Result<[Latency; 4]> {
    let ask = async |host, events: &[Bytes], from| {
        ask(host, report.function, events, Some(from), callers).await
    };
    let once = events(report);
    let repeated = repeated(&once, rig.effort.invocations);
    rig.empty_cache().await?;
    let miss = ask(cached, &once, From::DatabaseAfterMiss).await?;
    let hit = ask(cached, &repeated, From::Cache).await?;
    let database = ask(bare, &repeated, From::Database).await?;
    touch(rig, &lps(report)).await?;
    let touched = ask(bare, &repeated, From::Database).await;
    untouch(rig).await?;
    Ok([hit, miss, database, touched?])
}

/// Marks every commitment of the LPs, as an activity on each would.
pub async fn touch(rig: &Rig, lps: &[i64]) -> Result<()> {
    let sql = "insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
               select commitment_id, lp_id, fund_id, commitment_date from lp_fund_commitments where lp_id = any ($1)";
    rig.administrator.execute(sql, &[&lps]).await?;
    rig.administrator
        .batch_execute("analyze touched_commitments")
        .await?;
    Ok(())
}

/// Takes all marks away, as a refresh would.
pub async fn untouch(rig: &Rig) -> Result<()> {
    // One at a time: several statements together are a transaction, which cannot vacuum.
    for statement in [
        "delete from touched_commitments",
        "vacuum touched_commitments",
    ] {
        rig.administrator.batch_execute(statement).await?;
    }
    Ok(())
}

async fn many_at_once(
    rig: &Rig,
    questions: &[Questions],
    cached: &Arc<Host>,
    bare: &Arc<Host>,
    answers: &mut [Answers],
) -> Result<Latency> {
    say(&format!("Answers, {MANY} callers at once"));
    for (report, answers) in questions.iter().zip(answers) {
        let events = repeated(&events(report), rig.effort.invocations);
        // Every instance connects and prepares its statements before anything is measured.
        for host in [cached, bare] {
            ask(host, report.function, &events, None, MANY).await?;
        }
        answers.many = round_of(rig, report, cached, bare, MANY).await?;
    }
    let greeting = greeting(questions, rig.effort.invocations);
    ask(cached, HELLO, &greeting, None, MANY).await
}

/// Each question in turn, again and again.
fn repeated(events: &[Bytes], invocations: usize) -> Vec<Bytes> {
    events.iter().cycle().take(invocations).cloned().collect()
}

fn events(report: &Questions) -> Vec<Bytes> {
    report
        .events
        .iter()
        .map(|(_, event)| event.clone())
        .collect()
}

/// Whom a report is asked about.
pub fn lps(report: &Questions) -> Vec<i64> {
    report.events.iter().map(|(lp_id, _)| *lp_id).collect()
}

fn greeting(questions: &[Questions], invocations: usize) -> Vec<Bytes> {
    repeated(&events(&questions[0]), invocations)
}

/// Shares the questions among callers, each of whom asks one after the other.
async fn ask(
    host: &Arc<Host>,
    function: &str,
    events: &[Bytes],
    from: Option<From>,
    callers: usize,
) -> Result<Latency> {
    let start = Instant::now();
    let shares = events
        .chunks(events.len().div_ceil(callers))
        .map(|share| series(host, function, share, from));
    let series = try_join_all(shares).await?.concat();
    Ok(Latency::of(series, start.elapsed()))
}

async fn series(
    host: &Arc<Host>,
    function: &str,
    events: &[Bytes],
    from: Option<From>,
) -> Result<Vec<Duration>> {
    let mut series = Vec::with_capacity(events.len());
    for event in events {
        let (answer, duration) = host.invoke_timed(function, event.clone()).await?;
        series.push(duration);
        if let Some(from) = from {
            check(function, &answer, from)?;
        }
    }
    Ok(series)
}

/// A fast error is not a fast answer. A grant lives for a minute, a cached answer for hours, so a hit stays one.
fn check(function: &str, answer: &[u8], from: From) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer)?;
    ensure!(
        answer["statusCode"] == 200,
        "{function} answered {}: {}",
        answer["statusCode"],
        answer["body"]
    );
    let found = &answer["headers"]["x-cache"];
    // Now and then the breaker of a function without cache tries again, which is still the database's answer.
    ensure!(
        *found == from.header(),
        "{function} answered from {found}, not from {}",
        from.header()
    );
    Ok(())
}

/// The median length of the answers as a client without gzip would get them.
async fn body_bytes(host: &Arc<Host>, report: &Questions) -> Result<usize> {
    let mut lengths = Vec::new();
    for (_, event) in report.events.iter().take(25) {
        let answer = invoke(host, report.function, &plain(event)?).await?;
        lengths.push(answer["body"].as_str().map_or(0, str::len));
    }
    lengths.sort_unstable();
    Ok(lengths.get(lengths.len() / 2).copied().unwrap_or_default())
}
