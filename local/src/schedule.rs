//! Invokes a function when the template's schedule says so. Understands of the platform's expressions what the template uses: a fixed
//! time of each day, of a day of the week or of the month, and a number of minutes. It refuses others rather than guess.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Bytes;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use tokio::time::sleep;

use crate::host::Invoke;
use crate::template::Schedule;

/// The clock is looked at this often: a machine that slept is then late by no more.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// No due day is further away: the 31st of a month comes after 62 days at most.
const LONGEST_GAP_DAYS: u64 = 62;

/// When something happens again and again, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timetable {
    /// So often, from the start on.
    Every(TimeDelta),
    /// At a time of some days.
    At(NaiveTime, Day),
}

/// Which days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// All.
    Any,
    /// One of the week.
    OfWeek(Weekday),
    /// One of the month.
    OfMonth(u32),
}

impl Timetable {
    /// Reads `rate(5 minutes)`, `cron(minute hour * * ? *)`, `cron(minute hour ? * SUN *)` or `cron(minute hour 1 * ? *)`.
    pub fn parse(expression: &str) -> Result<Self> {
        let timetable = Self::rate(expression).or_else(|| Self::cron(expression));
        timetable.with_context(|| {
            format!(
                "the local stack runs what is due every so many minutes, or at a time of each day, of a day of the week or of the month, \
                 not {expression}"
            )
        })
    }

    fn rate(expression: &str) -> Option<Self> {
        let minutes = expression
            .strip_prefix("rate(")?
            .strip_suffix(" minutes)")?;
        let minutes = minutes.parse().ok().filter(|minutes| *minutes > 0)?;
        TimeDelta::try_minutes(minutes).map(Self::Every)
    }

    fn cron(expression: &str) -> Option<Self> {
        let fields = expression.strip_prefix("cron(")?.strip_suffix(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day_of_month, "*", day_of_week, "*"] = fields[..] else {
            return None;
        };
        let day = match (day_of_month, day_of_week) {
            ("*", "?") | ("?", "*") => Day::Any,
            ("?", name) => Day::OfWeek(name.parse().ok()?),
            (number, "?") => {
                Day::OfMonth(number.parse().ok().filter(|day| (1..=31).contains(day))?)
            }
            _ => return None,
        };
        let time = NaiveTime::from_hms_opt(hour.parse().ok()?, minute.parse().ok()?, 0)?;
        Some(Self::At(time, day))
    }

    /// The first such time after `now`.
    pub fn next_after(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Every(period) => now + period,
            Self::At(time, day) => {
                let days = (0..=LONGEST_GAP_DAYS).map(|days| now.date_naive() + Days::new(days));
                let due = days
                    .filter(|date| day.is(*date))
                    .map(|date| date.and_time(time).and_utc());
                let mut later = due.filter(|due| *due > now);
                later.next().unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
        }
    }
}

impl Day {
    fn is(self, date: NaiveDate) -> bool {
        match self {
            Self::Any => true,
            Self::OfWeek(day) => date.weekday() == day,
            Self::OfMonth(day) => date.day() == day,
        }
    }
}

/// Invokes the function at each due time until the task is dropped. `clock_offset` shifts the clock as it shifts the
/// functions' own, so that midnight can be tried.
pub async fn run(
    schedule: Schedule,
    function: String,
    functions: Arc<impl Invoke>,
    clock_offset: TimeDelta,
) -> Result<()> {
    let timetable = Timetable::parse(&schedule.expression)?;
    let now = || Utc::now() + clock_offset;
    loop {
        let due = timetable.next_after(now());
        while let Ok(left) = (due - now()).to_std() {
            // A nanosecond more than nothing is left at the due time itself.
            sleep(left.min(LONGEST_SLEEP).max(Duration::from_millis(1))).await;
        }
        if let Err(failure) = functions
            .invoke(&function, Bytes::from(schedule.input.clone()))
            .await
        {
            eprintln!("The schedule of {function}: {failure}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn next(expression: &str, now: &str) -> DateTime<Utc> {
        Timetable::parse(expression).unwrap().next_after(at(now))
    }

    #[test]
    fn the_next_time_is_strictly_later() {
        for (expression, now, due) in [
            (
                "cron(0 0 * * ? *)",
                "2026-02-28T23:59:59Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                "cron(0 0 * * ? *)",
                "2026-03-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                "cron(30 18 * * ? *)",
                "2026-03-01T00:00:00Z",
                "2026-03-01T18:30:00Z",
            ),
            // A Sunday.
            (
                "cron(0 3 ? * SUN *)",
                "2026-03-01T02:59:00Z",
                "2026-03-01T03:00:00Z",
            ),
            (
                "cron(0 3 ? * SUN *)",
                "2026-03-01T03:00:00Z",
                "2026-03-08T03:00:00Z",
            ),
            (
                "cron(0 4 1 * ? *)",
                "2026-03-01T04:00:00Z",
                "2026-04-01T04:00:00Z",
            ),
            (
                "cron(0 4 31 * ? *)",
                "2026-01-31T04:00:00Z",
                "2026-03-31T04:00:00Z",
            ),
            (
                "rate(5 minutes)",
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:05:00Z",
            ),
        ] {
            assert_eq!(next(expression, now), at(due), "{expression} after {now}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for expression in [
            "rate(1 day)",
            "rate(0 minutes)",
            "cron(0 0 1 1 ? *)",
            "cron(0 0 32 * ? *)",
            "cron(0 0 1 * SUN *)",
            "cron(0 0 ? * SUN#1 *)",
            "cron(0 25 * * ? *)",
            "cron(0 * * * ? *)",
            "cron(0 0)",
            "daily",
        ] {
            assert!(Timetable::parse(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn every_schedule_of_the_template_is_understood() {
        let template = crate::project_directory().join("infra/template.yaml");
        let schedules = crate::template::Template::read(&template)
            .unwrap()
            .schedules();
        assert!(!schedules.is_empty());
        for (schedule, _) in schedules {
            Timetable::parse(&schedule.expression).unwrap();
        }
    }
}
