//! Batches from the queue, on real servers: what is acknowledged, put off, buried, and left for later.

use serde_json::json;
use shared::ledger::LpRange;
use tests::builders::{
    activity_message, insert_commitment, insert_fund, nav_message, refresh_message,
    reversal_message,
};
use tests::office::Office;

#[tokio::test]
async fn a_poison_message_goes_to_the_dead_letters_verbatim_and_its_batch_is_unharmed() {
    let office = Office::open().await;
    let good = activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    )
    .to_string();
    let mut euro = activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    );
    euro["currency"] = json!("EUR");
    let bodies = ["{ not json ".to_owned(), good, euro.to_string()];
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    let mut expected = vec![
        (bodies[0].clone(), "MALFORMED".to_owned()),
        (bodies[2].clone(), "CURRENCY_MISMATCH".to_owned()),
    ];
    expected.sort();
    assert_eq!(office.dead_letters().await, expected);
    assert_eq!(
        office
            .desk
            .number("select count(*) from capital_activities")
            .await,
        1
    );
}

#[tokio::test]
async fn what_is_not_there_yet_is_put_off_and_buried_after_the_last_try() {
    let office = Office::open().await;
    let early = [activity_message(
        office.world.commitment_id + 1,
        "capital_call",
        1000,
        "2021-03-01",
    )
    .to_string()];
    for tries in 1..=3 {
        assert_eq!(office.deliver(&early, tries).await, [0], "try {tries}");
    }
    assert_eq!(office.dead_letters().await, []);
    assert_eq!(office.deliver(&early, 4).await, [0_usize; 0]);
    assert_eq!(
        office.dead_letters().await,
        [(early[0].clone(), "COMMITMENT_NOT_FOUND".to_owned())]
    );
}

#[tokio::test]
async fn a_commitment_that_arrives_between_two_tries_is_found() {
    let office = Office::open().await;
    let call = [activity_message(
        office.world.commitment_id + 1,
        "capital_call",
        1000,
        "2021-03-01",
    )
    .to_string()];
    assert_eq!(office.deliver(&call, 1).await, [0]);
    insert_commitment(
        &office.desk.client,
        office.world.lp_id,
        office.world.fund_id,
        500,
        "2020-01-01",
    )
    .await;
    assert_eq!(office.deliver(&call, 2).await, [0_usize; 0]);
    assert_eq!(
        office
            .desk
            .number("select count(*) from capital_activities")
            .await,
        1
    );
}

#[tokio::test]
async fn performance_is_settled_and_a_refresh_asked_for_once_before_the_message_is_acknowledged() {
    let office = Office::open().await;
    let commitment_id = office.world.commitment_id;
    let bodies = [
        activity_message(commitment_id, "capital_call", 100_000, "2021-01-01").to_string(),
        nav_message(commitment_id, 110_000, "2022-01-01", "2022-02-01").to_string(),
    ];
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    assert_eq!(
        office
            .desk
            .number("select count(*) from pending_performance")
            .await,
        0
    );
    let snapshot = "select snapshot_date, round(net_irr::numeric, 6), dpi, tvpi, pic from lp_performance_snapshots";
    assert_eq!(
        office.desk.rows(snapshot).await,
        ["(2022-01-01,0.100000,0.000000,1.100000,0.001000)"]
    );
    assert_eq!(office.sent().await, ["lp-reporting/views/1"]);
    office
        .deliver(
            &[activity_message(commitment_id, "capital_call", 5, "2021-02-01").to_string()],
            1,
        )
        .await;
    assert_eq!(
        office.sent().await,
        [""; 0],
        "one request is outstanding already"
    );
}

#[tokio::test]
async fn a_duplicate_finishes_what_the_first_delivery_left_undone() {
    let office = Office::open().await;
    let call = activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    );
    // The first delivery dies right after its commit: recorded, nothing settled.
    office.desk.record(&[&call]).await;
    assert_eq!(
        office
            .desk
            .number("select count(*) from pending_performance where lp_id is not null")
            .await,
        2
    );
    assert_eq!(office.deliver(&[call.to_string()], 2).await, [0_usize; 0]);
    assert_eq!(
        office
            .desk
            .number("select count(*) from pending_performance")
            .await,
        0
    );
    assert_eq!(
        office
            .desk
            .number("select count(*) from capital_activities")
            .await,
        1
    );
}

#[tokio::test]
async fn with_the_database_away_messages_stay_on_the_queue_and_none_is_buried() {
    let office = Office::open_with(&[("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")]).await;
    let call = activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    );
    let bodies = [
        call.to_string(),
        refresh_message("lpId", office.world.lp_id).to_string(),
        json!({"schema": "lp-reporting/views/1"}).to_string(),
    ];
    for tries in [1, 9, 99] {
        assert_eq!(office.deliver(&bodies, tries).await, [0, 1, 2]);
    }
    assert_eq!(office.dead_letters().await, []);
}

#[tokio::test]
async fn with_redis_away_the_message_is_recorded_and_the_forgetting_is_noted() {
    let office = Office::open_with(&[("REDIS_URL", "redis://127.0.0.1:1/")]).await;
    let call = activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    );
    assert_eq!(office.deliver(&[call.to_string()], 1).await, [0_usize; 0]);
    assert_eq!(
        office
            .desk
            .number("select count(*) from lp_performance_snapshots")
            .await,
        1
    );
    let sent = office.sent().await;
    assert!(
        sent.contains(&"lp-reporting/forget/1".to_owned()),
        "{sent:?}"
    );
    let since = |age_minutes: i64| {
        (chrono::Utc::now() - chrono::TimeDelta::minutes(age_minutes)).to_rfc3339()
    };
    let note = |age| {
        json!({"schema": "lp-reporting/forget/1", "owedSince": since(age), "lpIds": [office.world.lp_id]}).to_string()
    };
    assert_eq!(
        office.deliver(&[note(263)], 1).await,
        [0],
        "Redis is still away"
    );
    assert_eq!(
        office.deliver(&[note(265)], 1).await,
        [0_usize; 0],
        "no answer lives that long"
    );
}

#[tokio::test]
async fn a_balance_beyond_64_bits_is_refused_and_its_neighbours_are_recorded() {
    let office = Office::open().await;
    let client = &office.desk.client;
    let fund = insert_fund(client, "Vast Fund", "USD").await;
    let vast = insert_commitment(client, office.world.lp_id, fund, 1_000, "2020-01-01").await;
    // As if thousands of other LPs had promised the most there is.
    let sql =
        "update funds set commitments_in_force_cents = 9000000000000000000 where fund_id = $1";
    client
        .execute(sql, &[&fund])
        .await
        .expect("the fund is vast");
    let increase = |_| {
        activity_message(
            vast,
            "commitment_increase",
            1_000_000_000_000_000,
            "2021-03-01",
        )
        .to_string()
    };
    let mut bodies: Vec<String> = (0..250).map(increase).collect();
    bodies.push(
        activity_message(
            office.world.commitment_id,
            "capital_call",
            1000,
            "2021-03-01",
        )
        .to_string(),
    );
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    let letters = office.dead_letters().await;
    assert!(
        !letters.is_empty() && letters.iter().all(|(_, reason)| reason == "NOT_RECORDABLE"),
        "{letters:?}"
    );
    assert_eq!(
        office
            .desk
            .number("select count(*) from capital_activities")
            .await,
        251 - letters.len() as i64
    );
    assert_eq!(
        office
            .desk
            .number("select count(*) from capital_activities where activity_type = 'capital_call'")
            .await,
        1
    );
}

#[tokio::test]
async fn the_rest_of_a_rebuild_is_worked_on_as_its_message_says() {
    let office = Office::open().await;
    let commitment_id = office.world.commitment_id;
    let call = activity_message(commitment_id, "capital_call", 60_000, "2020-01-01");
    office.deliver(&[call.to_string()], 1).await;
    let spoil = "update lp_performance_snapshots set paid_in_cents = 1";
    let client = &office.desk.client;
    client
        .batch_execute(spoil)
        .await
        .expect("a derived row may be spoiled");
    let rest = LpRange {
        fund_id: Some(office.world.fund_id),
        ..LpRange::ALL
    };
    assert_eq!(office.deliver(&[rest.to_message()], 1).await, [0_usize; 0]);
    let paid_in = "select paid_in_cents from lp_performance_snapshots";
    assert_eq!(office.desk.number(paid_in).await, 60_000);
    assert_eq!(office.dead_letters().await, []);
}

#[tokio::test]
async fn a_reversal_waits_for_its_entry() {
    let office = Office::open().await;
    let call = activity_message(
        office.world.commitment_id,
        "capital_call",
        1000,
        "2021-03-01",
    );
    let reversal = [reversal_message(&call).to_string()];
    assert_eq!(office.deliver(&reversal, 1).await, [0]);
    office.deliver(&[call.to_string()], 1).await;
    assert_eq!(office.deliver(&reversal, 2).await, [0_usize; 0]);
    assert_eq!(
        office
            .desk
            .number("select sum(amount_cents)::bigint from capital_activities")
            .await,
        0
    );
}
