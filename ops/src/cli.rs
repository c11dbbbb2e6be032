//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

/// Operates LP reporting: the stack that runs on this machine, or a deployment.
#[derive(Debug, Parser)]
#[command(name = "lp-ops", version, about, after_help = AFTER_HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub target: TargetArguments,
    /// Prints the answer as one line of JSON, for machines.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 done; 1 failed, refused, or something wrong was found; 2 the command line is not understood.\n\
    docs/operations.md has an example of each.";

/// Which system is meant: the local stack unless any of these names a deployment. Its credentials and region are found as the AWS
/// command line finds them in the environment, in profiles and in roles.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which system")]
pub struct TargetArguments {
    /// The file in which the local stack tells its addresses.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "target/local/env"
    )]
    pub env_file: PathBuf,
    /// The CloudFormation stack of a deployment, whose outputs the AWS command line is asked for.
    #[arg(long, global = true, value_name = "NAME", env = "LP_OPS_STACK")]
    pub stack: Option<String>,
    /// The name of the function nightly-refresh of a deployment.
    #[arg(long, global = true, value_name = "NAME", env = "LP_OPS_FUNCTION")]
    pub function: Option<String>,
    /// The URL of its activity queue.
    #[arg(long, global = true, value_name = "URL", env = "LP_OPS_QUEUE_URL")]
    pub queue_url: Option<String>,
    /// The URL of its dead-letter queue.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LP_OPS_DEAD_LETTER_QUEUE_URL"
    )]
    pub dead_letter_queue_url: Option<String>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Task(Task),
    /// Tells how many messages each queue holds.
    Queue,
    /// Looks at messages that could not be recorded, and sends them again.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
}

/// What the function nightly-refresh does.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Settles what is owed, looks for drift, and refreshes the views, as every night.
    Refresh,
    /// Makes everything derived again from the truth, or a part of it; safe at any time.
    Rebuild(Rebuild),
    /// Tells how old the views are and what is outstanding, and tells the metrics.
    Measure,
    /// Compares everything derived with what a rebuild would make of it, and changes nothing. Exits with 1 when something differs.
    Verify(Verify),
    /// Takes the planner's statistics of all tables anew.
    Analyze,
    /// Rebuilds indexes beside their readers and writers.
    Reindex(Reindex),
    /// Measures indexes and tables, and tells the metrics.
    Bloat,
    /// Tells which statements took the database longest.
    SlowQueries(Most),
    /// Forgets the cached answers of an LP.
    Forget {
        /// The LP.
        lp_id: i64,
    },
    /// Makes room in the access log for months to come, takes old ones out, and shortens the history of refreshes, as every day.
    Upkeep(Upkeep),
    /// Looks up LPs and funds by name or metadata.
    Find(Find),
    /// Shows the plan by which the database answers a report.
    Explain(Explain),
    /// Tells of the last refreshes of the views.
    RefreshHistory(Most),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("part").args(["funds", "lp", "fund", "from_lp"]))]
pub struct Rebuild {
    /// Only the funds' own figures, then the night's work.
    #[arg(long)]
    pub funds: bool,
    /// Only what this LP has.
    #[arg(long, value_name = "ID")]
    pub lp: Option<i64>,
    /// Only this fund's own figures and what its LPs have in it.
    #[arg(long, value_name = "ID")]
    pub fund: Option<i64>,
    /// Only what the LPs from this one on have: where an earlier rebuild was stopped.
    #[arg(long, value_name = "ID", requires = "to_lp")]
    pub from_lp: Option<i64>,
    /// Up to this one.
    #[arg(long, value_name = "ID", requires = "from_lp")]
    pub to_lp: Option<i64>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("extent").args(["lp", "sample", "from_lp"]))]
pub struct Verify {
    /// Only this LP.
    #[arg(long, value_name = "ID")]
    pub lp: Option<i64>,
    /// Only so many LPs and so many funds, chosen at random.
    #[arg(long, value_name = "N")]
    pub sample: Option<u16>,
    /// Only the LPs from this one on: where an earlier look was stopped.
    #[arg(long, value_name = "ID")]
    pub from_lp: Option<i64>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["index", "above"]))]
pub struct Reindex {
    /// Only this index.
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,
    /// Those of which more than so much is empty; 30 unless given.
    #[arg(long, value_name = "PERCENT")]
    pub above: Option<f64>,
}

#[derive(Debug, Args)]
pub struct Most {
    /// At most so many, up to 200.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub most: u16,
}

#[derive(Debug, Args)]
pub struct Upkeep {
    /// Takes out of the access log what is older than so many months, other than the 24 that are usual.
    #[arg(long, value_name = "N", requires = "yes")]
    pub keep_months: Option<u16>,
    /// Confirms another retention.
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["name", "metadata"]).required(true).multiple(true))]
pub struct Find {
    /// A part of the name, in whatever case.
    pub name: Option<String>,
    /// What the metadata hold; what is no JSON is text. May be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub most: Most,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// The function that answers it, such as `summary`.
    pub report: String,
    /// The path's LP.
    #[arg(long, value_name = "ID")]
    pub lp: Option<i64>,
    /// The path's fund.
    #[arg(long, value_name = "ID")]
    pub fund: Option<i64>,
    /// A parameter of the question, as in its URL: `--query asOf=2026-01-31`. May be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub query: Vec<(String, String)>,
}

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Shows them, and leaves them where they are.
    Show(Show),
    /// Sends them to the activity queue again, and takes each away once it is sent.
    Redrive(Redrive),
}

#[derive(Debug, Args)]
pub struct Show {
    /// Only those with this reason.
    #[arg(long)]
    pub reason: Option<String>,
    /// Looks at no more than so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub most: u16,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["all", "reason", "id"]).required(true))]
#[command(group = ArgGroup::new("sure").args(["dry_run", "yes"]).required(true))]
pub struct Redrive {
    /// All of them.
    #[arg(long)]
    pub all: bool,
    /// Those with this reason.
    #[arg(long)]
    pub reason: Option<String>,
    /// The one with this id. May be given more than once.
    #[arg(long)]
    pub id: Vec<String>,
    /// Only says which they are.
    #[arg(long)]
    pub dry_run: bool,
    /// Does it.
    #[arg(long)]
    pub yes: bool,
    /// No more than so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub most: u16,
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
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_cannot_be_taken_back_has_to_be_confirmed_and_choices_exclude_each_other() {
        for (line, kind) in [
            (
                "dead-letters redrive --all",
                ErrorKind::MissingRequiredArgument,
            ),
            (
                "dead-letters redrive --yes",
                ErrorKind::MissingRequiredArgument,
            ),
            (
                "dead-letters redrive --all --yes --dry-run",
                ErrorKind::ArgumentConflict,
            ),
            (
                "dead-letters redrive --all --yes --most 5000",
                ErrorKind::ValueValidation,
            ),
            ("upkeep --keep-months 2", ErrorKind::MissingRequiredArgument),
            ("rebuild --lp 1 --fund 2", ErrorKind::ArgumentConflict),
            ("rebuild --from-lp 1", ErrorKind::MissingRequiredArgument),
            ("find", ErrorKind::MissingRequiredArgument),
            ("find --metadata crm", ErrorKind::ValueValidation),
            ("forget ada", ErrorKind::ValueValidation),
        ] {
            let words = ["lp-ops"].into_iter().chain(line.split(' '));
            let refused = Arguments::try_parse_from(words).expect_err(line);
            assert_eq!(refused.kind(), kind, "{line}");
        }
    }
}
