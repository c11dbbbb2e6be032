//! The queue delivers a message again while the first run is still at it: two instances work on the same, in every order.

use serde_json::Value;
use tests::builders::activity_message;
use tests::proxy::When::{After, Before};

use crate::instance::Instance;
use crate::instance::Server::Database;
use crate::world::World;

const COMMIT: &[u8] = b"COMMIT\0";
const NONE: [usize; 0] = [];

/// A message, and a batch with it twice and others of the same LP and of another.
struct Sent {
    same: Value,
    others: [Value; 2],
}

impl Sent {
    fn to(world: &World) -> Self {
        let theirs = world.reporting.commitment_id;
        Self {
            same: world.call(1_000),
            others: [
                world.call(2_000),
                activity_message(theirs, "capital_call", 3_000, "2024-03-01"),
            ],
        }
    }

    fn batch(&self) -> [&Value; 4] {
        let [own, theirs] = &self.others;
        [own, &self.same, theirs, &self.same]
    }

    /// All is there once and every answer right, and nobody had to be sacrificed for it.
    async fn assert_recorded(self, world: &World) {
        let Self {
            same,
            others: [own, theirs],
        } = self;
        world.assert_recorded_once(&[same, own, theirs]).await;
        world.assert_settled().await;
        world.assert_no_deadlock().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_before_the_commit_of_the_first_waits_for_it() {
    let world = World::settled().await;
    let sent = Sent::to(&world);
    world.warm_up().await;
    let (mut first, mut second) = two(&world, "").await;
    let held = first.to(Database).hold(COMMIT, 1, Before);
    first.hand_over(&[&sent.same], 1);
    held.reached().await;
    second.hand_over(&sent.batch(), 2);
    world.reporting.desk.until_waiting(1).await;
    world.assert_of_this_moment("while both are at it").await;
    held.release();
    assert_eq!(
        (first.failed().await, second.failed().await),
        (vec![], vec![])
    );
    sent.assert_recorded(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_too_long_for_the_first_comes_back() {
    let world = World::settled().await;
    let sent = Sent::to(&world);
    world.warm_up().await;
    let (mut first, mut second) = two(&world, "-c statement_timeout=5000").await;
    let held = first.to(Database).hold(COMMIT, 1, Before);
    first.hand_over(&[&sent.same], 1);
    held.reached().await;
    assert_eq!(second.work(&sent.batch(), 2).await, [0, 1, 2, 3]);
    world
        .assert_of_this_moment("after the second has given up")
        .await;
    held.release();
    assert_eq!(first.failed().await, NONE);
    assert_eq!(second.work(&sent.batch(), 3).await, NONE);
    sent.assert_recorded(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_after_the_commit_of_the_first_finishes_its_work() {
    let world = World::settled().await;
    let sent = Sent::to(&world);
    world.warm_up().await;
    let (mut first, mut second) = two(&world, "").await;
    let held = first.to(Database).hold(COMMIT, 1, After);
    first.hand_over(&[&sent.same], 1);
    held.reached().await;
    world
        .assert_of_this_moment("before the first has opened its tags")
        .await;
    assert_eq!(second.work(&sent.batch(), 2).await, NONE);
    world.assert_settled().await;
    held.release();
    assert_eq!(first.failed().await, NONE);
    sent.assert_recorded(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_are_held_after_their_commits_and_let_go_in_either_order() {
    for first_goes_first in [true, false] {
        let world = World::settled().await;
        let sent = Sent::to(&world);
        world.warm_up().await;
        let (mut first, mut second) = two(&world, "").await;
        let first_held = first.to(Database).hold(COMMIT, 1, After);
        // Where it settles what the first owes, under the locks of the LPs.
        let second_held = second.to(Database).hold(COMMIT, 2, Before);
        first.hand_over(&[&sent.same], 1);
        first_held.reached().await;
        second.hand_over(&sent.batch(), 2);
        second_held.reached().await;
        world.assert_of_this_moment("while both are held").await;
        if first_goes_first {
            first_held.release();
            world.reporting.desk.until_waiting(1).await;
            second_held.release();
        } else {
            second_held.release();
            assert_eq!(second.failed().await, NONE);
            world.assert_settled().await;
            first_held.release();
        }
        assert_eq!(first.failed().await, NONE);
        if first_goes_first {
            assert_eq!(second.failed().await, NONE);
        }
        sent.assert_recorded(&world).await;
    }
}

/// The options are those of the second's sessions.
async fn two(world: &World, options: &str) -> (Instance, Instance) {
    tokio::join!(
        Instance::recorder(world, ""),
        Instance::recorder(world, options)
    )
}
