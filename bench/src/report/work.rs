//! What recording, readers beside refreshes and the night take.

use std::fmt::Write;

use super::{cells, heading};
use crate::goals::short;
use crate::results::Results;

pub(super) fn write_ingest(text: &mut String, results: &Results) -> std::fmt::Result {
    let ingest = &results.ingest;
    heading(
        text,
        "Recording, two instances, commitments at random",
        &[
            "records an event",
            "messages",
            "ledger, a second an instance while it records",
            "settled, a second all in all",
            "lost or doubled",
        ],
    )?;
    for rate in &ingest.batches {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            rate.batch_size,
            rate.messages,
            short(rate.ledger_per_second),
            short(rate.settled_per_second),
            rate.lost_or_doubled
        )?;
    }
    heading(
        text,
        "One activity, from receipt",
        &["to", "p50 ms", "p95 ms", "p99 ms", "a second"],
    )?;
    writeln!(text, "| the right answer | {} |", cells(&ingest.right))?;
    writeln!(text, "| the settled rate | {} |", cells(&ingest.settled))?;
    let steady = &ingest.steady;
    writeln!(
        text,
        "\nA stream of {} records a second: {} waiting at its end, worked off in {} s; {} refreshes took {} % of the time. \
         {} entries lost or doubled. Peak memory {} MiB.",
        short(steady.offered_per_second),
        steady.backlog,
        short(steady.drained_s),
        steady.refreshes,
        short(steady.refresh_share * 100.0),
        steady.lost_or_doubled,
        short(ingest.peak_mib),
    )?;
    let beside = &results.beside;
    heading(
        text,
        "Summaries from the database, beside refreshes",
        &["", "p50 ms", "p95 ms", "p99 ms", "a second"],
    )?;
    writeln!(text, "| calm | {} |", cells(&beside.calm))?;
    writeln!(
        text,
        "| during {} refreshes | {} |",
        beside.refreshes,
        cells(&beside.refreshing)
    )
}

pub(super) fn write_night(text: &mut String, results: &Results) -> std::fmt::Result {
    const FIFTY_MILLION: f64 = 50e6;
    let night = &results.night;
    let to_fifty_million = FIFTY_MILLION / results.counts.activities as f64;
    heading(text, "The night", &["", ""])?;
    let rows = [
        (
            "settle, drift, refresh",
            format!("{} s", short(night.night_s)),
        ),
        (
            "of which the refresh",
            format!("{} s", short(night.refresh_s)),
        ),
        (
            "rebuild of all accounts and performance, which were right already",
            format!("{} s", short(night.rebuild_s)),
        ),
        (
            "snapshots rebuilt a second",
            short(night.snapshots as f64 / night.rebuild_s),
        ),
        (
            "extrapolated in proportion, not measured: the refresh of 50 million activities",
            format!("{} s", short(night.refresh_s * to_fifty_million)),
        ),
        (
            "extrapolated in proportion, not measured: their rebuild by one instance",
            format!("{} min", short(night.rebuild_s * to_fifty_million / 60.0)),
        ),
        ("peak memory", format!("{} MiB", short(night.peak_mib))),
    ];
    for (what, figure) in rows {
        writeln!(text, "| {what} | {figure} |")?;
    }
    Ok(())
}
