//! The views: what a refresh sees and clears, and that they say what their definitions say.

use chrono::{Days, TimeDelta};
use local::servers::postgres::Role;
use shared::app::Clock;
use shared::config::ClockConfig;
use shared::operations::keep_up;
use shared::refresh::{Cause, Refreshed, count_drift, refresh_views, work_the_night};
use tests::builders::{World, nav_message};
use tests::database::project;
use tests::desk::Desk;
use tests::queue::Queues;
use tests::reporting::today;

const MARKS: &str = "select count(*) from touched_commitments";
const OUTSTANDING: &str = "select count(*) from view_refreshes where started_at is null";

async fn refresh(desk: &Desk) -> Refreshed {
    refresh_in(desk, 0).await
}

/// Refreshes as on a day to come.
async fn refresh_in(desk: &Desk, days: i64) -> Refreshed {
    let offset = TimeDelta::days(days);
    let clock = Clock::new(ClockConfig { offset });
    refresh_views(&desk.app.db, clock, Cause::Activity, None)
        .await
        .expect("the views are refreshed")
        .expect("nobody else refreshes")
}

/// Records a call of 600.00 and settles its performance.
async fn call(desk: &Desk, world: &World, date: &str) {
    desk.call(world, 60_000, date).await;
    desk.settle(world.lp_id).await;
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
        desk.until_waiting(1).await;
        desk.call(&world, 1_000, "2020-02-01").await;
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
    desk.settle_owed().await;
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
    desk.call(&world, 60_000, "2020-01-01").await;
    desk.record(&[&nav_message(
        world.commitment_id,
        66_000,
        "2020-12-31",
        "2021-02-01",
    )])
    .await;
    refresh(&desk).await;
    assert_eq!(desk.number(MARKS).await, 0);
    desk.settle_owed().await;
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
    for _ in 0..3 {
        call(&desk, &world, "2020-02-01").await;
    }
    call(&desk, &world, "8000-01-01").await;
    refresh(&desk).await;
    let marks = "select commitment_id, lp_id, fund_id, latest_date from touched_commitments";
    let World {
        lp_id,
        fund_id,
        commitment_id,
    } = world;
    let last = format!("({commitment_id},{lp_id},{fund_id},9000-01-01)");
    assert_eq!(desk.rows(marks).await, [last], "one is enough, the last");
}

/// The statement of docs/maintenance.md.
fn back_to_today() -> String {
    let page = std::fs::read_to_string(project().join("docs/maintenance.md")).expect("it is there");
    let (_, section) = page
        .split_once("## After a clock that was ahead")
        .expect("the section");
    let (_, block) = section.split_once("```sql\n").expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

#[tokio::test]
async fn views_that_stood_for_a_later_day_are_brought_back_and_see_that_day_when_it_comes() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let tomorrow = today() + Days::new(1);
    call(&desk, &world, "2020-01-01").await;
    call(&desk, &world, &tomorrow.to_string()).await;
    let paid_in = "select paid_in_cents from lp_dashboard_summary";
    refresh_in(&desk, 2).await;
    assert_eq!(
        (desk.number(MARKS).await, desk.number(paid_in).await),
        (0, 120_000)
    );
    let owner = desk.database.connect_as(Role::Migrator).await;
    let sql = back_to_today();
    owner.batch_execute(&sql).await.expect("it is applied");
    let is_current = format!(
        "select view_is_current::int::bigint from reading_at({}, reporting_today())",
        world.lp_id
    );
    assert_eq!(desk.number(&is_current).await, 0, "readers compute it");
    assert_eq!(refresh(&desk).await.as_of, today());
    assert_eq!(
        (desk.number(MARKS).await, desk.number(paid_in).await),
        (1, 60_000)
    );
    assert_eq!(refresh_in(&desk, 1).await.as_of, tomorrow);
    assert_eq!(
        (desk.number(MARKS).await, desk.number(paid_in).await),
        (0, 120_000)
    );
}

#[tokio::test]
async fn a_view_that_was_dropped_or_emptied_comes_back() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    desk.client
        .batch_execute(
            "drop materialized view fund_lp_summary, lp_performance_latest cascade;
                        refresh materialized view lp_dashboard_summary with no data",
        )
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
    let reader = desk.database.connect_in_scope(world.lp_id).await;
    let read = "select commitment_id from lp_performance_latest_in_scope";
    let row = reader.query_one(read, &[]).await;
    assert_eq!(
        row.expect("the reader reads it").get::<_, i64>(0),
        world.commitment_id
    );
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
        .batch_execute("drop materialized view lp_dashboard_summary cascade")
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
    let (db, cache, clock) = (&desk.night.db, &desk.night.cache, desk.night.clock);
    let queues = Queues::create().await;
    let queue = queues.sender().await;
    assert_eq!(count_drift(db, clock).await.expect("it is counted"), 0);
    // Marked, a difference is no drift: readers do not use the view.
    call(&desk, &world, "2020-02-01").await;
    assert_eq!(count_drift(db, clock).await.expect("it is counted"), 0);
    desk.client
        .batch_execute("delete from touched_commitments")
        .await
        .expect("marks can be lost");
    let night = work_the_night(db, cache, &queue, clock)
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
    let night = work_the_night(db, cache, &queue, clock)
        .await
        .expect("the night passes");
    assert_eq!(night.drift_rows, 0);
}

#[tokio::test]
async fn upkeep_forgets_refreshes_of_last_quarter() {
    let desk = Desk::empty().await;
    desk.client
        .batch_execute("insert into view_refreshes (cause, started_at, error) values
                        ('activity', clock_timestamp() - interval '91 days', 'old'), ('activity', clock_timestamp() - interval '89 days', 'recent')")
        .await
        .expect("there is a history");
    let kept = keep_up(&desk.night.db, None).await.expect("it is kept up");
    assert_eq!(kept.refreshes_forgotten, 1);
    let left = "select error from view_refreshes";
    assert_eq!(desk.rows(left).await, ["(recent)"]);
}

#[tokio::test]
async fn the_night_settles_what_is_still_owed() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    desk.call(&world, 60_000, "2020-01-01").await;
    let queues = Queues::create().await;
    let queue = queues.sender().await;
    let night = work_the_night(&desk.night.db, &desk.night.cache, &queue, desk.night.clock)
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
