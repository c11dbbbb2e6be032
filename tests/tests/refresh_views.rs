//! The views: what a refresh sees and clears, who asks for one and when, and that they say what their definitions say.

use std::time::Duration;

use shared::config::{QueueConfig, RefreshConfig};
use shared::queue::Queue;
use shared::refresh::{
    Cause, Refreshed, count_drift, refresh_requested_views, refresh_views, request_refresh,
    settle_owed, settle_performance, work_the_night,
};
use tests::builders::{World, activity_message, nav_message};
use tests::desk::Desk;
use tests::queue::Queues;

const MARKS: &str = "select count(*) from touched_commitments";
const OUTSTANDING: &str = "select count(*) from view_refreshes where started_at is null";
const CONFIG: RefreshConfig = RefreshConfig {
    debounce: Duration::from_millis(100),
    database_share_percent: 5,
};

async fn refresh(desk: &Desk) -> Refreshed {
    refresh_views(&desk.app.db, desk.app.clock, Cause::Activity, None)
        .await
        .expect("the views are refreshed")
        .expect("nobody else refreshes")
}

async fn queue(queues: &Queues) -> Queue {
    let config = QueueConfig {
        queue_url: queues.queue_url.clone(),
        dead_letter_queue_url: queues.dead_letter_queue_url.clone(),
        retry_delays: Vec::new(),
    };
    Queue::new(&config).await
}

async fn request(desk: &Desk, queue: &Queue) -> bool {
    request_refresh(&desk.app.db, queue, &CONFIG, desk.app.clock)
        .await
        .expect("a refresh is asked for")
}

/// Records a call of 600.00 and settles its performance.
async fn call(desk: &Desk, world: &World, date: &str) {
    desk.record(&[&activity_message(
        world.commitment_id,
        "capital_call",
        60_000,
        date,
    )])
    .await;
    settle_performance(&desk.app.db, &desk.app.cache, &[world.lp_id])
        .await
        .expect("performance is settled");
}

async fn until_waiting(desk: &Desk) {
    let sql = "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid
               where not l.granted and a.datname = current_database()";
    while desk.number(sql).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_commit_between_the_snapshot_of_a_refresh_and_its_end_keeps_its_mark() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    // This lock lets readers through, but a refresh waits at its last view, long after its snapshot.
    let blocker = desk.database.connect().await;
    blocker
        .batch_execute("begin; comment on materialized view lp_performance_latest is 'held'")
        .await
        .expect("the view is held");
    let meanwhile = async {
        until_waiting(&desk).await;
        desk.record(&[&activity_message(
            world.commitment_id,
            "capital_call",
            1_000,
            "2020-02-01",
        )])
        .await;
        blocker
            .batch_execute("rollback")
            .await
            .expect("the view is let go");
    };
    let (refreshed, ()) = tokio::join!(refresh(&desk), meanwhile);
    assert!(refreshed.marks_cleared >= 1);
    assert_eq!(desk.number(MARKS).await, 1);
    let paid_in = "select paid_in_cents from lp_dashboard_summary";
    assert_eq!(desk.number(paid_in).await, 60_000);
    assert_eq!(
        desk.number("select paid_in_cents from lp_dashboard_summary_definition")
            .await,
        61_000
    );
    settle_owed(&desk.app.db, &desk.app.cache)
        .await
        .expect("it is settled");
    refresh(&desk).await;
    assert_eq!(
        (desk.number(MARKS).await, desk.number(paid_in).await),
        (0, 61_000)
    );
}

#[tokio::test]
async fn performance_settled_between_two_refreshes_is_marked_again() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.record(&[&activity_message(
        world.commitment_id,
        "capital_call",
        60_000,
        "2020-01-01",
    )])
    .await;
    desk.record(&[&nav_message(
        world.commitment_id,
        66_000,
        "2020-12-31",
        "2021-02-01",
    )])
    .await;
    refresh(&desk).await;
    assert_eq!(desk.number(MARKS).await, 0);
    settle_owed(&desk.app.db, &desk.app.cache)
        .await
        .expect("it is settled");
    assert_eq!(desk.number(MARKS).await, 1);
    assert_eq!(
        desk.number("select count(net_irr) from lp_dashboard_summary")
            .await,
        0
    );
    refresh(&desk).await;
    assert_eq!(
        desk.number("select count(net_irr) from lp_dashboard_summary")
            .await,
        1
    );
}

#[tokio::test]
async fn a_refresh_without_changes_rewrites_no_row() {
    let desk = Desk::sample().await;
    refresh(&desk).await;
    let rows = "select v.ctid, v.xmin::text from lp_dashboard_summary v union all
                select v.ctid, v.xmin::text from fund_lp_summary v union all
                select v.ctid, v.xmin::text from lp_performance_latest v order by 1, 2";
    let before = desk.rows(rows).await;
    refresh(&desk).await;
    assert!(desk.rows(rows).await == before, "rows were rewritten");
    assert!(before.len() > 1_500);
}

#[tokio::test]
async fn an_entry_dated_ahead_keeps_its_mark_until_its_day() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "9000-01-01").await;
    refresh(&desk).await;
    assert!(
        desk.number(MARKS).await >= 2,
        "the entry's mark and its performance's stay"
    );
    assert_eq!(
        desk.number("select count(*) from touched_commitments where latest_date < '9000-01-01'")
            .await,
        0
    );
}

#[tokio::test]
async fn at_most_one_request_is_outstanding_and_one_whose_message_was_lost_is_sent_again() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queue(&queues).await;
    assert!(!request(&desk, &queue).await, "there is nothing to refresh");
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    assert!(request(&desk, &queue).await);
    assert!(!request(&desk, &queue).await);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
    let messages = queues.take_all(&queues.queue_url).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(
        messages[0].body(),
        Some(r#"{"schema":"lp-reporting/views/1"}"#)
    );
    desk.client
        .batch_execute(
            "update view_refreshes set due_at = clock_timestamp() - interval '61 seconds'",
        )
        .await
        .expect("time passes");
    assert!(request(&desk, &queue).await);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
}

#[tokio::test]
async fn requests_are_due_so_late_that_refreshing_keeps_to_its_share() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queue(&queues).await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    desk.client
        .batch_execute("insert into view_refreshes (cause, started_at, finished_at, as_of_date)
                        values ('activity', clock_timestamp() - interval '10 seconds', clock_timestamp(), current_date)")
        .await
        .expect("there was a refresh");
    assert!(request(&desk, &queue).await);
    // Ten seconds of work are a twentieth of two hundred.
    let seconds = "select round(extract(epoch from due_at - requested_at))::bigint from view_refreshes where started_at is null";
    let seconds = desk.number(seconds).await;
    assert!((188..=190).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_message_of_a_request_refreshes_and_a_stray_one_does_nothing() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queue(&queues).await;
    let serve = async || {
        refresh_requested_views(&desk.app.db, &queue, &CONFIG, desk.app.clock)
            .await
            .expect("the message is served")
    };
    assert!(!serve().await);
    assert_eq!(desk.number("select count(*) from view_refreshes").await, 0);
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    assert!(request(&desk, &queue).await);
    assert!(serve().await);
    assert_eq!(
        (desk.number(MARKS).await, desk.number(OUTSTANDING).await),
        (0, 0)
    );
    assert!(!serve().await);
    assert_eq!(
        desk.number("select count(*) from view_refreshes where as_of_date is not null")
            .await,
        1
    );
}

#[tokio::test]
async fn a_request_that_meets_another_refresh_is_put_off() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queue(&queues).await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    let other = desk.database.connect().await;
    let lock = format!("select pg_advisory_lock({})", 0x6c70_2d76_6965_7773_i64);
    other
        .batch_execute(&lock)
        .await
        .expect("another refresh is under way");
    let served = refresh_requested_views(&desk.app.db, &queue, &CONFIG, desk.app.clock).await;
    assert!(!served.expect("the message is served"));
    assert!(desk.number(MARKS).await > 0);
}

#[tokio::test]
async fn a_view_that_was_dropped_or_emptied_comes_back() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    desk.client
        .batch_execute("drop materialized view fund_lp_summary; refresh materialized view lp_dashboard_summary with no data")
        .await
        .expect("views can be spoiled");
    refresh(&desk).await;
    assert_eq!(
        desk.number("select paid_in_cents from fund_lp_summary")
            .await,
        60_000
    );
    assert_eq!(
        desk.number("select paid_in_cents from lp_dashboard_summary")
            .await,
        60_000
    );
    let readable = "select has_table_privilege('reader', 'fund_lp_summary', 'select')::int::bigint";
    assert_eq!(desk.number(readable).await, 1);
}

#[tokio::test]
async fn a_refresh_that_fails_says_why_and_leaves_marks_and_request_behind() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    let marks = desk.number(MARKS).await;
    desk.client
        .batch_execute("drop index lp_dashboard_summary_key")
        .await
        .expect("the index is dropped");
    let failed = refresh_views(&desk.app.db, desk.app.clock, Cause::Activity, None).await;
    assert!(failed.is_err());
    assert_eq!(
        (desk.number(MARKS).await, desk.number(OUTSTANDING).await),
        (marks, 1)
    );
    let told = "select count(*) from view_refreshes where error like '%concurrently%' and finished_at is not null and as_of_date is null";
    assert_eq!(desk.number(told).await, 1);
    desk.client
        .batch_execute("drop materialized view lp_dashboard_summary")
        .await
        .expect("the view is dropped");
    refresh(&desk).await;
    assert_eq!(
        (desk.number(MARKS).await, desk.number(OUTSTANDING).await),
        (0, 0)
    );
}

#[tokio::test]
async fn the_night_reports_drift_and_ends_it() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    refresh(&desk).await;
    let (db, cache, clock) = (&desk.app.db, &desk.app.cache, desk.app.clock);
    assert_eq!(count_drift(db, clock).await.expect("it is counted"), 0);
    // Marked, a difference is no drift: readers do not use the view.
    call(&desk, &world, "2020-02-01").await;
    assert_eq!(count_drift(db, clock).await.expect("it is counted"), 0);
    desk.client
        .batch_execute("delete from touched_commitments")
        .await
        .expect("marks can be lost");
    let night = work_the_night(db, cache, clock)
        .await
        .expect("the night passes");
    assert_eq!(
        night.drift_rows, 6,
        "a row of each view, as it is and as it should be"
    );
    assert_eq!(
        desk.number("select drift_rows from view_refreshes order by refresh_id desc limit 1")
            .await,
        6
    );
    let night = work_the_night(db, cache, clock)
        .await
        .expect("the night passes");
    assert_eq!(night.drift_rows, 0);
}

#[tokio::test]
async fn the_night_settles_what_is_still_owed() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.record(&[&activity_message(
        world.commitment_id,
        "capital_call",
        60_000,
        "2020-01-01",
    )])
    .await;
    let night = work_the_night(&desk.app.db, &desk.app.cache, desk.app.clock)
        .await
        .expect("the night passes");
    assert_eq!(night.settled.lps, 1);
    assert_eq!(
        desk.number("select count(*) from pending_performance")
            .await,
        0
    );
    assert_eq!(
        desk.number(
            "select (performance_date - '2020-01-01'::date)::bigint from lp_performance_latest"
        )
        .await,
        0
    );
}
