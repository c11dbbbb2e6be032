//! Messages of kinds and versions that are not known here.

use serde_json::{Value, json};
use tests::office::Office;

/// What others send and what the system sends to itself, a version later.
const FROM_THE_FUTURE: [&str; 7] = [
    "lp-reporting/capital-activity/2",
    "lp-reporting/commitment-nav/2",
    "lp-reporting/fund-nav/2",
    "lp-reporting/refresh/2",
    "lp-reporting/views/2",
    "lp-reporting/rebuild/2",
    "lp-reporting/forget/2",
];
/// Nearly what is known.
const UNKNOWN: [&str; 9] = [
    "lp-reporting/capital-call/1",
    "lp-reporting/capital-activity",
    "lp-reporting/capital-activity/",
    "lp-reporting/capital-activity/1.0",
    "lp-reporting/capital-activity/01",
    "LP-reporting/capital-activity/1",
    " lp-reporting/capital-activity/1",
    "lp\u{2010}reporting/capital-activity/1",
    "",
];

/// The call with another schema, spaced as nobody here would space it.
fn call_as(office: &Office, schema: &str) -> String {
    let mut call: Value = serde_json::from_str(&office.call()).expect("it is JSON");
    call["schema"] = json!(schema);
    let text = serde_json::to_string_pretty(&call).expect("it is JSON");
    format!("\n {text}\t")
}

#[tokio::test]
async fn what_is_of_a_later_version_is_a_dead_letter_at_once_word_for_word() {
    let office = Office::open().await;
    let schemas = FROM_THE_FUTURE.iter().chain(&UNKNOWN);
    let mut bodies: Vec<String> = schemas.map(|schema| call_as(&office, schema)).collect();
    let mut expected: Vec<(String, String)> = bodies
        .iter()
        .map(|body| (body.clone(), "UNKNOWN_SCHEMA".to_owned()))
        .collect();
    expected.sort();
    bodies.push(office.call());
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    assert_eq!(office.dead_letters().await, expected);
    let entries = "select count(*) from capital_activities";
    assert_eq!(office.desk.number(entries).await, 1);
    println!("{} messages of later or unknown versions", expected.len());
}

/// A property of a later version is not passed over either: it may say the opposite of the rest.
#[tokio::test]
async fn a_property_of_a_later_version_is_named_and_the_message_kept() {
    let office = Office::open().await;
    let known: [(&str, Value); 6] = [
        ("capital-activity", json!({})),
        ("commitment-nav", json!({"asOfDate": "2024-01-01"})),
        ("fund-nav", json!({"fundId": 1})),
        ("refresh", json!({"lpId": office.world.lp_id})),
        ("rebuild", json!({"fromLpId": 1, "toLpId": 2})),
        (
            "forget",
            json!({"owedSince": "2024-01-01T00:00:00Z", "lpIds": []}),
        ),
    ];
    let bodies = known.map(|(kind, mut message)| {
        message["schema"] = json!(format!("lp-reporting/{kind}/1"));
        message["isVoid"] = json!(true);
        message.to_string()
    });
    let mut expected = bodies.clone().map(|body| (body, "MALFORMED".to_owned()));
    expected.sort();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    assert_eq!(office.dead_letters().await, expected);
}
