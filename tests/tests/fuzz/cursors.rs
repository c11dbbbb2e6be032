//! Cursors: those that were given out, those with a slip, those that somebody sealed who knows how, and any text.

use chrono::Datelike;
use proptest::prelude::*;
use shared::http::cursor::{DatePosition, PairPosition, Position, decode, encode};

use crate::{slipped, slips, try_on};

const FILTER: &str = "holdings lp=42 fund=None";

/// Any two numbers: the seal is no secret.
struct Forged([i64; 2]);

impl Position for Forged {
    fn to_numbers(&self) -> [i64; 2] {
        self.0
    }

    fn from_numbers(numbers: [i64; 2]) -> Option<Self> {
        Some(Self(numbers))
    }
}

/// Days around those of the calendar, and numbers that are none.
fn numbers() -> impl Strategy<Value = [i64; 2]> {
    let day = prop_oneof![-4_000_000..4_000_000_i64, any::<i64>()];
    (day, any::<i64>()).prop_map(|(first, second)| [first, second])
}

#[test]
fn a_position_survives_the_way_out_and_back() {
    try_on(
        "cursors given out",
        any::<(i64, i64)>(),
        |(first, second)| {
            let position = PairPosition { first, second };
            let cursor = encode(FILTER, &position);
            prop_assert!(cursor.len() < 100);
            prop_assert_eq!(decode(FILTER, &cursor), Some(position));
            prop_assert!(decode::<PairPosition>("holdings lp=43 fund=None", &cursor).is_none());
            Ok(())
        },
    );
}

#[test]
fn a_forged_cursor_reads_as_a_day_of_the_calendar_or_not_at_all() {
    try_on("cursors forged", numbers(), |numbers| {
        let cursor = encode(FILTER, &Forged(numbers));
        if let Some(read) = decode::<DatePosition>(FILTER, &cursor) {
            prop_assert!((1900..=9998).contains(&read.date.year()), "{:?}", read);
            prop_assert_eq!(encode(FILTER, &read), cursor);
        }
        Ok(())
    });
}

#[test]
fn a_cursor_with_a_slip_is_refused() {
    try_on(
        "cursors with slips",
        (numbers(), slips()),
        |(numbers, slips)| {
            let cursor = encode(FILTER, &Forged(numbers));
            let changed = slipped(&cursor, &slips);
            let is_refused = decode::<Forged>(FILTER, &changed).is_none();
            prop_assert!(is_refused || changed == cursor, "{}", changed);
            Ok(())
        },
    );
}

#[test]
fn no_other_text_is_a_cursor() {
    let texts = prop_oneof![any::<String>(), "[A-Za-z0-9_-]{0,64}"];
    try_on("texts as cursors", texts, |text| {
        prop_assert!(decode::<PairPosition>(FILTER, &text).is_none());
        prop_assert!(decode::<DatePosition>(FILTER, &text).is_none());
        Ok(())
    });
}
