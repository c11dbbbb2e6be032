//! A message's body, parsed into what it says or refused with a reason. What only the database knows (whether the
//! commitment is there, its currency, the types) is checked as it is recorded.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fields::{Fields, LARGEST_AMOUNT_CENTS, cents, malformed, shown};
use super::note::{self, LpRange, OwedForgetting, VIEWS_SCHEMA};
use super::object::Object;
use crate::refusal::{Reason, Refusal};

const LARGEST_BODY_BYTES: usize = 64 * 1024;
const LONGEST_NAME: usize = 200;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Something happened: it is recorded.
    Event(Box<Event>),
    /// A system wrote to the database itself: what follows from it is recomputed.
    Refresh(Rewritten),
    /// The system's request to itself to refresh the views.
    Views,
    /// The system's note to itself that the cache could not be told.
    Forget(OwedForgetting),
    /// The system's note to itself of LPs that are still to be rebuilt.
    Rebuild(LpRange),
}

/// Whose data were written directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// An LP and its commitments.
    Lp(i64),
    /// A fund, its investments and the commitments in it.
    Fund(i64),
}

/// Something that happened, identified for good by its source and id.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The system that says so.
    pub source: String,
    /// Its id there.
    pub event_id: String,
    /// SHA-256 of the content in canonical form: the same for the same content, however it is spaced and ordered.
    pub payload_hash: [u8; 32],
    /// The currency of its amounts, to be compared with the fund's.
    pub currency: String,
    /// Whatever the source likes to keep; an object.
    pub metadata: Value,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// An entry for the ledger.
    Activity(Activity),
    /// The NAV of a commitment.
    CommitmentNav {
        /// The commitment.
        commitment_id: i64,
        /// Its report.
        report: NavReport,
        /// The value in cents.
        nav_cents: i64,
    },
    /// The NAV of a fund.
    FundNav {
        /// The fund.
        fund_id: i64,
        /// Its report.
        report: NavReport,
        /// Before fees and carry, in cents.
        gross_nav_cents: i64,
        /// After them, in cents.
        net_nav_cents: i64,
    },
}

/// The two dates of a NAV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NavReport {
    /// The day at whose end the value stands.
    pub as_of_date: NaiveDate,
    /// When the source made the report.
    pub reported_at: DateTime<Utc>,
}

/// An entry for the ledger, as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Whose account moves.
    pub commitment_id: i64,
    /// Its type, not yet known to exist.
    pub activity_type: String,
    /// Always positive; a reversal is negated when it is stored.
    pub amount_cents: i64,
    /// The day on which it counts.
    pub effective_date: NaiveDate,
    /// Free text.
    pub description: Option<String>,
    /// The notice's number.
    pub reference_number: Option<String>,
    /// What the amount consists of, in cents; adds up to it.
    pub components: Option<BTreeMap<String, i64>>,
    /// The event of the same source that this one takes back.
    pub reverses_event_id: Option<String>,
}

/// Parses a body of at most 64 KiB.
pub fn parse_message(body: &str) -> Result<Message, Refusal> {
    if body.len() > LARGEST_BODY_BYTES {
        let detail = format!("the body is larger than {LARGEST_BODY_BYTES} bytes");
        return Err(Refusal::new(Reason::TooLarge, detail));
    }
    let Object(object) = serde_json::from_str(body).map_err(|error| unreadable(&error))?;
    let object = object
        .map_err(|name| malformed(format!("the property {} stands there twice", shown(&name))))?;
    let schema = object.get("schema").and_then(Value::as_str);
    match schema.ok_or_else(|| malformed("schema is missing or not text"))? {
        "lp-reporting/capital-activity/1" => event(object, activity),
        "lp-reporting/commitment-nav/1" => event(object, commitment_nav),
        "lp-reporting/fund-nav/1" => event(object, fund_nav),
        "lp-reporting/refresh/1" => refresh(Fields::of(object)),
        VIEWS_SCHEMA => note::views(Fields::of(object)).map(|()| Message::Views),
        LpRange::SCHEMA => LpRange::read(Fields::of(object)).map(Message::Rebuild),
        OwedForgetting::SCHEMA => OwedForgetting::read(object).map(Message::Forget),
        _ => Err(Refusal::new(
            Reason::UnknownSchema,
            "schema names no kind or version of message that is known here",
        )),
    }
}

/// Where the body stops being an object, which the error itself would tell with some of its content.
fn unreadable(error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    if line == 0 {
        return malformed("the body is not a JSON object");
    }
    malformed(format!(
        "the body is not a JSON object that can be read beyond line {line}, column {column}"
    ))
}

fn event(
    object: serde_json::Map<String, Value>,
    fact: fn(&mut Fields) -> Result<Fact, Refusal>,
) -> Result<Message, Refusal> {
    let content = Value::Object(object.clone());
    let mut fields = Fields::of(object);
    fields.take("schema");
    let event = Event {
        source: fields.name("source", LONGEST_NAME)?,
        event_id: fields.name("eventId", LONGEST_NAME)?,
        payload_hash: hash(&content),
        currency: fields.currency()?,
        metadata: fields.metadata()?,
        fact: fact(&mut fields)?,
    };
    fields.finish()?;
    Ok(Message::Event(Box::new(event)))
}

fn activity(fields: &mut Fields) -> Result<Fact, Refusal> {
    let amount_cents = fields.cents("amountCents", 1)?;
    Ok(Fact::Activity(Activity {
        commitment_id: fields.id("commitmentId")?,
        activity_type: fields.name("type", LONGEST_NAME)?,
        amount_cents,
        effective_date: fields.date("effectiveDate")?,
        description: fields.text("description", 1000)?,
        reference_number: fields.text("referenceNumber", LONGEST_NAME)?,
        components: components(fields.take("components"), amount_cents)?,
        reverses_event_id: fields.optional_name("reversesEventId", LONGEST_NAME)?,
    }))
}

fn components(
    value: Option<Value>,
    amount_cents: i64,
) -> Result<Option<BTreeMap<String, i64>>, Refusal> {
    let parts = match value {
        None => return Ok(None),
        Some(Value::Object(parts)) if !parts.is_empty() => parts,
        Some(_) => return Err(malformed("components is not an object with parts")),
    };
    let parts = parts
        .into_iter()
        .map(|(name, part)| Ok((name, cents("a component", &part, 1)?)))
        .collect::<Result<BTreeMap<_, _>, Refusal>>()?;
    if parts.values().map(|part| i128::from(*part)).sum::<i128>() == i128::from(amount_cents) {
        Ok(Some(parts))
    } else {
        Err(Refusal::new(
            Reason::ComponentsDoNotSum,
            "the components do not add up to amountCents",
        ))
    }
}

fn commitment_nav(fields: &mut Fields) -> Result<Fact, Refusal> {
    Ok(Fact::CommitmentNav {
        commitment_id: fields.id("commitmentId")?,
        report: nav_report(fields)?,
        nav_cents: fields.cents("navCents", -LARGEST_AMOUNT_CENTS)?,
    })
}

fn fund_nav(fields: &mut Fields) -> Result<Fact, Refusal> {
    Ok(Fact::FundNav {
        fund_id: fields.id("fundId")?,
        report: nav_report(fields)?,
        gross_nav_cents: fields.cents("grossNavCents", -LARGEST_AMOUNT_CENTS)?,
        net_nav_cents: fields.cents("netNavCents", -LARGEST_AMOUNT_CENTS)?,
    })
}

/// Nobody reports a value before its day has begun. (A report dated ahead would close off every flow between the last one and
/// its day.) Days are UTC's, as everywhere.
fn nav_report(fields: &mut Fields) -> Result<NavReport, Refusal> {
    let as_of_date = fields.date("asOfDate")?;
    let reported_at = fields.moment("reportedAt")?;
    if as_of_date > reported_at.date_naive() {
        return Err(Refusal::new(
            Reason::InvalidDate,
            "asOfDate is later than the day of reportedAt in UTC",
        ));
    }
    Ok(NavReport {
        as_of_date,
        reported_at,
    })
}

fn refresh(mut fields: Fields) -> Result<Message, Refusal> {
    fields.take("schema");
    fields.metadata()?;
    let rewritten = match (fields.optional_id("lpId")?, fields.optional_id("fundId")?) {
        (Some(lp_id), None) => Rewritten::Lp(lp_id),
        (None, Some(fund_id)) => Rewritten::Fund(fund_id),
        _ => return Err(malformed("exactly one of lpId and fundId is needed")),
    };
    fields.finish()?;
    Ok(Message::Refresh(rewritten))
}

fn hash(content: &Value) -> [u8; 32] {
    let mut text = String::new();
    write_canonical(content, &mut text);
    Sha256::digest(text.as_bytes()).into()
}

/// JSON without spaces and with the names of every object in order. (Whether `serde_json` keeps them in order by itself
/// depends on a feature that any dependency may switch.) As deep as `serde_json` itself reads: 128 levels.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<_, _> = object.iter().collect();
            text.push('{');
            for (name, value) in sorted {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                write_canonical(value, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
