//! The second wall: a reader sees the LP in whose scope its transaction is and no other, whatever the statement says; and those who
//! write, and the owner, on whom it is forced as well, see everything.

use std::time::Duration;

use shared::access::{Claim, Scope, Scoped};
use shared::grant::Funds;
use shared::ids::LpId;
use shared::refresh::{Cause, count_drift, refresh_views};
use tests::builders::{grant, insert_lp};
use tests::database::{Database, enter, enter_fund};
use tests::desk::Desk;
use tests::reporting::today;
use tokio_postgres::{Client, SimpleQueryMessage};

/// The LP in scope, and one that is not. They share a fund.
const MINE: i64 = 2;
const ANOTHERS: i64 = 1;

/// What readers may read that says nothing of a single LP.
const OF_NO_LP: [&str; 11] = [
    "activity_types",
    "fund_cash_flows",
    "fund_commitment_changes",
    "fund_investments",
    "fund_lp_summary_in_scope",
    "fund_marks_in_scope",
    "fund_performance",
    "funds",
    "investment_valuations",
    "portfolio_companies",
    "view_refreshes",
];

/// Marks, owed performance and tagged entries for every LP, so that each table has something to hide.
const BUSY: &str = "
    insert into capital_activities (lp_id, fund_id, commitment_id, activity_type, amount_cents, effective_date, cash_effect_cents,
            paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents, metadata)
        select lp_id, fund_id, commitment_id, 'capital_call', 100, date '2026-01-01', -100, 100, 0, -100, '{\"wire\": \"w7\"}'
        from lp_fund_commitments;
    insert into pending_performance (fund_id, from_date) select fund_id, date '2026-01-01' from funds;
    insert into access_log (subject, lp_id, route, outcome, request_id)
        select 'ada', lp_id, 'summary', 'allowed', lp_id::text from limited_partners";

/// A report's statement and its parameters after the LP.
struct Statement {
    sql: &'static str,
    parameters: String,
}

/// Every report's statement, with parameters that lead through each of its branches. `fund` is one in which both LPs are, and which holds something.
fn statements(fund: i64) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut add = |sql, parameters: String| statements.push(Statement { sql, parameters });
    for day in [today().to_string(), "2023-05-17".to_owned()] {
        add(
            include_str!("../../shared/src/reports/summary.sql"),
            format!("'{day}'"),
        );
        add(
            include_str!("../../shared/src/reports/performance.sql"),
            format!("'{day}'"),
        );
        add(
            include_str!("../../shared/src/reports/fund_performance.sql"),
            format!("'{day}', {fund}"),
        );
        for funds in [
            format!("0, {}, 0, 0, 101, null", i64::MAX),
            format!("{fund}, {fund}, 0, 0, 101, {fund}"),
        ] {
            add(
                include_str!("../../shared/src/reports/holdings.sql"),
                format!("'{day}', {funds}"),
            );
        }
    }
    for filter in [
        "'{}', '{}', null".to_owned(),
        "'{}', '{distribution}', null".to_owned(),
        format!("'{{{fund}}}', '{{}}', null"),
        r#"'{}', '{}', '{"wire": "w7"}'"#.to_owned(),
    ] {
        add(
            include_str!("../../shared/src/reports/capital_activity.sql"),
            format!("'9999-12-31', {}, '1900-01-01', 101, {filter}", i64::MAX),
        );
    }
    add(
        include_str!("../../shared/src/reports/access_log.sql"),
        format!("'9999-12-31', {}, 101", i64::MAX),
    );
    for scope in ["null, null".to_owned(), format!("{fund}, null")] {
        add(
            include_str!("../../shared/src/reports/performance_history.sql"),
            format!("{scope}, '1900-01-01', '{}', 40", today()),
        );
    }
    statements
}

/// The statement as it would be had whoever wrote it not thought of the LP.
fn forgetful(sql: &str) -> String {
    let pieces: Vec<&str> = sql.split("lp_id = $1::bigint").collect();
    let (last, before) = pieces.split_last().expect("there is one");
    assert!(!before.is_empty(), "the statement names its LP");
    let mut forgetful = String::new();
    for piece in before {
        // The table's alias goes as well.
        let without_alias = piece.trim_end_matches(|c: char| c.is_alphanumeric() || c == '.');
        forgetful.push_str(without_alias);
        forgetful.push_str("$1::bigint is not null");
    }
    forgetful + last
}

/// The rows of a statement as text.
async fn rows(client: &Client, sql: &str, lp_id: i64, parameters: &str) -> Vec<String> {
    let sql = format!(
        "prepare asked as with answer as ({sql}) select answer::text from answer;
         execute asked({lp_id}, {parameters});
         deallocate asked"
    );
    let messages = client.simple_query(&sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

async fn number(client: &Client, sql: &str) -> i64 {
    let row = client.query_one(sql, &[]).await;
    row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

async fn busy_sample() -> (Database, Client) {
    let database = Database::sample().await;
    let owner = database.connect().await;
    owner.batch_execute(BUSY).await.expect("the hour is busy");
    (database, owner)
}

#[tokio::test]
async fn a_report_that_forgets_its_lp_shows_the_one_in_scope_and_no_other() {
    let (database, owner) = busy_sample().await;
    // Without marks, today is answered from the views and the past from their definitions.
    let unmarked = owner.batch_execute("delete from touched_commitments").await;
    unmarked.expect("marks go");
    let sql = format!(
        "select a.fund_id from lp_fund_commitments a join lp_fund_commitments b on b.fund_id = a.fund_id
         where a.lp_id = {MINE} and b.lp_id = {ANOTHERS}
           and exists (select from fund_investments i
                       where i.fund_id = a.fund_id and i.investment_date < '2023-05-17' and i.exit_date is null)
         order by a.commitment_date limit 1"
    );
    let fund = number(&owner, &sql).await;
    let reader = database.connect_as_reader().await;
    for Statement { sql, parameters } in statements(fund) {
        let forgetful = forgetful(sql);
        let told = format!("{parameters}: {forgetful}");
        enter(&reader, &MINE.to_string()).await;
        let right = rows(&reader, sql, MINE, &parameters).await;
        assert!(!right.is_empty(), "{told}");
        let unguarded = rows(&owner, &forgetful, MINE, &parameters).await;
        assert!(unguarded != right, "nothing was forgotten, {told}");
        let guarded = rows(&reader, &forgetful, MINE, &parameters).await;
        assert_eq!(guarded, right, "{told}");
        let wrong = rows(&reader, sql, ANOTHERS, &parameters).await;
        assert_eq!(wrong, [""; 0], "{told}");
        enter(&reader, "").await;
        for sql in [sql, &forgetful] {
            let seen = rows(&reader, sql, MINE, &parameters).await;
            assert_eq!(seen, [""; 0], "in no scope, {told}");
        }
    }
}

#[tokio::test]
async fn whatever_a_reader_may_read_shows_the_lp_in_scope_alone() {
    let (database, owner) = busy_sample().await;
    let reader = database.connect_as_reader().await;
    let sql = "select c.relname::text, exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'lp_id')
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
          and has_any_column_privilege('reader', c.oid, 'select')
        order by 1";
    let mut of_no_lp = Vec::new();
    for row in owner.query(sql, &[]).await.expect("the catalogue answers") {
        let (name, is_of_lps): (String, bool) = (row.get(0), row.get(1));
        if !is_of_lps {
            of_no_lp.push(name);
            continue;
        }
        let count = |whose: &str| format!("select count(*) from {name} where {whose}");
        enter(&reader, &MINE.to_string()).await;
        let mine = count(&format!("lp_id = {MINE}"));
        assert!(number(&reader, &mine).await > 0, "{name}");
        let others = count(&format!("lp_id <> {MINE}"));
        assert_eq!(number(&reader, &others).await, 0, "{name}");
        enter(&reader, "").await;
        let anybodys = count("lp_id is not null");
        assert_eq!(number(&reader, &anybodys).await, 0, "{name} in no scope");
    }
    assert_eq!(of_no_lp, OF_NO_LP);
    // What runs with its owner's rights is a way through the wall: there are two for entering, and one that gives the sums of the
    // fund in scope.
    let doors = "select count(*) from pg_proc
        where prosecdef and prorettype <> 'trigger'::regtype and has_function_privilege('reader', oid, 'execute')";
    assert_eq!(number(&owner, doors).await, 3);
}

/// A fund's sums and marks are for whoever is in its scope. An LP's scope shows none, and a fund's shows no LP.
#[tokio::test]
async fn a_fund_summary_that_forgets_its_fund_shows_the_one_in_scope_and_no_other() {
    let (database, owner) = busy_sample().await;
    let sql = include_str!("../../shared/src/reports/fund_summary.sql");
    let forgetful = sql.replace("fund_id = $1::bigint", "fund_id <> -$1::bigint");
    let reader = database.connect_as_reader().await;
    let unmarked = "delete from touched_commitments where fund_id = 1";
    owner.batch_execute(unmarked).await.expect("marks go");
    for parameters in [format!("'{}'", today()), "'2023-05-17'".to_owned()] {
        enter_fund(&reader, "1").await;
        let right = rows(&reader, sql, 1, &parameters).await;
        assert_eq!(right.len(), 1);
        assert_eq!(rows(&reader, &forgetful, 1, &parameters).await, right);
        assert_eq!(rows(&reader, sql, 2, &parameters).await, [""; 0]);
        assert_eq!(
            number(&reader, "select count(*) from limited_partners").await,
            0
        );
        enter_fund(&reader, "").await;
        enter(&reader, "1").await;
        for sql in [sql, &forgetful] {
            assert_eq!(rows(&reader, sql, 1, &parameters).await, [""; 0]);
        }
        for barrier in ["fund_lp_summary_in_scope", "fund_marks_in_scope"] {
            let any = format!("select count(*) from {barrier}");
            assert_eq!(number(&reader, &any).await, 0, "{barrier}");
        }
        enter(&reader, "").await;
    }
}

#[tokio::test]
async fn every_table_of_lps_is_behind_the_wall_even_for_its_owner() {
    let database = Database::empty().await;
    let owner = database.connect().await;
    let open = "select count(*) from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'lp_id'
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and not (c.relrowsecurity and c.relforcerowsecurity)";
    assert_eq!(number(&owner, open).await, 0);
}

#[tokio::test]
async fn a_scope_is_entered_by_whom_it_was_granted_to_and_ends_with_the_transaction() {
    let database = Database::empty().await;
    let owner = database.connect().await;
    let (hers, his) = (
        insert_lp(&owner, "Hers").await,
        insert_lp(&owner, "His").await,
    );
    grant(&owner, "ada", hers).await;
    let mut reader = database.connect_as_reader().await;
    let seen = "select coalesce(sum(lp_id), 0)::bigint from limited_partners";
    let transaction = reader.transaction().await.expect("a transaction");
    for (lp_id, expected) in [(hers, hers), (his, 0), (hers, hers), (999_999, 0)] {
        let sql = "select believed_until is not null from enter_lp_scope('ada', $1, null, 60)";
        let row = transaction.query_one(sql, &[&lp_id]).await;
        let is_granted: bool = row.expect("it is decided").get(0);
        assert_eq!(is_granted, expected == lp_id);
        let row = transaction.query_one(seen, &[]).await;
        assert_eq!(row.expect("a sum").get::<_, i64>(0), expected);
    }
    let sql = "select believed_until from enter_lp_scope('ada', $1, null, 60)";
    let entered = transaction.query_one(sql, &[&hers]).await;
    entered.expect("it is entered");
    transaction.commit().await.expect("it is committed");
    assert_eq!(number(&reader, seen).await, 0);
}

/// Who claims an LP sees it if it was granted; the connection is free again whatever became of the query.
#[tokio::test]
async fn every_query_has_a_transaction_of_its_own_that_ends_even_when_it_fails() {
    let desk = Desk::empty().await;
    let lp_id = insert_lp(&desk.client, "An LP").await;
    grant(&desk.client, "ada", lp_id).await;
    let connection = desk.reader.db.connection().await.expect("a connection");
    let scope = Scope::Lp(LpId::try_from(lp_id).expect("an id"), Funds::All);
    let claimed = |subject| {
        let claim = Claim {
            subject,
            scope: &scope,
            ttl: Duration::from_secs(60),
        };
        Scoped::claimed(&connection, claim)
    };
    let unfinished = "select count(*) from pg_stat_activity
        where datname = current_database() and usename = 'reader' and state <> 'idle'";
    for (subject, seen) in [("ada", 1), ("bob", 0), ("ada", 1)] {
        let scoped = claimed(subject);
        let rows = scoped.query("select from limited_partners", &[]).await;
        assert_eq!(rows.expect("it is read").len(), seen, "{subject}");
        assert_eq!(scoped.grant().is_some(), seen == 1, "{subject}");
        for failing in ["select 1 / 0", "insert into funds (name) values ('x')"] {
            let failed = scoped.query(failing, &[]).await;
            failed.expect_err("it fails");
            assert_eq!(desk.number(unfinished).await, 0, "{failing}");
            let left = connection.query("select from limited_partners", &[]).await;
            assert_eq!(left.expect("it is free again").len(), 0, "{failing}");
        }
    }
}

/// Were there no policy for whoever refreshes, and for the owner with whose rights that is done, the views would be empty, and no step
/// would fail.
#[tokio::test]
async fn the_views_show_every_lp_whoever_refreshes_them_and_come_back_when_they_are_gone() {
    let desk = Desk::sample().await;
    let is_bound = "select count(*) from pg_roles
        where rolname in ('migrator', 'recorder', 'refresher') and not rolsuper and not rolbypassrls";
    assert_eq!(desk.number(is_bound).await, 3);
    let views = [
        "lp_dashboard_summary",
        "fund_lp_summary",
        "lp_performance_latest",
    ];
    for (app, cause) in [(&desk.app, Cause::Activity), (&desk.night, Cause::Nightly)] {
        for spoil in [
            "truncate touched_commitments",
            "refresh materialized view lp_dashboard_summary with no data",
            "drop materialized view lp_dashboard_summary, fund_lp_summary, lp_performance_latest cascade",
        ] {
            desk.run(spoil).await;
            let refreshed = refresh_views(&app.db, app.clock, cause, None).await;
            let refreshed = refreshed.expect("the views are refreshed");
            assert!(refreshed.is_some(), "nobody else refreshes");
            for view in views {
                let told = format!("{view} by {cause:?} after: {spoil}");
                let of_view = format!("select count(*) from {view}");
                let expected = desk.number(&format!("{of_view}_definition")).await;
                assert!(expected > 0, "{told}");
                assert_eq!(desk.number(&of_view).await, expected, "{told}");
            }
        }
    }
    let drift = count_drift(&desk.night.db, desk.night.clock).await;
    assert_eq!(drift.expect("it is counted"), 0);
    let reader = desk.database.connect_in_scope(MINE).await;
    for view in [
        "lp_dashboard_summary_in_scope",
        "lp_performance_latest_in_scope",
    ] {
        let mine = format!("select count(*) from {view} where lp_id = {MINE}");
        assert!(number(&reader, &mine).await > 0, "{view}");
    }
}
