//! The figures as a person reads them: Markdown tables, printed after a run and kept in docs/performance.md.

mod facts;
mod work;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use local::project_directory;

use crate::cost;
use crate::goals::{goals, short};
use crate::results::Results;
use crate::statistics::Latency;

/// What stands between these lines is measured; the rest of a document is written by hand.
const BEGIN: &str = "<!-- measured: `make bench-report` writes what follows -->\n";
const END: &str = "<!-- end of what is measured -->\n";
/// The sizes in the order in which they are shown.
const SIZES: [&str; 3] = ["L", "M", "S"];

/// Writes the latest results of each size into the documents.
pub fn write(folder: &Path) -> Result<()> {
    let files = SIZES.map(|size| folder.join(format!("{size}.json")));
    let measured: Vec<Results> = files
        .iter()
        .filter(|file| file.exists())
        .map(|file| Results::read(file))
        .collect::<Result<_>>()?;
    let largest = measured
        .first()
        .context("nothing is measured yet; `make bench` does")?;
    let mut performance = vec![sizes(&measured)];
    performance.extend(measured.iter().map(text));
    put("docs/performance.md", &performance.join("\n"))?;
    put("docs/cost.md", &cost::text(largest))
}

fn put(document: &str, measured: &str) -> Result<()> {
    let file = project_directory().join(document);
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{document} has no place for measurements"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("the measurements of {document} do not end"))?;
    fs::write(&file, format!("{before}{BEGIN}\n{measured}\n{END}{after}"))?;
    println!("Written: {document}");
    Ok(())
}

/// All tables of a run.
pub fn text(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, results);
    text
}

/// One activity at each size: what it takes must not grow with the database.
fn sizes(measured: &[Results]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_sizes(&mut text, measured);
    text
}

fn write_sizes(text: &mut String, measured: &[Results]) -> std::fmt::Result {
    writeln!(text, "## One activity at each size")?;
    heading(
        text,
        "From receipt, p50 / p95 ms",
        &["size", "to the right answer", "to the settled rate"],
    )?;
    for results in measured {
        let cell =
            |latency: &Latency| format!("{} / {}", short(latency.p50_ms), short(latency.p95_ms));
        let [right, settled] = [&results.ingest.right, &results.ingest.settled].map(cell);
        writeln!(text, "| {} | {right} | {settled} |", results.size)?;
    }
    let spread = |p50_ms: fn(&Results) -> f64| {
        let all = measured.iter().map(p50_ms);
        let most = all.clone().fold(0.0, f64::max);
        short((most / all.fold(f64::INFINITY, f64::min) - 1.0) * 100.0)
    };
    writeln!(
        text,
        "| the slowest p50 over the fastest, where 20 % is the goal | {} % more | {} % more |",
        spread(|of| of.ingest.right.p50_ms),
        spread(|of| of.ingest.settled.p50_ms)
    )
}

fn write_all(text: &mut String, results: &Results) -> std::fmt::Result {
    let machine = &results.machine;
    let counts = &results.counts;
    writeln!(text, "## Size {}\n", results.size)?;
    writeln!(
        text,
        "{} LPs, {} commitments, {} activities, {} NAVs; {} cores of {}, {:.0} GiB, Postgres {}; {}.\n",
        grouped(counts.limited_partners),
        grouped(counts.commitments),
        grouped(counts.activities),
        grouped(counts.navs),
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.postgres,
        machine.date,
    )?;
    write_goals(text, results)?;
    write_answers(text, results)?;
    write_mix(text, results)?;
    work::write_ingest(text, results)?;
    work::write_night(text, results)?;
    facts::write(text, results)
}

fn write_goals(text: &mut String, results: &Results) -> std::fmt::Result {
    heading(text, "Goals", &["", "goal", "measured", ""])?;
    for goal in goals(results) {
        let met = match goal.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not judged",
        };
        writeln!(
            text,
            "| {} | {} | {} | {met} |",
            goal.what, goal.goal, goal.figure
        )?;
    }
    Ok(())
}

fn write_answers(text: &mut String, results: &Results) -> std::fmt::Result {
    let floors = &results.found.floors;
    heading(
        text,
        "Floors",
        &["", "p50 ms", "p95 ms", "p99 ms", "a second"],
    )?;
    for (what, latency) in [
        ("hello, one caller", floors.hello),
        ("hello, sixteen callers", results.found.hello_many),
        ("Redis GET of a summary", floors.redis_get),
        ("prepared select of a row", floors.select),
    ] {
        writeln!(text, "| {what} | {} |", cells(&latency))?;
    }
    heading(
        text,
        "Answers, one caller: p50 / p95 / p99 ms, in brackets the p50 in hellos, and how many a second",
        &[
            "report", "bytes", "hit", "miss", "database", "touched", "peak MiB",
        ],
    )?;
    let hello_ms = floors.hello.p50_ms;
    for answers in &results.found.answers {
        let cell = |latency: &Latency| {
            let [p50, p95, p99] = [latency.p50_ms, latency.p95_ms, latency.p99_ms].map(short);
            format!(
                "{p50} / {p95} / {p99} ({}×), {}/s",
                short(latency.p50_ms / hello_ms),
                short(latency.per_second)
            )
        };
        writeln!(
            text,
            "| {}, {} | {} | {} | {} | {} | {} | {} |",
            answers.function,
            answers.what,
            answers.body_bytes,
            cell(&answers.hit),
            cell(&answers.miss),
            cell(&answers.database),
            cell(&answers.touched),
            short(answers.peak_mib),
        )?;
    }
    heading(
        text,
        "Answers, sixteen callers of sixteen instances: p50 / p95 / p99 ms, and how many a second",
        &["report", "hit", "miss", "database", "touched"],
    )?;
    for answers in &results.found.answers {
        let cell = |latency: &Latency| {
            let [p50, p95, p99] = [latency.p50_ms, latency.p95_ms, latency.p99_ms].map(short);
            format!("{p50} / {p95} / {p99}, {}/s", short(latency.per_second))
        };
        let many = answers.many.each_ref().map(cell);
        writeln!(text, "| {} | {} |", answers.function, many.join(" | "))?;
    }
    write_starts(text, results)
}

fn write_starts(text: &mut String, results: &Results) -> std::fmt::Result {
    let start = &results.start;
    heading(
        text,
        "Process start to first answer, TLS to both",
        &["", "p50 ms", "p95 ms", "p99 ms", "a second"],
    )?;
    writeln!(text, "| hello | {} |", cells(&start.hello))?;
    writeln!(text, "| summary | {} |", cells(&start.summary))?;
    let wall = &results.wall;
    heading(
        text,
        "The summary's statement, with and without the second wall",
        &["", "p50 ms", "p95 ms", "p99 ms", "a second"],
    )?;
    writeln!(
        text,
        "| by the administrator, without it | {} |",
        cells(&wall.without)
    )?;
    writeln!(text, "| by a reader, behind it | {} |", cells(&wall.behind))
}

fn write_mix(text: &mut String, results: &Results) -> std::fmt::Result {
    heading(
        text,
        "Hit rate under the mix",
        &["report", "requests", "hits", "rate"],
    )?;
    for (report, tally) in &results.mix.reports {
        let rate = f64::from(tally.hits) / f64::from(tally.requests) * 100.0;
        writeln!(
            text,
            "| {report} | {} | {} | {rate:.0} % |",
            tally.requests, tally.hits
        )?;
    }
    writeln!(text, "| all | | | {:.0} % |", results.mix.hit_rate * 100.0)
}

/// A title and the head of a table.
pub fn heading(text: &mut String, title: &str, columns: &[&str]) -> std::fmt::Result {
    writeln!(text, "\n### {title}\n")?;
    writeln!(text, "| {} |", columns.join(" | "))?;
    writeln!(text, "|{}", "---|".repeat(columns.len()))
}

fn cells(latency: &Latency) -> String {
    [
        latency.p50_ms,
        latency.p95_ms,
        latency.p99_ms,
        latency.per_second,
    ]
    .map(short)
    .join(" | ")
}

/// 1234567 as 1,234,567.
pub fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
