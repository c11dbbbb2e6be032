//! Cursors of pages: opaque to clients, bound to the filters they were given out under, and refused when either changed.
//! A cursor is no secret and no permission: every query is scoped by the LP whatever the cursor says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sha2::{Digest, Sha256};

use crate::calendar::is_within_bounds;

/// Where a page ended, as two numbers: what a keyset compares.
pub trait Position: Sized {
    /// The numbers.
    fn to_numbers(&self) -> [i64; 2];

    /// The position of these numbers, if they are one.
    fn from_numbers(numbers: [i64; 2]) -> Option<Self>;
}

/// After the entry `id` of a day: for lists in the order of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatePosition {
    /// The entry's date.
    pub date: NaiveDate,
    /// The entry.
    pub id: i64,
}

/// After the entry `second` of the group `first`: for lists in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairPosition {
    /// The group's id.
    pub first: i64,
    /// The entry's id.
    pub second: i64,
}

/// After the entry `id` of a moment: for lists in the order of times, as the database keeps them, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePosition {
    /// The entry's time.
    pub time: DateTime<Utc>,
    /// The entry.
    pub id: i64,
}

impl Position for DatePosition {
    fn to_numbers(&self) -> [i64; 2] {
        [i64::from(self.date.num_days_from_ce()), self.id]
    }

    fn from_numbers([days, id]: [i64; 2]) -> Option<Self> {
        // The seal is no secret: whoever computes one may write any day, also such as Postgres does not know.
        let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(days).ok()?)?;
        is_within_bounds(date).then_some(Self { date, id })
    }
}

impl Position for TimePosition {
    fn to_numbers(&self) -> [i64; 2] {
        [self.time.timestamp_micros(), self.id]
    }

    fn from_numbers([micros, id]: [i64; 2]) -> Option<Self> {
        let years = 0..=LAST_MICROSECOND;
        let time = DateTime::from_timestamp_micros(micros).filter(|_| years.contains(&micros))?;
        Some(Self { time, id })
    }
}

impl Position for PairPosition {
    fn to_numbers(&self) -> [i64; 2] {
        [self.first, self.second]
    }

    fn from_numbers([first, second]: [i64; 2]) -> Option<Self> {
        Some(Self { first, second })
    }
}

/// The end of the year 9999. A client can make up a cursor, but none with a time that the database would refuse.
const LAST_MICROSECOND: i64 = 253_402_300_799_999_999;
/// Changes whenever the layout or the meaning of a position does, so that old cursors are refused.
const VERSION: u8 = 1;
/// 96 bits of SHA-256 over the version, the filter and the position: enough that no slip of a client goes unnoticed.
const SEAL_LENGTH: usize = 12;
const LENGTH: usize = 1 + SEAL_LENGTH + 16;

/// Writes a cursor. `filter` says which list it belongs to: the report, the LP and every filter, but not the page's size.
pub fn encode(filter: &str, position: &impl Position) -> String {
    let [first, second] = position.to_numbers();
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.push(VERSION);
    bytes.extend(seal(filter, [first, second]));
    bytes.extend(first.to_be_bytes());
    bytes.extend(second.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor given out under the same filter; `None` for any other text.
pub fn decode<P: Position>(filter: &str, cursor: &str) -> Option<P> {
    let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (head, numbers) = bytes.split_at(1 + SEAL_LENGTH);
    let (first, second) = numbers.split_at(8);
    let numbers = [
        i64::from_be_bytes(first.try_into().ok()?),
        i64::from_be_bytes(second.try_into().ok()?),
    ];
    let intact = head[0] == VERSION && head[1..] == seal(filter, numbers);
    if intact {
        P::from_numbers(numbers)
    } else {
        None
    }
}

fn seal(filter: &str, [first, second]: [i64; 2]) -> [u8; SEAL_LENGTH] {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    hash.update(first.to_be_bytes());
    hash.update(second.to_be_bytes());
    hash.update(filter);
    let mut seal = [0; SEAL_LENGTH];
    seal.copy_from_slice(&hash.finalize()[..SEAL_LENGTH]);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: &str = "holdings lp=42";
    const POSITION: PairPosition = PairPosition {
        first: 7,
        second: i64::MAX,
    };

    #[test]
    fn a_position_survives_the_way_out_and_back() {
        assert_eq!(decode(FILTER, &encode(FILTER, &POSITION)), Some(POSITION));
        let date = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
        let position = DatePosition { date, id: 3 };
        assert_eq!(decode(FILTER, &encode(FILTER, &position)), Some(position));
        let time = DateTime::from_timestamp_micros(1_763_633_730_123_456).unwrap();
        let position = TimePosition { time, id: 3 };
        assert_eq!(decode(FILTER, &encode(FILTER, &position)), Some(position));
    }

    #[test]
    fn a_made_up_time_that_the_database_cannot_hold_is_refused() {
        for micros in [-1, LAST_MICROSECOND + 1, i64::MIN, i64::MAX] {
            let made_up = PairPosition {
                first: micros,
                second: 1,
            };
            let cursor = encode(FILTER, &made_up);
            assert_eq!(decode::<TimePosition>(FILTER, &cursor), None, "{micros}");
        }
    }

    #[test]
    fn another_filter_refuses_it() {
        assert_eq!(
            decode::<PairPosition>("holdings lp=43", &encode(FILTER, &POSITION)),
            None
        );
    }

    #[test]
    fn every_changed_character_refuses_it() {
        let cursor = encode(FILTER, &POSITION);
        for place in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(decode::<PairPosition>(FILTER, &changed), None, "{changed}");
        }
    }

    #[test]
    fn a_well_sealed_day_beyond_the_calendar_is_refused() {
        struct AnyNumbers([i64; 2]);
        impl Position for AnyNumbers {
            fn to_numbers(&self) -> [i64; 2] {
                self.0
            }
            fn from_numbers(numbers: [i64; 2]) -> Option<Self> {
                Some(Self(numbers))
            }
        }
        let days = |date: NaiveDate| i64::from(date.num_days_from_ce());
        let (first, last) = (
            NaiveDate::from_ymd_opt(1900, 1, 1).unwrap(),
            NaiveDate::from_ymd_opt(9998, 12, 31).unwrap(),
        );
        for (days, is_taken) in [
            (days(first), true),
            (days(last), true),
            (days(first) - 1, false),
            (days(last) + 1, false),
            (days(NaiveDate::MIN), false),
            (i64::MIN, false),
        ] {
            let cursor = encode(FILTER, &AnyNumbers([days, 1]));
            let taken = decode::<DatePosition>(FILTER, &cursor).is_some();
            assert_eq!(taken, is_taken, "{days}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "not base64!", &encode(FILTER, &POSITION)[1..], "é"] {
            assert_eq!(decode::<PairPosition>(FILTER, text), None, "{text}");
        }
    }
}
