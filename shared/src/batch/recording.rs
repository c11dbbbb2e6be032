//! The events of a batch: recorded together, or one by one when that fails, and what is owed after their commit.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::FutureExt;

use super::delivery::{Delivery, Fate};
use super::{Tally, Worker};
use crate::app::App;
use crate::db::Connection;
use crate::error::Error;
use crate::ledger::{Event, Message, Outcome, Recorded, note_unforgotten, record};
use crate::refresh;

/// What became of some events, in their order, and what is owed for them.
#[derive(Default)]
struct Attempt {
    fates: Vec<Fate>,
    owed: Recorded,
    /// How many events were recorded now, and how many had been.
    recorded: u64,
    duplicated: u64,
}

impl Worker {
    /// Records what happened, then does what is owed for it. When the database takes too long, nobody knows how far that came: all
    /// of it comes back, and what is recorded is a duplicate then.
    pub(super) async fn record(&self, deliveries: &mut [Delivery], tally: &mut Tally) {
        // Boxed, so that whoever works on batches is not compiled through all that recording consists of.
        let recording = self.record_and_follow(deliveries, tally).boxed();
        let Err(error) = self.app.db.write(recording).await else {
            return;
        };
        report(&error, "messages could not be recorded in time");
        for delivery in deliveries {
            if matches!(delivery.message, Some(Message::Event(_))) {
                delivery.fate = Fate::Retry;
            }
        }
    }

    async fn record_and_follow(&self, deliveries: &mut [Delivery], tally: &mut Tally) {
        let (positions, events): (Vec<usize>, Vec<&Event>) = deliveries
            .iter()
            .enumerate()
            .filter_map(|(position, delivery)| match &delivery.message {
                Some(Message::Event(event)) => Some((position, &**event)),
                _ => None,
            })
            .unzip();
        if events.is_empty() {
            return;
        }
        let begun = Instant::now();
        let Attempt {
            fates,
            owed,
            recorded,
            duplicated,
        } = self.record_each(&events).await;
        tally.recorded += recorded;
        tally.duplicated += duplicated;
        let ledger_ms = begun.elapsed().as_secs_f64() * 1e3;
        let any_done = fates.iter().any(|fate| matches!(fate, Fate::Done));
        let followed = !any_done || self.follow(&owed).await;
        let batch_ms = begun.elapsed().as_secs_f64() * 1e3;
        tracing::info!(
            messages = events.len(),
            lps = owed.lp_ids.len(),
            ledger_ms,
            batch_ms,
            "recorded"
        );
        for (position, fate) in positions.into_iter().zip(fates) {
            deliveries[position].fate = match fate {
                Fate::Done if !followed => Fate::Retry,
                fate => fate,
            };
        }
    }

    /// Records the batch whole; when that fails and one event may be the cause, each by itself, so that only the bad one
    /// fails. While a part of the infrastructure is away the rest is not even tried.
    async fn record_each(&self, events: &[&Event]) -> Attempt {
        let mut attempt = Attempt::default();
        let together = self.record_together(events).await;
        let is_away = |outcome: &Result<Recorded, Error>| {
            outcome.as_ref().is_err_and(Error::is_infrastructure)
        };
        if together.is_ok() || events.len() == 1 || is_away(&together) {
            attempt.add(events.len(), together);
            return attempt;
        }
        for (position, event) in events.iter().enumerate() {
            let alone = self.record_together(&[event]).await;
            if is_away(&alone) {
                attempt.add(events.len() - position, alone);
                break;
            }
            attempt.add(1, alone);
        }
        attempt
    }

    /// Records in one transaction. A connection may have died while the process was frozen, even with the commit's answer
    /// on it: recording again is safe, since what is recorded already is a duplicate then.
    async fn record_together(&self, events: &[&Event]) -> Result<Recorded, Error> {
        match self.record_once(events).await {
            Err(error) if error.is_dead_connection() => {
                self.app.db.drop_idle_connections();
                self.record_once(events).await
            }
            other => other,
        }
    }

    async fn record_once(&self, events: &[&Event]) -> Result<Recorded, Error> {
        let mut connection = self.app.db.connection().await?;
        let outcome = record(&mut connection, &self.app.cache, events).await;
        if outcome.as_ref().is_err_and(Error::is_dead_connection) {
            drop(Connection::take(connection));
        }
        outcome
    }

    /// What is owed after a commit: performance, the forgetting that Redis missed, and a request to refresh the views. False
    /// when it must be tried again, for which the messages come back as duplicates.
    async fn follow(&self, owed: &Recorded) -> bool {
        let mut unforgotten = owed.unforgotten.clone();
        let lp_ids: Vec<i64> = owed.lp_ids.iter().copied().collect();
        let fund_ids: Vec<i64> = owed.fund_ids.iter().copied().collect();
        let App { db, cache, .. } = &self.app;
        let mut all_settled = true;
        for settled in [
            refresh::settle_performance(db, cache, &lp_ids).await,
            refresh::settle_fund_performance(db, cache, &fund_ids).await,
        ] {
            match settled {
                // What could not be computed is told of in the log. It stays owed, its answers say IRR_PENDING, and every night
                // tries again: the ledger is not at fault.
                Ok(settled) => unforgotten.extend(settled.unforgotten),
                Err(error) => {
                    report(&error, "performance could not be settled now");
                    all_settled = false;
                }
            }
        }
        let noted = self.note_unforgotten(&unforgotten).await;
        self.request_refresh().await;
        all_settled && noted
    }

    /// Leaves a note on the queue of whose answers are still to be forgotten.
    pub(super) async fn note_unforgotten(&self, lp_ids: &BTreeSet<i64>) -> bool {
        let noted = note_unforgotten(&self.queue, lp_ids).await;
        if let Err(error) = &noted {
            tracing::warn!(error = %error.chain(), "the forgetting that is owed could not be noted");
        }
        noted.is_ok()
    }

    /// Asks for a refresh of the views. It only makes reads faster, so a message never fails for it.
    pub(super) async fn request_refresh(&self) {
        let App { db, clock, .. } = &self.app;
        if let Err(error) = refresh::request_refresh(db, &self.queue, &self.refresh, *clock).await {
            tracing::warn!(error = %error.chain(), "a refresh of the views could not be requested");
        }
    }
}

impl Attempt {
    /// Adds what became of the next events.
    fn add(&mut self, events: usize, outcome: Result<Recorded, Error>) {
        match outcome {
            Ok(mut recorded) => {
                let count = |wanted: &Outcome| {
                    let outcomes = recorded.outcomes.iter();
                    outcomes.filter(|outcome| *outcome == wanted).count() as u64
                };
                self.recorded += count(&Outcome::Recorded);
                self.duplicated += count(&Outcome::Duplicate);
                self.fates.extend(recorded.outcomes.drain(..).map(Fate::of));
                self.owed = std::mem::take(&mut self.owed).and(recorded);
            }
            Err(error) if events == 1 && error.is_of_data() => {
                self.fates.push(Fate::refused_by_database(&error));
            }
            Err(error) => {
                report(&error, "messages could not be recorded now");
                self.fates.extend((0..events).map(|_| Fate::Retry));
            }
        }
    }
}

/// Logs why messages come back. An outage passes by itself; anything else waits for somebody to mend the deployment.
pub(super) fn report(error: &Error, what: &str) {
    if error.is_infrastructure() {
        tracing::warn!(error = %error.chain(), "{what}");
    } else {
        tracing::error!(error = %error.chain(), "{what}");
    }
}
