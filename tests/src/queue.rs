//! A queue and a dead-letter queue for each test, deleted at the end.

use std::collections::BTreeMap;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, QueueAttributeName,
};
use local::queue::{SqsQueue, create_queues};
use local::template;
use serde_json::Value;
use shared::config::QueueConfig;
use shared::queue::Queue;

use crate::teardown::{finish, unique_name};

/// The queues of one test. Dropping the value deletes both.
#[derive(Debug)]
pub struct Queues {
    client: aws_sdk_sqs::Client,
    /// Where messages are sent.
    pub queue_url: String,
    /// Where those go that can never succeed.
    pub dead_letter_queue_url: String,
}

impl Queues {
    /// Two new, empty queues.
    pub async fn create() -> Self {
        let endpoint = std::env::var("AWS_ENDPOINT_URL_SQS")
            .expect("AWS_ENDPOINT_URL_SQS is set; run the tests with `make test`");
        let client = client(&endpoint);
        let name = unique_name("t");
        let queue_url = create(&client, &name).await;
        let dead_letter_queue_url = create(&client, &format!("{name}_dead")).await;
        Self {
            client,
            queue_url,
            dead_letter_queue_url,
        }
    }

    /// A sender to both, as the functions have one.
    pub async fn sender(&self) -> Queue {
        sender(&self.queue_url, &self.dead_letter_queue_url).await
    }

    /// The activity queue as a poller reads it.
    pub async fn polled(&self) -> SqsQueue {
        let (_, name) = self.queue_url.rsplit_once('/').expect("a queue's URL");
        let queue = template::Queue {
            attributes: BTreeMap::new(),
            redrive: None,
        };
        // It is there: creating it again only finds it.
        let queues = BTreeMap::from([(name.to_owned(), queue)]);
        let found = create_queues(&self.client, &queues).await;
        let (_, queue) = found
            .expect("the queue is there")
            .pop_first()
            .expect("it was asked for");
        queue
    }

    /// How many messages lie in the queue that are not to be delivered yet.
    pub async fn delayed(&self) -> i64 {
        self.sum_of(&[QueueAttributeName::ApproximateNumberOfMessagesDelayed])
            .await
    }

    /// How many messages lie in the queue, whether they are to be delivered yet or not.
    pub async fn lying(&self) -> i64 {
        self.sum_of(&[
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessages,
        ])
        .await
    }

    /// The sum of some counts of the activity queue, all of one moment.
    async fn sum_of(&self, counts: &[QueueAttributeName]) -> i64 {
        let attributes = self
            .client
            .get_queue_attributes()
            .queue_url(&self.queue_url)
            .set_attribute_names(Some(counts.to_vec()))
            .send()
            .await
            .expect("a queue answers");
        let attributes = attributes.attributes.unwrap_or_default();
        let count = |name: &QueueAttributeName| attributes[name].parse::<i64>().expect("a number");
        counts.iter().map(count).sum()
    }

    /// Sends a message to the activity queue.
    pub async fn send(&self, message: &Value) {
        send(&self.client, &self.queue_url, message).await;
    }

    /// Receives at most one message of the activity queue and hides it for so many seconds; waits as long for one.
    pub async fn receive(&self, hidden_seconds: i32, wait_seconds: i32) -> Option<Message> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .visibility_timeout(hidden_seconds)
            .wait_time_seconds(wait_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        let messages = received.expect("the queue answers").messages;
        messages.unwrap_or_default().pop()
    }

    /// The messages that lie in a queue, taken out of it, with all their attributes.
    pub async fn take_all(&self, queue_url: &str) -> Vec<Message> {
        take_all(&self.client, queue_url).await
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        let (client, urls) = (
            self.client.clone(),
            [self.queue_url.clone(), self.dead_letter_queue_url.clone()],
        );
        finish("a queue", async move {
            for url in urls {
                client.delete_queue().queue_url(url).send().await?;
            }
            Ok(())
        });
    }
}

/// A client of the local queue server, which knows no accounts.
#[must_use]
pub fn client(endpoint: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

async fn create(client: &aws_sdk_sqs::Client, name: &str) -> String {
    let created = client
        .create_queue()
        .queue_name(name)
        .send()
        .await
        .expect("a queue is created");
    created.queue_url().expect("a queue has a URL").to_owned()
}

/// Sends a message as an upstream system would.
pub async fn send(client: &aws_sdk_sqs::Client, queue_url: &str, message: &Value) {
    send_traced(client, queue_url, message, None, None).await;
}

/// Sends a message to a queue as a dead letter with its reason, and with another attribute, which is not about its death.
pub async fn send_dead_letter(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    message: &Value,
    reason: &str,
) {
    let text = |value: &str| {
        let attribute = MessageAttributeValue::builder().data_type("String");
        let attribute = attribute.string_value(value).build();
        attribute.expect("an attribute")
    };
    client
        .send_message()
        .queue_url(queue_url)
        .message_body(message.to_string())
        .message_attributes("reason", text(reason))
        .message_attributes("detail", text("it was not there"))
        .message_attributes("sender", text("tests"))
        .send()
        .await
        .expect("the message is sent");
}

/// As [`send`], with a trace in W3C's form, or in X-Ray's.
pub async fn send_traced(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    message: &Value,
    traceparent: Option<&str>,
    xray: Option<&str>,
) {
    let mut sending = client
        .send_message()
        .queue_url(queue_url)
        .message_body(message.to_string());
    if let Some(traceparent) = traceparent {
        let value = MessageAttributeValue::builder().data_type("String");
        let value = value.string_value(traceparent).build();
        sending = sending.message_attributes("traceparent", value.expect("an attribute"));
    }
    if let Some(xray) = xray {
        let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
        let value = MessageSystemAttributeValue::builder().data_type("String");
        let value = value.string_value(xray).build();
        sending = sending.message_system_attributes(name, value.expect("an attribute"));
    }
    sending.send().await.expect("a message is sent");
}

/// Takes every message out of a queue.
pub async fn take_all(client: &aws_sdk_sqs::Client, queue_url: &str) -> Vec<Message> {
    let mut taken = Vec::new();
    loop {
        let received = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .expect("a queue answers");
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return taken;
        }
        for message in messages {
            let receipt = message
                .receipt_handle()
                .expect("a received message has a receipt");
            client
                .delete_message()
                .queue_url(queue_url)
                .receipt_handle(receipt)
                .send()
                .await
                .expect("a message is deleted");
            taken.push(message);
        }
    }
}

async fn sender(queue_url: &str, dead_letter_queue_url: &str) -> Queue {
    let config = QueueConfig {
        queue_url: queue_url.to_owned(),
        dead_letter_queue_url: dead_letter_queue_url.to_owned(),
        retry_delays: Vec::new(),
    };
    Queue::new(&config).await
}

/// A sender that must not be needed: whatever it sends fails.
pub async fn nowhere() -> Queue {
    sender("http://127.0.0.1:1/none", "http://127.0.0.1:1/none").await
}
