//! How long an event waits for the database and for Redis. The calls are measured where they are made; those under way side by side
//! count once, as it is time on the clock. Outside of an event nothing is measured.

use std::cell::Cell;
use std::time::{Duration, Instant};

tokio::task_local! {
    static EVENT: Stopwatches;
}

/// How long an event has waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// For the database: connecting, statements, commits.
    pub database: Duration,
    /// For Redis.
    pub redis: Duration,
}

/// Works on an event, and tells how long that has waited.
pub fn measure_waits<F: Future>(work: F) -> impl Future<Output = (F::Output, Waits)> {
    EVENT.scope(Stopwatches::default(), async {
        let output = work.await;
        let waits = EVENT.with(|event| Waits {
            database: event.database.total.get(),
            redis: event.redis.total.get(),
        });
        (output, waits)
    })
}

/// A wait under way. It ends when this is dropped, as it is too when what is waited for is given up.
#[must_use = "the wait ends when this is dropped"]
pub struct Wait(Option<fn(&Stopwatches) -> &Stopwatch>);

impl Wait {
    /// For the database. (A value and not a wrapped future: futures nest deeply enough for the compiler as it is.)
    pub fn for_database() -> Self {
        Self::begin(|event| &event.database)
    }

    /// For Redis.
    pub fn for_redis() -> Self {
        Self::begin(|event| &event.redis)
    }

    fn begin(stopwatch: fn(&Stopwatches) -> &Stopwatch) -> Self {
        let is_measured = EVENT.try_with(|event| stopwatch(event).begin()).is_ok();
        Self(is_measured.then_some(stopwatch))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(stopwatch) = self.0 {
            let _ = EVENT.try_with(|event| stopwatch(event).end());
        }
    }
}

#[derive(Default)]
struct Stopwatches {
    database: Stopwatch,
    redis: Stopwatch,
}

/// Runs while any wait is under way.
#[derive(Default)]
struct Stopwatch {
    under_way: Cell<u32>,
    since: Cell<Option<Instant>>,
    total: Cell<Duration>,
}

impl Stopwatch {
    fn begin(&self) {
        if self.under_way.replace(self.under_way.get() + 1) == 0 {
            self.since.set(Some(Instant::now()));
        }
    }

    fn end(&self) {
        self.under_way.set(self.under_way.get() - 1);
        if self.under_way.get() == 0
            && let Some(since) = self.since.take()
        {
            self.total.set(self.total.get() + since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use tokio::time::{sleep, timeout};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    async fn wait_for_database() {
        let _wait = Wait::for_database();
        sleep(SHORT).await;
    }

    async fn wait_for_redis(time: Duration) {
        let _wait = Wait::for_redis();
        sleep(time).await;
    }

    #[tokio::test]
    async fn waits_side_by_side_and_within_each_other_count_once_and_one_after_another_each() {
        let begun = Instant::now();
        let nested = async || {
            let _wait = Wait::for_database();
            wait_for_database().await;
        };
        let (took, waits) = measure_waits(async {
            join(nested(), nested()).await;
            wait_for_database().await;
            begun.elapsed()
        })
        .await;
        assert!(waits.database >= 2 * SHORT, "{waits:?}");
        assert!(waits.database <= took, "{waits:?} of {took:?}");
        assert_eq!(waits.redis, Duration::ZERO);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_has_ended() {
        let ((), waits) = measure_waits(async {
            let hour = Duration::from_secs(3600);
            timeout(SHORT, wait_for_redis(hour)).await.unwrap_err();
            sleep(SHORT).await;
            wait_for_redis(SHORT).await;
        })
        .await;
        assert!(waits.redis >= 2 * SHORT, "{waits:?}");
    }

    #[tokio::test]
    async fn each_event_is_measured_by_itself_and_nothing_outside_of_one() {
        wait_for_database().await;
        let nothing = measure_waits(async {});
        let something = measure_waits(wait_for_database());
        let (((), nothing), ((), something)) = join(nothing, something).await;
        assert_eq!(nothing, Waits::default());
        assert!(something.database >= SHORT);
    }
}
