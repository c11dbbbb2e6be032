//! The log's table: nobody changes what is in it, and it is made and taken out by the month.

use local::servers::postgres::Role;
use shared::operations::{Kept, keep_up};
use tests::database::enter;
use tests::desk::Desk;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::world::World;

async fn refusal(client: &Client, sql: &str) -> SqlState {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().expect("the server refuses").clone()
}

#[tokio::test]
async fn readers_add_to_the_log_and_nobody_changes_it_not_even_in_its_partitions() {
    let world = World::new().await;
    let add = "insert into access_log (subject, lp_id, route, outcome, request_id) values ('ada', 1, 'summary', 'allowed', 'r')";
    let reader = world.database.connect_as_reader().await;
    reader.batch_execute(add).await.expect("a reader adds");
    let sql = "select c.oid::regclass::text from pg_class c
        where c.oid = 'access_log'::regclass or c.oid in (select inhrelid from pg_inherits where inhparent = 'access_log'::regclass)";
    let tables = world.owner.query(sql, &[]).await.expect("the catalogue");
    assert_eq!(tables.len(), 5, "the log, this month, and three more");
    for table in &tables {
        let table: &str = table.get(0);
        for sql in [
            format!("update {table} set subject = 'eve'"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            let refused = refusal(&world.owner, &sql).await;
            assert_eq!(refused, SqlState::RESTRICT_VIOLATION, "{sql}");
            let refused = refusal(&reader, &sql).await;
            assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
        }
    }
    for sql in [
        "insert into access_log (occurred_at, subject, route, outcome, request_id) values (now(), 'ada', 'summary', 'allowed', 'r')",
        "select create_access_log_partitions()",
    ] {
        let refused = refusal(&reader, sql).await;
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    let seen = async |lp_id: &str| {
        enter(&reader, lp_id).await;
        let rows = reader.query("select from access_log", &[]).await;
        rows.expect("it is read").len()
    };
    assert_eq!(
        [seen("1").await, seen("2").await, seen("").await],
        [1, 0, 0]
    );
}

#[tokio::test]
async fn upkeep_makes_the_months_that_are_to_come() {
    let desk = Desk::empty().await;
    let months = "select count(*) from pg_inherits where inhparent = 'access_log'::regclass";
    desk.run(
        "do $$
         declare latest text := (select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'access_log'::regclass);
         begin execute 'drop table ' || latest; end $$",
    )
    .await;
    assert_eq!(desk.number(months).await, 3);
    let kept = keep_up(&desk.night.db, None).await.expect("it is kept up");
    assert_eq!(kept.partitions_made, 1);
    assert_eq!(desk.number(months).await, 4);
}

/// The three months before this one, with a look each.
const PAST: &str = "
    do $$
    declare month timestamp;
    begin
        for month in select date_trunc('month', now() at time zone 'UTC') - make_interval(months => n) from generate_series(1, 3) n loop
            execute format('create table %I partition of access_log for values from (%L) to (%L)',
                           'access_log_' || to_char(month, 'YYYY_MM'), month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
            execute format('alter table %I enable row level security, force row level security', 'access_log_' || to_char(month, 'YYYY_MM'));
            execute format('alter table %I owner to migrator', 'access_log_' || to_char(month, 'YYYY_MM'));
            execute format('create policy owner_dumps on %I for select to migrator using (true)', 'access_log_' || to_char(month, 'YYYY_MM'));
            insert into access_log (occurred_at, subject, lp_id, route, outcome, request_id)
                values (month at time zone 'UTC' + interval '1 day', 'ada', 1, 'summary', 'allowed', to_char(month, 'YYYY_MM'));
        end loop;
    end $$";

#[tokio::test]
async fn upkeep_takes_old_months_out_of_the_log_and_leaves_them_to_their_owner() {
    let desk = Desk::empty().await;
    desk.run(PAST).await;
    let name = "select 'access_log_' || to_char(date_trunc('month', now() at time zone 'UTC') - interval '3 months', 'YYYY_MM') as name";
    let row = desk.client.query_one(name, &[]).await;
    let oldest: String = row.expect("a name").get(0);
    // A reader in the log keeps it from being changed, and is not kept from reading.
    let reading = desk.database.connect().await;
    let read = "begin; select from access_log";
    reading.batch_execute(read).await.expect("it reads");
    let kept = keep_up(&desk.night.db, Some(2))
        .await
        .expect("it is kept up");
    assert!(kept.is_log_busy && kept.detached.is_empty(), "{kept:?}");
    reading.batch_execute("commit").await.expect("it has read");
    let kept = keep_up(&desk.night.db, Some(2))
        .await
        .expect("it is kept up");
    let expected = Kept {
        detached: vec![oldest.clone()],
        ..Kept::default()
    };
    assert_eq!(kept, expected);
    let left = "select count(*) from access_log";
    assert_eq!(
        desk.number(left).await,
        2,
        "the months within the retention"
    );
    let owner = desk.database.connect_as(Role::Migrator).await;
    let its_own = format!("select subject from {oldest}");
    let rows = owner.query(&its_own, &[]).await.expect("its owner reads");
    assert_eq!(rows.len(), 1, "nothing is lost");
    let reader = desk.database.connect_as_reader().await;
    let refused = refusal(&reader, &its_own).await;
    assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE);
    let again = keep_up(&desk.night.db, None).await.expect("it is kept up");
    assert_eq!(
        again,
        Kept::default(),
        "two years are kept unless asked otherwise"
    );
}
