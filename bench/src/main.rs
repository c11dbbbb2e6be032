//! Measures the real binaries against the floors of their runtime, their cache and their database, in one run.

mod answers;
mod cost;
mod effort;
mod facts;
mod feed;
mod floors;
mod goals;
mod ingest;
mod memory;
mod mix;
mod nightly;
mod questions;
mod refresh;
mod report;
mod results;
mod rig;
mod singles;
mod start;
mod statistics;
mod wall;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use local::project_directory;
use local::sample::Size;
use local::stack;

use effort::Effort;
use results::{Results, counts, machine, size_name};
use rig::{Rig, say};

/// Measures the system.
#[derive(Debug, Parser)]
#[command(name = "bench", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures everything and writes target/bench/latest.json.
    Run {
        /// How much sample data.
        #[arg(long, value_enum, default_value_t = Size::S)]
        size: Size,
        /// Keeps the data of the last run of this size.
        #[arg(long)]
        keep: bool,
        /// Measures hardly anything, to see that everything runs.
        #[arg(long)]
        smoke: bool,
        /// Where data, logs and results go; target/bench unless given.
        #[arg(long = "dir", value_name = "PATH")]
        directory: Option<PathBuf>,
    },
    /// Writes the latest results of each size into docs/performance.md and docs/cost.md.
    Report,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run {
            size,
            keep,
            smoke,
            directory,
        } => {
            let effort = if smoke { Effort::SMOKE } else { Effort::FULL };
            run(size, keep, effort, &directory.unwrap_or_else(folder)).await
        }
        Command::Report => report::write(&folder()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn folder() -> PathBuf {
    project_directory().join("target/bench")
}

async fn run(size: Size, keep: bool, effort: Effort, folder: &Path) -> Result<()> {
    let name = size_name(size);
    let own_folder = std::env::current_exe()?;
    let options = stack::Options {
        directory: folder.join(&name),
        binaries: own_folder
            .parent()
            .context("a program in no folder")?
            .to_owned(),
        size,
        keep,
        quiet: false,
        environment: Vec::new(),
    };
    std::fs::create_dir_all(&options.directory)?;
    say(&format!("Size {name}"));
    let rig = Rig::open(project_directory(), options, effort).await?;
    let outcome = measure(&rig).await;
    rig.close().await?;
    finish(&outcome?, folder)
}

/// One part after the other, what only reads before what writes.
async fn measure(rig: &Rig) -> Result<Results> {
    let questions = questions::questions(&rig.administrator).await?;
    let (_, summary) = questions[0].events.first().context("no LPs")?;
    let facts = facts::collect(rig, &questions).await?;
    let found = answers::measure(rig, &questions).await?;
    let wall = wall::measure(rig).await?;
    let start = start::measure(rig, summary).await?;
    let mix = mix::measure(rig).await?;
    let service_ms = found.answers[0].database.p50_ms;
    let beside = refresh::measure(rig, &questions[0], service_ms).await?;
    let ingest = ingest::measure(rig).await?;
    let heap_fetches_after_ingest = facts::heap_fetches(rig, &questions).await?;
    let night = nightly::measure(rig).await?;
    Ok(Results {
        machine: machine(rig).await?,
        size: size_name(rig.size),
        counts: counts(rig).await?,
        found,
        wall,
        start,
        mix,
        facts,
        ingest,
        heap_fetches_after_ingest,
        beside,
        night,
    })
}

/// Keeps the figures under the size's name and as the latest, and prints them.
fn finish(results: &Results, folder: &Path) -> Result<()> {
    let files: [&Path; 2] = [
        &folder.join(format!("{}.json", results.size)),
        &folder.join("latest.json"),
    ];
    for file in files {
        results.write(file)?;
    }
    println!("\n{}", report::text(results));
    println!("All figures: {}", files[1].display());
    Ok(())
}
