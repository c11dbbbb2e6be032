//! Messages and questions that go on while something is done to the servers, and how everything is well again after it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::site::{LIMIT, POLL, QUESTIONS, Site};
use crate::watch::{Seen, Told};

/// Messages while one fault lasts; when it lasts longer, no more come.
const MOST_MESSAGES: u32 = 5;
const BETWEEN_MESSAGES: Duration = Duration::from_millis(250);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(40);

impl Site {
    /// Does something to the servers while messages come and callers ask.
    pub async fn under_load<T>(&self, fault: impl Future<Output = T>) -> (T, Seen) {
        let over = AtomicBool::new(false);
        let fault = async {
            let outcome = fault.await;
            over.store(true, Ordering::SeqCst);
            outcome
        };
        let [first, second] = QUESTIONS;
        let (outcome, (), first, second, other) = tokio::join!(
            fault,
            self.keep_sending(&over),
            self.keep_asking(&over, || self.ask(first)),
            self.keep_asking(&over, || self.ask(second)),
            self.keep_asking(&over, || self.ask_anew()),
        );
        (outcome, first.and(second).and(other))
    }

    async fn keep_sending(&self, over: &AtomicBool) {
        for _ in 0..MOST_MESSAGES {
            if over.load(Ordering::SeqCst) {
                return;
            }
            self.send().await;
            sleep(BETWEEN_MESSAGES).await;
        }
    }

    async fn keep_asking<A: Future<Output = Told>>(
        &self,
        over: &AtomicBool,
        ask: impl Fn() -> A,
    ) -> Seen {
        let mut seen = Seen::default();
        while !over.load(Ordering::SeqCst) {
            seen.judge(&ask().await);
            sleep(BETWEEN_QUESTIONS).await;
        }
        seen
    }

    /// Waits from the end of a fault until all answers are right and all messages acknowledged, and says how long that took. Then
    /// everything is as if nothing had been.
    pub async fn recover(&self, fault: &str, seen: Seen) {
        assert_eq!(seen.stale, 0, "{fault}: {seen:?}");
        let begun = Instant::now();
        let answered = async {
            self.until_right().await;
            begun.elapsed()
        };
        let acknowledged = async {
            self.acknowledged().await;
            begun.elapsed()
        };
        let (answered, acknowledged) = tokio::join!(answered, acknowledged);
        self.assert_exact(fault).await;
        println!(
            "{fault}: {seen}; after it all answers right in {} ms, all messages acknowledged in {} ms",
            answered.as_millis(),
            acknowledged.as_millis()
        );
    }

    /// Waits until each question gets a right answer.
    pub async fn until_right(&self) {
        for question in QUESTIONS {
            self.until(question, "is not right", |told| told.is_right())
                .await;
        }
    }

    /// Asks until the answer is as wanted.
    pub async fn until(
        &self,
        question: &'static str,
        otherwise: &str,
        is_wanted: impl Fn(&Told) -> bool,
    ) {
        let begun = Instant::now();
        loop {
            let told = self.ask(question).await;
            Seen::default().judge(&told);
            if is_wanted(&told) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{question} {otherwise}: {told:?}");
            sleep(POLL).await;
        }
    }
}
