//! The schema's own promises, asked of the database directly: what it refuses, what it keeps, what it marks, who may write, and that
//! it explains itself.

use tests::builders::{World, activity_message};
use tests::database::Database;
use tests::desk::Desk;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

const APPEND_ONLY: [&str; 8] = [
    "access_log",
    "capital_activities",
    "commitment_navs",
    "fund_cash_flows",
    "fund_nav_snapshots",
    "investment_valuations",
    "lp_reports",
    "row_changes",
];
const MUTABLE: [&str; 6] = [
    "fund_investments",
    "funds",
    "limited_partners",
    "lp_access",
    "lp_fund_commitments",
    "portfolio_companies",
];
/// A row in every table that a person may change.
const ROWS: &str = "
    insert into limited_partners (lp_id, name) values (1, 'An LP');
    insert into funds (fund_id, name, vintage_year, currency) values (1, 'A fund', 2020, 'USD');
    insert into lp_fund_commitments (commitment_id, lp_id, fund_id, commitment_amount_cents, commitment_date)
        values (1, 1, 1, 1000, '2020-01-01');
    insert into portfolio_companies (company_id, name, sector, stage) values (1, 'A company', 'Logistics', 'Growth');
    insert into fund_investments (investment_id, fund_id, company_id, investment_date) values (1, 1, 1, '2020-01-01');
    insert into lp_access (subject, lp_id) values ('ada', 1);";

async fn refusal(client: &Client, sql: &str) -> SqlState {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().expect("the server refuses").clone()
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.query(sql, &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_append_only_table_refuses_update_delete_and_truncate() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let guarded =
        "select distinct tgrelid::regclass::text from pg_trigger join pg_class c on c.oid = tgrelid
        where tgfoid = 'refuse_change'::regproc and not c.relispartition order by 1";
    assert_eq!(texts(&client, guarded).await, APPEND_ONLY);
    for table in APPEND_ONLY {
        let column = format!(
            "select attname::text from pg_attribute where attrelid = '{table}'::regclass and attnum = 2"
        );
        let column = &texts(&client, &column).await[0];
        for sql in [
            format!("update {table} set {column} = {column}"),
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
        ] {
            assert_eq!(
                refusal(&client, &sql).await,
                SqlState::RESTRICT_VIOLATION,
                "{sql}"
            );
        }
    }
}

#[tokio::test]
async fn every_change_of_a_mutable_table_keeps_the_old_row_and_its_time() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let guarded = "select distinct tgrelid::regclass::text from pg_trigger where tgfoid = 'keep_old_row'::regproc order by 1";
    assert_eq!(texts(&client, guarded).await, MUTABLE);
    client.batch_execute(ROWS).await.expect("rows are inserted");
    for table in MUTABLE {
        let change = match table {
            "lp_access" => "set subject = 'eve'",
            _ => r#"set metadata = '{"changed": true}'"#,
        };
        let kept = format!("select change_id::text from row_changes where table_name = '{table}'");
        let before = texts(&client, &kept).await.len();
        // The first update changes nothing and leaves no trace.
        let sql = format!("update {table} set created_at = created_at; update {table} {change}");
        client.batch_execute(&sql).await.expect("an update");
        assert_eq!(texts(&client, &kept).await.len(), before + 1, "{table}");
        let is_right = format!(
            "select (c.old_row ->> 'updated_at')::timestamptz = t.created_at and t.updated_at > t.created_at
                    and c.changed_by = current_user
             from row_changes c, {table} t where c.table_name = '{table}' order by c.change_id desc limit 1"
        );
        let row = client.query_one(&is_right, &[]).await;
        assert!(row.expect("the old row").get::<_, bool>(0), "{table}");
    }
    let deleted = client.batch_execute("delete from lp_access").await;
    deleted.expect("a delete");
    let kept = "select old_row ->> 'subject' from row_changes where table_name = 'lp_access' order by change_id";
    assert_eq!(texts(&client, kept).await, ["ada", "eve"]);
}

#[tokio::test]
async fn an_administrators_change_of_a_commitment_is_marked_and_owed() {
    let database = Database::empty().await;
    let client = database.connect().await;
    client.batch_execute(ROWS).await.expect("rows are inserted");
    let marks = "select concat_ws(' ', commitment_id, lp_id, fund_id, latest_date) from touched_commitments";
    let owed =
        "select concat_ws(' ', commitment_id, lp_id, fund_id, from_date) from pending_performance";
    let forget = "delete from touched_commitments; delete from pending_performance";
    client.batch_execute(forget).await.expect("a clean slate");
    let status = "update lp_fund_commitments set status = 'closed'";
    client.batch_execute(status).await.expect("an update");
    assert_eq!(texts(&client, marks).await, ["1 1 1 2020-01-01"]);
    // What it is called today moves no rate.
    assert_eq!(texts(&client, owed).await, Vec::<String>::new());
    client.batch_execute(forget).await.expect("a clean slate");
    let moved = "update lp_fund_commitments set commitment_date = '2021-05-01', commitment_amount_cents = 1500";
    client.batch_execute(moved).await.expect("an update");
    assert_eq!(texts(&client, marks).await, ["1 1 1 2021-05-01"]);
    assert_eq!(texts(&client, owed).await, ["1 1 1 2020-01-01"]);
    let in_force = "select commitments_in_force_cents::text from funds";
    assert_eq!(texts(&client, in_force).await, ["1500"]);
}

/// An entry for the first commitment, its columns as the rest of a `values` list.
fn entry(columns: &str) -> String {
    format!(
        "insert into capital_activities (lp_id, fund_id, commitment_id, cash_effect_cents, paid_in_effect_cents, distributed_effect_cents,
             unfunded_effect_cents, activity_type, amount_cents, effective_date, reverses_activity_id)
         select lp_id, fund_id, commitment_id, 0, 0, 0, 0, {columns} from lp_fund_commitments order by commitment_id limit 1"
    )
}

#[tokio::test]
async fn a_reversal_mirrors_its_entry_whoever_writes_it() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 1000, "2021-03-01");
    desk.record(&[&call]).await;
    let id = desk
        .number("select activity_id from capital_activities")
        .await;
    for (wrong, state) in [
        (
            format!("'capital_call', -999, date '2021-03-01', {id}"),
            SqlState::CHECK_VIOLATION,
        ),
        (
            format!("'distribution', -1000, date '2021-03-01', {id}"),
            SqlState::CHECK_VIOLATION,
        ),
        (
            format!("'capital_call', -1000, date '2021-03-02', {id}"),
            SqlState::CHECK_VIOLATION,
        ),
        // Negative without being a reversal, and a reversal of nothing.
        (
            "'capital_call', -1000, date '2021-03-01', null".to_owned(),
            SqlState::CHECK_VIOLATION,
        ),
        (
            "'capital_call', -1000, date '2021-03-01', 999999".to_owned(),
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
    ] {
        assert_eq!(
            refusal(&desk.client, &entry(&wrong)).await,
            state,
            "{wrong}"
        );
    }
    let right = entry(&format!("'capital_call', -1000, date '2021-03-01', {id}"));
    desk.client
        .batch_execute(&right)
        .await
        .expect("it mirrors its entry");
    assert_eq!(
        refusal(&desk.client, &right).await,
        SqlState::UNIQUE_VIOLATION
    );
}

#[tokio::test]
async fn the_reader_reads_and_writes_nothing_but_the_access_log() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let writable = "select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
          and (has_table_privilege('reader', oid, 'insert, update, delete, truncate, references, trigger')
               or has_any_column_privilege('reader', oid, 'insert, update, references'))";
    assert_eq!(texts(&client, writable).await, ["access_log"]);
    let reader = database.connect_as_reader().await;
    reader
        .batch_execute("select from funds")
        .await
        .expect("it reads");
    for sql in [
        "insert into limited_partners (name) values ('x')",
        "delete from touched_commitments",
        "refresh materialized view lp_dashboard_summary",
        "create table mine (id int)",
    ] {
        assert_eq!(
            refusal(&reader, sql).await,
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn every_table_and_every_amount_says_what_it_is() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let silent = "select c.relname::text
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and obj_description(c.oid, 'pg_class') is null
        union all
        select c.relname || '.' || a.attname
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname like '%\\_cents'
          and col_description(c.oid, a.attnum) is null
        order by 1";
    assert_eq!(texts(&client, silent).await, Vec::<String>::new());
}
