//! An instance is frozen for longer than its sockets live, and thawed.

use std::time::Instant;

use serde_json::{Value, json};
use tests::http::event;
use tests::proxy::Proxy;
use tests::proxy::When::{self, After, Before};

use crate::instance::Server::{self, Cache, Database, Queue};
use crate::instance::{Instance, ms_since};
use crate::world::{SUBJECT, World};

const COMMIT: &[u8] = b"COMMIT\0";
const CLOSE: &[u8] = b"A recorder closes the tags of one LP";
const NONE: [usize; 0] = [];
/// Ends the sessions of recorders, as the server does at its own end.
const END_SESSIONS: &str = "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
    where a.datname = current_database() and a.application_name = 'activity-refresh'";

/// Another instance records and refreshes meanwhile.
async fn meanwhile(world: &World, amount_cents: i64) -> Value {
    let call = world.call(amount_cents);
    let mut other = Instance::recorder(world, "").await;
    assert_eq!(other.work(&[&call], 1).await, NONE);
    other.kill().await;
    call
}

/// Asks for the summary, and returns its status and what was paid in.
async fn ask(reader: &mut Instance, world: &World) -> (u64, Option<i64>) {
    let path = format!("/api/lp/{}/summary", world.plain.lp_id);
    let answer = reader.answer(&event(&path, Some(SUBJECT), &[])).await;
    let body = answer["body"].as_str().expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let status = answer["statusCode"].as_u64().expect("a status");
    if status == 503 {
        assert!(answer["headers"]["retry-after"].is_string(), "{answer}");
    }
    let dollars = body["totals"].as_array().and_then(|totals| totals.last());
    (
        status,
        dollars.and_then(|total| total["paidInCents"].as_i64()),
    )
}

async fn paid_in(world: &World) -> (u64, Option<i64>) {
    let sql = format!(
        "select sum(a.paid_in_effect_cents)::bigint from capital_activities a join funds f using (fund_id)
         where a.lp_id = {} and f.currency = 'USD' and a.effective_date <= current_date",
        world.plain.lp_id
    );
    (200, Some(world.number(&sql).await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_answers_and_whose_sockets_were_closed_is_right_at_once() {
    let world = World::settled().await;
    let mut reader = Instance::reader(&world, "summary").await;
    for amount_cents in [1_000, 2_000] {
        assert_eq!(ask(&mut reader, &world).await, paid_in(&world).await);
        reader.freeze();
        meanwhile(&world, amount_cents).await;
        reader.to_all(Proxy::cut);
        reader.thaw();
        let thawed = Instant::now();
        assert_eq!(ask(&mut reader, &world).await, paid_in(&world).await);
        println!(
            "thawed with closed sockets: right {} later",
            ms_since(thawed)
        );
    }
}

/// Nobody tells it that its sockets are dead. It finds that out by the limits of its waits, and says so rather than be cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_answers_and_whose_sockets_are_silent_is_right_at_the_second_try() {
    let world = World::settled().await;
    let mut reader = Instance::reader(&world, "summary").await;
    assert_eq!(ask(&mut reader, &world).await, paid_in(&world).await);
    reader.freeze();
    meanwhile(&world, 1_000).await;
    reader.to_all(Proxy::strand);
    reader.thaw();
    let thawed = Instant::now();
    assert_eq!(ask(&mut reader, &world).await, (503, None));
    let refused = ms_since(thawed);
    assert_eq!(ask(&mut reader, &world).await, paid_in(&world).await);
    println!(
        "thawed with silent sockets: 503 {refused} later, right {}",
        ms_since(thawed)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_whose_sockets_were_closed_between_two_batches_records_the_next() {
    let world = World::settled().await;
    let mut recorder = Instance::recorder(&world, "").await;
    let (first, second) = (world.call(1_000), world.call(2_000));
    assert_eq!(recorder.work(&[&first], 1).await, NONE);
    recorder.freeze();
    let other = meanwhile(&world, 3_000).await;
    world.warm_up().await;
    recorder.to_all(Proxy::cut);
    recorder.thaw();
    let thawed = Instant::now();
    assert_eq!(recorder.work(&[&second], 1).await, NONE);
    println!("thawed recorder: acknowledged {} later", ms_since(thawed));
    world.assert_recorded_once(&[first, second, other]).await;
    world.assert_settled().await;
}

/// Nobody tells it. It gives up after a while, and what it was at comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_whose_sockets_are_silent_records_at_the_second_try() {
    let world = World::settled().await;
    // Three times as long is what it may take to record, also the first time, when it has no connection yet.
    let soon = [("DATABASE_STATEMENT_TIMEOUT_MS", "3000")];
    let mut recorder = Instance::recorder_with(&world, &soon).await;
    let (first, second) = (world.call(1_000), world.call(2_000));
    assert_eq!(recorder.work(&[&first], 1).await, NONE);
    recorder.freeze();
    recorder.to_all(Proxy::strand);
    recorder.thaw();
    let thawed = Instant::now();
    recorder.hand_over(&[&second], 1);
    let other = meanwhile(&world, 3_000).await;
    world.assert_settled().await;
    assert_eq!(recorder.failed().await, [0]);
    let given_up = ms_since(thawed);
    assert_eq!(recorder.work(&[&second], 2).await, NONE);
    println!(
        "thawed recorder with silent sockets: given up {given_up} later, acknowledged {}",
        ms_since(thawed)
    );
    world.assert_recorded_once(&[first, second, other]).await;
    world.assert_settled().await;
}

/// A refresh only makes reads faster, so that nobody waits for long for its message to be sent; and the dead letters of a batch wait side
/// by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_to_whom_the_queue_is_silent_acknowledges_all_the_same() {
    let world = World::settled().await;
    let mut recorder = Instance::recorder(&world, "").await;
    let (first, second) = (world.call(1_000), world.call(2_000));
    let refused = json!({"schema": "none"});
    let mut batch = vec![&refused; 10];
    batch[0] = &first;
    recorder.to(Queue).blackhole();
    let begun = Instant::now();
    let not_buried: Vec<usize> = (1..10).collect();
    assert_eq!(recorder.work(&batch, 1).await, not_buried);
    println!("silent queue: acknowledged after {}", ms_since(begun));
    recorder.to(Queue).pass();
    batch[0] = &second;
    assert_eq!(recorder.work(&batch, 2).await, NONE);
    let sent = world.queues.receive(30, 5).await;
    assert!(sent.is_some(), "the next asks for the refresh");
    world.assert_recorded_once(&[first, second]).await;
    world.assert_settled().await;
}

/// Where a recorder is frozen in the middle of its work: what it has sent to whom, and whether that has arrived.
type Place = (Server, &'static [u8], When);

/// Freezes a recorder there, lets something become of its connections and others record, and thaws it: it acknowledges, and all is
/// there once.
async fn frozen_at(
    what: &str,
    (server, pattern, when): Place,
    becomes: impl AsyncFnOnce(&World, &Instance),
) {
    let world = World::settled().await;
    let mut recorder = Instance::recorder(&world, "").await;
    let call = world.call(1_000);
    let held = recorder.to(server).hold(pattern, 1, when);
    recorder.hand_over(&[&call], 1);
    held.reached().await;
    recorder.freeze();
    becomes(&world, &recorder).await;
    let other = meanwhile(&world, 2_000).await;
    world.warm_up().await;
    recorder.thaw();
    let thawed = Instant::now();
    assert_eq!(recorder.failed().await, NONE);
    println!("thawed {what}: acknowledged {} later", ms_since(thawed));
    drop(held);
    world.assert_recorded_once(&[call, other]).await;
    world.assert_settled().await;
}

/// Between closing and commit, with the commit on its way to a session that is no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_frozen_at_its_commit_whose_session_was_ended_records_anew() {
    let place = (Database, COMMIT, Before);
    frozen_at("at its commit", place, async |world, _| {
        assert_eq!(world.number(END_SESSIONS).await, 1);
        world.until_no_recorder().await;
    })
    .await;
}

/// As before, but its closing has not come to an end for it when it freezes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_frozen_at_its_closing_whose_sockets_were_closed_records_anew() {
    let place = (Cache, CLOSE, After);
    frozen_at("at its closing", place, async |world, recorder| {
        recorder.to_all(Proxy::cut);
        world.until_no_recorder().await;
    })
    .await;
}

/// After the commit, of which it does not know; others record meanwhile, and its tags end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_frozen_after_its_commit_finishes_what_it_owes() {
    let place = (Database, COMMIT, After);
    frozen_at("after its commit", place, async |world, recorder| {
        world.assert_of_this_moment("frozen after its commit").await;
        recorder.to_all(Proxy::cut);
    })
    .await;
}

/// The server ends a session that is idle within its transaction, and says so in answer to the commit that comes too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_was_too_long_about_its_commit_records_anew_at_once() {
    let world = World::settled().await;
    let mut recorder =
        Instance::recorder(&world, "-c idle_in_transaction_session_timeout=3000").await;
    let call = world.call(1_000);
    let held = recorder.to(Database).hold(COMMIT, 1, Before);
    recorder.hand_over(&[&call], 1);
    held.reached().await;
    assert_eq!(recorder.failed().await, NONE);
    drop(held);
    world.assert_recorded_once(&[call]).await;
    world.assert_settled().await;
}

/// Its machine is gone, and the servers wait for it: its locks must not be held for as long as that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_vanished_does_not_hold_its_locks_for_long() {
    let world = World::settled().await;
    let mut recorder =
        Instance::recorder(&world, "-c idle_in_transaction_session_timeout=1000").await;
    let call = world.call(1_000);
    let held = recorder.to(Database).hold(COMMIT, 1, Before);
    recorder.hand_over(&[&call], 1);
    held.reached().await;
    let gone = recorder.vanish().await;
    let mut fresh = Instance::recorder(&world, "").await;
    let begun = Instant::now();
    assert_eq!(fresh.work(&[&call], 2).await, NONE);
    println!(
        "vanished at its commit: acknowledged {} after the redelivery",
        ms_since(begun)
    );
    world.assert_recorded_once(&[call]).await;
    world.assert_settled().await;
    drop((held, gone));
}

/// What the last tests make short has a length of its own, within which a closed tag stays closed.
#[tokio::test]
async fn a_transaction_may_be_idle_for_less_time_than_a_tag_stays_closed() {
    let world = World::settled().await;
    let connection = world.reporting.desk.app.db.connection().await;
    let sql = "select setting::bigint from pg_settings where name = 'idle_in_transaction_session_timeout'";
    let row = connection.expect("a connection").query_one(sql, &[]).await;
    let idle_ms: i64 = row.expect("a setting").get(0);
    let closed_ms = i64::try_from(shared::cache::CLOSURE_TTL.as_millis()).expect("a minute");
    assert!(0 < idle_ms && idle_ms < closed_ms, "{idle_ms} {closed_ms}");
}
