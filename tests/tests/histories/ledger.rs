//! Whether the ledger has of every event what it must have: exactly once what was acknowledged and not refused, and nothing of what
//! lies among the dead letters for good reasons.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::check::Finding;
use crate::crew::TRIES;
use crate::history::Event;
use crate::letters::letters;
use crate::messages::event_id;
use crate::play::Play;
use crate::sending::{Course, Sending};

/// Every row of a world's LPs ($1) and funds ($2) as the message that it must have been made of, but for its envelope.
const ROWS: &str = "
    select a.metadata, jsonb_build_object(
               'commitmentId', a.commitment_id, 'type', a.activity_type, 'amountCents', abs(a.amount_cents),
               'effectiveDate', a.effective_date, 'components', a.components, 'description', a.description,
               'reverses', o.metadata -> 'position')
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

/// What a history has come to.
struct Outcome<'a> {
    play: &'a Play<'a>,
    /// What is recorded, by the position of the event that it was made of.
    recorded: BTreeMap<usize, Value>,
    /// The reasons of the dead letters.
    letters: BTreeMap<Sending, String>,
}

/// Compares it with what was sent. Returns how many messages were refused.
pub async fn check(play: &Play<'_>) -> Result<usize, Finding> {
    let outcome = Outcome {
        play,
        recorded: recorded(play).await?,
        letters: letters(play).await?,
    };
    for position in 0..play.history.events.len() {
        outcome.check(position).map_err(|what| {
            format!(
                "event {position} ({:?}) {what}",
                play.history.events[position]
            )
        })?;
    }
    Ok(outcome.letters.len())
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
        let mut components = message["components"].clone();
        expected["reverses"] = match play.history.events[position] {
            Event::Reversal { of } => {
                negate(&mut components);
                json!(of % play.history.events.len())
            }
            _ => Value::Null,
        };
        expected["components"] = components;
        expected["description"] = message["description"].clone();
    }
    if let Some(reported_at) = message["reportedAt"].as_str() {
        let reported_at = chrono::DateTime::parse_from_rfc3339(reported_at).expect("a time");
        expected["reportedAt"] = json!(reported_at.timestamp());
    }
    expected
}

/// What a reversal takes back of each component.
fn negate(components: &mut Value) {
    for part in components.as_object_mut().into_iter().flatten() {
        *part.1 = json!(-part.1.as_i64().expect("cents"));
    }
}

impl Outcome<'_> {
    /// Whether an event is recorded as its message says, or else each of its messages refused, and each refusal is right.
    fn check(&self, position: usize) -> Result<(), Finding> {
        for (sending, course) in self.play.sendings(position) {
            match self.letters.get(&sending) {
                Some(reason) if !self.may_be_refused(position, course, reason) => {
                    return Err(format!("is refused the {}. time: {reason}", sending.time));
                }
                None if !self.recorded.contains_key(&position) => return Err("is lost".to_owned()),
                _ => {}
            }
        }
        let Some(row) = self.recorded.get(&position) else {
            return Ok(());
        };
        let expected = expected(self.play, position);
        if *row != expected {
            return Err(format!("should be {expected} and is {row}"));
        }
        match self.acknowledged(position) {
            Some(_) => Ok(()),
            None => Err("is recorded, and each of its messages refused".to_owned()),
        }
    }

    /// The moment from which on an event was known to be recorded: a message of it was acknowledged and is not among the dead letters.
    fn acknowledged(&self, position: usize) -> Option<usize> {
        let sendings = self.play.sendings(position);
        let recorded = sendings.filter(|(sending, course)| {
            course.is_acknowledged && !self.letters.contains_key(sending)
        });
        recorded.map(|(_, course)| course.moment).min()
    }

    /// Whether a message of the event may have been refused for this reason.
    fn may_be_refused(&self, position: usize, course: &Course, reason: &str) -> bool {
        let history = self.play.history;
        let id = event_id(history, position);
        let shares_id = |other| other != position && event_id(history, other) == id;
        match (reason, &history.events[position]) {
            // What may still arrive is waited for.
            ("REVERSED_EVENT_NOT_FOUND" | "COMMITMENT_NOT_FOUND", _)
                if course.deliveries < TRIES =>
            {
                false
            }
            // What was refused for it is recorded when it is sent again, later.
            ("REVERSED_EVENT_NOT_FOUND", Event::Reversal { of }) => !self.was_there(*of, course),
            _ if self.recorded.contains_key(&position) => false,
            // Who lost its id to one that was taken back later for its own reasons is refused all the same.
            ("EVENT_ID_REUSED", _) => (0..history.events.len()).any(shares_id),
            ("CURRENCY_MISMATCH", Event::Foreign { .. }) => true,
            ("COMMITMENT_NOT_FOUND", Event::Stray { .. }) => true,
            (_, Event::Reversal { of }) => self.may_not_reverse(*of, reason),
            _ => false,
        }
    }

    /// Whether what a reversal names was known to be in the ledger when it was delivered for the last time, which is what decided. What
    /// was worked on at the same moment may have come after it.
    fn was_there(&self, of: usize, reversal: &Course) -> bool {
        let mut named = self.recorded_as(of);
        named.any(|other| {
            let is_entry = self.recorded[&other].get("type").is_some();
            let acknowledged = self.acknowledged(other);
            is_entry && acknowledged.is_some_and(|moment| moment < reversal.moment)
        })
    }

    /// Whether a reversal of the event at a position may be refused for this reason, which cannot pass.
    fn may_not_reverse(&self, of: usize, reason: &str) -> bool {
        let events = &self.play.history.events;
        let of = of % events.len();
        let mut named = self.recorded_as(of);
        match reason {
            "ALREADY_REVERSED" => {
                let takes_back = |row: &Value| row["reverses"] == json!(of);
                let is_entry = |row: &Value| row.get("type").is_some();
                self.recorded.get(&of).is_some_and(is_entry)
                    && self.recorded.values().any(takes_back)
            }
            // What has the id, be it another event than the one meant, is one.
            "REVERSES_A_REVERSAL" => {
                named.any(|other| matches!(events[other], Event::Reversal { .. }))
            }
            // What has the id is not what the reversal mirrors.
            "REVERSAL_MISMATCH" => {
                named.any(|other| other != of || !matches!(events[of], Event::Activity { .. }))
            }
            _ => false,
        }
    }

    /// The recorded events with the id that the event at a position has.
    fn recorded_as(&self, of: usize) -> impl Iterator<Item = usize> {
        let history = self.play.history;
        let id = event_id(history, of % history.events.len());
        let recorded = self.recorded.keys().copied();
        recorded.filter(move |other| event_id(history, *other) == id)
    }
}
