//! Whether the ledger has of every message what it must have: exactly once what was acknowledged and not refused, and nothing of what
//! lies among the dead letters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::check::Finding;
use crate::crew::TRIES;
use crate::history::Event;
use crate::messages::event_id;
use crate::play::Play;

/// Every row of a world's LPs ($1) and funds ($2) as the message that it must have been made of, but for its envelope.
const ROWS: &str = "
    select a.metadata, jsonb_build_object(
               'commitmentId', a.commitment_id, 'type', a.activity_type, 'amountCents', abs(a.amount_cents),
               'effectiveDate', a.effective_date, 'reverses', o.metadata -> 'position')
    from capital_activities a left join capital_activities o on o.activity_id = a.reverses_activity_id
    where a.lp_id = any ($1)
    union all
    select n.metadata, jsonb_build_object(
               'commitmentId', n.commitment_id, 'asOfDate', n.as_of_date, 'navCents', n.nav_cents,
               'reportedAt', extract(epoch from n.reported_at)::bigint)
    from commitment_navs n join lp_fund_commitments c on c.commitment_id = n.commitment_id where c.lp_id = any ($1)
    union all
    select f.metadata, jsonb_build_object(
               'fundId', f.fund_id, 'asOfDate', f.as_of_date, 'grossNavCents', f.gross_nav_cents,
               'netNavCents', f.net_nav_cents, 'reportedAt', extract(epoch from f.reported_at)::bigint)
    from fund_nav_snapshots f where f.fund_id = any ($2)";

/// Compares it with what was sent.
pub async fn check(play: &Play<'_>) -> Result<(), Finding> {
    let recorded = recorded(play).await?;
    let buried = if recorded.len() == play.history.events.len() {
        BTreeMap::new()
    } else {
        buried(play).await
    };
    for position in 0..play.history.events.len() {
        let row = recorded.get(&position);
        let reason = buried.get(&position).map(String::as_str);
        let about = || format!("event {position} ({:?})", play.history.events[position]);
        match (row, reason) {
            (None, None) => return Err(format!("{} is lost", about())),
            (Some(row), None) => {
                let expected = expected(play, position);
                if *row != expected {
                    return Err(format!("{}: expected {expected}, got {row}", about()));
                }
            }
            // One copy came too early too often, another in time.
            (Some(_), Some("REVERSED_EVENT_NOT_FOUND")) => {}
            (Some(_), Some(reason)) => return Err(format!("{} is recorded and {reason}", about())),
            (None, Some(reason)) => {
                if !may_be_refused(play, &recorded, position, reason) {
                    return Err(format!("{} is refused: {reason}", about()));
                }
            }
        }
        if reason.is_none() && !play.acknowledged.contains(&position) {
            return Err(format!("{} was never acknowledged", about()));
        }
    }
    Ok(())
}

/// What stands in the ledger and among the NAVs, by the position of the event that it was made of.
async fn recorded(play: &Play<'_>) -> Result<BTreeMap<usize, Value>, Finding> {
    let client = &play.crew.desk.client;
    let rows = client
        .query(ROWS, &[&play.world.lp_ids, &play.world.fund_ids])
        .await;
    let mut recorded = BTreeMap::new();
    for row in rows.expect("the truth is readable") {
        let (metadata, row): (Value, Value) = (row.get(0), row.get(1));
        let position = position(&metadata);
        if let Some(other) = recorded.insert(position, row) {
            return Err(format!("event {position} is recorded twice: {other}"));
        }
    }
    Ok(recorded)
}

/// The reasons of the dead letters; of several about one event the last that it got.
async fn buried(play: &Play<'_>) -> BTreeMap<usize, String> {
    let queues = &play.crew.queues;
    let letters = queues.take_all(&queues.dead_letter_queue_url).await;
    let letters = letters.iter().filter_map(|letter| {
        let body: Value = serde_json::from_str(letter.body().expect("a body")).expect("JSON");
        let attributes = letter.message_attributes().expect("attributes");
        let reason = attributes["reason"].string_value().expect("text");
        // A history that failed may have left some.
        let is_own = body["source"] == json!(play.world.name);
        is_own.then(|| (position(&body["metadata"]), reason.to_owned()))
    });
    letters.collect()
}

fn position(metadata: &Value) -> usize {
    let position = metadata["position"].as_u64().expect("a position");
    usize::try_from(position).expect("a position")
}

/// What its message says, in the shape of the rows.
fn expected(play: &Play<'_>, position: usize) -> Value {
    let message = play.message(position);
    let mut expected = json!({});
    for name in [
        "commitmentId",
        "fundId",
        "type",
        "amountCents",
        "effectiveDate",
        "asOfDate",
        "navCents",
        "grossNavCents",
        "netNavCents",
    ] {
        if let Some(value) = message.get(name) {
            expected[name] = value.clone();
        }
    }
    if message.get("type").is_some() {
        expected["reverses"] = match play.history.events[position] {
            Event::Reversal { of } => json!(of % play.history.events.len()),
            _ => Value::Null,
        };
    }
    if let Some(reported_at) = message["reportedAt"].as_str() {
        let reported_at = chrono::DateTime::parse_from_rfc3339(reported_at).expect("a time");
        expected["reportedAt"] = json!(reported_at.timestamp());
    }
    expected
}

/// Whether the event may have been refused for this reason, given what was recorded.
fn may_be_refused(
    play: &Play<'_>,
    recorded: &BTreeMap<usize, Value>,
    position: usize,
    reason: &str,
) -> bool {
    let events = &play.history.events;
    let id = event_id(play.history, position);
    let has_id = |other: &usize| *other != position && event_id(play.history, *other) == id;
    match (reason, &events[position]) {
        // Who lost its id to one that was taken back later for its own reasons is refused all the same.
        ("EVENT_ID_REUSED", _) => (0..events.len()).any(|other| has_id(&other)),
        ("CURRENCY_MISMATCH", Event::Foreign { .. }) => true,
        ("COMMITMENT_NOT_FOUND", Event::Stray { .. }) => true,
        (_, Event::Reversal { of }) => {
            let of = of % events.len();
            let is_activity = recorded
                .get(&of)
                .is_some_and(|row| row.get("type").is_some());
            match reason {
                "REVERSED_EVENT_NOT_FOUND" => !is_activity || play.deliveries[&position] >= TRIES,
                "ALREADY_REVERSED" => {
                    let takes_back = |row: &Value| row["reverses"] == json!(of);
                    is_activity && recorded.values().any(takes_back)
                }
                // What has the id, be it another event than the one meant, is one.
                "REVERSES_A_REVERSAL" => (0..events.len()).any(|other| {
                    recorded.contains_key(&other)
                        && event_id(play.history, other) == event_id(play.history, of)
                        && matches!(events[other], Event::Reversal { .. })
                }),
                // What has the id is not what the reversal mirrors.
                "REVERSAL_MISMATCH" => (0..events.len()).any(|other| {
                    recorded.contains_key(&other)
                        && event_id(play.history, other) == event_id(play.history, of)
                        && (other != of || !matches!(events[of], Event::Activity { .. }))
                }),
                _ => false,
            }
        }
        _ => false,
    }
}
