//! The properties of a message, taken one by one: what is missing, of the wrong type or out of bounds is refused by name,
//! and so is what is left over.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Number, Value};

use crate::calendar::parse_date;
use crate::refusal::{Reason, Refusal};

/// Large enough for any fund, small enough that sums stay within 64 bits and JSON numbers stay exact everywhere.
pub const LARGEST_AMOUNT_CENTS: i64 = 1_000_000_000_000_000;
const LARGEST_METADATA_BYTES: usize = 4096;
const LONGEST_SHOWN_NAME: usize = 60;
/// What is not a whole number of 64 bits arrives as a double. One beyond this size has lost digits, or is written with hundreds of
/// zeros by the database; so is one that is as much smaller than 1.
const LARGEST_DOUBLE: f64 = 1e19;

/// The properties not yet taken.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The properties of an object.
    pub fn of(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// Refuses what nobody asked for: a misspelt property must not be ignored.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(malformed(format!(
                "this kind of message does not have the property {}",
                shown(name)
            ))),
        }
    }

    /// An optional property; `null` is not the same as absent and is left for the type check to refuse.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn require(&mut self, name: &str) -> Result<Value, Refusal> {
        self.take(name)
            .ok_or_else(|| malformed(format!("{name} is missing")))
    }

    /// Text of 1 to `longest` characters without control characters.
    pub fn name(&mut self, name: &str, longest: usize) -> Result<String, Refusal> {
        let value = self.require(name)?;
        plain_text(name, value, longest)
    }

    /// As [`Fields::name`], optional.
    pub fn optional_name(&mut self, name: &str, longest: usize) -> Result<Option<String>, Refusal> {
        self.take(name)
            .map(|value| plain_text(name, value, longest))
            .transpose()
    }

    /// Free text of at most `longest` characters, without NUL, which Postgres cannot store.
    pub fn text(&mut self, name: &str, longest: usize) -> Result<Option<String>, Refusal> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value {
            Value::String(text) if text.chars().count() <= longest && !text.contains('\0') => {
                Ok(Some(text))
            }
            _ => Err(malformed(format!(
                "{name} is not text of at most {longest} characters without NUL"
            ))),
        }
    }

    /// A positive id.
    pub fn id(&mut self, name: &str) -> Result<i64, Refusal> {
        let value = self.require(name)?;
        value
            .as_i64()
            .filter(|id| *id > 0)
            .ok_or_else(|| malformed(format!("{name} is not a positive whole number")))
    }

    /// As [`Fields::id`], optional.
    pub fn optional_id(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        if self.0.contains_key(name) {
            self.id(name).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Cents from `least` to the largest amount.
    pub fn cents(&mut self, name: &str, least: i64) -> Result<i64, Refusal> {
        let value = self.require(name)?;
        cents(name, &value, least)
    }

    /// A day of the calendar between 1900 and 9998.
    pub fn date(&mut self, name: &str) -> Result<NaiveDate, Refusal> {
        let text = self.string(name)?;
        parse_date(&text).ok_or_else(|| {
            Refusal::new(
                Reason::InvalidDate,
                format!("{name} is not a day from 1900-01-01 to 9998-12-31, written YYYY-MM-DD"),
            )
        })
    }

    /// A moment between 1900 and 9998 with its offset from UTC.
    pub fn moment(&mut self, name: &str) -> Result<DateTime<Utc>, Refusal> {
        let text = self.string(name)?;
        parse_moment(&text).ok_or_else(|| {
            Refusal::new(
                Reason::InvalidDate,
                format!(
                    "{name} is not a time from 1900 to 9998 with its offset from UTC, written YYYY-MM-DDThh:mm:ssZ or with +hh:mm"
                ),
            )
        })
    }

    /// As [`Fields::moment`], optional.
    pub fn optional_moment(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        if self.0.contains_key(name) {
            self.moment(name).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Three capital letters.
    pub fn currency(&mut self) -> Result<String, Refusal> {
        let text = self.string("currency")?;
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(text)
        } else {
            Err(malformed("currency is not three capital letters"))
        }
    }

    /// What the source likes to keep: an object of bounded size, `{}` when absent.
    pub fn metadata(&mut self) -> Result<Value, Refusal> {
        match self.take("metadata") {
            None => Ok(Value::Object(Map::new())),
            Some(value @ Value::Object(_)) => {
                let text = value.to_string();
                if text.len() > LARGEST_METADATA_BYTES {
                    return Err(Refusal::new(
                        Reason::TooLarge,
                        format!("metadata is larger than {LARGEST_METADATA_BYTES} bytes"),
                    ));
                }
                if let Some(what) = not_kept(&value) {
                    return Err(malformed(format!("metadata holds {what}")));
                }
                Ok(value)
            }
            Some(_) => Err(malformed("metadata is not an object")),
        }
    }

    fn string(&mut self, name: &str) -> Result<String, Refusal> {
        match self.require(name)? {
            Value::String(text) => Ok(text),
            _ => Err(malformed(format!("{name} is not text"))),
        }
    }
}

/// A `MALFORMED` refusal.
pub fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Malformed, detail)
}

/// Cents as a JSON integer from `least` to the largest amount.
pub fn cents(name: &str, value: &Value, least: i64) -> Result<i64, Refusal> {
    if !value.is_number() {
        return Err(malformed(format!("{name} is not a number")));
    }
    value
        .as_i64()
        .filter(|cents| (least..=LARGEST_AMOUNT_CENTS).contains(cents))
        .ok_or_else(|| {
            Refusal::new(
                Reason::InvalidAmount,
                format!(
                    "{name} is not a whole number of cents from {least} to {LARGEST_AMOUNT_CENTS}"
                ),
            )
        })
}

fn plain_text(name: &str, value: Value, longest: usize) -> Result<String, Refusal> {
    match value {
        Value::String(text)
            if (1..=longest).contains(&text.chars().count())
                && !text.chars().any(char::is_control) =>
        {
            Ok(text)
        }
        _ => Err(malformed(format!(
            "{name} is not text of 1 to {longest} characters without control characters"
        ))),
    }
}

/// A property's name as it may stand in a sentence: bounded, and without characters that the queue does not carry.
pub fn shown(name: &str) -> String {
    name.chars()
        .take(LONGEST_SHOWN_NAME)
        .flat_map(char::escape_default)
        .collect()
}

/// What Postgres cannot store in JSON, or would not give back as it was sent.
fn not_kept(value: &Value) -> Option<&'static str> {
    let nul = |text: &str| text.contains('\0').then_some("a NUL character");
    match value {
        Value::String(text) => nul(text),
        Value::Number(number) => is_vast(number).then_some(
            "a number beyond 10^19 or closer to zero than 10^-19, which is kept only as text",
        ),
        Value::Array(values) => values.iter().find_map(not_kept),
        Value::Object(object) => object
            .iter()
            .find_map(|(name, value)| nul(name).or_else(|| not_kept(value))),
        Value::Null | Value::Bool(_) => None,
    }
}

fn is_vast(number: &Number) -> bool {
    let double = number.as_f64().filter(|_| number.is_f64());
    let size = double.unwrap_or_default().abs();
    size >= LARGEST_DOUBLE || (size > 0.0 && size < LARGEST_DOUBLE.recip())
}

/// RFC 3339 as the published schema has it: no lower case, no blank, no leap second, at most nanoseconds.
fn parse_moment(text: &str) -> Option<DateTime<Utc>> {
    parse_date(text.get(..10)?)?;
    let (time, rest) = text.get(10..)?.split_at_checked(9)?;
    let is_plain = |byte: u8| byte.is_ascii_digit() || b"T:.Z+-".contains(&byte);
    if !text.bytes().all(is_plain) || time.ends_with("60") {
        return None;
    }
    let fraction = rest.strip_prefix('.').map_or(0, |rest| {
        rest.bytes().take_while(u8::is_ascii_digit).count()
    });
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    (fraction <= 9).then(|| moment.with_timezone(&Utc))
}
