//! The largest batches and bodies.

use std::collections::BTreeMap;
use std::time::Instant;

use aws_sdk_sqs::types::Message;
use local::template::Template;
use serde_json::json;
use tests::builders::{World, activity_message};
use tests::database::project;
use tests::office::Office;

use crate::asking::{UNHURRIED, assert_all_right, assert_rebuild_is_the_same};

const KIB: usize = 1024;
const MESSAGES: usize = 10_000;

/// What the queue counts of a message: its body, and the name, type and value of each attribute.
fn counted_bytes(letter: &Message) -> usize {
    let attributes = letter.message_attributes().expect("attributes").iter();
    let attribute_bytes = attributes.map(|(name, value)| {
        let text = value.string_value().unwrap_or_default();
        name.len() + value.data_type().len() + text.len()
    });
    letter.body().map_or(0, str::len) + attribute_bytes.sum::<usize>()
}

/// A body of so many bytes that is JSON, and too large whatever it says.
fn body_of(bytes: usize) -> String {
    let frame = json!({"schema": "lp-reporting/capital-activity/1", "description": ""}).to_string();
    let filled = format!(
        "\"description\":\"{}\"",
        "é".repeat((bytes - frame.len()) / 2)
    );
    let body = frame.replace("\"description\":\"\"", &filled);
    body + &" ".repeat((bytes - frame.len()) % 2)
}

#[tokio::test]
async fn the_largest_body_that_the_queue_takes_becomes_a_dead_letter_that_its_queue_takes() {
    let text = std::fs::read_to_string(project().join("infra/template.yaml")).expect("it is there");
    let template = Template::parse(&text).expect("a template");
    let limit = |queue: &str| -> usize {
        let attributes = &template.queues[queue].attributes;
        let limit = attributes.get("MaximumMessageSize");
        // What the service gives a queue that does not say.
        limit.map_or(KIB * KIB, |limit| limit.parse().expect("a number"))
    };
    let office = Office::open().await;
    let body = body_of(limit("ActivityQueue"));
    // The longest trace that is passed on, and the longest sentence that a refusal has, leave room.
    let reserve = 2 * 512 + 8 * KIB;
    assert_eq!(
        office.deliver(std::slice::from_ref(&body), 1).await,
        [0_usize; 0]
    );
    let queue_url = &office.queues.dead_letter_queue_url;
    let letters = office.queues.take_all(queue_url).await;
    let [letter] = &letters[..] else {
        panic!("{} letters", letters.len());
    };
    assert!(letter.body() == Some(&body), "the body is kept verbatim");
    let reason = &letter.message_attributes().expect("attributes")["reason"];
    assert_eq!(reason.string_value(), Some("TOO_LARGE"));
    let (bytes, most) = (counted_bytes(letter), limit("ActivityDeadLetterQueue"));
    println!(
        "a body of {} bytes became a letter of {bytes}; its queue takes {most}",
        body.len()
    );
    assert!(bytes + reserve <= most, "{bytes} bytes of {most}");
}

#[tokio::test]
async fn of_ten_bodies_at_any_size_those_that_are_too_large_are_kept_and_the_others_recorded() {
    let office = Office::open().await;
    let sizes = [64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB, 256 * KIB];
    let mut bodies: Vec<String> = sizes.map(body_of).to_vec();
    bodies.extend((0..5).map(|_| office.call()));
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    let mut expected: Vec<(String, String)> = bodies[..2]
        .iter()
        .map(|body| (body.clone(), "MALFORMED".to_owned()))
        .collect();
    let large = bodies[2..5].iter();
    expected.extend(large.map(|body| (body.clone(), "TOO_LARGE".to_owned())));
    expected.sort();
    assert!(
        office.dead_letters().await == expected,
        "bodies and reasons"
    );
    let entries = "select count(*) from capital_activities";
    assert_eq!(office.desk.number(entries).await, 5);
}

/// Ten thousand calls to twenty LPs, of which each hundredth is sent twice and each other hundredth is poison.
#[tokio::test]
async fn ten_thousand_messages_in_one_event_are_recorded_once_or_refused_each_by_itself() {
    let office = Office::open_with(&[UNHURRIED]).await;
    let desk = &office.desk;
    let mut worlds = vec![office.world];
    for _ in 1..20 {
        worlds.push(World::insert(&desk.client).await);
    }
    let mut bodies: Vec<String> = (0..MESSAGES)
        .map(|n| {
            let world = worlds[n % worlds.len()];
            let date = format!("20{:02}-{:02}-15", 20 + n % 5, 1 + n / 20 % 12);
            let mut call = activity_message(world.commitment_id, "capital_call", 100, &date);
            if n % 100 == 1 {
                call["amountCents"] = json!(0);
            }
            call.to_string()
        })
        .collect();
    for n in (2..MESSAGES).step_by(100) {
        bodies[n] = bodies[n - 2].clone();
    }
    let begun = Instant::now();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    println!("{MESSAGES} messages in one event: {:?}", begun.elapsed());
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (body, reason) in office.dead_letters().await {
        assert!(bodies.contains(&body), "a letter is as it was sent");
        *reasons.entry(reason).or_default() += 1;
    }
    assert_eq!(reasons, [("INVALID_AMOUNT".to_owned(), 100)].into());
    let entries = "select count(*) from capital_activities";
    assert_eq!(desk.number(entries).await, 9_800);
    let sum = "select sum(amount_cents)::bigint from capital_activities";
    assert_eq!(desk.number(sum).await, 980_000);
    let lp_ids: Vec<i64> = worlds.iter().map(|world| world.lp_id).collect();
    let fund_ids: Vec<i64> = worlds.iter().map(|world| world.fund_id).collect();
    let answers = assert_all_right(desk, &lp_ids, &fund_ids).await;
    let rows = assert_rebuild_is_the_same(desk).await;
    println!("{answers} answers are the oracle's, {rows} derived rows are a rebuild's");
}
