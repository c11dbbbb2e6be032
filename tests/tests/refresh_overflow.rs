//! Sums that leave 64 bits, which the schema's bounds keep rarer than a defect: whose answers suffer, and what goes on.

use std::time::{Duration, Instant};

use shared::ids::LpId;
use shared::refresh::{Cause, Scope, count_drift, rebuild, refresh_views, work_the_night};
use tests::builders::{World, activity_message, insert_commitment, insert_fund, insert_lp};
use tests::desk::Desk;
use tests::queue::Queues;

/// An LP whose sums leave 64 bits from a date on, as the schema does not allow: how a defect of the data would look.
async fn insert_vast_lp(desk: &Desk, date: &str) -> i64 {
    desk.client
        .batch_execute("alter table lp_fund_commitments drop constraint lp_fund_commitments_commitment_amount_cents_check")
        .await
        .expect("the rule goes");
    let lp_id = insert_lp(&desk.client, "Beyond Measure").await;
    let vast = 9_000_000_000_000_000_000;
    let mut commitment_id = 0;
    for name in ["Vast", "Vaster"] {
        let fund_id = insert_fund(&desk.client, name, "USD").await;
        commitment_id = insert_commitment(&desk.client, lp_id, fund_id, vast, date).await;
    }
    desk.record(&[&activity_message(
        commitment_id,
        "capital_call",
        1_000,
        date,
    )])
    .await;
    lp_id
}

#[tokio::test]
async fn an_lp_that_cannot_be_computed_is_left_out_and_its_neighbours_are_settled() {
    let desk = Desk::empty().await;
    let before = World::insert(&desk.client).await;
    let beyond = insert_vast_lp(&desk, "9000-01-01").await;
    let after = World::insert(&desk.client).await;
    for world in [before, after] {
        desk.call(&world, 60_000, "2020-01-01").await;
    }
    let settled = desk.settle_owed().await;
    assert_eq!(settled.lps, 2);
    assert_eq!(settled.failed_lps, [beyond].into());
    let owed_to = "select distinct lp_id from pending_performance";
    assert_eq!(desk.number(owed_to).await, beyond, "it stays owed");
    let queues = Queues::create().await;
    let queue = queues.sender().await;
    let night = work_the_night(&desk.night.db, &desk.night.cache, &queue, desk.night.clock).await;
    let night = night.expect("the rest of the night's work is done");
    assert_eq!(night.settled.failed_lps, [beyond].into());
    let refreshed = "select count(*) from lp_dashboard_summary where paid_in_cents = 60000";
    assert_eq!(desk.number(refreshed).await, 2);
}

#[tokio::test]
async fn an_lp_that_cannot_be_computed_is_left_out_of_a_rebuild() {
    let desk = Desk::empty().await;
    let beyond = insert_vast_lp(&desk, "9000-01-01").await;
    World::insert(&desk.client).await;
    let queues = Queues::create().await;
    let queue = queues.sender().await;
    let (db, cache) = (&desk.night.db, &desk.night.cache);
    let rebuilt = rebuild(
        db,
        cache,
        &queue,
        Scope::All,
        Instant::now() + Duration::from_secs(60),
    )
    .await
    .expect("the others are rebuilt")
    .expect("there is everyone");
    assert_eq!((rebuilt.settled.lps, rebuilt.rest), (1, None));
    assert_eq!(rebuilt.settled.failed_lps, [beyond].into());
}

#[tokio::test]
async fn a_view_that_cannot_be_added_up_is_not_refreshed_and_the_marks_keep_others_right() {
    let desk = Desk::empty().await;
    let beyond = insert_vast_lp(&desk, "2020-01-01").await;
    let world = World::insert(&desk.client).await;
    let call = activity_message(world.commitment_id, "capital_call", 60_000, "2020-01-01");
    desk.record(&[&call]).await;
    let (db, clock) = (&desk.night.db, desk.night.clock);
    let settled = desk.settle_owed().await;
    assert_eq!(settled.failed_lps, [beyond].into());
    let failed = refresh_views(db, clock, Cause::Activity, None).await;
    assert!(failed.is_err_and(|error| !error.is_infrastructure()));
    assert!(count_drift(db, clock).await.is_err());
    let told = "select count(*) from view_refreshes where error like '%out of range%'";
    assert_eq!(desk.number(told).await, 1);
    let lp_id = LpId::try_from(world.lp_id).expect("an id");
    let paid_in = format!(
        "select d.paid_in_cents from lp_dashboard_summary_definition d where d.lp_id = {lp_id}
         and exists (select from touched_commitments t where t.lp_id = d.lp_id)"
    );
    assert_eq!(desk.number(&paid_in).await, 60_000);
}
