//! The restore drill: docs/restoring.md, done as it says, onto a server that knows nothing of the one that was dumped.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Instant;

use local::servers::postgres::{Postgres, Purpose, Role};
use serde_json::{Value, json};
use shared::ledger::Outcome;
use tests::database::{connect, project};
use tests::document::block;
use tests::platform::Process;
use tests::queue::Queues;
use tests::redis::Keyspace;
use tests::throwaway::Throwaway;
use tokio::process::Command;

mod old;
mod site;

use old::Old;
use site::{Site, texts};

const PAGE: &str = "docs/restoring.md";
/// What is owed, and what was done about the views: neither truth nor derived from it, and done again after a restore.
const WORK: [&str; 3] = [
    "pending_performance",
    "touched_commitments",
    "view_refreshes",
];

/// Runs a block of the page in the project's folder, which has to succeed.
async fn run(what: &str, block: &str, variables: &[(&str, &str)]) {
    let started = Instant::now();
    let mut shell = Command::new("bash");
    shell
        .args(["-euc", block])
        .current_dir(project())
        .stdin(Stdio::null())
        .envs(variables.iter().copied());
    let output = shell.output().await.expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{block}\n{said}");
    println!("{what}: {:?}", started.elapsed());
}

/// A server on which the first deployment has made the roles, and nothing else.
struct New {
    postgres: Postgres,
    queues: Queues,
    keyspace: Keyspace,
    /// Dropped last: the server goes with it.
    throwaway: Throwaway,
}

impl New {
    async fn deploy() -> Self {
        let throwaway = Throwaway::create();
        let (home, processes) = (&throwaway.home, &throwaway.processes);
        let postgres = Postgres::start(home, processes, Purpose::Tests).await;
        let new = Self {
            postgres: postgres.expect("Postgres starts"),
            queues: Queues::create().await,
            keyspace: Keyspace::default(),
            throwaway,
        };
        let administrator = connect(&new.url(Role::Administrator, "postgres")).await;
        let created = administrator
            .batch_execute("create database lp_reporting owner migrator")
            .await;
        created.expect("a database is created");
        let applied = new.migrate().await;
        assert_ne!(applied, json!([]), "the roles come with the migrations");
        new
    }

    fn url(&self, role: Role, database: &str) -> String {
        self.postgres.url(role, database)
    }

    /// What the functions find, under the stack's own name of the database.
    fn site(&self) -> Site {
        Site::at(&self.url(Role::Reader, "lp_reporting"), &self.keyspace)
    }

    /// Restores a dump beside the empty database, and gives it that one's name.
    async fn restore(&self, dump: &str) -> Site {
        let administrator_url = self.url(Role::Administrator, "postgres");
        let restored_url = self.url(Role::Migrator, "lp_reporting_restored");
        let variables = [
            ("ADMINISTRATOR_URL", administrator_url.as_str()),
            ("RESTORED_URL", &restored_url),
            ("DUMP", dump),
        ];
        let restore = block(PAGE, "## Restoring it", "sh person");
        run("restore", &restore, &variables).await;
        let change_over = block(PAGE, "## Changing over", "sh person");
        run("change over", &change_over, &variables).await;
        assert_eq!(self.migrate().await, json!([]), "nothing is left to apply");
        self.site()
    }

    /// Has `migrate` do its work, and returns what it applied.
    async fn migrate(&self) -> Value {
        self.invoke("migrate", Role::Migrator, &json!({})).await["applied"].clone()
    }

    /// Has `nightly-refresh` do a task.
    async fn ask_for(&self, task: &str) -> Value {
        let started = Instant::now();
        let task_event = json!({ "task": task });
        let done = self
            .invoke("nightly-refresh", Role::Refresher, &task_event)
            .await;
        println!("{task}: {:?}", started.elapsed());
        for nothing in ["driftRows", "failedLps", "failedFunds", "handedOn"] {
            assert_eq!(done[nothing], 0, "{task}, {nothing}: {done}");
        }
        done
    }

    async fn invoke(&self, function: &str, role: Role, event: &Value) -> Value {
        let queues = [
            ("QUEUE_URL", &self.queues.queue_url),
            ("DEAD_LETTER_QUEUE_URL", &self.queues.dead_letter_queue_url),
        ];
        let queues = queues.map(|(name, url)| (name.to_owned(), url.clone()));
        let account = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        let variables: Vec<(String, String)> = self
            .site()
            .variables(role)
            .into_iter()
            .chain(queues)
            .chain(account)
            .collect();
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Process::start(function, &variables)
            .await
            .answer("drill", event)
            .await
    }
}

/// Dumps as the page says, with further words behind the command.
async fn dump(old: &Old, new: &New, options: &str) -> String {
    let file = new.throwaway.folder().join("lp_reporting.dump");
    let file = file.display().to_string();
    let dump = block(PAGE, "## Taking a dump", "sh person");
    let url = old.site.url(Role::Migrator);
    let variables = [("DATABASE_URL", url.as_str()), ("DUMP", &file)];
    run(
        "dump",
        &format!("{} {options}", dump.trim_end()),
        &variables,
    )
    .await;
    file
}

/// Fails, naming what differs, and a little of how.
fn assert_same<T: PartialEq + std::fmt::Debug>(
    got: &BTreeMap<String, T>,
    expected: &BTreeMap<String, T>,
    when: &str,
) {
    let names: BTreeSet<&String> = got.keys().chain(expected.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| got.get(*name) != expected.get(*name))
        .map(|name| {
            format!(
                "{name}: {:.300?} and {:.300?}",
                got.get(name),
                expected.get(name)
            )
        })
        .collect();
    assert!(differing.is_empty(), "{when}: {differing:#?}");
}

/// What is left when a rebuild has settled and cleared all that there was to do.
fn without_work(mut contents: BTreeMap<String, (i64, String)>) -> BTreeMap<String, (i64, String)> {
    contents.retain(|table, _| !WORK.contains(&table.as_str()));
    contents
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_dump_answers_byte_for_byte_and_what_was_recorded_after_it_can_be_sent_again() {
    let (old, new) = tokio::join!(Old::open(), New::deploy());
    let answers = old.answers().await;
    assert!(answers.len() > 200, "only {} questions", answers.len());
    let (contents, sequences) = (old.site.contents().await, old.site.sequences().await);
    let file = dump(&old, &new, "").await;
    let (lost, lost_summary) = record_and_plant(&old).await;

    let restored = new.restore(&file).await;
    assert_same(&restored.contents().await, &contents, "restored");
    assert_eq!(restored.sequences().await, sequences);
    assert_eq!(restored.schema().await, old.site.schema().await);
    assert_eq!(restored.roles().await, old.site.roles().await);
    let at_once = restored.answers(&old.questions).await;
    assert_same(&at_once, &answers, "restored");

    new.ask_for("rebuild").await;
    new.ask_for("refresh").await;
    let rebuilt = without_work(restored.contents().await);
    assert_same(&rebuilt, &without_work(contents), "rebuilt");
    assert_same(&restored.answers(&old.questions).await, &answers, "rebuilt");

    the_old_cache_would_serve_what_was_lost(&old, &restored, &lost_summary).await;
    what_was_lost_is_recorded_once(&old, &restored, &lost, &lost_summary).await;
}

fn summary_of(old: &Old) -> String {
    format!("/api/lp/{}/summary", old.lp_id)
}

/// After the dump: a call is recorded, and the answer that has it is in the cache.
async fn record_and_plant(old: &Old) -> (Value, String) {
    let (lost, path) = (old.call(), summary_of(old));
    let before = old.site.ask(&path).await;
    old.site.record(&[&lost]).await;
    let after = old.site.ask(&path).await.body;
    assert_ne!(after, before.body);
    assert!(old.site.ask(&path).await.is_hit);
    (lost, after)
}

/// Which is why it is left behind: `CachePrefix` is the only thing that keeps the two apart.
async fn the_old_cache_would_serve_what_was_lost(old: &Old, restored: &Site, lost_summary: &str) {
    let path = summary_of(old);
    let careless = Site::at(&restored.url(Role::Reader), &old.desk.keyspace);
    let served = careless.ask(&path).await;
    assert_eq!((served.body.as_str(), served.is_hit), (lost_summary, true));
    assert_ne!(restored.ask(&path).await.body, lost_summary);
}

async fn what_was_lost_is_recorded_once(
    old: &Old,
    restored: &Site,
    lost: &Value,
    lost_summary: &str,
) {
    let recorded = restored.record(&[&old.first, lost]).await;
    let expected = [Outcome::Duplicate, Outcome::Recorded];
    assert_eq!(recorded.outcomes, expected);
    assert_eq!(restored.ask(&summary_of(old)).await.body, lost_summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_the_truth_answers_byte_for_byte_once_it_is_rebuilt() {
    let (old, new) = tokio::join!(Old::open(), New::deploy());
    let (answers, contents) = (old.answers().await, old.site.contents().await);
    let file = dump(&old, &new, "--truth").await;

    let restored = new.restore(&file).await;
    let derived = texts(
        &restored.connect().await,
        "select c.relname::text from pg_class c where obj_description(c.oid, 'pg_class') like 'Derived:%'",
    )
    .await;
    let left_out: BTreeSet<&str> = derived.iter().map(String::as_str).chain(WORK).collect();
    let mut truth = contents.clone();
    for table in left_out {
        truth.insert(table.to_owned(), (0, String::new()));
    }
    assert_same(&restored.contents().await, &truth, "restored");

    new.ask_for("rebuild").await;
    new.ask_for("refresh").await;
    let rebuilt = without_work(restored.contents().await);
    assert_same(&rebuilt, &without_work(contents), "rebuilt");
    assert_same(&restored.answers(&old.questions).await, &answers, "rebuilt");
}
