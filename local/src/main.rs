//! Boots the command line: parse, run, and turn a failure into one message and an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use local::cli::{Arguments, Command, Run, Seed};
use local::client::Client;
use local::directory::StateDirectory;
use local::{project_directory, services, stack};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(failure) => {
            eprintln!("local: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<i32> {
    match command {
        Command::Services { command } => return services::run(project_directory(), &command).await,
        Command::Run(mut run) => {
            let command = std::mem::take(&mut run.command);
            return stack::run(project_directory(), stack_options(run)?, &command).await;
        }
        Command::Seed(seed) => return seed_database(seed).await,
        Command::Stop(directory) => {
            let path = directory.path();
            let stopped = path.exists() && StateDirectory::open(&path)?.stop().await?;
            println!(
                "{}",
                if stopped {
                    "Stopped."
                } else {
                    "No stack was running."
                }
            );
        }
        Command::Send {
            file,
            set,
            as_is,
            directory,
        } => {
            let client = Client::open(&directory.path())?;
            println!("{}", client.send(&file, &set, as_is).await?);
        }
        Command::Invoke {
            function,
            payload,
            directory,
        } => {
            println!(
                "{}",
                Client::open(&directory.path())?
                    .invoke(&function, payload)
                    .await?
            );
        }
        Command::Token {
            subject,
            ttl_seconds,
            bad,
            directory,
        } => {
            println!(
                "{}",
                Client::open(&directory.path())?.token(&subject, ttl_seconds, bad)?
            );
        }
    }
    Ok(0)
}

async fn seed_database(seed: Seed) -> Result<i32> {
    let target = project_directory().join("target");
    let options = stack::Options {
        directory: target.join(format!("seed-{}", std::process::id())),
        binaries: binaries(seed.bin_dir)?,
        size: seed.size,
        keep: false,
        quiet: false,
        environment: Vec::new(),
    };
    stack::seed(project_directory(), &seed.database_url, options).await
}

/// The given folder, or the one that this program lies in.
fn binaries(given: Option<PathBuf>) -> Result<PathBuf> {
    let own_folder = || {
        std::env::current_exe()
            .ok()
            .and_then(|path| Some(path.parent()?.to_owned()))
    };
    given
        .or_else(own_folder)
        .context("cannot find the function binaries; name their folder with --bin-dir")
}

fn stack_options(run: Run) -> Result<stack::Options> {
    Ok(stack::Options {
        directory: run.directory.path(),
        binaries: binaries(run.bin_dir)?,
        size: run.size,
        keep: run.keep,
        quiet: run.quiet,
        environment: run.env,
    })
}
