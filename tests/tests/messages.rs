//! Messages as they are published in events/: the good ones parse and match their schema, each awkward one is refused for
//! its own reason.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::ledger::{Message, Reason, parse_message};
use tests::database::project;

/// What parsing says of each file in events/awkward; `None` for those that only the database can tell.
const AWKWARD: &[(&str, Option<Reason>)] = &[
    ("amount-too-large.json", Some(Reason::InvalidAmount)),
    (
        "components-do-not-sum.json",
        Some(Reason::ComponentsDoNotSum),
    ),
    ("duplicate.json", None),
    ("event-id-reused.json", None),
    ("future-schema-version.json", Some(Reason::UnknownSchema)),
    ("impossible-date.json", Some(Reason::InvalidDate)),
    ("malformed.txt", Some(Reason::Malformed)),
    ("metadata-too-large.json", Some(Reason::TooLarge)),
    ("missing-source.json", Some(Reason::Malformed)),
    ("negative-amount.json", Some(Reason::InvalidAmount)),
    ("reversal-before-original.json", None),
    ("unknown-commitment.json", None),
    ("unknown-property.json", Some(Reason::Malformed)),
    ("unknown-schema.json", Some(Reason::UnknownSchema)),
    ("unknown-type.json", None),
    ("wrong-currency.json", None),
    ("zero-amount.json", Some(Reason::InvalidAmount)),
];

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = project().join("events").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder is there");
    let mut files: Vec<(String, String)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read_to_string(&path).expect("it is text"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_published_message_parses() {
    for (name, body) in files("messages") {
        let parsed = parse_message(&body).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(
            matches!(parsed, Message::Refresh(_)),
            name == "refresh.json",
            "{name}"
        );
    }
}

#[test]
fn every_published_message_matches_the_schema_of_its_kind() {
    for (name, body) in files("messages") {
        let message: Value = serde_json::from_str(&body).expect("it is JSON");
        let kind = message["schema"]
            .as_str()
            .and_then(|schema| schema.split('/').nth(1))
            .expect("a kind");
        let path = project().join(format!("events/schemas/{kind}.json"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a schema"))
            .expect("it is JSON");
        let validator = jsonschema::validator_for(&schema).expect("the schema is one");
        let errors: Vec<String> = validator
            .iter_errors(&message)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn every_awkward_message_is_refused_for_its_own_reason() {
    let files = files("awkward");
    let listed: BTreeSet<&str> = AWKWARD.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, listed, "each awkward message has its case");
    for (name, body) in &files {
        let expected = AWKWARD
            .iter()
            .find(|(listed, _)| listed == name)
            .and_then(|(_, reason)| *reason);
        let reason = parse_message(body).err().map(|refusal| refusal.reason);
        assert_eq!(reason, expected, "{name}");
    }
}

#[test]
fn a_refusal_names_the_property_and_repeats_no_content() {
    let body = r#"{"schema":"lp-reporting/commitment-nav/1","source":"<script>","eventId":"e","commitmentId":"secret","asOfDate":"2025-01-01","reportedAt":"2025-01-01T00:00:00Z","navCents":1,"currency":"USD"}"#;
    let refusal = parse_message(body).expect_err("the id is text");
    assert_eq!(
        refusal.detail,
        "commitmentId is not a positive whole number"
    );
    let zoneless = body
        .replace("\"secret\"", "7")
        .replace("00:00:00Z", "00:00:00");
    assert_eq!(
        parse_message(&zoneless).expect_err("no offset").reason,
        Reason::InvalidDate
    );
}

#[test]
fn bodies_and_numbers_beyond_their_bounds_are_refused() {
    let large = format!(r#"{{"schema":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(
        parse_message(&large).expect_err("too large").reason,
        Reason::TooLarge
    );
    let beyond = r#"{"schema":"lp-reporting/refresh/1","lpId":9223372036854775808}"#;
    assert_eq!(
        parse_message(beyond).expect_err("not an i64").reason,
        Reason::Malformed
    );
    let both = r#"{"schema":"lp-reporting/refresh/1","lpId":1,"fundId":1}"#;
    assert_eq!(
        parse_message(both).expect_err("one of them").reason,
        Reason::Malformed
    );
    let fraction = r#"{"schema":"lp-reporting/refresh/1","lpId":1.5}"#;
    assert_eq!(
        parse_message(fraction).expect_err("a fraction").reason,
        Reason::Malformed
    );
}
