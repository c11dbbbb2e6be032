//! The messages of a history's events.

use chrono::{Days, NaiveDate, NaiveTime};
use serde_json::{Value, json};

use crate::history::{DATES, Event, History};
use crate::world::{COMMITMENTS, FUNDS, World};

/// The types of activity.
const KINDS: [&str; 7] = [
    "capital_call",
    "capital_call_outside",
    "return_of_unused_capital",
    "distribution",
    "recallable_distribution",
    "commitment_increase",
    "commitment_release",
];

/// A date by its position.
pub fn date(position: usize) -> NaiveDate {
    let text = DATES[position % DATES.len()];
    text.parse().expect("a date")
}

/// The message of the event at a position. Its metadata tell the position, so that a row shows which message it was made of.
pub fn message(history: &History, world: &World, position: usize) -> Value {
    let mut message = match &history.events[position] {
        Event::Activity {
            commitment,
            kind,
            amount_cents,
            date: day,
        } => {
            let kind = KINDS[kind % KINDS.len()];
            activity(world, *commitment, kind, *amount_cents, date(*day))
        }
        Event::Reversal { of } => reversal(history, world, *of),
        Event::CommitmentNav {
            commitment,
            nav_cents,
            date: day,
            reported_days_later,
        } => json!({
            "schema": "lp-reporting/commitment-nav/1",
            "commitmentId": world.commitment_ids[commitment % COMMITMENTS],
            "asOfDate": date(*day),
            "reportedAt": reported_at(date(*day), *reported_days_later),
            "navCents": nav_cents,
            "currency": World::currency(*commitment),
        }),
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
    };
    message["source"] = json!(world.name);
    message["eventId"] = json!(event_id(history, position));
    message["metadata"] = json!({ "position": position });
    message
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
