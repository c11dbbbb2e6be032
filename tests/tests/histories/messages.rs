//! The messages of a history's events.

use chrono::{Days, NaiveDate, NaiveTime};
use serde_json::{Map, Value, json};

use crate::history::{DATES, Event, History};
use crate::world::{COMMITMENTS, FUNDS, World};

const OF_CALLS: &[&str] = &[
    "investments",
    "management_fee",
    "partnership_expense",
    "organisational",
];
const OF_DISTRIBUTIONS: &[&str] = &["return_of_capital", "realised_gain", "income"];
/// The types of activity, and what each may consist of.
const KINDS: [(&str, &[&str]); 7] = [
    ("capital_call", OF_CALLS),
    ("capital_call_outside", OF_CALLS),
    ("return_of_unused_capital", &[]),
    ("distribution", OF_DISTRIBUTIONS),
    ("recallable_distribution", OF_DISTRIBUTIONS),
    ("commitment_increase", &[]),
    ("commitment_release", &[]),
];
/// What activities are described as: other scripts, from right to left too, what looks like one character and is several, what is
/// escaped in JSON, and nothing.
pub const DESCRIPTIONS: [&str; 6] = [
    "Abruf 14: Gebühren «Ærø», 3½ %",
    "資本コール第14回:運用報酬",
    "استدعاء رأس المال 14",
    "👩‍👩‍👧 cafe\u{301} \u{202e}",
    "one\r\n\"two\"\t\\ \u{1} \u{7f}",
    "",
];

/// A date by its position.
pub fn date(position: usize) -> NaiveDate {
    let text = DATES[position % DATES.len()];
    text.parse().expect("a date")
}

/// The message of the event at a position. Its metadata tell the position, so that a row shows which message it was made of.
pub fn message(history: &History, world: &World, position: usize) -> Value {
    let mut message = content(history, world, position);
    message["source"] = json!(world.name);
    message["eventId"] = json!(event_id(history, position));
    message["metadata"] = json!({ "position": position });
    message
}

fn content(history: &History, world: &World, position: usize) -> Value {
    match &history.events[position] {
        Event::Activity {
            commitment,
            kind,
            amount_cents,
            date: day,
            components,
            description,
        } => {
            let (kind, names) = KINDS[kind % KINDS.len()];
            let names = &names[..names.len().min(*components)];
            let activity = activity(world, *commitment, kind, *amount_cents, date(*day));
            detailed(activity, parts(*amount_cents, names), *description)
        }
        Event::Reversal { of } => reversal(history, world, *of),
        Event::CommitmentNav {
            commitment,
            nav_cents,
            date: day,
            reported_days_later,
        } => commitment_nav(
            world,
            *commitment,
            *nav_cents,
            date(*day),
            *reported_days_later,
        ),
        Event::FundNav {
            fund,
            gross_nav_cents,
            date: day,
            reported_days_later,
        } => json!({
            "schema": "lp-reporting/fund-nav/1",
            "fundId": world.fund_ids[fund % FUNDS],
            "asOfDate": date(*day),
            "reportedAt": reported_at(date(*day), *reported_days_later),
            "grossNavCents": gross_nav_cents,
            "netNavCents": gross_nav_cents - gross_nav_cents / 20,
            "currency": crate::world::CURRENCIES[fund % FUNDS],
        }),
        Event::Restatement {
            of,
            change_cents,
            reported_days_later,
        } => restatement(history, world, *of, *change_cents, *reported_days_later),
        Event::SameId { amount_cents, .. } => {
            activity(world, 0, "capital_call", *amount_cents, date(position))
        }
        Event::Stray { amount_cents } => {
            let mut stray = activity(world, 0, "capital_call", *amount_cents, date(position));
            stray["commitmentId"] = json!(i64::MAX);
            stray
        }
        Event::Foreign {
            commitment,
            amount_cents,
        } => {
            let mut foreign = activity(
                world,
                *commitment,
                "distribution",
                *amount_cents,
                date(position),
            );
            foreign["currency"] = json!("JPY");
            foreign
        }
    }
}

/// The id of the event at a position, or that of the event whose id it has, too.
pub fn event_id(history: &History, position: usize) -> String {
    match &history.events[position] {
        Event::SameId { of, .. } => format!("event-{}", of % history.events.len()),
        _ => format!("event-{position}"),
    }
}

fn activity(
    world: &World,
    commitment: usize,
    kind: &str,
    amount_cents: i64,
    date: NaiveDate,
) -> Value {
    json!({
        "schema": "lp-reporting/capital-activity/1",
        "commitmentId": world.commitment_ids[commitment % COMMITMENTS],
        "type": kind,
        "amountCents": amount_cents,
        "currency": World::currency(commitment),
        "effectiveDate": date,
    })
}

/// With what may be left out.
fn detailed(mut activity: Value, components: Option<Value>, description: usize) -> Value {
    if let Some(components) = components {
        activity["components"] = components;
    }
    if description > 0 {
        activity["description"] = json!(DESCRIPTIONS[(description - 1) % DESCRIPTIONS.len()]);
    }
    activity
}

/// An amount in parts with these names: each takes two thirds of what is left, and the first the rest. None where there are no names.
fn parts(amount_cents: i64, names: &[&str]) -> Option<Value> {
    let mut left_cents = amount_cents;
    let mut parts = Map::new();
    for name in names {
        let part_cents = left_cents - left_cents / 3;
        if part_cents > 0 {
            parts.insert((*name).to_owned(), json!(part_cents));
            left_cents -= part_cents;
        }
    }
    let first = parts.get_mut(*names.first()?)?;
    *first = json!(first.as_i64()? + left_cents);
    Some(Value::Object(parts))
}

fn commitment_nav(
    world: &World,
    commitment: usize,
    nav_cents: i64,
    as_of: NaiveDate,
    reported_days_later: u16,
) -> Value {
    json!({
        "schema": "lp-reporting/commitment-nav/1",
        "commitmentId": world.commitment_ids[commitment % COMMITMENTS],
        "asOfDate": as_of,
        "reportedAt": reported_at(as_of, reported_days_later),
        "navCents": nav_cents,
        "currency": World::currency(commitment),
    })
}

/// The NAV at a position with other cents, or one that restates nothing where there is none.
fn restatement(
    history: &History,
    world: &World,
    of: usize,
    change_cents: i64,
    reported_days_later: u16,
) -> Value {
    let mut nav = match history.nav_from(of) {
        Some(position) => message(history, world, position),
        None => commitment_nav(world, of, 0, date(of), 0),
    };
    for name in ["navCents", "grossNavCents", "netNavCents"] {
        if let Some(cents) = nav[name].as_i64() {
            nav[name] = json!(cents + change_cents);
        }
    }
    let as_of = nav["asOfDate"].as_str().expect("a date");
    let as_of = as_of.parse().expect("a date");
    nav["reportedAt"] = json!(reported_at(as_of, reported_days_later));
    nav
}

/// The mirror of an activity, or of what an activity might look like where there is none.
fn reversal(history: &History, world: &World, of: usize) -> Value {
    let of = of % history.events.len();
    let mut reversal = match &history.events[of] {
        Event::Activity { .. } => message(history, world, of),
        _ => activity(world, 0, "capital_call", 100_000, date(of)),
    };
    reversal["reversesEventId"] = json!(event_id(history, of));
    reversal
}

fn reported_at(as_of: NaiveDate, days_later: u16) -> String {
    let day = as_of + Days::new(days_later.into());
    let noon = NaiveTime::from_hms_opt(12, 0, 0).expect("noon");
    day.and_time(noon).and_utc().to_rfc3339()
}
