//! A batch of messages from the queue: each is recorded, refused or put off by itself, and what follows from those recorded
//! is done before any is acknowledged. The queue's own contract (what fails comes back) stands here and nowhere else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::Utc;

use crate::app::App;
use crate::cache::{Closure, LONGEST_ANSWER_TTL, TagSet};
use crate::config::{Environment, QueueConfig, RefreshConfig};
use crate::db::Connection;
use crate::error::Error;
use crate::ids::LpId;
use crate::ledger::{
    Event, LpRange, Message, Outcome, Reason, Recorded, Refusal, Rewritten, note_unforgotten,
    parse_message, record,
};
use crate::queue::Queue;
use crate::refresh::{self, Rebuilt, Scope};

/// The longest pause between two tries while a part of the infrastructure is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// How long a batch rebuilds before it hands on the rest: a third of what the function may take, as one step takes seconds.
const LONGEST_REBUILD: Duration = Duration::from_secs(20);

/// What works on batches: the clients, and how to treat what cannot be done now.
pub struct Worker {
    app: App,
    queue: Queue,
    retry_delays: Vec<Duration>,
    refresh: RefreshConfig,
}

/// A message, and what is to become of it.
struct Delivery {
    record: SqsMessage,
    message: Option<Message>,
    fate: Fate,
}

enum Fate {
    /// Acknowledged.
    Done,
    /// Never recordable, or not yet.
    Refused(Refusal),
    /// Something is away; it stays on the queue until it is back.
    Retry,
}

impl Worker {
    /// Reads the environment of the process and fails, naming the variable, when it is not usable.
    pub async fn from_env() -> Result<Self, Error> {
        Self::from_environment(&Environment::of_process()).await
    }

    /// As [`Worker::from_env`], with the variables given.
    pub async fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let queue = QueueConfig::read(environment)?;
        Ok(Self {
            app: App::from_environment(environment)?,
            queue: Queue::new(&queue).await,
            retry_delays: queue.retry_delays,
            refresh: RefreshConfig::read(environment)?,
        })
    }

    /// Works on a batch and names the messages that must be delivered again.
    pub async fn work(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut deliveries: Vec<Delivery> = event.records.into_iter().map(Delivery::read).collect();
        self.record(&mut deliveries).await;
        self.follow_rewrites(&mut deliveries).await;
        self.forget(&mut deliveries).await;
        self.refresh_views(&mut deliveries).await;
        let mut response = SqsBatchResponse::default();
        for delivery in &deliveries {
            if !self.settle(delivery).await {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = delivery.record.message_id.clone().unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    /// Records what happened, then does what is owed for it.
    async fn record(&self, deliveries: &mut [Delivery]) {
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
        let recorded = match self.record_each(&events).await {
            Ok(recorded) => recorded,
            Err(error) => {
                tracing::warn!(error = %error.chain(), messages = events.len(), "a batch could not be recorded now");
                for position in positions {
                    deliveries[position].fate = Fate::Retry;
                }
                return;
            }
        };
        let ledger_ms = begun.elapsed().as_secs_f64() * 1e3;
        let followed = self.follow(&recorded).await;
        let batch_ms = begun.elapsed().as_secs_f64() * 1e3;
        tracing::info!(
            messages = events.len(),
            lps = recorded.lp_ids.len(),
            ledger_ms,
            batch_ms,
            "recorded"
        );
        for (position, outcome) in positions.into_iter().zip(recorded.outcomes) {
            deliveries[position].fate = match outcome {
                Outcome::Refused(refusal) => Fate::Refused(refusal),
                Outcome::Recorded | Outcome::Duplicate if followed => Fate::Done,
                Outcome::Recorded | Outcome::Duplicate => Fate::Retry,
            };
        }
    }

    /// Records the batch whole; if the database refuses its data, each event by itself, so that only the bad one fails.
    async fn record_each(&self, events: &[&Event]) -> Result<Recorded, Error> {
        match self.record_together(events).await {
            Err(error) if !error.is_infrastructure() => {
                let mut all = Recorded::default();
                for event in events {
                    all = all.and(match self.record_together(&[event]).await {
                        Err(error) if !error.is_infrastructure() => unrecordable(&error),
                        other => other?,
                    });
                }
                Ok(all)
            }
            other => other,
        }
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
    async fn follow(&self, recorded: &Recorded) -> bool {
        let mut unforgotten = recorded.unforgotten.clone();
        let lp_ids: Vec<i64> = recorded.lp_ids.iter().copied().collect();
        let fund_ids: Vec<i64> = recorded.fund_ids.iter().copied().collect();
        let mut is_settled = true;
        let App { db, cache, .. } = &self.app;
        for settled in [
            refresh::settle_performance(db, cache, &lp_ids).await,
            refresh::settle_fund_performance(db, cache, &fund_ids).await,
        ] {
            match settled {
                Ok(settled) => unforgotten.extend(settled.unforgotten),
                Err(error) if error.is_infrastructure() => {
                    tracing::warn!(error = %error.chain(), "performance could not be settled now");
                    is_settled = false;
                }
                // It stays owed, its answers say IRR_PENDING, and every night tries again: the ledger is not at fault.
                Err(error) => {
                    tracing::error!(error = %error.chain(), "performance could not be settled")
                }
            }
        }
        let noted = self.note_unforgotten(&unforgotten).await;
        self.request_refresh().await;
        noted && is_settled
    }

    /// Leaves a note on the queue of whose answers are still to be forgotten.
    async fn note_unforgotten(&self, lp_ids: &BTreeSet<i64>) -> bool {
        let noted = note_unforgotten(&self.queue, lp_ids).await;
        if let Err(error) = &noted {
            tracing::warn!(error = %error.chain(), "the forgetting that is owed could not be noted");
        }
        noted.is_ok()
    }

    /// Asks for a refresh of the views. It only makes reads faster, so a message never fails for it.
    async fn request_refresh(&self) {
        let App { db, clock, .. } = &self.app;
        if let Err(error) = refresh::request_refresh(db, &self.queue, &self.refresh, *clock).await {
            tracing::warn!(error = %error.chain(), "a refresh of the views could not be requested");
        }
    }

    /// Recomputes what other systems wrote, and goes on with what an earlier message of such a rebuild left.
    async fn follow_rewrites(&self, deliveries: &mut [Delivery]) {
        let until = Instant::now() + LONGEST_REBUILD;
        for delivery in deliveries {
            let scope = match delivery.message {
                Some(Message::Refresh(Rewritten::Lp(lp_id))) => Scope::Lp(lp_id),
                Some(Message::Refresh(Rewritten::Fund(fund_id))) => Scope::Fund(fund_id),
                Some(Message::Rebuild(range)) => Scope::Lps(range),
                _ => continue,
            };
            delivery.fate = self.follow_rewrite(scope, until).await;
        }
    }

    async fn follow_rewrite(&self, scope: Scope, until: Instant) -> Fate {
        let App { db, cache, .. } = &self.app;
        let rebuilt = match refresh::rebuild(db, cache, &self.queue, scope, until).await {
            Ok(Some(rebuilt)) => self.hand_on(rebuilt.rest).await.map(|()| Some(rebuilt)),
            other => other,
        };
        match rebuilt {
            Ok(Some(rebuilt)) => {
                self.request_refresh().await;
                fate_of(scope, &rebuilt)
            }
            Ok(None) => Fate::Refused(match scope {
                Scope::Fund(_) => {
                    Refusal::new(Reason::FundNotFound, "there is no fund with this fundId")
                }
                _ => Refusal::new(Reason::LpNotFound, "there is no LP with this lpId"),
            }),
            Err(error) if error.is_infrastructure() => {
                tracing::warn!(error = %error.chain(), "a rewrite could not be followed now");
                Fate::Retry
            }
            Err(error) => {
                tracing::error!(error = %error.chain(), "a rewrite could not be followed");
                Fate::Refused(Refusal::new(
                    Reason::NotRecordable,
                    refused_by_database(&error),
                ))
            }
        }
    }

    /// Sends what a rebuild has left as a message of its own.
    async fn hand_on(&self, rest: Option<LpRange>) -> Result<(), Error> {
        match rest {
            Some(rest) => self.queue.send(&rest.to_message(), Duration::ZERO).await,
            None => Ok(()),
        }
    }

    /// Forgets what could not be forgotten before; after the longest life of an answer nothing is left to forget.
    async fn forget(&self, deliveries: &mut [Delivery]) {
        for delivery in deliveries {
            let Some(Message::Forget(owed)) = &delivery.message else {
                continue;
            };
            let age = (Utc::now() - owed.owed_since).to_std().unwrap_or_default();
            if age > LONGEST_ANSWER_TTL {
                continue;
            }
            let lps = owed.lp_ids.iter().filter_map(|id| LpId::try_from(*id).ok());
            let closure = Closure::new(lps.map(|lp_id| (lp_id, TagSet::ALL)));
            if let Err(error) = self.app.cache.open(&closure).await {
                tracing::warn!(error = %error.chain(), lps = owed.lp_ids.len(), "cached answers are still not forgotten");
                delivery.fate = Fate::Retry;
            }
        }
    }

    /// Refreshes the views, once however many messages of the batch ask for it.
    async fn refresh_views(&self, deliveries: &mut [Delivery]) {
        let mut requests: Vec<&mut Delivery> = deliveries
            .iter_mut()
            .filter(|delivery| matches!(delivery.message, Some(Message::Views)))
            .collect();
        if requests.is_empty() {
            return;
        }
        let App { db, clock, .. } = &self.app;
        let refreshed =
            refresh::refresh_requested_views(db, &self.queue, &self.refresh, *clock).await;
        if let Err(error) = refreshed {
            tracing::warn!(error = %error.chain(), "the views could not be refreshed now");
            requests
                .iter_mut()
                .for_each(|request| request.fate = Fate::Retry);
        }
    }

    /// Brings a message to its end. False when it must be delivered again.
    async fn settle(&self, delivery: &Delivery) -> bool {
        let tries = delivery.tries();
        match &delivery.fate {
            Fate::Done => true,
            Fate::Retry => {
                let pause = Duration::from_secs(1 << tries.min(6)).min(LONGEST_PAUSE);
                self.put_off(delivery, pause).await;
                false
            }
            Fate::Refused(refusal) => match self.retry_delays.get(tries - 1) {
                Some(delay) if refusal.reason.may_pass() => {
                    self.put_off(delivery, *delay).await;
                    false
                }
                _ => self.bury(delivery, refusal).await,
            },
        }
    }

    async fn put_off(&self, delivery: &Delivery, delay: Duration) {
        let receipt_handle = delivery
            .record
            .receipt_handle
            .as_deref()
            .unwrap_or_default();
        if let Err(error) = self.queue.put_off(receipt_handle, delay).await {
            // It comes back all the same, when the queue's own visibility timeout ends.
            tracing::warn!(error = %error.chain(), "a message could not be put off");
        }
    }

    /// Sends the message to the dead-letter queue with its reason; only then may it be acknowledged.
    async fn bury(&self, delivery: &Delivery, refusal: &Refusal) -> bool {
        let message_id = delivery.record.message_id.as_deref();
        let body = delivery.record.body.as_deref().unwrap_or_default();
        match self.queue.send_dead_letter(body, refusal).await {
            Ok(()) => {
                tracing::warn!(message_id, reason = refusal.reason.code(), detail = %refusal.detail, "dead letter");
                true
            }
            Err(error) => {
                tracing::error!(message_id, error = %error.chain(), "a dead letter could not be sent");
                false
            }
        }
    }
}

impl Delivery {
    fn read(record: SqsMessage) -> Self {
        match parse_message(record.body.as_deref().unwrap_or_default()) {
            Ok(message) => Self {
                record,
                message: Some(message),
                fate: Fate::Done,
            },
            Err(refusal) => Self {
                record,
                message: None,
                fate: Fate::Refused(refusal),
            },
        }
    }

    /// How often it was delivered, this time included.
    fn tries(&self) -> usize {
        let count = self.record.attributes.get("ApproximateReceiveCount");
        count
            .and_then(|count| count.parse().ok())
            .unwrap_or(1)
            .max(1)
    }
}

/// A rebuild that left out the LP or fund that its message names has not done what the message asks for. Of many, those left
/// out are in the log, and their performance stays owed.
fn fate_of(scope: Scope, rebuilt: &Rebuilt) -> Fate {
    let settled = &rebuilt.settled;
    let is_left_out = match scope {
        Scope::Lp(lp_id) => settled.failed_lps.contains(&lp_id),
        Scope::Fund(fund_id) => settled.failed_funds.contains(&fund_id),
        Scope::All | Scope::Funds | Scope::Lps(_) => false,
    };
    if is_left_out {
        let detail = "what follows from the data of this LP or fund cannot be computed";
        return Fate::Refused(Refusal::new(Reason::NotRecordable, detail));
    }
    Fate::Done
}

/// The outcome of a single event that the database refuses.
fn unrecordable(error: &Error) -> Recorded {
    let refusal = Refusal::new(Reason::NotRecordable, refused_by_database(error));
    Recorded {
        outcomes: vec![Outcome::Refused(refusal)],
        ..Recorded::default()
    }
}

/// The server's own sentence; it names the rule, and the data only by the rule's name.
fn refused_by_database(error: &Error) -> String {
    match error {
        Error::Database(error) => error
            .as_db_error()
            .map_or_else(|| error.to_string(), |error| error.message().to_owned()),
        other => other.to_string(),
    }
}
