//! Days as they are written at the edges, in parameters and in messages.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};

/// Dates outside these years are slips of the pen, and SQL's date arithmetic stays clear of its limits.
const YEARS: RangeInclusive<i32> = 1900..=9998;

/// Strictly YYYY-MM-DD: chrono's own parser would take signs and single digits.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    text.parse()
        .ok()
        .filter(|date| shaped && is_within_bounds(*date))
}

/// Whether a day lies in the years that days are taken from.
pub fn is_within_bounds(date: NaiveDate) -> bool {
    YEARS.contains(&date.year())
}
