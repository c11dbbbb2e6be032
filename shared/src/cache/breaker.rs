//! The breaker: after a few failures in a row the cache is not asked for a while, so that a Redis that is slow or down
//! costs readers next to nothing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One failure may be a socket that died in a freeze; three in a row are not.
const FAILURES_BEFORE_OPENING: u32 = 3;
/// How long the cache is left alone; after it, a single request tries.
const REST: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures_in_a_row: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether to ask the cache now. While the breaker is open only one request in each rest is let through.
    pub(super) fn allows(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    /// Whether the cache is left alone, but for a request now and then that tries.
    pub(super) fn is_open(&self) -> bool {
        self.state().open_until.is_some()
    }

    /// The cache answered.
    pub(super) fn succeeded(&self) {
        *self.state() = State::default();
    }

    /// The cache failed; tells whether the breaker opened by that.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        let opens = state.failures_in_a_row >= FAILURES_BEFORE_OPENING;
        let was_open = state.open_until.is_some();
        if opens {
            state.open_until = Some(now + REST);
        }
        opens && !was_open
    }

    /// The state is two numbers, whole even when a thread that held it panicked.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(breaker: &Breaker, now: Instant) {
        assert_eq!([1, 2, 3].map(|_| breaker.failed(now)), [false, false, true]);
    }

    #[test]
    fn the_third_failure_in_a_row_opens_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.failed(now);
        breaker.failed(now);
        breaker.succeeded();
        assert!(!breaker.is_open());
        open(&breaker, now);
        assert!(breaker.is_open());
        assert!(!breaker.allows(now + 4 * SECOND));
    }

    #[test]
    fn after_the_rest_one_request_tries_and_its_success_closes_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        open(&breaker, now);
        assert_eq!(
            [5, 6].map(|second| breaker.allows(now + second * SECOND)),
            [true, false]
        );
        breaker.succeeded();
        assert!(!breaker.is_open());
        assert!(breaker.allows(now + 6 * SECOND));
    }

    #[test]
    fn a_failed_try_means_another_rest() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        open(&breaker, now);
        assert!(breaker.allows(now + 5 * SECOND));
        assert!(!breaker.failed(now + 6 * SECOND));
        assert_eq!(
            [10, 11].map(|second| breaker.allows(now + second * SECOND)),
            [false, true]
        );
    }
}
