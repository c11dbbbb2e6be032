//! Thinning a series to calendar months, quarters or years.

use chrono::{Datelike, NaiveDate};

/// How fine a thinned series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// One point a calendar month.
    Monthly,
    /// One point a calendar quarter.
    Quarterly,
    /// One point a calendar year.
    Yearly,
}

impl Granularity {
    /// Names the period that a date falls into; later periods compare greater.
    fn period_of(self, date: NaiveDate) -> (i32, u32) {
        let part = match self {
            Granularity::Monthly => date.month0(),
            Granularity::Quarterly => date.month0() / 3,
            Granularity::Yearly => 0,
        };
        (date.year(), part)
    }
}

/// Keeps the last point of each calendar period that has one. A point stands for its own date: a period without points
/// stays empty, and nothing is carried forward. The points must be sorted by date.
pub fn last_of_each<T>(
    points: Vec<T>,
    granularity: Granularity,
    date_of: impl Fn(&T) -> NaiveDate,
) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for point in points {
        let period = granularity.period_of(date_of(&point));
        match kept.last_mut() {
            Some(last) if granularity.period_of(date_of(last)) == period => *last = point,
            _ => kept.push(point),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thin(granularity: Granularity) -> Vec<String> {
        let days = [
            "2023-12-31",
            "2024-01-01",
            "2024-01-31",
            "2024-03-31",
            "2024-04-01",
            "2024-12-31",
            "2025-01-01",
        ];
        let dates = days
            .iter()
            .map(|day| day.parse::<NaiveDate>().expect("a date"))
            .collect();
        last_of_each(dates, granularity, |&date| date)
            .iter()
            .map(NaiveDate::to_string)
            .collect()
    }

    #[test]
    fn the_last_point_of_each_period_stays() {
        let monthly = [
            "2023-12-31",
            "2024-01-31",
            "2024-03-31",
            "2024-04-01",
            "2024-12-31",
            "2025-01-01",
        ];
        assert_eq!(thin(Granularity::Monthly), monthly);
        let quarterly = [
            "2023-12-31",
            "2024-03-31",
            "2024-04-01",
            "2024-12-31",
            "2025-01-01",
        ];
        assert_eq!(thin(Granularity::Quarterly), quarterly);
        assert_eq!(
            thin(Granularity::Yearly),
            ["2023-12-31", "2024-12-31", "2025-01-01"]
        );
    }

    #[test]
    fn an_empty_series_stays_empty() {
        assert!(last_of_each(Vec::new(), Granularity::Monthly, |&date| date).is_empty());
    }
}
