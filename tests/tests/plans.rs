//! Every index of the schema is used by the query it stands there for, on sample data, and no query of an LP reads a large
//! table from end to end.

use std::collections::BTreeSet;

use tests::database::{Database, enter_fund};
use tests::plan::{Parameter, Plan};
use tests::reporting::{date, today};
use tokio_postgres::{Client, SimpleQueryMessage};

const SUMMARY: &str = include_str!("../../shared/src/reports/summary.sql");
const ACTIVITY: &str = include_str!("../../shared/src/reports/capital_activity.sql");
const FUND_PERFORMANCE: &str = include_str!("../../shared/src/reports/fund_performance.sql");
const HOLDINGS: &str = include_str!("../../shared/src/reports/holdings.sql");
const PERFORMANCE: &str = include_str!("../../shared/src/reports/performance.sql");
const FUND_SUMMARY: &str = include_str!("../../shared/src/reports/fund_summary.sql");
const HISTORY: &str = include_str!("../../shared/src/reports/performance_history.sql");
const REVERSED: &str = include_str!("../../shared/src/ledger/reversed.sql");
const ACCOUNTS: &str = concat!(
    include_str!("../../shared/src/ledger/accounts.sql"),
    include_str!("../../shared/src/ledger/write_accounts.sql")
);
const ACCOUNT_DAYS: &str = include_str!("../../shared/src/refresh/accounts.sql");
const FUND_NAVS: &str = include_str!("../../shared/src/refresh/fund_navs.sql");
const REQUEST: &str = include_str!("../../shared/src/refresh/request.sql");
const QUIET: &str = include_str!("../../shared/src/refresh/quiet.sql");

/// The tables that grow with the ledger, and the one that grows with every refresh.
const LARGE: [&str; 8] = [
    "capital_activities",
    "commitment_navs",
    "lp_fund_commitments",
    "lp_capital_accounts",
    "lp_performance_snapshots",
    "lp_pooled_performance",
    "fund_performance",
    "view_refreshes",
];

/// What a quiet sample lacks: marks, owed performance, a history of refreshes, many subjects, entries with metadata, and a
/// reversal to look up. All of it in proportions that a busy hour has.
const BUSY: &str = "
    insert into capital_activities (lp_id, fund_id, commitment_id, activity_type, amount_cents, effective_date, cash_effect_cents,
            paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents, metadata)
        select lp_id, fund_id, commitment_id, 'capital_call', 100, date '2026-01-01', -100, 100, 0, -100,
               jsonb_build_object('wire', 'w' || commitment_id % 300)
        from lp_fund_commitments;
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select commitment_id, lp_id, fund_id, date '2026-01-01' from lp_fund_commitments where lp_id > 5;
    insert into pending_performance (fund_id, from_date) select fund_id, date '2026-01-01' from funds where fund_id % 3 = 0;
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select n, 1000000 + n, 1, date '2026-01-01' from generate_series(1, 5000) n;
    delete from touched_commitments where lp_id <= 5;
    delete from pending_performance where lp_id <= 5;
    insert into view_refreshes (cause, started_at, finished_at, as_of_date)
        select 'activity', now(), now(), current_date from generate_series(1, 2000);
    insert into view_refreshes (cause, started_at, finished_at, error)
        select 'activity', now(), now(), 'away' from generate_series(1, 2000);
    insert into lp_access (subject, lp_id) select 'subject ' || s, lp_id from limited_partners, generate_series(1, 50) s;
    insert into received_events (source, event_id, payload_hash, activity_id)
        select 'plans', activity_id::text, decode(repeat('00', 32), 'hex'), activity_id from capital_activities limit 1000;
    analyze";

/// A query with its parameters, and the indexes that it has to go through.
struct Case {
    indexes: &'static [&'static str],
    sql: &'static str,
    parameters: Vec<Parameter>,
}

fn text(value: impl ToString) -> Parameter {
    Some(value.to_string())
}

macro_rules! case {
    ([$($index:literal),+], $sql:expr, $($parameter:expr),+ $(,)?) => {
        Case { indexes: &[$($index),+], sql: $sql, parameters: vec![$(text($parameter)),+] }
    };
}

/// A first page of at most a hundred entries under a filter; lists are written as Postgres reads them.
fn activity(
    index: &'static [&'static str],
    funds: String,
    types: &str,
    metadata: Parameter,
) -> Case {
    let mut case = case!(
        [""],
        ACTIVITY,
        1,
        "9999-12-31",
        i64::MAX,
        "1900-01-01",
        101,
        funds,
        types
    );
    case.indexes = index;
    case.parameters.push(metadata);
    case
}

/// The pages of the ledger under every way of filtering. `fund` is one in which LP 1 has a commitment.
fn timeline_cases(fund: i64) -> Vec<Case> {
    let (no_funds, funds) = (|| "{}".to_owned(), || format!("{{{fund}}}"));
    vec![
        activity(&["capital_activities_timeline_idx"], no_funds(), "{}", None),
        activity(
            &["capital_activities_type_timeline_idx"],
            no_funds(),
            "{capital_call,distribution}",
            None,
        ),
        activity(
            &["capital_activities_commitment_date_idx"],
            funds(),
            "{}",
            None,
        ),
        activity(
            &["capital_activities_commitment_date_idx"],
            funds(),
            "{capital_call}",
            None,
        ),
        activity(
            &["capital_activities_metadata_idx"],
            no_funds(),
            "{}",
            text(r#"{"wire": "w7"}"#),
        ),
    ]
}

/// The other questions of readers.
fn report_cases(fund: i64) -> Vec<Case> {
    let (today, past) = (today(), "2023-05-17");
    let mut history = case!(["lp_pooled_performance_date_idx"], HISTORY, 1);
    history.parameters.extend([None, None]);
    history
        .parameters
        .extend([text("1900-01-01"), text(today), text(20_000)]);
    let mut holdings = case!(
        [
            "lp_performance_latest_key",
            "capital_activities_commitment_changes_idx",
            "lp_commitments_fund_idx",
            "fund_investments_fund_idx",
            "fund_cash_flows_investment_date_idx",
            "investment_valuations_latest_idx"
        ],
        HOLDINGS,
        1,
        today,
        0,
        i64::MAX,
        0,
        0,
        101
    );
    holdings.parameters.push(None);
    vec![
        case!(
            [
                "touched_commitments_lp_idx",
                "pending_performance_lp_idx",
                "view_refreshes_done_idx"
            ],
            SUMMARY,
            1,
            today
        ),
        case!(
            [
                "lp_commitments_active_idx",
                "lp_capital_accounts_latest_idx"
            ],
            SUMMARY,
            1,
            past
        ),
        case!(
            ["pending_performance_fund_idx", "fund_performance_date_idx"],
            FUND_PERFORMANCE,
            1,
            today,
            fund
        ),
        case!(
            ["lp_perf_snapshots_commitment_date_idx"],
            PERFORMANCE,
            1,
            past
        ),
        history,
        holdings,
    ]
}

/// What recorders and refreshes ask.
fn writer_cases(fund: i64) -> Vec<Case> {
    let reversal = r#"[{"position": 1, "source": "plans", "reverses_event_id": "77"}]"#;
    let changed = format!(
        r#"[{{"lp_id": 1, "fund_id": 1, "commitment_id": 1, "from_date": "{}"}}]"#,
        today()
    );
    vec![
        case!(["capital_activities_reverses_idx"], REVERSED, reversal),
        case!(
            [
                "commitment_navs_pkey",
                "capital_activities_commitment_date_idx"
            ],
            ACCOUNTS,
            changed
        ),
        case!(["lp_capital_accounts_latest_idx"], ACCOUNT_DAYS, "{1}"),
        case!(["fund_nav_snapshots_fund_date_idx"], FUND_NAVS, fund),
        case!(["view_refreshes_outstanding_idx"], QUIET, today()),
        case!(
            ["view_refreshes_done_idx", "view_refreshes_running_idx"],
            REQUEST,
            5_i64,
            today(),
            900.0_f64
        ),
    ]
}

/// What the GP of a fund asks, in the fund's scope: from the view today, for its LPs alone in the past.
async fn check_fund_cases(database: &Database, fund: i64, unused: &mut BTreeSet<String>) {
    let reader = database.connect_as_reader().await;
    enter_fund(&reader, &fund.to_string()).await;
    let today = Plan::of(&reader, FUND_SUMMARY, &[text(fund), text(today())]).await;
    today.assert_no_full_scan_of(&LARGE);
    today.assert_uses("touched_commitments_fund_idx");
    unused.remove("touched_commitments_fund_idx");
}

/// Each query runs as its role runs it: readers keep one plan for all values, writers plan for each batch.
#[tokio::test]
async fn every_index_is_used_by_the_query_it_is_named_for() {
    let database = Database::sample().await;
    let owner = database.connect().await;
    let reader = database.connect_in_scope(1).await;
    owner.batch_execute(BUSY).await.expect("the hour is busy");
    let sql = "select min(fund_id) from lp_fund_commitments where lp_id = 1";
    let fund = owner.query_one(sql, &[]).await.expect("an LP").get(0);
    let mut unused = indexes(&owner).await;
    for (client, cases) in [
        (&reader, timeline_cases(fund)),
        (&reader, report_cases(fund)),
        (&owner, writer_cases(fund)),
    ] {
        for case in cases {
            let plan = Plan::of(client, case.sql, &case.parameters).await;
            plan.assert_no_full_scan_of(&LARGE);
            for index in case.indexes {
                plan.assert_uses(index);
                unused.remove(*index);
            }
        }
    }
    check_fund_cases(&database, fund, &mut unused).await;
    assert_grant_is_found_by_index(&database, &owner).await;
    unused.remove("lp_access_subject_idx");
    assert!(unused.is_empty(), "no case shows these in use: {unused:?}");
}

/// A function hides its plan; what it has read is counted.
async fn assert_grant_is_found_by_index(database: &Database, owner: &Client) {
    let sql = "select lp_id from lp_access where subject = 'subject 7' limit 1";
    let lp_id: i64 = owner.query_one(sql, &[]).await.expect("a grant").get(0);
    let reader = database.connect_as_reader().await;
    let sql = format!(
        "begin;
         select believed_until from enter_lp_scope('subject 7', {lp_id}, null, 60);
         select pg_stat_get_xact_numscans('lp_access_subject_idx'::regclass), pg_stat_get_xact_numscans('lp_access'::regclass);
         commit"
    );
    let messages = reader.simple_query(&sql).await.expect("it is entered");
    let rows: Vec<(Option<&str>, Option<&str>)> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0), row.try_get(1).ok().flatten())),
            _ => None,
        })
        .collect();
    assert!(rows[0].0.is_some(), "the subject may see the LP");
    assert_eq!(rows[1], (Some("1"), Some("0")), "index scans, scans");
}

/// The indexes that stand there for queries: not those that a constraint made, nor those of the views, nor those of the access log,
/// whose page has a test of its own.
async fn indexes(client: &Client) -> BTreeSet<String> {
    let sql = "select i.relname::text
        from pg_index x
        join pg_class i on i.oid = x.indexrelid
        join pg_class t on t.oid = x.indrelid
        where t.relkind = 'r' and not t.relispartition and t.relnamespace = 'public'::regnamespace
          and not exists (select from pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u', 'x'))";
    let rows = client.query(sql, &[]).await.expect("the catalogue answers");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Of a history only the row that counts is read, one for each of the LP's currencies.
#[tokio::test]
async fn the_latest_pooled_performance_is_found_without_reading_its_history() {
    let database = Database::sample().await;
    let client = database.connect().await;
    // With a column that no index has, so that whole rows are read whether or not vacuum has come by.
    let sql =
        "select d.net_irr from lp_dashboard_summary_at($2::date) d where d.lp_id = $1::bigint";
    let past = date("2023-05-17");
    let found = client.query(sql, &[&1_i64, &past]).await;
    let parameters = [Some("1".to_owned()), Some(past.to_string())];
    let plan = Plan::of(&client, sql, &parameters).await;
    let read = plan.rows_fetched_from("lp_pooled_performance");
    assert_eq!(
        read,
        found.expect("it is planned").len() as f64,
        "{plan:#?}"
    );
}

/// The plan that a reader keeps for all values must choose as well: unchosen branches never run.
#[tokio::test]
async fn generic_plans_run_only_the_chosen_branch() {
    let database = Database::sample().await;
    let sql = "delete from touched_commitments";
    let unmarked = database.connect().await.batch_execute(sql).await;
    unmarked.expect("no LP bears a mark");
    let reader = database.connect_in_scope(1).await;
    // So few LPs have their view on few pages, which are otherwise read whole once there are statistics.
    let off = reader.batch_execute("set enable_seqscan = off").await;
    off.expect("it is set");
    let from_view = Plan::of(&reader, SUMMARY, &[text(1), text(today())]).await;
    from_view.assert_uses("lp_dashboard_summary_key");
    assert!(!from_view.uses("lp_capital_accounts_latest_idx"));
    let live = Plan::of(&reader, SUMMARY, &[text(1), text("2023-05-17")]).await;
    live.assert_uses("lp_capital_accounts_latest_idx");
    assert!(!live.uses("lp_dashboard_summary_key"));
}

/// Where a filter has many ranges, only keys are read in each, and whole rows for the page alone.
#[tokio::test]
async fn a_page_over_many_ranges_reads_whole_rows_for_itself_only() {
    let database = Database::sample().await;
    let owner = database.connect().await;
    owner
        .batch_execute("vacuum analyze capital_activities")
        .await
        .expect("it is vacuumed");
    let sql = "select array_agg(distinct fund_id)::text from lp_fund_commitments where lp_id = 1";
    let funds: String = owner.query_one(sql, &[]).await.expect("an LP").get(0);
    let reader = database.connect_in_scope(1).await;
    for (funds, types) in [
        (funds, "{}"),
        ("{}".to_owned(), "{capital_call,distribution}"),
    ] {
        let mut case = activity(&[], funds, types, None);
        case.parameters[4] = text(11);
        let plan = Plan::of(&reader, case.sql, &case.parameters).await;
        assert_eq!(
            plan.rows_fetched_from("capital_activities"),
            11.0,
            "{plan:#?}"
        );
    }
}

/// What other LPs have under the same key and value is not even looked at.
#[tokio::test]
async fn a_search_by_metadata_reads_the_lps_own_matches_alone() {
    let database = Database::sample().await;
    let owner = database.connect().await;
    owner.batch_execute(BUSY).await.expect("the hour is busy");
    let sql = "select metadata ->> 'wire', count(*) from capital_activities
        where lp_id = 1 and metadata ? 'wire' group by 1 order by 1 limit 1";
    let row = owner.query_one(sql, &[]).await.expect("a wire of LP 1");
    let (wire, matches): (String, i64) = (row.get(0), row.get(1));
    let everybodys = "select count(*) from capital_activities where metadata ->> 'wire' = $1";
    let row = owner.query_one(everybodys, &[&wire]).await;
    assert!(row.expect("a count").get::<_, i64>(0) > matches);
    let reader = database.connect_in_scope(1).await;
    let metadata = text(format!(r#"{{"wire": "{wire}"}}"#));
    let case = activity(&[], "{}".to_owned(), "{}", metadata);
    let plan = Plan::of(&reader, case.sql, &case.parameters).await;
    assert_eq!(plan.rows_fetched_from("capital_activities"), matches as f64);
}

/// A fund's sums come from its one row of the view, or from its own LPs' accounts and no other's.
#[tokio::test]
async fn a_fund_summary_reads_the_view_or_the_funds_own_lps() {
    let database = Database::sample().await;
    let owner = database.connect().await;
    let sql = "delete from touched_commitments; analyze";
    owner
        .batch_execute(sql)
        .await
        .expect("no fund bears a mark");
    let reader = database.connect_as_reader().await;
    enter_fund(&reader, "1").await;
    // So few funds have their view on one page, which is otherwise read whole.
    let off = reader.batch_execute("set enable_seqscan = off").await;
    off.expect("it is set");
    let from_view = Plan::of(&reader, FUND_SUMMARY, &[text(1), text(today())]).await;
    from_view.assert_uses("fund_lp_summary_key");
    assert!(!from_view.has_run_function("fund_lp_summary_in_scope_at"));
    let live = Plan::of(&reader, FUND_SUMMARY, &[text(1), text("2023-05-17")]).await;
    assert!(live.has_run_function("fund_lp_summary_in_scope_at"));
    assert!(!live.uses("fund_lp_summary_key"));
    // The function hides its plan: this is its body, as the owner runs it for whoever is in the fund's scope.
    enter_fund(&owner, "1").await;
    let body =
        "select s.lp_count from fund_lp_summary_at($1::date) s where s.fund_id = fund_in_scope()";
    let plan = Plan::of(&owner, body, &[text("2023-05-17")]).await;
    plan.assert_no_full_scan_of(&LARGE)
        .assert_uses("lp_commitments_fund_idx")
        .assert_uses("lp_capital_accounts_latest_idx");
}
