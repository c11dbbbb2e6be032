//! What a deployment costs a month, from what was measured and from list prices: a model small enough to be checked by hand.

use std::fmt::Write;

use crate::goals::short;
use crate::report::{grouped, heading};
use crate::results::Results;

/// List prices of us-east-1 in dollars, as published in 2025; taxes, support and discounts are left out.
struct Prices;

impl Prices {
    const LAMBDA_REQUEST: f64 = 0.20e-6;
    const LAMBDA_GB_S: f64 = 16.6667e-6;
    const API_REQUEST: f64 = 1.00e-6;
    const SQS_REQUEST: f64 = 0.40e-6;
    const AURORA_ACU_HOUR: f64 = 0.12;
    const AURORA_GB_MONTH: f64 = 0.10;
    const CACHE_GB_HOUR: f64 = 0.084;
    const CACHE_ECPU: f64 = 0.0023e-6;
    const LOG_GB: f64 = 0.50;
    const ENDPOINT_HOUR: f64 = 0.01;
}

const HOURS: f64 = 730.0;
/// Requests of a session of the mix.
const REQUESTS_A_SESSION: f64 = 14.0;
/// A round trip to the database or the cache in another zone, which loopback does not have.
const ROUND_TRIP_MS: f64 = 1.0;
const KB: f64 = 1e3;
const GB: f64 = 1e9;
const MIB: f64 = 1024.0 * 1024.0;
/// The least that the cache service bills.
const LEAST_CACHE_GB: f64 = 0.1;
/// The line of what an invocation measured, and the platform's own three.
const LOG_KB_A_REQUEST: f64 = 1.3;

/// Who is served, and the knobs.
#[derive(Debug, Clone, Copy)]
pub struct Deployment {
    limited_partners: f64,
    commitments_each: f64,
    /// Sessions of all viewers of an LP, a month.
    sessions_each: f64,
    /// Entries and NAVs of a commitment, a month.
    messages_a_commitment: f64,
    memory_gb: f64,
    /// Capacity units of one instance on average.
    acus: f64,
    /// The writer, and one that waits for its failure.
    instances: f64,
    hit_rate: f64,
}

impl Deployment {
    fn of(limited_partners: f64, commitments_each: f64, acus: f64, hit_rate: f64) -> Self {
        Self {
            limited_partners,
            commitments_each,
            sessions_each: 16.0,
            messages_a_commitment: 1.0,
            memory_gb: 0.25,
            acus,
            instances: 2.0,
            hit_rate,
        }
    }

    fn requests(self) -> f64 {
        self.limited_partners * self.sessions_each * REQUESTS_A_SESSION
    }

    fn messages(self) -> f64 {
        self.limited_partners * self.commitments_each * self.messages_a_commitment
    }
}

/// Dollars a month by part.
fn parts(deployment: Deployment, results: &Results) -> [(&'static str, f64); 6] {
    let (requests, messages) = (deployment.requests(), deployment.messages());
    let answers = &results.found.answers;
    let mean = |read: fn(&crate::answers::Answers) -> f64| {
        answers.iter().map(read).sum::<f64>() / answers.len() as f64
    };
    // The platform bills whole milliseconds. A hit asks the cache, a miss asks it three times and the database once; then either is
    // recorded in the database, which the answer does not wait for but the bill does.
    let hit_ms = (mean(|of| of.hit.p50_ms) + 2.0 * ROUND_TRIP_MS).ceil();
    let miss_ms = (mean(|of| of.miss.p50_ms) + 5.0 * ROUND_TRIP_MS).ceil();
    let read_ms = deployment.hit_rate * hit_ms + (1.0 - deployment.hit_rate) * miss_ms;
    // Some twenty statements and tag writes, one message an invocation at worst; twice the memory.
    let record_ms = results.ingest.settled.p50_ms + 20.0 * ROUND_TRIP_MS;
    let gb_s = deployment.memory_gb * (requests * read_ms + 2.0 * messages * record_ms) / 1e3;
    let bytes_a_commitment = results.facts.database_mib * MIB / results.counts.commitments as f64;
    let database_gb =
        bytes_a_commitment * deployment.limited_partners * deployment.commitments_each / GB;
    let body_kb = mean(|of| of.body_bytes as f64) / KB;
    let cache_gb = (deployment.limited_partners * 6.0 * body_kb * KB / GB).max(LEAST_CACHE_GB);
    let ecpus = requests * (1.0 + body_kb) + messages * 10.0;
    let sqs_requests = messages * 1.4;
    [
        (
            "functions",
            gb_s * Prices::LAMBDA_GB_S + (requests + messages) * Prices::LAMBDA_REQUEST,
        ),
        ("gateway", requests * Prices::API_REQUEST),
        (
            "database",
            deployment.acus * deployment.instances * HOURS * Prices::AURORA_ACU_HOUR
                + database_gb * Prices::AURORA_GB_MONTH,
        ),
        (
            "cache",
            cache_gb * HOURS * Prices::CACHE_GB_HOUR + ecpus * Prices::CACHE_ECPU,
        ),
        ("queue", sqs_requests * Prices::SQS_REQUEST),
        (
            "logs and endpoints",
            (requests + messages) * LOG_KB_A_REQUEST * KB / GB * Prices::LOG_GB
                + 2.0 * HOURS * Prices::ENDPOINT_HOUR,
        ),
    ]
}

fn total(deployment: Deployment, results: &Results) -> f64 {
    parts(deployment, results)
        .iter()
        .map(|(_, dollars)| dollars)
        .sum()
}

/// The three deployments, and what each knob does to the middle one.
pub fn text(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, results);
    text
}

fn write_all(text: &mut String, results: &Results) -> std::fmt::Result {
    let hit_rate = results.mix.hit_rate;
    let deployments = [
        Deployment::of(100.0, 15.0, 0.5, hit_rate),
        Deployment::of(1_000.0, 40.0, 1.0, hit_rate),
        Deployment::of(10_000.0, 100.0, 4.0, hit_rate),
    ];
    writeln!(
        text,
        "Durations and sizes as measured at size {} on {}.",
        results.size, results.machine.date
    )?;
    heading(
        text,
        "A month, in dollars",
        &["", "100 LPs", "1,000 LPs", "10,000 LPs"],
    )?;
    let row = |text: &mut String, what: &str, figures: [String; 3]| {
        writeln!(text, "| {what} | {} |", figures.join(" | "))
    };
    row(
        text,
        "requests",
        deployments.map(|of| grouped(of.requests() as i64)),
    )?;
    row(
        text,
        "messages",
        deployments.map(|of| grouped(of.messages() as i64)),
    )?;
    row(text, "capacity units", deployments.map(|of| short(of.acus)))?;
    let by_part = deployments.map(|of| parts(of, results));
    for (index, (part, _)) in by_part[0].iter().enumerate() {
        row(
            text,
            part,
            [0, 1, 2].map(|size: usize| short(by_part[size][index].1)),
        )?;
    }
    row(
        text,
        "**all**",
        deployments.map(|of| short(total(of, results))),
    )?;
    heading(
        text,
        "What a knob does, at 1,000 LPs",
        &["", "dollars a month more"],
    )?;
    for (knob, turned) in knobs(deployments[1]) {
        let more = total(turned, results) - total(deployments[1], results);
        writeln!(text, "| {knob} | {more:+.2} |")?;
    }
    Ok(())
}

fn knobs(from: Deployment) -> [(&'static str, Deployment); 6] {
    [
        (
            "functions with 512 MB instead of 256",
            Deployment {
                memory_gb: 0.5,
                ..from
            },
        ),
        (
            "a hit rate of 60 %",
            Deployment {
                hit_rate: 0.6,
                ..from
            },
        ),
        (
            "no cached answer at all",
            Deployment {
                hit_rate: 0.0,
                ..from
            },
        ),
        (
            "half a capacity unit more, on both instances",
            Deployment {
                acus: from.acus + 0.5,
                ..from
            },
        ),
        (
            "no second instance: an outage lasts until a new one is up",
            Deployment {
                instances: 1.0,
                ..from
            },
        ),
        (
            "ten times the sessions",
            Deployment {
                sessions_each: from.sessions_each * 10.0,
                ..from
            },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_messages_follow_from_the_counts() {
        let deployment = Deployment::of(100.0, 15.0, 0.5, 0.5);
        assert_eq!(deployment.requests(), 22_400.0);
        assert_eq!(deployment.messages(), 1_500.0);
    }
}
