//! The SQS endpoint's queues: created as the template describes them, read and emptied over the network.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};
use serde_json::json;

use super::Message;
use crate::servers::sqs::{CREDENTIAL, REGION};
use crate::template;

/// A client of a local endpoint.
pub fn client(endpoint: &str) -> Client {
    let credentials = Credentials::new(CREDENTIAL, CREDENTIAL, None, None, "local");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Client::new(&config)
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Those that can be received.
    pub visible: u64,
    /// With those that are being worked on, and those that are delayed.
    pub all: u64,
}

/// One queue and the client that reaches it.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    arn: String,
}

impl SqsQueue {
    /// Where messages are sent.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) async fn receive(&self, limit: usize, wait: Duration) -> Result<Vec<Message>> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(limit)?);
        let request = request.wait_time_seconds(i32::try_from(wait.as_secs())?);
        let received = request
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await?;
        received
            .messages
            .unwrap_or_default()
            .into_iter()
            .map(message)
            .collect()
    }

    /// How many messages there are.
    pub async fn depth(&self) -> Result<Depth> {
        let described = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await?;
        let attributes = described.attributes.unwrap_or_default();
        let count = |name: QueueAttributeName| -> Result<u64> {
            let count = attributes
                .get(&name)
                .with_context(|| format!("no {name}"))?;
            Ok(count.parse()?)
        };
        let visible = count(QueueAttributeName::ApproximateNumberOfMessages)?;
        let hidden = count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?;
        let delayed = count(QueueAttributeName::ApproximateNumberOfMessagesDelayed)?;
        Ok(Depth {
            visible,
            all: visible + hidden + delayed,
        })
    }

    pub(super) async fn delete(&self, messages: &[Message]) -> Result<()> {
        let entry = |(index, message): (usize, &Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.receipt_handle(&message.receipt_handle).build()
        };
        let entries = messages
            .iter()
            .enumerate()
            .map(entry)
            .collect::<Result<Vec<_>, _>>()?;
        let deleted = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await?;
        ensure!(
            deleted.failed.is_empty(),
            "{} of {} messages were not deleted",
            deleted.failed.len(),
            messages.len()
        );
        Ok(())
    }
}

fn message(received: aws_sdk_sqs::types::Message) -> Result<Message> {
    let attributes = received
        .attributes
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value));
    let message_attributes = received
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)));
    Ok(Message {
        id: received.message_id.context("a message without id")?,
        receipt_handle: received
            .receipt_handle
            .context("a message without receipt handle")?,
        body: received.body.unwrap_or_default(),
        md5_of_body: received.md5_of_body.unwrap_or_default(),
        attributes: attributes.collect(),
        message_attributes: message_attributes.collect(),
    })
}

/// Creates the template's queues, those that others redrive to first, and returns them by logical id.
pub async fn create_queues(
    client: &Client,
    queues: &BTreeMap<String, template::Queue>,
) -> Result<BTreeMap<String, SqsQueue>> {
    let mut created: BTreeMap<String, SqsQueue> = BTreeMap::new();
    let (last, first): (Vec<_>, Vec<_>) = queues
        .iter()
        .partition(|(_, queue)| queue.redrive.is_some());
    for (id, queue) in first.into_iter().chain(last) {
        let mut attributes: HashMap<QueueAttributeName, String> = queue
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.clone()))
            .collect();
        if let Some(redrive) = &queue.redrive {
            let target = created.get(&redrive.target).with_context(|| {
                format!("{id} redrives to {}, which redrives itself", redrive.target)
            })?;
            let policy = json!({"deadLetterTargetArn": target.arn, "maxReceiveCount": redrive.max_receive_count});
            attributes.insert(QueueAttributeName::RedrivePolicy, policy.to_string());
        }
        let queue = create_queue(client, id, attributes)
            .await
            .with_context(|| format!("cannot create the queue {id}"))?;
        created.insert(id.clone(), queue);
    }
    Ok(created)
}

async fn create_queue(
    client: &Client,
    name: &str,
    attributes: HashMap<QueueAttributeName, String>,
) -> Result<SqsQueue> {
    let created = client
        .create_queue()
        .queue_name(name)
        .set_attributes(Some(attributes))
        .send()
        .await?;
    let url = created.queue_url.context("a queue without URL")?;
    let wanted = QueueAttributeName::QueueArn;
    let described = client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(wanted.clone())
        .send()
        .await?;
    let arn = described
        .attributes
        .and_then(|mut attributes| attributes.remove(&wanted))
        .context("a queue without ARN")?;
    Ok(SqsQueue {
        client: client.clone(),
        url,
        arn,
    })
}
