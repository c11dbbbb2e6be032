//! The queue that the poller reads: the SQS endpoint, or one in memory with the same rules, so that tests and benches
//! can feed the same batch code faster than the local endpoint can.

mod memory;
mod sqs;

use std::time::Duration;

use anyhow::Result;

pub use memory::MemoryQueue;
pub use sqs::{Depth, SqsQueue, client, create_queues};

/// The most that SQS hands out, or deletes, in one request.
pub const RECEIVE_LIMIT: usize = 10;

/// A message as received, with what the event to the function says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of the message.
    pub id: String,
    /// The ticket by which this receipt can be deleted.
    pub receipt_handle: String,
    /// The body, verbatim.
    pub body: String,
    /// The body's MD5, as the queue computed it.
    pub md5_of_body: String,
    /// The system attributes: receive count, when it was sent, when it was first received.
    pub attributes: Vec<(String, String)>,
    /// The sender's own attributes, so far as they are text.
    pub message_attributes: Vec<(String, String)>,
}

/// A queue to take messages from.
#[derive(Debug, Clone)]
pub enum Queue {
    /// Over the network.
    Sqs(SqsQueue),
    /// In this process.
    Memory(MemoryQueue),
}

impl Queue {
    /// Takes up to `limit` (at most [`RECEIVE_LIMIT`]) messages, waiting up to `wait` for the first.
    pub async fn receive(&self, limit: usize, wait: Duration) -> Result<Vec<Message>> {
        match self {
            Self::Sqs(queue) => queue.receive(limit, wait).await,
            Self::Memory(queue) => Ok(queue.receive(limit, wait).await),
        }
    }

    /// Deletes up to [`RECEIVE_LIMIT`] messages by their receipts.
    pub async fn delete(&self, messages: &[Message]) -> Result<()> {
        match self {
            Self::Sqs(queue) => queue.delete(messages).await,
            Self::Memory(queue) => {
                queue.delete(messages);
                Ok(())
            }
        }
    }

    /// The queue's resource name, as events state it.
    pub fn arn(&self) -> &str {
        match self {
            Self::Sqs(queue) => queue.arn(),
            Self::Memory(_) => "arn:aws:sqs:us-east-1:000000000000:memory",
        }
    }
}
