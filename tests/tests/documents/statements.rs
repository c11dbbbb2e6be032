//! The SQL of the documents: what a document shows can be applied, and every query of docs/queries.sql returns what stands above it.

use std::process::Stdio;

use local::servers::postgres::Role;
use serde_json::json;
use tests::builders::activity_message;
use tests::database::{Database, project};
use tests::desk::Desk;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio_postgres::Client;

use super::page::pages;

/// Each is tried by itself, and undone.
#[tokio::test]
async fn every_statement_of_a_document_can_be_applied_by_the_migrator() {
    let database = Database::sample().await;
    let migrator = database.connect_as(Role::Migrator).await;
    let blocks = pages().into_iter().flat_map(|page| page.blocks);
    let mut applied = 0;
    for block in blocks.filter(|block| block.info == "sql") {
        let sql = format!("begin; {}; rollback", block.text);
        let outcome = migrator.batch_execute(&sql).await;
        outcome.unwrap_or_else(|error| panic!("{}: {error:?}", block.place));
        applied += 1;
    }
    assert!(applied > 0, "no document has a statement");
}

/// Of which there may be nothing, and here is something: `make_busy` and `hold_up` have seen to it.
const PROVOKED: [&str; 7] = [
    "Who waits for a lock, and for whom",
    "What the views have not seen yet",
    "Whose rates of return are owed",
    "What became of an event",
    "Who looked at an LP",
    "Who may see an LP",
    "What was changed by hand",
];

/// A query of docs/queries.sql, as the file's own lines describe it.
struct Query {
    title: String,
    role: Role,
    /// `one row`, `rows`, or `rows or none`.
    rows: String,
    columns: String,
    /// As psql reads it.
    text: String,
}

/// Splits the file at its numbered titles. `\connect - reader` changes who asks.
fn queries(file: &str) -> Vec<Query> {
    let mut role = Role::Migrator;
    let mut queries: Vec<Query> = Vec::new();
    for line in file.lines() {
        if line == r"\connect - reader" {
            role = Role::Reader;
        } else if let Some(title) = title(line) {
            let [rows, columns, text] = [const { String::new() }; 3];
            queries.push(Query {
                title,
                role,
                rows,
                columns,
                text,
            });
        } else if let Some(query) = queries.last_mut() {
            if let Some((rows, columns)) = line
                .strip_prefix("-- Returns ")
                .and_then(|told| told.split_once(": "))
            {
                (query.rows, query.columns) = (
                    rows.to_owned(),
                    columns.trim_end_matches('.').replace(", ", ","),
                );
            }
            query.text.push_str(line);
            query.text.push('\n');
        }
    }
    queries
}

/// Of a line such as `-- 3. Which tables are read from end to end`.
fn title(line: &str) -> Option<String> {
    let (number, title) = line.strip_prefix("-- ")?.split_once(". ")?;
    number.parse::<u32>().ok().map(|_| title.to_owned())
}

/// Asks as a person would, from the project's root, and returns the lines of psql's answer: the columns' names, then the rows.
async fn ask(query: &Query, database: &Database, variables: &[(&str, i64)]) -> Vec<String> {
    let mut psql = Command::new("psql");
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--csv",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
    ]);
    for (name, value) in variables {
        psql.arg(format!("--set={name}={value}"));
    }
    psql.arg(database.url(query.role)).current_dir(project());
    psql.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = psql.spawn().expect("psql is there");
    let mut input = running.stdin.take().expect("an input");
    input
        .write_all(query.text.as_bytes())
        .await
        .expect("it reads");
    drop(input);
    let output = running.wait_with_output().await.expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", query.title);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// What a quiet sample lacks: a look, a change by hand, and an entry that came as a message, with its mark and its debt.
async fn make_busy(desk: &Desk, commitment_id: i64) {
    desk.run(
        "insert into access_log (subject, lp_id, route, outcome, request_id) values ('ada', 1, 'summary', 'allowed', 'a request');
         update limited_partners set metadata = '{\"country\": \"FI\"}' where lp_id = 1",
    )
    .await;
    let sql = format!(
        "select f.currency from funds f join lp_fund_commitments c using (fund_id) where c.commitment_id = {commitment_id}"
    );
    let currency: String = desk
        .client
        .query_one(&sql, &[])
        .await
        .expect("a fund")
        .get(0);
    let mut call = activity_message(commitment_id, "capital_call", 12345, "2026-01-15");
    call["currency"] = json!(currency);
    desk.record(&[&call]).await;
}

/// Has one session hold the row of an LP and another one wait for it, as long as the sessions live.
async fn hold_up(desk: &Desk) -> (Client, tokio::task::JoinHandle<()>) {
    let (holder, waiter) = (desk.database.connect().await, desk.database.connect().await);
    let lock = "begin; select from limited_partners where lp_id = 1 for update";
    holder.batch_execute(lock).await.expect("the row is held");
    // It fails when its database goes, which is how it ends.
    let waiting = tokio::spawn(async move { drop(waiter.batch_execute(lock).await) });
    desk.until_waiting(1).await;
    (holder, waiting)
}

#[tokio::test]
async fn every_query_of_the_collection_returns_what_stands_above_it() {
    let desk = Desk::sample().await;
    let commitment_id = desk
        .number("select min(commitment_id) from lp_fund_commitments where lp_id = 1")
        .await;
    let fund_id = desk
        .number("select min(fund_id) from lp_fund_commitments where lp_id = 1")
        .await;
    make_busy(&desk, commitment_id).await;
    let (_holder, waiting) = hold_up(&desk).await;
    let variables = [
        ("lp_id", 1),
        ("fund_id", fund_id),
        ("commitment_id", commitment_id),
    ];
    let file = std::fs::read_to_string(project().join("docs/queries.sql"))
        .expect("the collection is there");
    let queries = queries(&file);
    assert!(
        queries.len() > 20,
        "only {} queries were understood",
        queries.len()
    );
    for query in &queries {
        let answer = ask(query, &desk.database, &variables).await;
        let (columns, rows) = answer
            .split_first()
            .unwrap_or_else(|| panic!("{} says nothing", query.title));
        assert_eq!(columns, &query.columns, "{}", query.title);
        let is_as_told = match query.rows.as_str() {
            "one row" => rows.len() == 1,
            "rows" => !rows.is_empty(),
            "rows or none" => !rows.is_empty() || !PROVOKED.contains(&query.title.as_str()),
            _ => false,
        };
        assert!(
            is_as_told,
            "{}: {:?}, but {} came",
            query.title,
            query.rows,
            rows.len()
        );
    }
    let is_asked = |title: &&str| queries.iter().any(|query| query.title == *title);
    assert!(
        PROVOKED.iter().all(is_asked),
        "what was provoked is not asked"
    );
    assert_sums_agree(&queries, &desk.database, &variables).await;
    waiting.abort();
}

/// The sums by hand are those of the definition, which readers get.
async fn assert_sums_agree(queries: &[Query], database: &Database, variables: &[(&str, i64)]) {
    let find = |title: &str| {
        let query = queries.iter().find(|query| query.title == title);
        query.unwrap_or_else(|| panic!("there is no query {title}"))
    };
    let by_hand = ask(
        find("An LP's totals, from the ledger by hand"),
        database,
        variables,
    )
    .await;
    let both = ask(
        find("The same from the view, and from its definition"),
        database,
        variables,
    )
    .await;
    // Without the NAV, which is no sum of entries.
    let defined = both
        .iter()
        .filter_map(|row| row.strip_prefix("definition,")?.rsplit_once(','));
    let defined: Vec<&str> = defined.map(|(sums, _)| sums).collect();
    assert_eq!(by_hand[1..], defined);
}
