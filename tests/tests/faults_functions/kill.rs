//! An instance is killed at every step of recording, and its message delivered again to a fresh one.

use std::time::Instant;

use serde_json::{Value, json};
use tests::proxy::When::{self, After, Before};

use crate::instance::Server::{self, Cache, Database, Queue};
use crate::instance::{Instance, ms_since};
use crate::world::World;

/// What a client sends at the steps, by which they are known. The scripts and statements begin with a sentence of their own.
const CLOSE: &[u8] = b"A recorder closes the tags of one LP";
const OPEN: &[u8] = b"A recorder opens the tags of one LP";
const BEGIN: &[u8] = b"START TRANSACTION";
const COMMIT: &[u8] = b"COMMIT\0";
const ASK_FOR_REFRESH: &[u8] = b"Asks for a refresh, when there is a mark";
const SEND: &[u8] = b"AmazonSQS.SendMessage";
const CLAIM_REFRESH: &[u8] = b"Takes the outstanding request";
const REFRESH: &[u8] = b"select refresh_views()";
const UNLOCK: &[u8] = b"select pg_advisory_unlock";

/// A step: where it shows, the how manieth time, and whether what was sent is in the ledger by then.
type Step = (Server, &'static [u8], usize, When, bool);

/// Of a call, which concerns one LP.
const OF_A_CALL: [Step; 16] = [
    (Database, BEGIN, 1, Before, false),
    (Cache, CLOSE, 1, Before, false),
    (Cache, CLOSE, 1, After, false),
    (Database, COMMIT, 1, Before, false),
    (Database, COMMIT, 1, After, true),
    (Cache, OPEN, 1, Before, true),
    (Cache, OPEN, 1, After, true),
    // Performance.
    (Cache, CLOSE, 2, Before, true),
    (Cache, CLOSE, 2, After, true),
    (Database, COMMIT, 2, Before, true),
    (Database, COMMIT, 2, After, true),
    (Cache, OPEN, 2, Before, true),
    (Cache, OPEN, 2, After, true),
    // The request's row, and its message.
    (Database, ASK_FOR_REFRESH, 1, Before, true),
    (Queue, SEND, 1, Before, true),
    (Queue, SEND, 1, After, true),
];

/// Of a NAV of a fund with two LPs, whose tags are closed one after the other.
const OF_A_FUND_NAV: [Step; 8] = [
    (Cache, CLOSE, 2, Before, false),
    (Database, COMMIT, 1, Before, false),
    (Database, COMMIT, 1, After, true),
    (Cache, OPEN, 2, Before, true),
    (Cache, CLOSE, 4, Before, true),
    (Database, COMMIT, 2, Before, true),
    (Database, COMMIT, 2, After, true),
    (Cache, OPEN, 4, Before, true),
];

/// Of the message that refreshes the views.
const OF_A_REFRESH: [Step; 5] = [
    (Database, CLAIM_REFRESH, 1, Before, true),
    (Database, REFRESH, 1, Before, true),
    (Database, COMMIT, 1, Before, true),
    (Database, COMMIT, 1, After, true),
    (Database, UNLOCK, 1, Before, true),
];

fn named((server, pattern, occurrence, when, _): Step) -> String {
    let pattern = String::from_utf8_lossy(pattern);
    format!("{when:?} {server:?} got {pattern:?} ({occurrence})")
}

/// Has an instance killed at the step while it works on the message.
async fn kill_at(world: &World, step: Step, message: &Value) {
    let (server, pattern, occurrence, when, _) = step;
    let mut victim = Instance::recorder(world, "").await;
    let held = victim.to(server).hold(pattern, occurrence, when);
    victim.hand_over(&[message], 1);
    held.reached().await;
    victim.kill().await;
    world.until_no_recorder().await;
}

/// Delivers again to a fresh instance, which has to acknowledge, and tells how long that took.
async fn deliver_again(world: &World, what: &str, message: &Value) {
    let mut fresh = Instance::recorder(world, "").await;
    let begun = Instant::now();
    assert_eq!(fresh.work(&[message], 2).await, [0_usize; 0], "{what}");
    let acknowledged = ms_since(begun);
    world.assert_of_this_moment(what).await;
    println!(
        "killed {what}: settled {acknowledged} after the redelivery, right {}",
        ms_since(begun)
    );
}

/// The step for a message that records: nothing is lost, doubled or wrong, before the redelivery and after it.
async fn survives(world: &World, step: Step, message: &Value) {
    let what = format!("{}, {}", named(step), message["schema"]);
    world.warm_up().await;
    let before = world.recorded().await;
    kill_at(world, step, message).await;
    let is_recorded = world.recorded().await - before;
    assert_eq!(is_recorded, i64::from(step.4), "{what}");
    world.assert_of_this_moment(&what).await;
    deliver_again(world, &what, message).await;
    assert_eq!(world.recorded().await - before, 1, "{what}");
    world
        .assert_recorded_once(std::slice::from_ref(message))
        .await;
    world.assert_settled().await;
    // The views have no figure of a fund's own.
    let asked = i64::from(message["commitmentId"].is_i64());
    assert_eq!(outstanding(world).await, asked, "{what}: a refresh");
    // The next step asks anew.
    world.reporting.refresh().await;
    assert_eq!((outstanding(world).await, marks(world).await), (0, 0));
}

async fn outstanding(world: &World) -> i64 {
    let sql = "select count(*) from view_refreshes where started_at is null";
    world.number(sql).await
}

/// But for those dated ahead.
async fn marks(world: &World) -> i64 {
    let sql = "select count(*) from touched_commitments where latest_date <= current_date";
    world.number(sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_of_recording_a_call() {
    let world = World::settled().await;
    for (step, amount_cents) in OF_A_CALL.into_iter().zip(1_000..) {
        survives(&world, step, &world.call(amount_cents)).await;
    }
    let last = world.call(2_000);
    killed_between_the_answer_and_its_acknowledgement(&world, &last).await;
}

async fn killed_between_the_answer_and_its_acknowledgement(world: &World, message: &Value) {
    let mut victim = Instance::recorder(world, "").await;
    victim.hand_over(&[message], 1);
    victim.response().await;
    victim.kill().await;
    world.until_no_recorder().await;
    world
        .assert_of_this_moment("before the acknowledgement")
        .await;
    deliver_again(world, "before the acknowledgement", message).await;
    world
        .assert_recorded_once(std::slice::from_ref(message))
        .await;
    world.assert_settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_of_recording_a_fund_nav() {
    let world = World::settled().await;
    for (step, day) in OF_A_FUND_NAV.into_iter().zip(1..) {
        survives(&world, step, &world.fund_nav(day)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_of_refreshing_the_views() {
    let world = World::settled().await;
    let refresh = json!({"schema": "lp-reporting/views/1"});
    for (step, amount_cents) in OF_A_REFRESH.into_iter().zip(1_000..) {
        let call = world.call(amount_cents);
        let mut recorder = Instance::recorder(&world, "").await;
        assert_eq!(recorder.work(&[&call], 1).await, [0_usize; 0]);
        recorder.kill().await;
        world.until_no_recorder().await;
        request_is_due(&world).await;
        kill_at(&world, step, &refresh).await;
        let what = named(step);
        world.assert_settled().await;
        deliver_again(&world, &what, &refresh).await;
        // A refresh that died is only a request that somebody has to make again.
        world.reporting.refresh().await;
        world.assert_settled().await;
        assert_eq!(marks(&world).await, 0, "{what}");
    }
}

async fn request_is_due(world: &World) {
    world
        .reporting
        .desk
        .run("update view_refreshes set due_at = now() where started_at is null")
        .await;
}

/// The row of a request whose message was never sent keeps others from asking, but not for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_message_was_lost_is_sent_again() {
    let world = World::settled().await;
    let call = world.call(1_000);
    kill_at(&world, (Queue, SEND, 1, Before, true), &call).await;
    assert_eq!(
        (outstanding(&world).await, world.queues.lying().await),
        (1, 0)
    );
    let desk = &world.reporting.desk;
    // And the refresh before it was long ago, so that the next is due at once.
    desk.run(
        "update view_refreshes set due_at = now() - interval '61 seconds' where started_at is null;
         update view_refreshes set started_at = started_at - interval '1 hour', finished_at = finished_at - interval '1 hour'
             where finished_at is not null",
    )
    .await;
    let mut fresh = Instance::recorder(&world, "").await;
    assert_eq!(fresh.work(&[&call], 2).await, [0_usize; 0]);
    let sent = world.queues.receive(30, 5).await.expect("it is sent again");
    let sent: Value = serde_json::from_str(sent.body().expect("a body")).expect("JSON");
    assert_eq!(fresh.work(&[&sent], 1).await, [0_usize; 0]);
    assert_eq!((outstanding(&world).await, marks(&world).await), (0, 0));
    world.assert_settled().await;
}
