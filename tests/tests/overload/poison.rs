//! Messages that can never be recorded, one kind for each reason, and those that wait in vain for what never comes.

use serde_json::{Value, json};

/// The rule of the database, of the test's own making, that refuses entries with this reference.
pub const RULE: &str = "alter table capital_activities add constraint a_rule_of_the_house
    check (reference_number is distinct from 'refused by the house') not valid";
/// The events that some of the poison is about, recorded before everything else.
pub const KEPT: &str = "kept";
pub const TAKEN_BACK: &str = "taken-back";
pub const REVERSAL: &str = "reversal";

/// Why it is refused, and how it is made of a sound entry and of the one that is taken back.
type Kind = (&'static str, fn(Value, &Value) -> String);

/// Refused at the first look.
pub const AT_ONCE: [Kind; 16] = [
    ("MALFORMED", |entry, _| format!("{{{}", entry["eventId"])),
    ("MALFORMED", |entry, _| without(entry, "amountCents")),
    ("MALFORMED", |entry, _| {
        with(entry, "ammountCents", json!(1))
    }),
    ("TOO_LARGE", |entry, _| {
        with(entry, "description", json!("x".repeat(65_536)))
    }),
    ("UNKNOWN_SCHEMA", |entry, _| {
        with(entry, "schema", json!("lp-reporting/capital-activity/2"))
    }),
    ("UNKNOWN_TYPE", |entry, _| {
        with(entry, "type", json!("gift"))
    }),
    ("INVALID_AMOUNT", |entry, _| {
        with(entry, "amountCents", json!(0))
    }),
    ("INVALID_DATE", |entry, _| {
        with(entry, "effectiveDate", json!("2026-02-30"))
    }),
    ("COMPONENTS_DO_NOT_SUM", |entry, _| {
        with(entry, "components", json!({"investments": 1}))
    }),
    ("CURRENCY_MISMATCH", |entry, _| {
        with(entry, "currency", json!("XTS"))
    }),
    ("NOT_RECORDABLE", |entry, _| {
        with(entry, "referenceNumber", json!("refused by the house"))
    }),
    ("EVENT_ID_REUSED", |entry, _| {
        // Another description for each, so that no two letters are alike.
        let described = changed(&entry, "description", entry["eventId"].clone());
        with(described, "eventId", json!(KEPT))
    }),
    ("REVERSAL_MISMATCH", |entry, _| {
        with(entry, "reversesEventId", json!(KEPT))
    }),
    ("REVERSES_A_REVERSAL", |entry, _| {
        with(entry, "reversesEventId", json!(REVERSAL))
    }),
    ("ALREADY_REVERSED", |entry, taken_back| {
        let again = changed(taken_back, "eventId", entry["eventId"].clone());
        with(again, "reversesEventId", json!(TAKEN_BACK))
    }),
    ("MALFORMED", |entry, _| {
        with(entry, "commitmentId", json!(0))
    }),
];

/// Refused only after some tries, since what is missing may still arrive.
pub const LATE: [Kind; 4] = [
    ("COMMITMENT_NOT_FOUND", |entry, _| {
        with(entry, "commitmentId", json!(i64::MAX))
    }),
    ("REVERSED_EVENT_NOT_FOUND", |entry, _| {
        with(entry, "reversesEventId", json!("never sent"))
    }),
    ("FUND_NOT_FOUND", |entry, _| {
        let nav = json!({
            "schema": "lp-reporting/fund-nav/1", "source": entry["source"], "eventId": entry["eventId"], "fundId": i64::MAX,
            "asOfDate": "2025-03-31", "reportedAt": "2025-05-01T12:00:00Z", "grossNavCents": 2, "netNavCents": 1, "currency": "USD",
        });
        nav.to_string()
    }),
    ("LP_NOT_FOUND", |entry, _| {
        let refresh = json!({"schema": "lp-reporting/refresh/1", "lpId": i64::MAX, "metadata": {"event": entry["eventId"]}});
        refresh.to_string()
    }),
];

fn changed(entry: &Value, name: &str, value: Value) -> Value {
    let mut entry = entry.clone();
    entry[name] = value;
    entry
}

fn with(entry: Value, name: &str, value: Value) -> String {
    changed(&entry, name, value).to_string()
}

fn without(mut entry: Value, name: &str) -> String {
    entry.as_object_mut().expect("an object").remove(name);
    entry.to_string()
}
