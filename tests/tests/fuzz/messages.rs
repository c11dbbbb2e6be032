//! Messages: the published ones with slips in their text or with other values in their properties, and anything at all.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use shared::ledger::{Event, Fact, LpRange, Message, OwedForgetting, VIEWS_SCHEMA, parse_message};
use shared::refusal::Reason;
use tests::database::project;

use crate::{slipped, slips, try_on};

const LARGEST_AMOUNT_CENTS: i64 = 1_000_000_000_000_000;
/// The longest sentence names a property of sixty characters, each written as an escape.
const LONGEST_DETAIL: usize = 700;
/// The kinds that others send, each with a schema of its own.
const KINDS: [&str; 4] = ["capital-activity", "commitment-nav", "fund-nav", "refresh"];
const PROPERTIES: &[&str] = &[
    "schema",
    "source",
    "eventId",
    "commitmentId",
    "fundId",
    "lpId",
    "type",
    "amountCents",
    "currency",
    "effectiveDate",
    "description",
    "referenceNumber",
    "components",
    "reversesEventId",
    "metadata",
    "asOfDate",
    "reportedAt",
    "navCents",
    "grossNavCents",
    "netNavCents",
    "fromLpId",
    "toLpId",
    "owedSince",
    "lpIds",
];

static SCHEMAS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let schema = |kind: &str| {
        let path = project().join(format!("events/schemas/{kind}.json"));
        let text = std::fs::read_to_string(path).expect("a schema");
        let schema: Value = serde_json::from_str(&text).expect("it is JSON");
        let options = jsonschema::options().should_validate_formats(true);
        let validator = options.build(&schema).expect("the schema is one");
        (format!("lp-reporting/{kind}/1"), validator)
    };
    KINDS.into_iter().map(schema).collect()
});

/// The published messages, and what the system sends to itself.
fn right_messages() -> Vec<Value> {
    let folder = project().join("events/messages");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let text = |file: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(file.expect("an entry").path()).expect("it is text")
    };
    let mut messages: Vec<Value> = files
        .map(|file| serde_json::from_str(&text(file)).expect("it is JSON"))
        .collect();
    messages.sort_by_key(Value::to_string);
    messages.push(json!({"schema": VIEWS_SCHEMA}));
    messages.push(json!({"schema": LpRange::SCHEMA, "fromLpId": 1, "toLpId": 7, "fundId": 3}));
    messages.push(json!({"schema": OwedForgetting::SCHEMA, "owedSince": "2025-01-01T00:00:00Z", "lpIds": [1, 2]}));
    messages
}

fn any_json() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?"
            .prop_map(Value::from),
        "[A-Z]{3}".prop_map(Value::from),
    ];
    plain.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

/// Read, and then within the bounds of its kind's schema; or refused with a sentence that is bounded and holds no character that
/// the queue does not carry.
fn assert_read_or_refused(body: &str) -> Result<(), TestCaseError> {
    match parse_message(body) {
        Ok(message) => {
            let content: Value = serde_json::from_str(body).expect("it was read as JSON");
            if let Message::Event(event) = &message {
                assert_within_bounds(event)?;
            }
            let errors = broken_rules(&content);
            prop_assert!(errors.is_empty(), "{}: {:?}", body, errors);
            // However it is spaced and ordered, it is the same message.
            let spaced = serde_json::to_string_pretty(&content).expect("it is JSON");
            prop_assert_eq!(parse_message(&spaced), Ok(message));
        }
        Err(refusal) => {
            prop_assert!(!matches!(refusal.reason, Reason::NotRecordable));
            prop_assert!(
                (1..=LONGEST_DETAIL).contains(&refusal.detail.len()),
                "{}",
                refusal
            );
            prop_assert!(!refusal.detail.chars().any(char::is_control), "{}", refusal);
            prop_assert_eq!(parse_message(body).err(), Some(refusal));
        }
    }
    Ok(())
}

/// What the schema of its kind has against a message, but for the types and their parts: those are data of the database, which
/// recording looks up.
fn broken_rules(content: &Value) -> Vec<String> {
    let kind = content["schema"].as_str().unwrap_or_default();
    let Some(schema) = SCHEMAS.get(kind) else {
        return Vec::new();
    };
    let mut content = content.clone();
    if let Some(properties) = content
        .as_object_mut()
        .filter(|all| all.contains_key("type"))
    {
        properties.insert("type".to_owned(), json!("capital_call"));
        properties.remove("components");
    }
    let errors = schema.iter_errors(&content);
    errors.map(|error| error.to_string()).collect()
}

fn assert_within_bounds(event: &Event) -> Result<(), TestCaseError> {
    prop_assert!((1..=200).contains(&event.source.chars().count()));
    prop_assert!((1..=200).contains(&event.event_id.chars().count()));
    prop_assert!(event.metadata.to_string().len() <= 4096);
    let amounts = match &event.fact {
        Fact::Activity(activity) => {
            prop_assert!(activity.amount_cents > 0);
            vec![activity.amount_cents]
        }
        Fact::CommitmentNav { nav_cents, .. } => vec![*nav_cents],
        Fact::FundNav {
            gross_nav_cents,
            net_nav_cents,
            ..
        } => vec![*gross_nav_cents, *net_nav_cents],
    };
    let bounds = -LARGEST_AMOUNT_CENTS..=LARGEST_AMOUNT_CENTS;
    prop_assert!(amounts.iter().all(|cents| bounds.contains(cents)));
    Ok(())
}

#[test]
fn a_message_with_slips_in_its_text_is_read_or_refused() {
    let cases = (prop::sample::select(right_messages()), slips());
    try_on("messages with slips", cases, |(message, slips)| {
        assert_read_or_refused(&slipped(&message.to_string(), &slips))
    });
}

#[test]
fn a_message_with_other_values_is_read_or_refused() {
    let property = prop_oneof![8 => prop::sample::select(PROPERTIES).prop_map(str::to_owned), 1 => any::<String>()];
    let changes = prop::collection::vec((property, prop::option::weighted(0.8, any_json())), 1..3);
    let cases = (prop::sample::select(right_messages()), changes);
    try_on(
        "messages with other values",
        cases,
        |(mut message, changes)| {
            let properties = message.as_object_mut().expect("an object");
            for (property, value) in changes {
                match value {
                    Some(value) => drop(properties.insert(property, value)),
                    None => drop(properties.remove(&property)),
                }
            }
            assert_read_or_refused(&message.to_string())
        },
    );
}

#[test]
fn anything_else_is_refused() {
    let bytes = prop::collection::vec(any::<u8>(), 0..400)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let bodies = prop_oneof![
        any::<String>(),
        bytes,
        any_json().prop_map(|value| value.to_string())
    ];
    try_on("bodies of any kind", bodies, |body| {
        prop_assert!(parse_message(&body).is_err());
        assert_read_or_refused(&body)
    });
}
