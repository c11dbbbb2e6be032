//! A batch of messages from the queue: each is recorded, refused or put off by itself, and what follows from those recorded
//! is done before any is acknowledged. The queue's own contract (what fails comes back) stands here and nowhere else.

mod delivery;
mod errands;
mod fates;
mod recording;

use std::time::{Duration, Instant};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use self::delivery::{Delivery, Fate};
use self::fates::{End, Evaluations};
use crate::app::App;
use crate::config::{Environment, QueueConfig, RefreshConfig};
use crate::error::Error;
use crate::metrics::{
    BATCH_DURATION, MESSAGES_DUPLICATED, MESSAGES_RECORDED, MESSAGES_REFUSED, MESSAGES_RETRIED,
    RETRIED_MESSAGE_AGE, in_milliseconds, measure_waits,
};
use crate::queue::Queue;

/// The function that works on batches.
const FUNCTION_NAME: &str = "activity-refresh";

/// Messages that the queue is told of side by side: when it is silent, a batch waits for that about as long as one message.
const SETTLED_AT_ONCE: usize = 16;

/// What works on batches: the clients, and how to treat what cannot be done now.
pub struct Worker {
    app: App,
    queue: Queue,
    retry_delays: Vec<Duration>,
    refresh: RefreshConfig,
    evaluations: Evaluations,
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
            evaluations: Evaluations::default(),
        })
    }

    /// Works on a batch and names the messages that must be delivered again. What became of all of them is told at the end.
    pub async fn work(&self, event: SqsEvent) -> SqsBatchResponse {
        let begun = Instant::now();
        let mut tally = Tally::default();
        let (response, waits) = measure_waits(self.work_on(event, &mut tally)).await;
        let age = tally
            .oldest_retried
            .map(|sent_at| (self.app.clock.now() - sent_at).as_seconds_f64().max(0.0));
        self.app
            .measured(FUNCTION_NAME, waits)
            .milliseconds(BATCH_DURATION, in_milliseconds(begun.elapsed()))
            .count(MESSAGES_RECORDED, tally.recorded)
            .count(MESSAGES_DUPLICATED, tally.duplicated)
            .count(MESSAGES_REFUSED, tally.refused)
            .count(MESSAGES_RETRIED, tally.retried)
            // What is not finite is left out.
            .seconds(RETRIED_MESSAGE_AGE, age.unwrap_or(f64::NAN))
            .write();
        response
    }

    async fn work_on(&self, event: SqsEvent, tally: &mut Tally) -> SqsBatchResponse {
        let mut deliveries: Vec<Delivery> = event.records.into_iter().map(Delivery::read).collect();
        self.record(&mut deliveries, tally).await;
        self.follow_rewrites(&mut deliveries).await;
        self.forget(&mut deliveries).await;
        self.refresh_views(&mut deliveries).await;
        let mut response = SqsBatchResponse::default();
        let ends = self.settle_all(&deliveries).await;
        for (delivery, end) in deliveries.iter().zip(ends) {
            match end {
                End::Done => {}
                End::Buried => tally.refused += 1,
                End::Again => {
                    tally.retried += 1;
                    tally.note_retried(delivery);
                    let mut failure = BatchItemFailure::default();
                    failure.item_identifier = delivery.message_id().to_owned();
                    response.batch_item_failures.push(failure);
                }
            }
        }
        response
    }

    /// Brings every message to its end, some at a time.
    async fn settle_all(&self, deliveries: &[Delivery]) -> Vec<End> {
        let mut ends = Vec::with_capacity(deliveries.len());
        for some in deliveries.chunks(SETTLED_AT_ONCE) {
            let mut settling = Vec::with_capacity(some.len());
            for delivery in some {
                settling.push(self.settle(delivery));
            }
            ends.extend(join_all(settling).await);
        }
        ends
    }
}

/// What became of the messages of a batch. One that was recorded, but whose further work has to be tried again, counts as both, and
/// as duplicated when it comes back.
#[derive(Debug, Default)]
struct Tally {
    recorded: u64,
    duplicated: u64,
    refused: u64,
    retried: u64,
    /// When the oldest of those that are retried was sent.
    oldest_retried: Option<DateTime<Utc>>,
}

impl Tally {
    fn note_retried(&mut self, delivery: &Delivery) {
        // What makes way waits of its own will.
        if let (Some(sent_at), false) =
            (delivery.sent_at(), matches!(delivery.fate, Fate::MakesWay))
        {
            let oldest = self.oldest_retried.get_or_insert(sent_at);
            *oldest = sent_at.min(*oldest);
        }
    }
}
