//! A batch of messages from the queue: each is recorded, refused or put off by itself, and what follows from those recorded
//! is done before any is acknowledged. The queue's own contract (what fails comes back) stands here and nowhere else.

mod delivery;
mod errands;
mod fates;
mod recording;

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};

use self::delivery::Delivery;
use self::fates::Evaluations;
use crate::app::App;
use crate::config::{Environment, QueueConfig, RefreshConfig};
use crate::error::Error;
use crate::queue::Queue;

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
                failure.item_identifier = delivery.message_id().to_owned();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }
}
