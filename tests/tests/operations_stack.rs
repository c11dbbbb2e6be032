//! `lp-ops` on a running stack: every command of docs/operations.md, what it refuses, and that of the dead letters none is lost or doubled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tests::builders::activity_message;
use tests::database::project;
use tests::proxy::{Proxy, When};
use tests::stack::{Stack, binary};
use tests::teardown::unique_name;

/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(120);

/// What the tests' own servers are reached by, which no command here is to use.
const CREDENTIALS: [&str; 4] = [
    "AWS_ENDPOINT_URL_SQS",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];

struct Run {
    stack: Stack,
    /// A folder where commands find the stack as in the project's: under target/local.
    folder: PathBuf,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Run {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let folder = std::env::temp_dir().join(unique_name("lp-ops"));
        std::fs::create_dir_all(folder.join("target")).expect("a folder");
        let local = folder.join("target/local");
        std::os::unix::fs::symlink(stack.folder(), local).expect("a link");
        Self { stack, folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("lp-ops"));
        command.args(arguments).current_dir(&self.folder);
        command.stdin(Stdio::null());
        for name in CREDENTIALS {
            command.env_remove(name);
        }
        // Nor is it to look for a machine of AWS's that would tell.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("lp-ops starts")
    }

    /// The answer for machines.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        parsed(&output)
    }

    async fn number(&self, sql: &str) -> i64 {
        let client = self.stack.administration().await;
        client.query_one(sql, &[]).await.expect(sql).get(0)
    }

    async fn change(&self, sql: &str) {
        let client = self.stack.administration().await;
        client.batch_execute(sql).await.expect(sql);
    }

    /// Waits until every message sent so far is acknowledged.
    async fn acknowledged(&self) {
        let start = Instant::now();
        while self.stack.unacknowledged().await > 0 {
            assert!(start.elapsed() < LIMIT, "messages are still on the queue");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn dead(&self) -> i64 {
        let queues = self.json(&["queue"]);
        let dead = &queues["queues"][1];
        assert_eq!(dead["name"], "dead letters");
        let count = |name: &str| dead[name].as_i64().expect("a number");
        count("visible") + count("inFlight")
    }

    fn call(&self) -> Value {
        activity_message(
            self.stack.id("COMMITMENT_ID"),
            "capital_call",
            100,
            "2024-02-01",
        )
    }
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", told(output)))
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_do_by_hand_what_schedules_do_and_no_dead_letter_is_lost() {
    let run = Run::start().await;
    every_command_of_the_pages_is_understood(&run);
    what_is_wrong_is_refused_with_what_to_do(&run);
    a_wrong_row_is_found_and_rebuilt(&run).await;
    a_forgotten_answer_is_a_miss(&run).await;
    plans_and_finds_are_told(&run);
    a_deployment_is_asked_in_the_same_way(&run);
    dead_letters_are_shown_and_stay(&run).await;
    a_letter_whose_cause_is_mended_is_recorded(&run).await;
    an_interrupted_redrive_loses_and_doubles_nothing(&run).await;
}

/// As it stands on the page, by a shell in the project's folder with the stack's variables.
fn every_command_of_the_pages_is_understood(run: &Run) {
    let pages = ["docs/operations.md", "docs/runbook.md"];
    let [page, runbook] =
        pages.map(|page| std::fs::read_to_string(project().join(page)).expect("the page"));
    let commands: Vec<&str> = page
        .lines()
        .chain(runbook.lines())
        .filter(|line| line.starts_with("lp-ops "))
        .collect();
    assert!(commands.len() > 25, "{commands:?}");
    let programs = binary("lp-ops");
    let programs = programs.parent().expect("a folder").display();
    for command in commands {
        let script = format!("set -eu; PATH={programs}:$PATH; . target/local/env; {command}");
        let shell = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&run.folder)
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        assert!(shell.status.success(), "{command}: {}", told(&shell));
        assert!(!shell.stdout.is_empty(), "{command} says nothing");
    }
    let curl = page.lines().find(|line| line.starts_with("curl "));
    assert!(curl.is_some_and(|line| line.contains("nightly-refresh")));
}

fn what_is_wrong_is_refused_with_what_to_do(run: &Run) {
    for (line, code, expected) in [
        ("rebuild --lp 1000000", 1, "there is no LP 1000000"),
        ("rebuild --fund 1000000", 1, "there is no fund 1000000"),
        ("rebuild --lp 0", 1, "lpId"),
        ("verify --lp 1000000", 1, "there is no such LP"),
        ("verify --sample 0", 1, "sample"),
        ("forget 1000000", 1, "there is no LP 1000000"),
        ("reindex --index nothing", 1, "there is no index nothing"),
        ("reindex --above 100", 1, "aboveBloatPercent"),
        ("explain audit --lp 1", 1, "there is no report audit"),
        (
            "explain summary --lp 1 --query asOf=soon",
            1,
            "asOf is not a date",
        ),
        ("slow-queries --most 201", 1, "most is not from 1 to 200"),
        ("--env-file nowhere queue", 1, "make run"),
        (
            "--queue-url http://127.0.0.1:1/q dead-letters show",
            1,
            "region",
        ),
        ("upkeep --keep-months 3", 2, "--yes"),
        ("dead-letters redrive --all", 2, "--dry-run"),
        ("vacuum", 2, "vacuum"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = run.run(&words);
        let text = told(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        assert!(text.contains(expected), "{line}: {text}");
    }
}

async fn a_wrong_row_is_found_and_rebuilt(run: &Run) {
    let lp = run.stack.setting("LP_ID").to_owned();
    let right = run.json(&["verify", "--lp", &lp]);
    assert_eq!(right["totalDriftRows"], 0, "{right}");
    run.change(&format!(
        "update lp_performance_snapshots set net_irr = 1 where lp_id = {lp}
             and snapshot_date = (select min(snapshot_date) from lp_performance_snapshots where lp_id = {lp})"
    ))
    .await;
    let wrong = run.run(&["verify", "--lp", &lp, "--json"]);
    assert_eq!(wrong.status.code(), Some(1));
    let wrong = parsed(&wrong);
    assert!(
        wrong["driftRows"]["lp_performance_snapshots"].as_i64() > Some(0),
        "{wrong}"
    );
    assert_eq!(wrong["differingLpIds"], json!([run.stack.id("LP_ID")]));
    let text = told(&run.run(&["verify", "--lp", &lp]));
    assert!(text.contains(&format!("LPs that differ: {lp}")), "{text}");
    let rebuilt = run.json(&["rebuild", "--lp", &lp]);
    assert_eq!(rebuilt["rebuiltLps"], 1, "{rebuilt}");
    assert_eq!(run.json(&["verify"])["totalDriftRows"], 0);
}

async fn a_forgotten_answer_is_a_miss(run: &Run) {
    let lp = run.stack.setting("LP_ID");
    let path = format!("/api/lp/{lp}/summary");
    let cache = async || {
        let answer = run.stack.get(&path, run.stack.setting("TOKEN")).await;
        answer.headers["x-cache"].to_str().expect("text").to_owned()
    };
    cache().await;
    assert_eq!(cache().await, "hit");
    assert_eq!(run.json(&["forget", lp]), json!({"forgotten": true}));
    assert_eq!([cache().await, cache().await], ["miss", "hit"]);
}

fn plans_and_finds_are_told(run: &Run) {
    let lp = run.stack.setting("LP_ID");
    let text = told(&run.run(&["explain", "capital-activity", "--lp", lp]));
    assert!(text.contains("capital_activities_timeline_idx"), "{text}");
    let everyone = run.json(&["find", "a", "--most", "2"]);
    assert_eq!(everyone["isTruncated"], true);
    let name = everyone["lps"][0]["name"].as_str().expect("a name");
    let found = run.json(&["find", name]);
    assert!(
        found["lps"]
            .as_array()
            .is_some_and(|lps| lps.contains(&everyone["lps"][0])),
        "{found}"
    );
    let history = run.json(&["refresh-history", "--most", "1"]);
    assert_eq!(history["refreshes"].as_array().map(Vec::len), Some(1));
    let slow = run.json(&["slow-queries", "--most", "200"]);
    let roles = slow["statements"].as_array().expect("statements").iter();
    let roles: Vec<&str> = roles.filter_map(|slow| slow["role"].as_str()).collect();
    assert!(roles.contains(&"reader"), "everybody's are told: {roles:?}");
}

/// Named by the outputs of a stack, as the AWS command line would tell them, with the client's own ways to an endpoint.
fn a_deployment_is_asked_in_the_same_way(run: &Run) {
    let outputs = json!([
        {"OutputKey": "NightlyRefreshFunctionName", "OutputValue": "nightly-refresh"},
        {"OutputKey": "ActivityQueueUrl", "OutputValue": run.stack.setting("QUEUE_URL")},
        {"OutputKey": "ActivityDeadLetterQueueUrl", "OutputValue": run.stack.setting("DLQ_URL")},
    ]);
    let aws = run.folder.join("aws");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'--stack-name mine') echo '{outputs}';; *) echo no such stack >&2; exit 1;; esac\n"
    );
    std::fs::write(&aws, script).expect("a script");
    make_executable(&aws);
    let ask = |stack: &str, words: &[&str]| {
        let mut command = run.command(words);
        command.args(["--json", "--stack", stack]);
        command.env("PATH", &run.folder);
        command.env("AWS_ENDPOINT_URL_LAMBDA", run.stack.setting("INVOKE_URL"));
        for name in CREDENTIALS {
            command.env(name, run.stack.setting(name));
        }
        command.output().expect("lp-ops starts")
    };
    let measured = ask("mine", &["measure"]);
    assert!(measured.status.success(), "{}", told(&measured));
    assert_eq!(parsed(&measured)["performancePending"], 0);
    assert_eq!(
        parsed(&ask("mine", &["queue"]))["queues"][0]["name"],
        "activity"
    );
    let unknown = ask("theirs", &["queue"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        told(&unknown).contains("no such stack"),
        "{}",
        told(&unknown)
    );
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file, executable).expect("its mode is set");
}

/// By reason, how many letters there are, and their bodies.
fn letters(run: &Run) -> BTreeMap<String, Vec<String>> {
    let shown = run.json(&["dead-letters", "show", "--most", "1000"]);
    let mut letters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for letter in shown["deadLetters"].as_array().expect("letters") {
        let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
        assert!(
            letter["ageHours"].as_f64().is_some_and(|age| age < 1.0),
            "{letter}"
        );
        letters
            .entry(text("reason"))
            .or_default()
            .push(text("body"));
    }
    letters.values_mut().for_each(|bodies| bodies.sort());
    letters
}

async fn dead_letters_are_shown_and_stay(run: &Run) {
    for number in 0..12 {
        run.stack
            .send(&json!({"schema": "nobody's/1", "number": number}))
            .await;
    }
    let mut zero = run.call();
    zero["amountCents"] = json!(0);
    run.stack.send(&zero).await;
    run.acknowledged().await;
    let before = letters(run);
    let counts: Vec<(&str, usize)> = before
        .iter()
        .map(|(reason, bodies)| (reason.as_str(), bodies.len()))
        .collect();
    assert_eq!(counts, [("INVALID_AMOUNT", 1), ("UNKNOWN_SCHEMA", 12)]);
    let shown = run.json(&["dead-letters", "show", "--reason", "INVALID_AMOUNT"]);
    assert_eq!(shown["deadLetters"].as_array().map(Vec::len), Some(1));
    let text = told(&run.run(&["dead-letters", "show"]));
    assert!(
        text.contains("INVALID_AMOUNT") && text.contains("nobody's/1"),
        "{text}"
    );
    let chosen = [
        "dead-letters",
        "redrive",
        "--reason",
        "UNKNOWN_SCHEMA",
        "--most",
        "5",
    ];
    let tried = run.json(&[&chosen[..], &["--dry-run"]].concat());
    assert_eq!(tried["ids"].as_array().map(Vec::len), Some(5));
    assert_eq!(run.stack.unacknowledged().await, 0, "nothing was sent");
    let redriven = run.json(&[&chosen[..], &["--yes"]].concat());
    assert_eq!(redriven["ids"].as_array().map(Vec::len), Some(5));
    run.acknowledged().await;
    assert_eq!(letters(run), before, "refused again, each once");
    let unknown = run.run(&["dead-letters", "redrive", "--id", "nobody", "--yes"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        told(&unknown).contains("not among the letters: nobody"),
        "{}",
        told(&unknown)
    );
}

async fn a_letter_whose_cause_is_mended_is_recorded(run: &Run) {
    run.stack.dead_letters().await;
    let call = run.call();
    run.stack
        .send_dead_letter(&call, "COMMITMENT_NOT_FOUND")
        .await;
    let entries = "select count(*) from capital_activities";
    let before = run.number(entries).await;
    let shown = run.json(&["dead-letters", "show"]);
    let id = shown["deadLetters"][0]["id"].as_str().expect("an id");
    let redriven = run.json(&["dead-letters", "redrive", "--id", id, "--yes"]);
    assert_eq!(
        redriven,
        json!({"dryRun": false, "ids": [id], "unknownIds": []})
    );
    run.acknowledged().await;
    assert_eq!((run.number(entries).await, run.dead()), (before + 1, 0));
}

/// A proxy before the stack's queues, and a file by which `lp-ops` finds the stack with those behind it.
async fn before_queues(run: &Run) -> (Proxy, PathBuf) {
    let url = run.stack.setting("AWS_ENDPOINT_URL_SQS");
    let (proxy, proxied) = Proxy::before_url(url).await;
    let text = std::fs::read_to_string(run.stack.folder().join("env")).expect("the stack's file");
    let name = "AWS_ENDPOINT_URL_SQS";
    let text = text.replace(&format!("{name}='{url}'"), &format!("{name}='{proxied}'"));
    let file = run.folder.join("env");
    std::fs::write(&file, text).expect("a file is written");
    (proxy, file)
}

async fn an_interrupted_redrive_loses_and_doubles_nothing(run: &Run) {
    const LETTERS: i64 = 150;
    for _ in 0..LETTERS {
        run.stack
            .send_dead_letter(&run.call(), "COMMITMENT_NOT_FOUND")
            .await;
    }
    let entries = "select count(*) from capital_activities";
    let before = run.number(entries).await;
    let all = [
        "dead-letters",
        "redrive",
        "--all",
        "--most",
        "1000",
        "--yes",
    ];
    let (proxy, env_file) = before_queues(run).await;
    let held = proxy.hold(b"AmazonSQS.DeleteMessage", 6, When::Before);
    let mut command = run.command(&all);
    let child = command
        .arg("--env-file")
        .arg(env_file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("lp-ops starts");
    held.reached().await;
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGINT).expect("it is interrupted");
    held.release();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("interrupted"), "{}", told(&output));
    run.acknowledged().await;
    let (recorded, left) = (run.number(entries).await - before, run.dead());
    assert!(left > 0, "it was interrupted in between");
    assert_eq!(
        recorded + left,
        LETTERS,
        "each letter is recorded or still there"
    );
    run.json(&all);
    run.acknowledged().await;
    assert_eq!(
        (run.number(entries).await - before, run.dead()),
        (LETTERS, 0)
    );
}
