//! `lp-ops`: what operators have the system do by hand. It asks the function that also does it by schedule, and the queue; it knows
//! no database. Exit codes: 0 done, 1 failed or something wrong was found, 2 the command line is not understood.

mod cli;
mod columns;
mod dead_letters;
mod parts;
mod progress;
mod queue;
mod show;
mod target;
mod tasks;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serde_json::Value;

use cli::{Arguments, Command, DeadLetters};
use target::Target;

/// What a command came to.
pub struct Outcome {
    /// For machines.
    answer: Value,
    /// For people.
    text: String,
    /// Whether something is wrong that somebody has to look at.
    is_wrong: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let as_json = arguments.json;
    match run(arguments).await {
        Ok(outcome) => {
            if as_json {
                println!("{}", outcome.answer);
            } else {
                print!("{}", outcome.text);
            }
            ExitCode::from(u8::from(outcome.is_wrong))
        }
        Err(failure) => {
            eprintln!("lp-ops: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Outcome> {
    let target = Target::open(&arguments.target).await?;
    match arguments.command {
        Command::Queue => queue::show(&target).await,
        Command::DeadLetters(DeadLetters::Show(wanted)) => {
            dead_letters::show(&target, &wanted).await
        }
        Command::DeadLetters(DeadLetters::Redrive(redrive)) => {
            dead_letters::redrive(&target, &redrive).await
        }
        Command::Task(task) => tasks::run(&target, task).await,
    }
}
