//! Messages as they are published in events/: the good ones parse and match their schema, each awkward one is refused for
//! its own reason.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::ledger::{Message, parse_message};
use shared::refusal::Reason;
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
    ("nav-dated-ahead.json", Some(Reason::InvalidDate)),
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

/// What the schema of a kind says, formats included.
fn validator(kind: &str) -> jsonschema::Validator {
    let path = project().join(format!("events/schemas/{kind}.json"));
    let text = std::fs::read_to_string(path).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("it is JSON");
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema).expect("the schema is one")
}

fn published(name: &str) -> Value {
    let path = project().join("events/messages").join(name);
    let text = std::fs::read_to_string(path).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn detail(body: &str) -> (Reason, String) {
    let refusal = parse_message(body).expect_err(body);
    (refusal.reason, refusal.detail)
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
        let errors: Vec<String> = validator(kind)
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

#[test]
fn a_nav_is_not_reported_before_its_day() {
    for (name, as_of_date, reported_at, is_right) in [
        (
            "commitment-nav.json",
            "2025-11-10",
            "2025-11-10T00:00:00Z",
            true,
        ),
        (
            "commitment-nav.json",
            "2025-11-11",
            "2025-11-10T23:59:59Z",
            false,
        ),
        (
            "commitment-nav.json",
            "2030-01-01",
            "2025-11-10T12:00:00Z",
            false,
        ),
        // The day is UTC's: there it is the 10th already, and here the 9th still.
        (
            "fund-nav.json",
            "2025-11-10",
            "2025-11-09T23:30:00-01:00",
            true,
        ),
        (
            "fund-nav.json",
            "2025-11-10",
            "2025-11-10T00:30:00+01:00",
            false,
        ),
    ] {
        let mut message = published(name);
        message["asOfDate"] = json!(as_of_date);
        message["reportedAt"] = json!(reported_at);
        let reason = parse_message(&message.to_string()).err();
        let expected = (!is_right).then_some(Reason::InvalidDate);
        let case = format!("{name} {as_of_date} {reported_at}");
        assert_eq!(reason.map(|refusal| refusal.reason), expected, "{case}");
    }
}

#[test]
fn code_and_schema_agree_on_what_a_time_is() {
    for (reported_at, is_right) in [
        ("2026-11-10T16:30:00Z", true),
        ("2026-11-10T16:30:00.123456789Z", true),
        ("2026-11-10T16:30:00+14:00", true),
        ("2026-11-10T16:30:00-00:00", true),
        ("9998-12-31T23:59:59-12:00", true),
        ("2026-11-10 16:30:00Z", false),
        ("2026-11-10t16:30:00Z", false),
        ("2026-11-10T16:30:00z", false),
        ("2026-11-10T16:30:00", false),
        ("2026-11-10T16:30Z", false),
        ("2026-11-10T16:30:00.Z", false),
        ("2026-11-10T16:30:00.1234567890Z", false),
        ("2026-11-10T23:59:60Z", false),
        ("2026-11-10T24:00:00Z", false),
        ("2026-11-10T16:60:00Z", false),
        ("2026-11-10T16:30:00+24:00", false),
        ("2026-11-10T16:30:00+01:60", false),
        ("2026-11-10T16:30:00+0100", false),
        ("2026-11-10T16:30:00\u{2212}01:00", false),
        ("2026-02-30T16:30:00Z", false),
        ("0000-01-01T00:00:00Z", false),
        ("9999-01-01T00:00:00Z", false),
        ("+12026-11-10T16:30:00Z", false),
        ("", false),
    ] {
        for kind in ["commitment-nav", "fund-nav"] {
            let mut message = published(&format!("{kind}.json"));
            message["asOfDate"] = json!("1900-01-01");
            message["reportedAt"] = json!(reported_at);
            let refused = parse_message(&message.to_string()).err();
            let expected = (!is_right).then_some(Reason::InvalidDate);
            assert_eq!(
                refused.map(|refusal| refusal.reason),
                expected,
                "{reported_at}"
            );
            assert_eq!(
                validator(kind).is_valid(&message),
                is_right,
                "{kind}: {reported_at}"
            );
        }
    }
}

#[test]
fn a_property_that_stands_twice_or_is_unknown_is_named() {
    let twice = r#"{"schema":"lp-reporting/refresh/1","lpId":1,"lpId":2}"#;
    let told = "the property lpId stands there twice";
    assert_eq!(detail(twice), (Reason::Malformed, told.to_owned()));
    let unknown = r#"{"schema":"lp-reporting/refresh/1","lpId":1,"lpID":1}"#;
    let told = "this kind of message does not have the property lpID";
    assert_eq!(detail(unknown), (Reason::Malformed, told.to_owned()));
    // Also in what the system sends to itself.
    let own = r#"{"schema":"lp-reporting/views/1","lpID":1}"#;
    assert_eq!(detail(own), (Reason::Malformed, told.to_owned()));
    // What the queue cannot carry in an attribute is not in the sentence.
    let long = format!(
        r#"{{"schema":"lp-reporting/refresh/1","lpId":1,"\u0001\uffff{}":1}}"#,
        "x".repeat(9000)
    );
    let (_, told) = detail(&long);
    assert!(told.len() < 200 && told.ends_with("xx"), "{told}");
    assert!(told.contains(r"\u{1}\u{ffff}xx"), "{told}");
}

#[test]
fn metadata_may_speak_of_nul_and_not_hold_it() {
    let mut call = published("capital-call.json");
    for (metadata, is_right) in [
        (json!({"regex": r"\u0000"}), true),
        (json!({"path": r"C:\u0000"}), true),
        (json!({"text": "a\0b"}), false),
        (json!({"na\0me": 1}), false),
        (json!({"list": [{"deep": "\0"}]}), false),
    ] {
        call["metadata"] = metadata;
        let parsed = parse_message(&call.to_string());
        assert_eq!(parsed.is_ok(), is_right, "{}", call["metadata"]);
    }
}
