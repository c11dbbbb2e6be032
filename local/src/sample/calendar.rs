//! The sample's dates. They are constants: the sample never asks the clock, so it is the same whenever it is loaded.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};

/// The last quarter for which NAVs are reported.
pub const LAST_QUARTER_END: NaiveDate = day(2026, 9, 30);
/// The last day on which ordinary activity is effective: a few weeks lie after the last NAV, as in life.
pub const LEDGER_END: NaiveDate = day(2026, 11, 13);
/// Nothing is learned later than this day's noon, not even entries dated ahead.
const LAST_RECORDED: NaiveDate = day(2026, 11, 20);

/// A date written out in the code; one that does not exist is a mistake there.
pub const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => panic!("no such date"),
    }
}

/// So many days after (or before) a date.
pub fn plus_days(date: NaiveDate, days: i64) -> NaiveDate {
    date + TimeDelta::days(days)
}

/// The date itself, or the Monday after it.
pub fn business_day(date: NaiveDate) -> NaiveDate {
    match date.weekday() {
        Weekday::Sat => date + Days::new(2),
        Weekday::Sun => date + Days::new(1),
        _ => date,
    }
}

/// The end of the quarter in which a date lies.
pub fn quarter_end(date: NaiveDate) -> NaiveDate {
    match date.month0() / 3 {
        0 => day(date.year(), 3, 31),
        1 => day(date.year(), 6, 30),
        2 => day(date.year(), 9, 30),
        _ => day(date.year(), 12, 31),
    }
}

/// The end of the quarter after the one in which a date lies.
pub fn next_quarter_end(date: NaiveDate) -> NaiveDate {
    quarter_end(quarter_end(date) + Days::new(1))
}

/// A moment of a day in UTC, but never after the sample's last.
pub fn recorded_at(date: NaiveDate, second_of_day: i64) -> NaiveDateTime {
    let moment = date.and_time(NaiveTime::MIN) + TimeDelta::seconds(second_of_day);
    moment.min(LAST_RECORDED.and_time(NaiveTime::MIN) + TimeDelta::hours(12))
}

#[cfg(test)]
mod tests {
    use super::{business_day, day, next_quarter_end, quarter_end};

    #[test]
    fn quarters_end_where_the_calendar_says() {
        assert_eq!(quarter_end(day(2024, 2, 29)), day(2024, 3, 31));
        assert_eq!(quarter_end(day(2024, 12, 31)), day(2024, 12, 31));
        assert_eq!(next_quarter_end(day(2024, 12, 31)), day(2025, 3, 31));
    }

    #[test]
    fn weekends_move_to_monday() {
        assert_eq!(business_day(day(2026, 11, 14)), day(2026, 11, 16));
        assert_eq!(business_day(day(2026, 11, 15)), day(2026, 11, 16));
        assert_eq!(business_day(day(2026, 11, 13)), day(2026, 11, 13));
    }
}
