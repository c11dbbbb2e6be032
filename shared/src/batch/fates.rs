//! The end of a message: acknowledged, put off, or sent to the dead letters with its reason.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::Instrument;

use super::Worker;
use super::delivery::{Delivery, Fate};
use crate::refusal::Refusal;

/// The longest pause between two tries while a part of the infrastructure is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// The pause of what makes way for others.
const MOMENT: Duration = Duration::from_secs(1);
/// Messages whose evaluations are remembered. Far more than ever wait for something at a time.
const MESSAGES_REMEMBERED: usize = 10_000;

/// How often this process has found that what a message needs is not there yet. The queue's own count will not do: it
/// also counts deliveries that met an outage, and a message would be buried on the first look at it. A process that is new,
/// or one of several, has counted less, so a message may be tried more often than it has to be, never less; the queue's
/// limit on deliveries bounds that.
#[derive(Default)]
pub(super) struct Evaluations(Mutex<HashMap<String, usize>>);

impl Evaluations {
    /// Counts one more and tells which it is, from 1.
    fn count(&self, message_id: &str) -> usize {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MESSAGES_REMEMBERED {
            counts.clear();
        }
        let count = counts.entry(message_id.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn forget(&self, message_id: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(message_id);
    }
}

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Acknowledged.
    Done,
    /// Acknowledged, and among the dead letters.
    Buried,
    /// Delivered again.
    Again,
}

impl Worker {
    /// Brings a message to its end. Whoever gave it a trace can see in the log when it came to which.
    pub(super) async fn settle(&self, delivery: &Delivery) -> End {
        let settling = async {
            let end = self.end(delivery).await;
            if delivery.trace().trace_id().is_some() {
                tracing::info!(?end, "a delivery of a traced message ends");
            }
            end
        };
        settling.instrument(delivery.span()).await
    }

    async fn end(&self, delivery: &Delivery) -> End {
        match &delivery.fate {
            Fate::Done => {
                self.evaluations.forget(delivery.message_id());
                End::Done
            }
            Fate::Retry => {
                let pause = Duration::from_secs(1 << delivery.deliveries().min(6));
                self.put_off(delivery, pause.min(LONGEST_PAUSE)).await
            }
            Fate::MakesWay => self.put_off(delivery, MOMENT).await,
            Fate::Refused(refusal) => self.put_off_or_bury(delivery, refusal).await,
        }
    }

    /// What may pass is tried again after each of the configured delays.
    async fn put_off_or_bury(&self, delivery: &Delivery, refusal: &Refusal) -> End {
        if refusal.reason.may_pass() {
            let evaluation = self.evaluations.count(delivery.message_id());
            if let Some(delay) = self.retry_delays.get(evaluation - 1) {
                return self.put_off(delivery, *delay).await;
            }
        }
        let end = self.bury(delivery, refusal).await;
        if end == End::Buried {
            self.evaluations.forget(delivery.message_id());
        }
        end
    }

    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> End {
        if let Err(error) = self.queue.put_off(delivery.receipt_handle(), delay).await {
            // It comes back all the same, when the queue's own visibility timeout ends.
            tracing::warn!(error = %error.chain(), "a message could not be put off");
        }
        End::Again
    }

    /// Sends the message to the dead-letter queue with its reason; only then may it be acknowledged.
    async fn bury(&self, delivery: &Delivery, refusal: &Refusal) -> End {
        let message_id = delivery.message_id();
        let (body, trace) = (delivery.body(), delivery.trace());
        match self.queue.send_dead_letter(body, refusal, trace).await {
            Ok(()) => {
                // The sentence goes with the letter alone: it may name a property, and who knows what a sender calls one.
                tracing::warn!(message_id, reason = refusal.reason.code(), "dead letter");
                End::Buried
            }
            Err(error) => {
                tracing::error!(message_id, error = %error.chain(), "a dead letter could not be sent");
                End::Again
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_counted_a_message_and_the_memory_of_them_is_bounded() {
        let evaluations = Evaluations::default();
        let counts = ["a", "b", "a"].map(|id| evaluations.count(id));
        assert_eq!(counts, [1, 1, 2]);
        evaluations.forget("a");
        assert_eq!(evaluations.count("a"), 1);
        for id in 0..2 * MESSAGES_REMEMBERED {
            evaluations.count(&id.to_string());
        }
        assert!(evaluations.0.lock().unwrap().len() <= MESSAGES_REMEMBERED);
    }
}
