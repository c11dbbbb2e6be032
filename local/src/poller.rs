//! Hands a queue's messages to a function in batches, and deletes those that the function has dealt with: the rules
//! of the platform's event source mapping. A batch whose answer is not understood is wholly kept, and comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::host::Invoke;
use crate::metrics::InHand;
use crate::queue::{Message, Queue, RECEIVE_LIMIT};
use crate::servers::sqs::REGION;
use crate::template::QueueSource;

/// How long one request waits for a first message. Long enough to be cheap, short enough to end soon.
const LONG_POLL: Duration = Duration::from_secs(2);
/// How often an open batch looks for more messages.
const WINDOW_POLL: Duration = Duration::from_millis(50);
/// The pause after a failure, so that a function or a queue that is down is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);

/// One poller of a queue. Several may run at once, as they do on the platform.
pub struct Poller<Functions> {
    /// Where messages come from.
    pub queue: Queue,
    /// The batch settings.
    pub source: QueueSource,
    /// The function that gets the batches.
    pub function: String,
    /// Where that function runs.
    pub functions: Arc<Functions>,
    /// What all pollers of the queue hold.
    pub in_hand: InHand,
}

impl<Functions: Invoke> Poller<Functions> {
    /// Polls until the task is dropped. A failure is reported and the messages come back by themselves.
    pub async fn run(self) {
        loop {
            if let Err(failure) = self.poll_once().await {
                eprintln!("The queue of {}: {failure:#}", self.function);
                sleep(FAILURE_PAUSE).await;
            }
        }
    }

    /// Receives one batch, has it processed and deletes what is done. Returns how many messages that were.
    pub async fn poll_once(&self) -> Result<usize> {
        let batch = self.receive_batch().await.context("cannot receive")?;
        if batch.is_empty() {
            return Ok(0);
        }
        self.in_hand.received(&batch);
        let event = sqs_event(&batch, self.queue.arn());
        let answer = self
            .functions
            .invoke(&self.function, Bytes::from(event.to_string()))
            .await?;
        let done = self.dealt_with(batch, &answer)?;
        for part in done.chunks(RECEIVE_LIMIT) {
            self.queue.delete(part).await.context("cannot delete")?;
            self.in_hand.deleted(part);
        }
        Ok(done.len())
    }

    /// Gathers messages until the batch is full or the window, which opens with the first of them, is over.
    async fn receive_batch(&self) -> Result<Vec<Message>> {
        let size = self.source.batch_size;
        let mut batch = self
            .queue
            .receive(size.min(RECEIVE_LIMIT), LONG_POLL)
            .await?;
        let window_end = Instant::now() + self.source.window;
        while !batch.is_empty() && batch.len() < size && Instant::now() < window_end {
            let limit = (size - batch.len()).min(RECEIVE_LIMIT);
            // Never a request that is cut off: what it had taken would stay hidden until its visibility timeout.
            let more = self.queue.receive(limit, Duration::ZERO).await?;
            if more.is_empty() {
                sleep_until(window_end.min(Instant::now() + WINDOW_POLL)).await;
            }
            batch.extend(more);
        }
        Ok(batch)
    }

    /// The messages to delete: all but those that the function names as failed.
    fn dealt_with(&self, batch: Vec<Message>, answer: &[u8]) -> Result<Vec<Message>> {
        if !self.source.reports_item_failures {
            return Ok(batch);
        }
        let failed = failed_items(answer)?;
        let known: BTreeSet<&str> = batch.iter().map(|message| message.id.as_str()).collect();
        let unknown = failed.iter().find(|id| !known.contains(id.as_str()));
        ensure!(
            unknown.is_none(),
            "the function names a failed message that is not in the batch: {unknown:?}"
        );
        Ok(batch
            .into_iter()
            .filter(|message| !failed.contains(&message.id))
            .collect())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchAnswer {
    batch_item_failures: Option<Vec<ItemFailure>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

/// The platform takes an empty answer, and one without the list, for success.
fn failed_items(answer: &[u8]) -> Result<BTreeSet<String>> {
    let answer: Option<BatchAnswer> = if answer.is_empty() {
        None
    } else {
        serde_json::from_slice(answer).context("an answer without meaning")?
    };
    let failures = answer
        .unwrap_or_default()
        .batch_item_failures
        .unwrap_or_default();
    ensure!(
        failures
            .iter()
            .all(|failure| !failure.item_identifier.is_empty()),
        "the function names a failed message without id"
    );
    Ok(failures
        .into_iter()
        .map(|failure| failure.item_identifier)
        .collect())
}

/// An attribute of a message as events have it.
fn attribute((name, value): &(String, String)) -> (String, Value) {
    let value = json!({
        "stringValue": value,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    });
    (name.clone(), value)
}

/// The event by which a batch is handed to a function.
pub fn sqs_event(batch: &[Message], arn: &str) -> Value {
    let record = |message: &Message| {
        json!({
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": message.attributes.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<serde_json::Map<_, _>>(),
            "messageAttributes": message.message_attributes.iter().map(attribute).collect::<serde_json::Map<_, _>>(),
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": REGION,
        })
    };
    json!({"Records": batch.iter().map(record).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::host::InvokeError;
    use crate::queue::MemoryQueue;

    /// Answers each batch as the closure says, and keeps the events.
    struct Scripted<Answer> {
        answer: Answer,
        events: Mutex<Vec<Value>>,
    }

    impl<Answer: Fn(&Value) -> Result<String, InvokeError> + Send + Sync> Invoke for Scripted<Answer> {
        async fn invoke_traced(
            &self,
            _: &str,
            payload: Bytes,
            _: Option<String>,
        ) -> Result<Bytes, InvokeError> {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            self.events.lock().unwrap().push(event.clone());
            (self.answer)(&event).map(Bytes::from)
        }
    }

    fn poller<Answer>(
        queue: &MemoryQueue,
        batch_size: usize,
        answer: Answer,
    ) -> Poller<Scripted<Answer>> {
        let window = if batch_size > RECEIVE_LIMIT {
            Duration::from_millis(200)
        } else {
            Duration::ZERO
        };
        Poller {
            queue: Queue::Memory(queue.clone()),
            source: QueueSource {
                queue: "Queue".to_owned(),
                batch_size,
                window,
                reports_item_failures: true,
            },
            function: "activity-refresh".to_owned(),
            functions: Arc::new(Scripted {
                answer,
                events: Mutex::default(),
            }),
            in_hand: InHand::default(),
        }
    }

    fn queue_of(count: usize, visibility: Duration) -> MemoryQueue {
        let queue = MemoryQueue::new(visibility);
        (1..=count).for_each(|number| queue.send(format!("body {number}")));
        queue
    }

    #[tokio::test]
    async fn only_the_failed_messages_come_back_and_count_their_receipts() {
        let queue = queue_of(3, Duration::ZERO);
        let fails_second = |event: &Value| {
            let failed = event["Records"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|record| record["body"] == "body 2");
            let failures: Vec<Value> = failed
                .map(|record| json!({"itemIdentifier": record["messageId"]}))
                .collect();
            Ok(json!({"batchItemFailures": failures}).to_string())
        };
        let poller = poller(&queue, 10, fails_second);
        assert_eq!(poller.poll_once().await.unwrap(), 2);
        assert_eq!(poller.poll_once().await.unwrap(), 0);
        assert_eq!(queue.len(), 1);
        let events = poller.functions.events.lock().unwrap();
        assert_eq!(events[0]["Records"].as_array().unwrap().len(), 3);
        let again = &events[1]["Records"];
        assert_eq!(
            (
                &again[0]["body"],
                &again[0]["attributes"]["ApproximateReceiveCount"]
            ),
            (&json!("body 2"), &json!("2"))
        );
    }

    #[tokio::test]
    async fn success_in_any_form_deletes_the_whole_batch() {
        for answer in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures": null}"#,
            r#"{"batchItemFailures": []}"#,
        ] {
            let queue = queue_of(2, Duration::from_secs(60));
            assert_eq!(
                poller(&queue, 10, |_: &Value| Ok(answer.to_owned()))
                    .poll_once()
                    .await
                    .unwrap(),
                2,
                "{answer:?}"
            );
            assert!(queue.is_empty());
        }
    }

    #[tokio::test]
    async fn an_answer_that_makes_no_sense_deletes_nothing() {
        let answers = [
            "done",
            r#""done""#,
            r#"{"batchItemFailures": [{}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "stranger"}]}"#,
        ];
        for answer in answers {
            let queue = queue_of(2, Duration::from_secs(60));
            poller(&queue, 10, |_: &Value| Ok(answer.to_owned()))
                .poll_once()
                .await
                .unwrap_err();
            assert_eq!(queue.len(), 2, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_failed_function_deletes_nothing() {
        let queue = queue_of(2, Duration::from_secs(60));
        let fails = |_: &Value| Err(InvokeError::NoInstance("activity-refresh".to_owned()));
        poller(&queue, 10, fails).poll_once().await.unwrap_err();
        assert_eq!(queue.len(), 2);
    }

    #[tokio::test]
    async fn a_batch_larger_than_one_receipt_is_gathered_within_the_window() {
        let queue = queue_of(30, Duration::from_secs(60));
        let mut poller = poller(&queue, 25, |_: &Value| Ok(String::new()));
        let short = poller.source.window;
        // A full batch does not wait for the end of its window; one that is not does.
        poller.source.window = Duration::from_secs(60);
        assert_eq!(poller.poll_once().await.unwrap(), 25);
        poller.source.window = short;
        assert_eq!(poller.poll_once().await.unwrap(), 5);
    }
}
