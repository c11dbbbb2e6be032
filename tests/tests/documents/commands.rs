//! Blocks of commands: each says what may be done with it, and those that need no more than a running stack are run on one.

use std::time::{Duration, Instant};

use tests::stack::Stack;

use super::page::{Block, pages, targets};
use super::workplace::Workplace;

/// How long messages that a block has sent are waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// What may be done with the commands of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// `sh`: they are run, and succeed.
    Runs,
    /// `sh refused`: they are run, and the API refuses what they ask.
    IsRefused,
    /// `sh build`: targets of the Makefile that build, start, test or measure.
    Builds,
    /// `sh ops`: they are `lp-ops` and are run by the test of docs/operations.md.
    IsRunElsewhere,
    /// `sh aws`, `sh person`, `sh time`: they need an account, somebody who decides or looks, or longer than a test may take.
    IsNotRun,
}

impl Use {
    /// Reads it from the words after the fence; nothing for what is no block of commands.
    fn of(block: &Block) -> Option<Result<Self, String>> {
        Some(match block.info.as_str() {
            "sh" => Ok(Self::Runs),
            "sh refused" => Ok(Self::IsRefused),
            "sh build" => Ok(Self::Builds),
            "sh ops" => Ok(Self::IsRunElsewhere),
            "sh aws" | "sh person" | "sh time" => Ok(Self::IsNotRun),
            "json" | "sql" | "text" => return None,
            "" if !block.text.contains('$') => return None,
            other => Err(format!(
                "{}: nobody knows what may be done with `{other}`",
                block.place
            )),
        })
    }
}

fn blocks() -> Vec<(Use, Block)> {
    let blocks = pages().into_iter().flat_map(|page| page.blocks);
    let marked: Result<Vec<(Use, Block)>, String> = blocks
        .filter_map(|block| Some(Use::of(&block)?.map(|used| (used, block))))
        .collect();
    marked.unwrap_or_else(|unknown| panic!("{unknown}"))
}

/// The target of a line such as `SIZE=M make run KEEP=1  # keeps the data`; nothing for a line without a command.
fn target(line: &str) -> Option<Result<&str, &str>> {
    let command = line.split(" #").next().unwrap_or_default().trim();
    if command.is_empty() || command.starts_with('#') {
        return None;
    }
    let mut words = command
        .split_whitespace()
        .filter(|word| !word.contains('='));
    Some(match (words.next(), words.next(), words.next()) {
        (Some("make"), Some(target), None) => Ok(target),
        _ => Err(command),
    })
}

/// What is wrong with a line of a block: a target that the Makefile lacks, or a command that nobody would run.
fn wrong_line(used: Use, line: &str, targets: &[String]) -> bool {
    match (used, target(line)) {
        (_, None) => false,
        (_, Some(Ok(target))) => !targets.iter().any(|known| known == target),
        (Use::Builds, Some(Err(_))) => true,
        (Use::IsRunElsewhere, Some(Err(command))) => !command.starts_with("lp-ops "),
        _ => false,
    }
}

#[test]
fn every_block_says_what_may_be_done_with_it_and_holds_nothing_else() {
    let targets = targets();
    let mut wrong = Vec::new();
    for (used, block) in blocks() {
        let lines = block
            .text
            .lines()
            .filter(|line| wrong_line(used, line, &targets));
        wrong.extend(lines.map(|line| format!("{}: {line}", block.place)));
    }
    assert!(
        wrong.is_empty(),
        "not what their blocks are for:\n{}",
        wrong.join("\n")
    );
}

/// What comments at the ends of lines show of the answers, such as `# {"changed":true}` or `# 304`.
fn shown_answers(text: &str) -> impl Iterator<Item = &str> {
    let comments = text
        .lines()
        .filter_map(|line| Some(line.rsplit_once(" # ")?.1.trim_end()));
    comments.filter(|comment| comment.starts_with(|c: char| c == '{' || c.is_ascii_digit()))
}

/// What is wrong with how a block went.
async fn failure(workplace: &Workplace, used: Use, block: &Block) -> Option<String> {
    let outcome = workplace.run(&block.text, used == Use::Runs).await;
    let said = &outcome.said;
    let is_as_meant = match used {
        Use::IsRefused => said.contains("urn:lp-reporting:problem:"),
        // A function that fails is told of in the body of an answer that is none.
        _ => !said.contains("\"errorMessage\""),
    };
    let is_as_shown = shown_answers(&block.text).all(|answer| said.contains(answer));
    let is_right = outcome.succeeded && is_as_meant && is_as_shown && !said.is_empty();
    (!is_right).then(|| format!("{}:\n{}\nsaid:\n{said}", block.place, block.text))
}

/// Blocks stand by themselves, but a document may build on what it has sent.
async fn wait_for_messages(stack: &Stack) {
    let start = Instant::now();
    while stack.unacknowledged().await > 0 && start.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_needs_only_a_running_stack_does_what_it_says() {
    let stack = Stack::start().await;
    let workplace = Workplace::beside(&stack);
    let (mut run, mut failures) = (0, Vec::new());
    for (used, block) in blocks() {
        if ![Use::Runs, Use::IsRefused].contains(&used) {
            continue;
        }
        failures.extend(failure(&workplace, used, &block).await);
        run += 1;
        wait_for_messages(&stack).await;
    }
    assert!(
        failures.is_empty(),
        "{} of {run} blocks:\n{}",
        failures.len(),
        failures.join("\n---\n")
    );
    assert!(run > 20, "only {run} blocks were run");
}
