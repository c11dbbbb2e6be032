//! Every index of the schema is used by the query it stands there for, on sample data, and no query of an LP reads a large
//! table from end to end.

use std::collections::BTreeSet;

use serde_json::json;
use tests::database::Database;
use tests::plan::Plan;
use tests::reporting::{date, today};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

const SUMMARY: &str = include_str!("../../shared/src/reports/summary.sql");
const ACTIVITY: &str = include_str!("../../shared/src/reports/capital_activity.sql");
const FUND_PERFORMANCE: &str = include_str!("../../shared/src/reports/fund_performance.sql");
const HOLDINGS: &str = include_str!("../../shared/src/reports/holdings.sql");
const PERFORMANCE: &str = include_str!("../../shared/src/reports/performance.sql");
const HISTORY: &str = include_str!("../../shared/src/reports/performance_history.sql");
const ACCESS: &str = include_str!("../../shared/src/access.sql");
const REVERSED: &str = include_str!("../../shared/src/ledger/reversed.sql");
const ACCOUNTS: &str = include_str!("../../shared/src/ledger/accounts.sql");
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

/// A query with its arguments, and the indexes that it has to go through.
struct Case {
    indexes: &'static [&'static str],
    sql: &'static str,
    arguments: Vec<Box<dyn ToSql + Sync>>,
}

macro_rules! case {
    ([$($index:literal),+], $sql:expr, $($argument:expr),+ $(,)?) => {
        Case { indexes: &[$($index),+], sql: $sql, arguments: vec![$(Box::new($argument)),+] }
    };
}

/// A first page of at most a hundred entries under a filter.
fn activity(
    indexes: &'static [&'static str],
    fund_ids: Vec<i64>,
    types: &[&'static str],
    metadata: Option<serde_json::Value>,
) -> Case {
    Case {
        indexes,
        sql: ACTIVITY,
        arguments: vec![
            Box::new(1_i64),
            Box::new(date("9999-12-31")),
            Box::new(i64::MAX),
            Box::new(date("1900-01-01")),
            Box::new(101_i64),
            Box::new(fund_ids),
            Box::new(types.to_vec()),
            Box::new(metadata),
        ],
    }
}

/// Every index has a case here. `fund` is one in which LP 1 has a commitment.
fn cases(fund: i64) -> Vec<Case> {
    let reversal = json!([{"position": 1, "source": "plans", "reverses_event_id": "77"}]);
    let (past, first, none) = (date("2023-05-17"), date("1900-01-01"), None::<i64>);
    vec![
        activity(&["capital_activities_timeline_idx"], vec![], &[], None),
        activity(
            &["capital_activities_type_timeline_idx"],
            vec![],
            &["capital_call", "distribution"],
            None,
        ),
        activity(
            &["capital_activities_commitment_date_idx"],
            vec![fund],
            &[],
            None,
        ),
        activity(
            &["capital_activities_commitment_type_idx"],
            vec![fund],
            &["capital_call"],
            None,
        ),
        activity(
            &["capital_activities_metadata_idx"],
            vec![],
            &[],
            Some(json!({"wire": "w7"})),
        ),
        case!(["capital_activities_reverses_idx"], REVERSED, reversal),
        case!(
            ["commitment_navs_commitment_date_idx"],
            ACCOUNTS,
            json!([{"lp_id": 1, "fund_id": 1, "commitment_id": 1, "from_date": today()}])
        ),
        case!(
            ["lp_capital_accounts_latest_idx"],
            ACCOUNT_DAYS,
            vec![1_i64]
        ),
        case!(["fund_nav_snapshots_fund_date_idx"], FUND_NAVS, fund),
        case!(
            ["touched_commitments_lp_idx", "pending_performance_lp_idx"],
            SUMMARY,
            1_i64,
            today()
        ),
        case!(
            [
                "lp_commitments_active_idx",
                "lp_capital_accounts_latest_idx"
            ],
            SUMMARY,
            1_i64,
            past
        ),
        case!(
            ["pending_performance_fund_idx", "fund_performance_date_idx"],
            FUND_PERFORMANCE,
            1_i64,
            today(),
            fund
        ),
        case!(
            ["lp_perf_snapshots_commitment_date_idx"],
            PERFORMANCE,
            1_i64,
            past
        ),
        case!(
            ["lp_pooled_performance_date_idx"],
            HISTORY,
            1_i64,
            none,
            none,
            first,
            today(),
            20_000_i64
        ),
        case!(
            [
                "capital_activities_commitment_changes_idx",
                "lp_commitments_fund_idx",
                "fund_investments_fund_idx",
                "fund_cash_flows_investment_date_idx",
                "investment_valuations_latest_idx"
            ],
            HOLDINGS,
            1_i64,
            today(),
            0_i64,
            i64::MAX,
            0_i64,
            0_i64,
            101_i64
        ),
        case!(
            ["lp_access_subject_idx"],
            ACCESS,
            "subject 7",
            1_i64,
            60.0_f64
        ),
        case!(["view_refreshes_outstanding_idx"], QUIET, today()),
        case!(
            ["view_refreshes_done_idx"],
            REQUEST,
            5_i64,
            today(),
            900.0_f64
        ),
    ]
}

#[tokio::test]
async fn every_index_is_used_by_the_query_it_is_named_for() {
    let database = Database::sample().await;
    let client = database.connect().await;
    client.batch_execute(BUSY).await.expect("the hour is busy");
    let row = client.query_one(
        "select fund_id from lp_fund_commitments where lp_id = 1 order by commitment_id limit 1",
        &[],
    );
    let row = row.await.expect("LP 1 has a commitment");
    let mut unused = indexes(&client).await;
    for case in cases(row.get(0)) {
        let arguments: Vec<&(dyn ToSql + Sync)> =
            case.arguments.iter().map(AsRef::as_ref).collect();
        let plan = Plan::of(&client, case.sql, &arguments).await;
        plan.assert_no_full_scan_of(&LARGE);
        for index in case.indexes {
            plan.assert_uses(index);
            unused.remove(*index);
        }
    }
    assert!(unused.is_empty(), "no case shows these in use: {unused:?}");
}

/// The indexes that stand there for queries: not those that a constraint made, nor those of the views.
async fn indexes(client: &Client) -> BTreeSet<String> {
    let sql = "select i.relname::text
        from pg_index x
        join pg_class i on i.oid = x.indexrelid
        join pg_class t on t.oid = x.indrelid
        where t.relkind = 'r' and t.relnamespace = 'public'::regnamespace
          and not exists (select from pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u', 'x'))";
    let rows = client.query(sql, &[]).await.expect("the catalogue answers");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The plan that a prepared statement settles on must choose as well: unchosen branches never run.
#[tokio::test]
async fn generic_plans_run_only_the_chosen_branch() {
    let database = Database::sample().await;
    let client = database.connect().await;
    client
        .batch_execute("delete from touched_commitments; set plan_cache_mode = force_generic_plan")
        .await
        .expect("the session is set");
    let from_view = Plan::of(&client, SUMMARY, &[&1_i64, &today()]).await;
    from_view.assert_uses("lp_dashboard_summary_key");
    assert!(!from_view.uses("lp_capital_accounts_latest_idx"));
    let live = Plan::of(&client, SUMMARY, &[&1_i64, &date("2023-05-17")]).await;
    live.assert_uses("lp_capital_accounts_latest_idx");
    assert!(!live.uses("lp_dashboard_summary_key"));
}
