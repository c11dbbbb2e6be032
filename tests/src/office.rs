//! An office: a desk with queues of its own and the worker of activity-refresh, to whom batches are delivered in process.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use local::servers::postgres::Role;
use serde_json::Value;
use shared::batch::Worker;
use shared::config::Environment;

use crate::builders::{World, activity_message};
use crate::desk::Desk;
use crate::queue::Queues;
use crate::redis::PATIENT;

/// What a test of batches needs.
pub struct Office {
    /// The database, the cache, and clients that reach both.
    pub desk: Desk,
    /// The queues that the worker sends to.
    pub queues: Queues,
    /// An LP with a commitment.
    pub world: World,
    worker: Worker,
}

impl Office {
    /// An office where everything is in reach.
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// Opens with some of the worker's variables changed, to put a server out of its reach. The desk's own clients keep theirs.
    pub async fn open_with(changed: &[(&str, &str)]) -> Self {
        let desk = Desk::empty().await;
        let queues = Queues::create().await;
        let world = World::insert(&desk.client).await;
        Self {
            worker: worker(&desk, &queues, changed).await,
            desk,
            queues,
            world,
        }
    }

    /// From now on another worker works here, as when a function's instance is replaced.
    pub async fn replace_worker(&mut self, changed: &[(&str, &str)]) {
        self.worker = worker(&self.desk, &self.queues, changed).await;
    }

    /// The body of a call of 10.00.
    #[must_use]
    pub fn call(&self) -> String {
        let commitment_id = self.world.commitment_id;
        activity_message(commitment_id, "capital_call", 1000, "2021-03-01").to_string()
    }

    /// Makes the database do something, such as wait or fail, wherever the trigger says.
    pub async fn interfere(&self, trigger: &str, action: &str) {
        let sql = format!(
            "create function interfere() returns trigger language plpgsql as $$ begin perform {action}; return null; end $$;
             create {trigger} execute function interfere();"
        );
        self.desk.run(&sql).await;
    }

    /// As [`Office::interfere`], at the commit of whoever adds to the ledger.
    pub async fn interfere_at_commit(&self, action: &str) {
        let at_commit = "constraint trigger at_commit after insert on capital_activities deferrable initially deferred for each row";
        self.interfere(at_commit, action).await;
    }

    /// Delivers bodies as one batch, for the `tries`-th time, and says which positions failed.
    pub async fn deliver(&self, bodies: &[String], tries: usize) -> Vec<usize> {
        let records = bodies
            .iter()
            .enumerate()
            .map(|(position, body)| record(position, body, tries));
        self.deliver_records(records.collect()).await
    }

    /// Delivers a single message that came out of the queue, and says whether it is acknowledged.
    pub async fn deliver_received(&self, message: &aws_sdk_sqs::types::Message) -> bool {
        let mut received = record(0, message.body().unwrap_or_default(), 1);
        received.receipt_handle = message.receipt_handle.clone();
        self.deliver_records(vec![received]).await.is_empty()
    }

    async fn deliver_records(&self, records: Vec<SqsMessage>) -> Vec<usize> {
        let mut event = SqsEvent::default();
        event.records = records;
        let response = self.worker.work(event).await;
        let failed = response.batch_item_failures.iter();
        failed
            .map(|failure| failure.item_identifier.parse().expect("a position"))
            .collect()
    }

    /// The bodies and reasons in the dead-letter queue.
    pub async fn dead_letters(&self) -> Vec<(String, String)> {
        let messages = self
            .queues
            .take_all(&self.queues.dead_letter_queue_url)
            .await;
        let mut letters: Vec<(String, String)> = messages
            .iter()
            .map(|message| {
                let attributes = message.message_attributes().expect("attributes");
                let attribute = |name: &str| {
                    let value = attributes[name].string_value().unwrap_or_default();
                    assert!(!value.is_empty(), "{name}");
                    value.to_owned()
                };
                attribute("detail");
                (
                    message.body().expect("a body").to_owned(),
                    attribute("reason"),
                )
            })
            .collect();
        letters.sort();
        letters
    }

    /// What the function has sent to the activity queue itself.
    pub async fn sent_messages(&self) -> Vec<Value> {
        let messages = self.queues.take_all(&self.queues.queue_url).await;
        messages
            .iter()
            .filter_map(|message| serde_json::from_str(message.body()?).ok())
            .collect()
    }

    /// The kinds of what the function has sent to the activity queue itself.
    pub async fn sent(&self) -> Vec<String> {
        let sent = self.sent_messages().await;
        sent.iter()
            .filter_map(|message| message["schema"].as_str().map(str::to_owned))
            .collect()
    }
}

/// A worker over the servers of a desk, with some of its variables changed.
pub async fn worker(desk: &Desk, queues: &Queues, changed: &[(&str, &str)]) -> Worker {
    let (database_url, redis_url) = (desk.database.url(Role::Recorder), desk.keyspace.url());
    let mut variables = vec![
        ("DATABASE_URL", database_url.as_str()),
        ("REDIS_URL", redis_url.as_str()),
        ("REDIS_PREFIX", desk.keyspace.prefix()),
        PATIENT,
        ("QUEUE_URL", queues.queue_url.as_str()),
        (
            "DEAD_LETTER_QUEUE_URL",
            queues.dead_letter_queue_url.as_str(),
        ),
    ];
    variables.extend_from_slice(changed);
    let worker = Worker::from_environment(&Environment::of(&variables)).await;
    worker.expect("the environment is usable")
}

/// A message as the queue delivers it for the `tries`-th time, by its position in the batch.
#[must_use]
pub fn record(position: usize, body: &str, tries: usize) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(position.to_string());
    record.receipt_handle = Some(format!("receipt-{position}"));
    record.body = Some(body.to_owned());
    record
        .attributes
        .insert("ApproximateReceiveCount".to_owned(), tries.to_string());
    record
}
