//! Every kind of text, in every place that takes one: it comes back as it was sent, or is refused by name.

use serde_json::{Value, json};
use tests::builders::activity_message;
use tests::office::Office;

use crate::asking::{ask, grant_all};

const NONE: [usize; 0] = [];
/// Beyond the first plane, joined, combining, from right to left with its controls, of no width, not a character, and what JSON
/// and SQL have a use for themselves.
pub const KINDS: [&str; 12] = [
    "\u{1f4b6}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "e\u{301}\u{323}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{202e}abc\u{202c}",
    "\u{200b}\u{2060}\u{feff}",
    "\u{fffd}",
    "\u{ffff}\u{10ffff}",
    "\"\\/",
    "'; drop table funds; --",
    "%00%_\\x00",
    "\u{2028}\u{2029}",
    "${a}{{b}}<c>",
];

/// A text of so many characters.
pub fn text_of(kind: &str, characters: usize) -> String {
    kind.chars().cycle().take(characters).collect()
}

fn call(office: &Office, amount_cents: i64) -> Value {
    activity_message(
        office.world.commitment_id,
        "capital_call",
        amount_cents,
        "2021-03-01",
    )
}

/// A call with the kind in every text, each at its longest.
fn full_of(office: &Office, kind: &str, amount_cents: i64) -> Value {
    let mut call = call(office, amount_cents);
    call["source"] = json!(text_of(kind, 200));
    call["eventId"] = json!(text_of(&format!("{kind}{amount_cents}"), 200));
    // These two may hold control characters as well, and be empty.
    call["description"] = json!(text_of(&format!("{kind}\u{1}\n\t\u{7f}\u{85}"), 1_000));
    call["referenceNumber"] = json!(text_of(&format!("{kind}\r"), 200));
    call["metadata"] = json!({kind: kind, "list": [kind, {kind: [kind, null, true, -1, 0.1, 18_446_744_073_709_551_615_u64, 1e-19, 1.5]}], "": ""});
    call
}

#[tokio::test]
async fn text_of_every_kind_at_its_longest_comes_back_as_it_was_sent() {
    let office = Office::open().await;
    let (desk, world) = (&office.desk, office.world);
    let sent: Vec<Value> = KINDS
        .iter()
        .zip(1..)
        .map(|(kind, amount_cents)| full_of(&office, kind, amount_cents))
        .collect();
    let bodies: Vec<String> = sent.iter().map(Value::to_string).collect();
    // Twice: as it is, and with everything beyond ASCII escaped, which is the same event.
    assert_eq!(office.deliver(&bodies, 1).await, NONE);
    let escaped: Vec<String> = bodies.iter().map(|body| escaped(body)).collect();
    assert_eq!(office.deliver(&escaped, 1).await, NONE);
    assert_eq!(office.dead_letters().await, []);
    grant_all(desk, &[world.lp_id], &[world.fund_id]).await;
    let path = format!("/api/lp/{}/capital-activity?limit=5", world.lp_id);
    let (status, answer) = ask(&desk.reader, &path).await;
    let items = answer["items"].as_array().expect("items");
    assert_eq!((status, items.len()), (200, KINDS.len()));
    for item in items {
        let amount_cents = item["amountCents"].as_i64().expect("cents");
        let sent = sent.iter().find(|sent| sent["amountCents"] == amount_cents);
        let sent = sent.expect("it was sent");
        for name in ["description", "referenceNumber", "metadata"] {
            assert_eq!(item[name], sent[name], "{name}");
        }
        let claims = "select count(*) from received_events where source = $1 and event_id = $2";
        let (source, id) = (sent["source"].as_str(), sent["eventId"].as_str());
        let claimed = desk.client.query_one(claims, &[&source, &id]).await;
        assert_eq!(claimed.expect("a count").get::<_, i64>(0), 1);
    }
    println!(
        "{} kinds of text in 6 places came back as sent",
        KINDS.len()
    );
}

/// Everything beyond ASCII as JSON escapes it, in pairs of surrogates beyond the first plane.
fn escaped(body: &str) -> String {
    let unit = |unit: u16| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => format!("\\u{unit:04X}"),
    };
    body.encode_utf16().map(unit).collect()
}

#[tokio::test]
async fn one_character_more_or_one_that_cannot_be_kept_is_refused_by_name() {
    let office = Office::open().await;
    let mut refused: Vec<(Value, &str)> = Vec::new();
    let mut refuse = |name: &'static str, value: Value| {
        let mut call = call(&office, 1);
        call[name] = value;
        refused.push((call, name));
    };
    for kind in ["x", "\u{1f4b6}", "e\u{301}"] {
        for name in ["source", "eventId", "referenceNumber", "reversesEventId"] {
            refuse(name, json!(text_of(kind, 201)));
        }
        refuse("description", json!(text_of(kind, 1_001)));
        refuse("metadata", json!({"text": text_of(kind, 4_090)}));
    }
    for name in [
        "source",
        "eventId",
        "referenceNumber",
        "reversesEventId",
        "description",
    ] {
        refuse(name, json!("a\0b"));
    }
    for name in ["source", "eventId", "reversesEventId"] {
        for text in ["", "\n", "a\u{7f}", "\u{85}"] {
            refuse(name, json!(text));
        }
    }
    refuse("metadata", json!({"a\0": 1}));
    refuse("metadata", json!([{"a": 1}]));
    refuse("currency", json!("\u{ff35}\u{ff33}\u{ff24}"));
    for (call, name) in &refused {
        let refusal = shared::ledger::parse_message(&call.to_string()).expect_err(name);
        assert!(refusal.detail.contains(name), "{name}: {}", refusal.detail);
        assert!(!refusal.detail.chars().any(char::is_control));
    }
    let bodies: Vec<String> = refused.iter().map(|(call, _)| call.to_string()).collect();
    assert_eq!(office.deliver(&bodies, 1).await, NONE);
    let mut letters: Vec<String> = office
        .dead_letters()
        .await
        .into_iter()
        .map(|(body, _)| body)
        .collect();
    let mut expected = bodies.clone();
    letters.sort();
    expected.sort();
    assert!(letters == expected, "each is kept word for word");
    println!("{} texts refused by name", bodies.len());
}

/// What is no JSON object, or says a thing twice, or a number that would come back as another one.
#[tokio::test]
async fn what_cannot_be_read_in_one_way_is_refused_and_kept() {
    let office = Office::open().await;
    let good = call(&office, 1_000).to_string();
    let with = |property: &str| format!("{{{property},{}", &good[1..]);
    let metadata = |content: &str| with(&format!(r#""metadata":{{{content}}}"#));
    let nested = |levels: usize| {
        metadata(&format!(
            r#""a":{}{}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    let bodies = [
        (format!("\u{feff}{good}"), "line 1, column 1"),
        (format!("{good}{good}"), "not a JSON object"),
        (format!("{good},"), "not a JSON object"),
        (format!("[{good}]"), "not a JSON object"),
        (with(r#""description":"\ud83d""#), "not a JSON object"),
        (with(r#""description":"\udcb6\ud83d""#), "not a JSON object"),
        (metadata(r#""\ud800":1"#), "not a JSON object"),
        (metadata(r#""a":1e400"#), "not a JSON object"),
        (nested(200), "not a JSON object"),
        (
            with(&format!(r#""x":{}"#, "[".repeat(60_000))),
            "not a JSON object",
        ),
        (
            metadata(r#""a":"\u0000""#),
            "metadata holds a NUL character",
        ),
        (
            with(r#""amountCents":1000"#),
            "amountCents stands there twice",
        ),
        (
            with(r#""components":{"investments":1,"investments":1000}"#),
            "investments stands there twice",
        ),
        (
            metadata(r#""a":{"b":[{"c":1,"c":2}]}"#),
            "the property c stands there twice",
        ),
        (
            metadata(r#""a":1,"\u0061":2"#),
            "the property a stands there twice",
        ),
        (
            metadata(r#""account":12345678901234567890123"#),
            "metadata holds a number",
        ),
        (
            metadata(r#""a":-18446744073709551616"#),
            "metadata holds a number",
        ),
        (metadata(r#""a":[1e308,1e308]"#), "metadata holds a number"),
        (metadata(r#""a":{"b":1e-300}"#), "metadata holds a number"),
    ];
    for (body, told) in &bodies {
        let refusal = shared::ledger::parse_message(body).expect_err(told);
        assert!(refusal.detail.contains(told), "{told}: {}", refusal.detail);
    }
    let mut expected: Vec<String> = bodies.iter().map(|(body, _)| body.clone()).collect();
    let mut batch = expected.clone();
    // As deep as is read, and numbers as long as are kept.
    let deep = nested(100).replace(r#""eventId":""#, r#""eventId":"deep-"#);
    batch.extend([
        deep,
        metadata(r#""a":[18446744073709551615,-9223372036854775808,0.1,-0.0,9.9e18]"#),
    ]);
    assert_eq!(office.deliver(&batch, 1).await, NONE);
    let letters = office.dead_letters().await;
    assert!(letters.iter().all(|(_, reason)| reason == "MALFORMED"));
    let letters: Vec<String> = letters.into_iter().map(|(body, _)| body).collect();
    expected.sort();
    assert!(letters == expected, "each is kept word for word");
    let kept = r#"select (metadata->'a')::text as a from capital_activities where jsonb_typeof(metadata->'a'->0) = 'number'"#;
    let kept = office.desk.rows(kept).await;
    assert_eq!(
        kept,
        [r#"("[18446744073709551615, -9223372036854775808, 0.1, 0.0, 9900000000000000000]")"#]
    );
    println!("{} bodies refused", expected.len());
}

#[tokio::test]
async fn two_event_ids_that_look_the_same_are_two_events() {
    let office = Office::open().await;
    let ids = [
        "Caf\u{e9}",
        "Cafe\u{301}",
        "caf\u{e9}",
        "Caf\u{e9} ",
        "Caf\u{e9}\u{200b}",
        "\u{421}af\u{e9}",
    ];
    let bodies = ids.map(|id| {
        let mut call = call(&office, 1_000);
        call["eventId"] = json!(id);
        call["metadata"] = json!({"id": id});
        call.to_string()
    });
    assert_eq!(office.deliver(&bodies, 1).await, NONE);
    assert_eq!(office.deliver(&bodies, 1).await, NONE);
    assert_eq!(office.dead_letters().await, []);
    let entries = "select count(*) from capital_activities";
    assert_eq!(office.desk.number(entries).await, 6);
    // And two that are filtered by.
    grant_all(&office.desk, &[office.world.lp_id], &[office.world.fund_id]).await;
    for id in ids {
        let path = format!(
            "/api/lp/{}/capital-activity?limit=9&metadata=id:{}",
            office.world.lp_id,
            encoded(id)
        );
        let (status, answer) = ask(&office.desk.reader, &path).await;
        let items = answer["items"].as_array().expect("items");
        assert_eq!((status, items.len()), (200, 1), "{path}");
        assert_eq!(items[0]["metadata"]["id"], id);
    }
}

/// As a URL spells it.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
