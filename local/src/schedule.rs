//! Invokes a function when the template's schedule says so. Understands the platform's cron expressions for fixed
//! times of each day, which is what the template uses, and refuses others rather than guess.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use tokio::time::sleep;

use crate::host::Invoke;
use crate::template::Schedule;

/// The clock is looked at this often: a machine that slept is then late by no more.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A time of day in UTC at which something happens daily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily(NaiveTime);

impl Daily {
    /// Reads `cron(minute hour * * ? *)`.
    pub fn parse(expression: &str) -> Result<Self> {
        let understood = || {
            format!(
                "the local stack only runs daily schedules, cron(minute hour * * ? *), not {expression}"
            )
        };
        let fields = expression
            .strip_prefix("cron(")
            .and_then(|rest| rest.strip_suffix(')'))
            .with_context(understood)?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, days @ ..] = fields.as_slice() else {
            return Err(anyhow::Error::msg(understood()));
        };
        ensure!(
            matches!(days, ["*", "*", "?", "*"] | ["?", "*", "*", "*"]),
            understood()
        );
        let time = NaiveTime::from_hms_opt(
            hour.parse().with_context(understood)?,
            minute.parse().with_context(understood)?,
            0,
        );
        Ok(Self(time.with_context(understood)?))
    }

    /// The first such time after `now`.
    pub fn next_after(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let today = now.date_naive().and_time(self.0).and_utc();
        if today > now {
            today
        } else {
            today + TimeDelta::days(1)
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
    let daily = Daily::parse(&schedule.expression)?;
    let now = || Utc::now() + clock_offset;
    loop {
        let due = daily.next_after(now());
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

    #[test]
    fn the_next_time_is_strictly_later() {
        let midnight = Daily::parse("cron(0 0 * * ? *)").unwrap();
        assert_eq!(
            midnight.next_after(at("2026-02-28T23:59:59Z")),
            at("2026-03-01T00:00:00Z")
        );
        assert_eq!(
            midnight.next_after(at("2026-03-01T00:00:00Z")),
            at("2026-03-02T00:00:00Z")
        );
        let evening = Daily::parse("cron(30 18 * * ? *)").unwrap();
        assert_eq!(
            evening.next_after(at("2026-03-01T00:00:00Z")),
            at("2026-03-01T18:30:00Z")
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for expression in [
            "rate(1 day)",
            "cron(0 0 1 * ? *)",
            "cron(0 25 * * ? *)",
            "cron(0 * * * ? *)",
            "cron(0 0)",
            "daily",
        ] {
            assert!(Daily::parse(expression).is_err(), "{expression}");
        }
    }
}
