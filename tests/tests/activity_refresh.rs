//! Batches from the queue, on real servers: what is acknowledged, put off, buried, and left for later.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::{Value, json};
use shared::batch::Worker;
use shared::config::Environment;
use shared::ledger::LpRange;
use tests::builders::{
    World, activity_message, insert_commitment, insert_fund, nav_message, refresh_message,
    reversal_message,
};
use tests::desk::Desk;
use tests::queue::Queues;

/// A desk with queues of its own and the worker of the function.
struct Office {
    desk: Desk,
    queues: Queues,
    worker: Worker,
    world: World,
}

impl Office {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// Opens with some variables changed, to put a server out of reach.
    async fn open_with(changed: &[(&str, &str)]) -> Self {
        let desk = Desk::empty().await;
        let queues = Queues::create().await;
        let world = World::insert(&desk.client).await;
        let (database_url, redis_url) = (desk.database.url(), desk.keyspace.url());
        let mut variables = vec![
            ("DATABASE_URL", database_url.as_str()),
            ("REDIS_URL", redis_url.as_str()),
            ("REDIS_PREFIX", desk.keyspace.prefix()),
            ("QUEUE_URL", queues.queue_url.as_str()),
            (
                "DEAD_LETTER_QUEUE_URL",
                queues.dead_letter_queue_url.as_str(),
            ),
        ];
        variables.extend_from_slice(changed);
        let worker = Worker::from_environment(&Environment::of(&variables)).await;
        Self {
            worker: worker.expect("the environment is usable"),
            desk,
            queues,
            world,
        }
    }

    /// Delivers bodies as one batch, for the `tries`-th time, and says which positions failed.
    async fn deliver(&self, bodies: &[String], tries: usize) -> Vec<usize> {
        let mut event = SqsEvent::default();
        event.records = bodies
            .iter()
            .enumerate()
            .map(|(position, body)| record(position, body, tries))
            .collect();
        let response = self.worker.work(event).await;
        let failed = response.batch_item_failures.iter();
        failed
            .map(|failure| failure.item_identifier.parse().expect("a position"))
            .collect()
    }

    /// The bodies and reasons in the dead-letter queue.
    async fn dead_letters(&self) -> Vec<(String, String)> {
        let messages = self
            .queues
            .take_all(&self.queues.dead_letter_queue_url)
            .await;
        let mut letters: Vec<(String, String)> = messages
            .iter()
            .map(|message| {
                let attributes = message.message_attributes().expect("attributes");
                let reason = attributes["reason"]
                    .string_value()
                    .expect("a reason")
                    .to_owned();
                assert!(
                    attributes["detail"]
                        .string_value()
                        .is_some_and(|detail| !detail.is_empty())
                );
                (message.body().expect("a body").to_owned(), reason)
            })
            .collect();
        letters.sort();
        letters
    }

    /// The kinds of message that the function has sent to the activity queue itself.
    async fn sent(&self) -> Vec<String> {
        let messages = self.queues.take_all(&self.queues.queue_url).await;
        messages
            .iter()
            .filter_map(|message| {
                serde_json::from_str::<Value>(message.body()?).ok()?["schema"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect()
    }
}

fn record(position: usize, body: &str, tries: usize) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(position.to_string());
    record.receipt_handle = Some(format!("receipt-{position}"));
    record.body = Some(body.to_owned());
    record
        .attributes
        .insert("ApproximateReceiveCount".to_owned(), tries.to_string());
    record
}

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
        office.deliver(&[note(0)], 1).await,
        [0],
        "Redis is still away"
    );
    assert_eq!(
        office.deliver(&[note(67)], 1).await,
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
