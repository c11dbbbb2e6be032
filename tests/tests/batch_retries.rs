//! What comes back and what is buried: an outage, a mistake in a deployment and a full queue cost time, never a message.

use serde_json::json;
use tests::builders::{activity_message, fund_nav_message, reversal_message};
use tests::office::Office;

const NONE: [usize; 0] = [];

/// The reversal of a call that is not there.
fn early_reversal(office: &Office) -> String {
    let commitment_id = office.world.commitment_id;
    let call = activity_message(commitment_id, "capital_call", 1000, "2021-03-01");
    reversal_message(&call).to_string()
}

async fn entries(office: &Office) -> i64 {
    let sql = "select count(*) from capital_activities";
    office.desk.number(sql).await
}

#[tokio::test]
async fn a_message_that_waited_out_an_outage_is_tried_as_often_as_any_other() {
    let office = Office::open().await;
    let reversal = [early_reversal(&office)];
    for delivery in 50..53 {
        assert_eq!(office.deliver(&reversal, delivery).await, [0], "{delivery}");
    }
    assert_eq!(office.dead_letters().await, []);
    assert_eq!(office.deliver(&reversal, 53).await, NONE);
    let letters = [(reversal[0].clone(), "REVERSED_EVENT_NOT_FOUND".to_owned())];
    assert_eq!(office.dead_letters().await, letters);
}

#[tokio::test]
async fn an_id_that_is_given_back_is_free_for_another_event_of_the_batch() {
    let office = Office::open().await;
    let reversal = early_reversal(&office);
    let mut call: serde_json::Value = serde_json::from_str(&office.call()).expect("JSON");
    let of_reversal: serde_json::Value = serde_json::from_str(&reversal).expect("JSON");
    call["eventId"] = of_reversal["eventId"].clone();
    let batch = [reversal.clone(), call.to_string(), reversal];
    assert_eq!(office.deliver(&batch, 1).await, [0, 1, 2]);
    assert_eq!(office.dead_letters().await, []);
    assert_eq!(office.deliver(&batch[1..2], 2).await, NONE);
    assert_eq!(entries(&office).await, 1);
}

#[tokio::test]
async fn a_redriven_dead_letter_is_tried_anew() {
    let office = Office::open_with(&[("RETRY_DELAYS_SECONDS", "5")]).await;
    let reversal = [early_reversal(&office)];
    for _ in 0..2 {
        assert_eq!(office.deliver(&reversal, 1).await, [0]);
        assert_eq!(office.deliver(&reversal, 2).await, NONE);
        assert_eq!(office.dead_letters().await.len(), 1);
    }
}

#[tokio::test]
async fn a_missing_table_buries_nothing_and_fails_only_those_who_need_it() {
    let office = Office::open().await;
    let nav = fund_nav_message(office.world.fund_id, 1000, "2021-03-31", "2021-04-30");
    office
        .desk
        .run("alter table fund_nav_snapshots rename to elsewhere")
        .await;
    let bodies = [nav.to_string(), office.call()];
    assert_eq!(office.deliver(&bodies, 1).await, [0]);
    assert_eq!(entries(&office).await, 1);
    office
        .desk
        .run("alter table elsewhere rename to fund_nav_snapshots")
        .await;
    assert_eq!(office.deliver(&bodies, 2).await, NONE);
    assert_eq!(office.dead_letters().await, []);
    let navs = "select count(*) from fund_nav_snapshots";
    assert_eq!(office.desk.number(navs).await, 1);
}

#[tokio::test]
async fn a_migration_under_a_warm_function_costs_no_delivery() {
    let office = Office::open().await;
    assert_eq!(office.deliver(&[office.call()], 1).await, NONE);
    let sql = "alter table activity_types alter column components drop default,
               alter column components type varchar[]";
    office.desk.run(sql).await;
    assert_eq!(office.deliver(&[office.call()], 1).await, NONE);
    assert_eq!(entries(&office).await, 2);
}

#[tokio::test]
async fn an_event_that_the_database_refuses_is_tried_once() {
    let office = Office::open().await;
    office
        .desk
        .run("alter table capital_activities add constraint refused check (amount_cents <> 666)")
        .await;
    let refused = activity_message(
        office.world.commitment_id,
        "capital_call",
        666,
        "2021-03-01",
    );
    assert_eq!(office.deliver(&[refused.to_string()], 1).await, NONE);
    let letters = [(refused.to_string(), "NOT_RECORDABLE".to_owned())];
    assert_eq!(office.dead_letters().await, letters);
    let ids = "select last_value from capital_activities_activity_id_seq";
    assert_eq!(office.desk.number(ids).await, 1, "one try took one id");
}

#[tokio::test]
async fn what_cannot_be_buried_is_not_acknowledged() {
    let mut office = Office::open().await;
    let nowhere = format!("{}_nowhere", office.queues.dead_letter_queue_url);
    office
        .replace_worker(&[("DEAD_LETTER_QUEUE_URL", &nowhere)])
        .await;
    let bodies = ["{ not json ".to_owned(), office.call()];
    assert_eq!(office.deliver(&bodies, 1).await, [0]);
    office.replace_worker(&[]).await;
    assert_eq!(office.deliver(&bodies, 2).await, NONE);
    assert_eq!(office.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn a_message_is_put_off_for_the_configured_delay() {
    let office = Office::open_with(&[("RETRY_DELAYS_SECONDS", "0,60")]).await;
    let unknown = office.world.commitment_id + 1;
    let early = activity_message(unknown, "capital_call", 1000, "2021-03-01");
    office.queues.send(&early).await;
    let received = office.queues.receive(60, 0).await.expect("it was sent");
    assert!(!office.deliver_received(&received).await);
    // It would be hidden for a minute had it not been put off for no time at all.
    let again = office.queues.receive(1, 0).await.expect("it is visible");
    assert!(!office.deliver_received(&again).await);
    // And it would be visible after a second had it not been put off for a minute.
    assert_eq!(office.queues.receive(0, 2).await, None);
}

#[tokio::test]
async fn an_outage_while_settling_is_not_acknowledged() {
    let office = Office::open().await;
    let action = "pg_terminate_backend(pg_backend_pid())";
    office
        .interfere(
            "trigger cut before insert on lp_performance_snapshots",
            action,
        )
        .await;
    let body = [office.call()];
    assert_eq!(office.deliver(&body, 1).await, [0]);
    let owed = "select count(*) from pending_performance";
    assert_eq!(entries(&office).await, 1, "it is recorded");
    assert_ne!(office.desk.number(owed).await, 0, "and not settled");
    office
        .desk
        .run("drop trigger cut on lp_performance_snapshots")
        .await;
    assert_eq!(office.deliver(&body, 2).await, NONE);
    assert_eq!(
        (entries(&office).await, office.desk.number(owed).await),
        (1, 0)
    );
    assert_eq!(office.dead_letters().await, []);
}

#[tokio::test]
async fn two_deliveries_at_once_record_once() {
    let office = Office::open().await;
    // The first to come is held at its commit until the second waits for it.
    office.interfere_at_commit("pg_advisory_xact_lock(1)").await;
    office.desk.run("select pg_advisory_lock(1)").await;
    let body = [office.call()];
    let release = async {
        office.desk.until_waiting(2).await;
        office.desk.run("select pg_advisory_unlock(1)").await;
    };
    let (one, other, ()) =
        tokio::join!(office.deliver(&body, 1), office.deliver(&body, 1), release);
    assert_eq!((one, other), (vec![], vec![]));
    assert_eq!(entries(&office).await, 1);
}

#[tokio::test]
async fn a_refresh_of_the_views_lets_a_few_batches_with_records_pass() {
    let office = Office::open().await;
    let views = json!({"schema": "lp-reporting/views/1"}).to_string();
    for delivery in 1..=3 {
        let batch = [views.clone(), office.call()];
        assert_eq!(office.deliver(&batch, delivery).await, [0], "{delivery}");
    }
    let refreshes = "select count(*) from view_refreshes where finished_at is not null";
    assert_eq!(office.desk.number(refreshes).await, 0);
    assert_eq!(
        office.deliver(&[views.clone(), office.call()], 4).await,
        NONE
    );
    assert_eq!(office.desk.number(refreshes).await, 1);
    assert_eq!(office.deliver(&[office.call()], 1).await, NONE);
    let is_due = "update view_refreshes set due_at = clock_timestamp() where started_at is null";
    office.desk.run(is_due).await;
    assert_eq!(
        office.deliver(&[views], 1).await,
        NONE,
        "alone it is worked on at once"
    );
    assert_eq!(office.desk.number(refreshes).await, 2);
}
