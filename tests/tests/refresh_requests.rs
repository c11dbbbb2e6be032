//! Requests for a refresh: who asks for one and when, and what becomes of their messages.

use std::time::Duration;

use shared::config::RefreshConfig;
use shared::queue::Queue;
use shared::refresh::{refresh_requested_views, request_refresh};
use tests::builders::World;
use tests::desk::Desk;
use tests::queue::Queues;

const MARKS: &str = "select count(*) from touched_commitments";
const OUTSTANDING: &str = "select count(*) from view_refreshes where started_at is null";
const CONFIG: RefreshConfig = RefreshConfig {
    debounce: Duration::from_millis(100),
    database_share_percent: 5,
};

async fn request(desk: &Desk, queue: &Queue) -> bool {
    request_refresh(&desk.app.db, queue, &CONFIG, desk.app.clock)
        .await
        .expect("a refresh is asked for")
}

async fn serve(desk: &Desk, queue: &Queue) -> bool {
    refresh_requested_views(&desk.app.db, queue, &CONFIG, desk.app.clock)
        .await
        .expect("the message is served")
}

/// Records a call of 600.00 and settles its performance.
async fn call(desk: &Desk, world: &World, date: &str) {
    desk.call(world, 60_000, date).await;
    desk.settle(world.lp_id).await;
}

/// A desk and a queue of its own, and an LP whose call nothing has shown yet.
struct Marked {
    desk: Desk,
    queues: Queues,
    queue: Queue,
    world: World,
}

impl Marked {
    async fn set_up() -> Self {
        let (desk, queues) = (Desk::empty().await, Queues::create().await);
        let queue = queues.sender().await;
        let world = World::insert(&desk.client).await;
        call(&desk, &world, "2020-01-01").await;
        Self {
            desk,
            queues,
            queue,
            world,
        }
    }
}

#[tokio::test]
async fn at_most_one_request_is_outstanding_and_one_whose_message_was_lost_is_sent_again() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queues.sender().await;
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
    desk.run("update view_refreshes set due_at = clock_timestamp() - interval '61 seconds'")
        .await;
    assert!(request(&desk, &queue).await);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
}

#[tokio::test]
async fn requests_are_due_so_late_that_refreshing_keeps_to_its_share() {
    let Marked {
        desk,
        queues: _queues,
        queue,
        ..
    } = Marked::set_up().await;
    desk.run(
        "insert into view_refreshes (cause, started_at, finished_at, as_of_date)
                        values ('activity', now() - interval '10 seconds', now(), current_date)",
    )
    .await;
    assert!(request(&desk, &queue).await);
    // Ten seconds of work are a twentieth of two hundred.
    let seconds = "select extract(epoch from r.due_at - last.finished_at)::bigint from view_refreshes r, view_refreshes last
        where r.started_at is null and last.finished_at is not null";
    assert_eq!(desk.number(seconds).await, 190);
}

#[tokio::test]
async fn what_is_asked_for_during_a_refresh_keeps_to_the_share_as_well() {
    let Marked {
        desk,
        queues: _queues,
        queue,
        ..
    } = Marked::set_up().await;
    // The last one, of ten seconds, was long ago; the next began a second ago and takes nine more.
    desk.run("insert into view_refreshes (cause, started_at, finished_at, as_of_date)
                        values ('activity', now() - interval '910 seconds', now() - interval '900 seconds', current_date);
                        insert into view_refreshes (cause, started_at) values ('activity', now() - interval '1 second')").await;
    assert!(request(&desk, &queue).await);
    let seconds = "select extract(epoch from r.due_at - running.started_at)::bigint from view_refreshes r, view_refreshes running
        where r.started_at is null and running.started_at is not null and running.finished_at is null";
    assert_eq!(desk.number(seconds).await, 200);
}

#[tokio::test]
async fn the_message_of_a_request_refreshes_and_a_stray_one_does_nothing() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queues.sender().await;
    assert!(!serve(&desk, &queue).await);
    assert_eq!(desk.number("select count(*) from view_refreshes").await, 0);
    let world = World::insert(&desk.client).await;
    call(&desk, &world, "2020-01-01").await;
    assert!(request(&desk, &queue).await);
    assert!(serve(&desk, &queue).await);
    assert_eq!(
        (desk.number(MARKS).await, desk.number(OUTSTANDING).await),
        (0, 0)
    );
    assert!(!serve(&desk, &queue).await);
    assert_eq!(
        desk.number("select count(*) from view_refreshes where as_of_date is not null")
            .await,
        1
    );
}

#[tokio::test]
async fn a_request_that_meets_another_refresh_is_put_off() {
    let Marked {
        desk,
        queues,
        queue,
        ..
    } = Marked::set_up().await;
    assert!(request(&desk, &queue).await);
    queues.take_all(&queues.queue_url).await;
    let other = desk.database.connect().await;
    let lock = format!("select pg_advisory_lock({})", 0x6c70_2d76_6965_7773_i64);
    other
        .batch_execute(&lock)
        .await
        .expect("another refresh is under way");
    let served = refresh_requested_views(&desk.app.db, &queue, &CONFIG, desk.app.clock).await;
    assert!(!served.expect("the message is served"));
    assert!(desk.number(MARKS).await > 0);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
    assert_eq!(queues.lying().await, 1, "its message comes again");
}

#[tokio::test]
async fn messages_that_come_before_their_request_is_due_do_nothing() {
    let (desk, queues) = (Desk::empty().await, Queues::create().await);
    let queue = queues.sender().await;
    let world = World::insert(&desk.client).await;
    desk.run("insert into view_refreshes (cause, started_at, finished_at, as_of_date)
                        values ('activity', clock_timestamp() - interval '10 seconds', clock_timestamp(), current_date)").await;
    for month in 1..=6 {
        call(&desk, &world, &format!("2020-0{month}-01")).await;
        request(&desk, &queue).await;
        assert!(!serve(&desk, &queue).await, "it is not due");
    }
    let begun = "select count(*) from view_refreshes where started_at is not null";
    assert_eq!(desk.number(begun).await, 1);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
    assert_eq!(queues.delayed().await, 1, "only the request's own message");
    desk.run("update view_refreshes set due_at = clock_timestamp() where started_at is null")
        .await;
    assert!(serve(&desk, &queue).await);
}

#[tokio::test]
async fn a_message_without_a_request_asks_for_a_refresh_where_something_is_marked() {
    let Marked {
        desk,
        queues,
        queue,
        ..
    } = Marked::set_up().await;
    assert!(!serve(&desk, &queue).await);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
    assert_eq!(queues.take_all(&queues.queue_url).await.len(), 1);
}

#[tokio::test]
async fn a_refresh_begins_when_recording_has_paused() {
    let Marked {
        desk,
        queues: _queues,
        queue,
        ..
    } = Marked::set_up().await;
    assert!(request(&desk, &queue).await);
    desk.run(
        "create table last_mark as select max(marked_at) as marked_at from touched_commitments",
    )
    .await;
    assert!(serve(&desk, &queue).await);
    let paused = "select (extract(epoch from max(r.started_at) - max(m.marked_at)) * 1000)::bigint from view_refreshes r, last_mark m";
    let paused_ms = desk.number(paused).await;
    assert!(paused_ms >= 100, "{paused_ms} ms after the last mark");
}

#[tokio::test]
async fn what_is_marked_during_a_refresh_is_asked_for_at_its_end() {
    let Marked {
        desk,
        queues,
        queue,
        world,
    } = Marked::set_up().await;
    assert!(request(&desk, &queue).await);
    queues.take_all(&queues.queue_url).await;
    let blocker = desk.database.connect().await;
    blocker
        .batch_execute("begin; comment on materialized view lp_performance_latest is 'held'")
        .await
        .expect("the view is held");
    let meanwhile = async {
        desk.until_waiting(1).await;
        // Nobody asks for it: the recorder died before it could.
        call(&desk, &world, "2020-02-01").await;
        blocker
            .batch_execute("rollback")
            .await
            .expect("the view is let go");
    };
    let (refreshed, ()) = tokio::join!(serve(&desk, &queue), meanwhile);
    assert!(refreshed);
    assert_eq!(desk.number(OUTSTANDING).await, 1);
    assert_eq!(queues.lying().await, 1);
}
