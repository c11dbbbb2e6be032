//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::gateway::tokens::Flaw;
use crate::sample::Size;

/// Runs the whole system on one machine.
#[derive(Debug, Parser)]
#[command(name = "local", about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `local` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a command beside a fresh Postgres, Redis, Redis cluster and SQS endpoint, and stops them after it.
    Services {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Runs the whole stack until it is asked to stop, or for as long as a command runs.
    Run(Run),
    /// Migrates a database and fills it with sample data and everything derived from it.
    Seed(Seed),
    /// Ends the stack of a state directory.
    Stop(Directory),
    /// Sends the message in a file to the queue, with a fresh event id and ids of the running stack.
    Send {
        /// Sends the file's bytes as they are.
        #[arg(long, conflicts_with = "set")]
        as_is: bool,
        /// A JSON file, such as events/messages/capital-call.json.
        file: PathBuf,
        /// Replaces a field: `--set amountCents=100`.
        #[arg(long, value_name = "FIELD=VALUE", value_parser = assignment)]
        set: Vec<(String, String)>,
        /// The stack.
        #[command(flatten)]
        directory: Directory,
    },
    /// Calls a function and prints its answer.
    Invoke {
        /// The function's name.
        function: String,
        /// The event.
        #[arg(default_value = "{}")]
        payload: String,
        /// The stack.
        #[command(flatten)]
        directory: Directory,
    },
    /// Prints an access token.
    Token {
        /// Whom it stands for, such as `lp-7`.
        #[arg(long)]
        subject: String,
        /// How long it is valid.
        #[arg(long, default_value_t = 3600)]
        ttl_seconds: i64,
        /// What is wrong with it.
        #[arg(long, value_enum)]
        bad: Option<Flaw>,
        /// The stack.
        #[command(flatten)]
        directory: Directory,
    },
}

/// Which stack is meant.
#[derive(Debug, Args)]
pub struct Directory {
    /// The state directory; target/local of the project unless given.
    #[arg(long = "dir", value_name = "PATH")]
    path: Option<PathBuf>,
}

impl Directory {
    /// The state directory.
    pub fn path(self) -> PathBuf {
        self.path
            .unwrap_or_else(|| crate::project_directory().join("target/local"))
    }
}

/// How a stack is run.
#[derive(Debug, Args)]
pub struct Run {
    /// Where it keeps its state.
    #[command(flatten)]
    pub directory: Directory,
    /// How much sample data.
    #[arg(long, value_enum, default_value = "S")]
    pub size: Size,
    /// Keeps the data of the last run.
    #[arg(long)]
    pub keep: bool,
    /// Prints errors only.
    #[arg(long)]
    pub quiet: bool,
    /// Where the function binaries are; beside this one unless given.
    #[arg(long, value_name = "PATH")]
    pub bin_dir: Option<PathBuf>,
    /// More environment for every function.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub env: Vec<(String, String)>,
    /// A command to run beside the stack, with what the stack tells in its environment; the stack ends with it.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// What a database is filled with.
#[derive(Debug, Args)]
pub struct Seed {
    /// How much sample data.
    #[arg(long, value_enum, default_value = "S")]
    pub size: Size,
    /// The database, empty or migrated by `migrate` and owned by `migrator`, as any role reaches it; each function logs in as its own.
    #[arg(long, value_name = "URL")]
    pub database_url: String,
    /// Where the function binaries are; beside this one unless given.
    #[arg(long, value_name = "PATH")]
    pub bin_dir: Option<PathBuf>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text} is not of the form NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
