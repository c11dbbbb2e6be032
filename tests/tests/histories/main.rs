//! Random histories of a small world. After each, the ledger has every event exactly once, every answer is the oracle's, as of
//! several dates, with the cache and without, and everything derived is what a rebuild makes of the truth.
//!
//! `HISTORIES` says how many are played; `make soak` plays many. One that fails is made as short as it can be and kept in `kept/`,
//! where it is a test from then on.

mod check;
mod crew;
mod history;
mod ledger;
mod letters;
mod messages;
mod play;
mod sending;
mod totals;
mod world;
mod write;

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use tests::database::project;
use tests::teardown::unique_name;
use tokio::runtime::Runtime;

use crate::crew::Crew;
use crate::history::{History, histories};
use crate::play::play;
use crate::totals::Totals;

/// How many are played where nothing else is said.
const HISTORIES: usize = 40;
/// Histories side by side, each on a database of its own.
const STAGES: usize = 3;
/// A database is left after so many worlds, which leave it larger than they found it.
const WORLDS: usize = 250;
/// So often progress is told.
const TOLD_EVERY: usize = 100;
/// How many shorter histories are tried to find the shortest that fails.
const SHRINKS: u32 = 400;

#[test]
fn every_random_history_ends_in_what_the_oracle_says() {
    let wanted = std::env::var("HISTORIES").map_or(HISTORIES, |text| {
        text.parse().expect("HISTORIES is a number")
    });
    let (begun, played) = (Instant::now(), AtomicUsize::new(0));
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        let stages: Vec<_> = (0..STAGES)
            .map(|_| scope.spawn(|| stage(wanted, &played, &totals, begun)))
            .collect();
        for stage in stages {
            if let Err(finding) = stage.join() {
                std::panic::resume_unwind(finding);
            }
        }
    });
    println!(
        "{wanted} histories in {:.0} s, 0 findings: {}",
        begun.elapsed().as_secs_f64(),
        totals.into_inner().expect("no stage has failed")
    );
}

/// Plays until as many as are wanted are played on all stages together.
fn stage(wanted: usize, played: &AtomicUsize, totals: &Mutex<Totals>, begun: Instant) {
    let runtime = runtime();
    let mut left = true;
    while left {
        let crew = runtime.block_on(Crew::gather());
        for _ in 0..WORLDS {
            left = played.fetch_add(1, Ordering::Relaxed) < wanted;
            if !left {
                break;
            }
            let one = one(&runtime, &crew);
            totals.lock().expect("no stage has failed").add(&one);
            let done = played.load(Ordering::Relaxed);
            if done.is_multiple_of(TOLD_EVERY) {
                let seconds = begun.elapsed().as_secs_f64();
                println!("{done} of {wanted} histories, {seconds:.0} s");
            }
        }
        runtime.block_on(async { drop(crew) });
    }
}

/// Plays one, and where it fails, ever shorter ones.
fn one(runtime: &Runtime, crew: &Crew) -> Totals {
    let config = Config {
        cases: 1,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    let totals = Cell::default();
    let outcome = TestRunner::new(config).run(&histories(), |history| {
        let outcome = runtime.block_on(play(crew, &history));
        outcome
            .map(|played| totals.set(played))
            .map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => totals.into_inner(),
        Err(TestError::Fail(reason, history)) => {
            let file = keep(&history);
            panic!("{reason}\nkept as {}: {history:#?}", file.display());
        }
        Err(TestError::Abort(reason)) => panic!("no history can be made: {reason}"),
    }
}

#[test]
fn every_kept_history_ends_in_what_the_oracle_says() {
    let runtime = runtime();
    let crew = runtime.block_on(Crew::gather());
    let files = std::fs::read_dir(folder()).expect("the folder of kept histories");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a history can be read");
        let history: History = serde_json::from_str(&text).expect("it is a history");
        if let Err(finding) = runtime.block_on(play(&crew, &history)) {
            panic!("{}: {finding}", file.display());
        }
    }
    runtime.block_on(async { drop(crew) });
}

/// Keeps a history that fails.
fn keep(history: &History) -> PathBuf {
    let file = folder().join(format!("{}.json", unique_name("history")));
    let text = serde_json::to_string_pretty(history).expect("a history is JSON");
    std::fs::write(&file, text + "\n").expect("a history can be kept");
    file
}

fn folder() -> PathBuf {
    project().join("tests/tests/histories/kept")
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}
