//! Durations boiled down: percentiles of a series, medians over rounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long invocations of one kind took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50_ms: f64,
    /// One in twenty took longer.
    pub p95_ms: f64,
    /// One in a hundred took longer.
    pub p99_ms: f64,
    /// Invocations a second.
    pub per_second: f64,
}

impl Latency {
    /// Of a series that took `elapsed` as a whole.
    pub fn of(mut series: Vec<Duration>, elapsed: Duration) -> Self {
        series.sort_unstable();
        Self {
            p50_ms: percentile(&series, 50),
            p95_ms: percentile(&series, 95),
            p99_ms: percentile(&series, 99),
            per_second: series.len() as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
        }
    }

    /// Each figure's median over several rounds.
    pub fn median(rounds: &[Self]) -> Self {
        let figure = |read: fn(&Self) -> f64| median(rounds.iter().map(read).collect());
        Self {
            p50_ms: figure(|round| round.p50_ms),
            p95_ms: figure(|round| round.p95_ms),
            p99_ms: figure(|round| round.p99_ms),
            per_second: figure(|round| round.per_second),
        }
    }
}

/// The middle value; zero of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The value that so many per cent of a sorted series do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().map(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_series() {
        let series: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(series, Duration::from_secs(2));
        assert_eq!(
            (latency.p50_ms, latency.p95_ms, latency.p99_ms),
            (100.0, 190.0, 198.0)
        );
        assert_eq!(latency.per_second, 100.0);
    }

    #[test]
    fn one_wild_round_does_not_move_the_median() {
        let round = |p50_ms| Latency {
            p50_ms,
            ..Latency::default()
        };
        let rounds = [1.0, 1.1, 90.0, 0.9, 1.2].map(round);
        assert_eq!(Latency::median(&rounds).p50_ms, 1.1);
    }
}
