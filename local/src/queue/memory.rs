//! A queue in memory with the rules of SQS that batches depend on: a received message is hidden for a while, comes
//! back with a higher receive count unless deleted, and an old receipt deletes nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep, timeout};

use super::{Message, RECEIVE_LIMIT};

/// How often an empty queue looks again; messages become visible by time alone.
const POLL: Duration = Duration::from_millis(2);

/// The queue; clones share its messages.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    messages: Arc<Mutex<Messages>>,
    visibility: Duration,
}

#[derive(Debug, Default)]
struct Messages {
    waiting: VecDeque<Held>,
    sent: u64,
}

#[derive(Debug)]
struct Held {
    number: u64,
    body: String,
    sent_ms: i64,
    receive_count: u32,
    visible_from: Instant,
}

impl MemoryQueue {
    /// An empty queue that hides a received message for `visibility`.
    pub fn new(visibility: Duration) -> Self {
        Self {
            messages: Arc::default(),
            visibility,
        }
    }

    /// Adds a message.
    pub fn send(&self, body: String) {
        let mut messages = self.lock();
        messages.sent += 1;
        let held = Held {
            number: messages.sent,
            body,
            sent_ms: Utc::now().timestamp_millis(),
            receive_count: 0,
            visible_from: Instant::now(),
        };
        messages.waiting.push_back(held);
    }

    /// How many messages are not deleted, visible or not.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether every message was deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) async fn receive(&self, limit: usize, wait: Duration) -> Vec<Message> {
        let first = async {
            loop {
                let taken = self.take(limit.min(RECEIVE_LIMIT));
                if !taken.is_empty() {
                    return taken;
                }
                sleep(POLL).await;
            }
        };
        timeout(wait, first).await.unwrap_or_default()
    }

    pub(super) fn delete(&self, messages: &[Message]) {
        let receipts: Vec<&str> = messages
            .iter()
            .map(|message| message.receipt_handle.as_str())
            .collect();
        self.lock()
            .waiting
            .retain(|held| !receipts.contains(&held.receipt_handle().as_str()));
    }

    fn take(&self, limit: usize) -> Vec<Message> {
        let now = Instant::now();
        let mut messages = self.lock();
        let visible = messages
            .waiting
            .iter_mut()
            .filter(|held| held.visible_from <= now);
        visible
            .take(limit)
            .map(|held| held.receive(now + self.visibility))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// A new receipt invalidates the one before.
    fn receipt_handle(&self) -> String {
        format!("{}-{}", self.number, self.receive_count)
    }

    fn receive(&mut self, visible_from: Instant) -> Message {
        self.receive_count += 1;
        self.visible_from = visible_from;
        Message {
            id: format!("message-{}", self.number),
            receipt_handle: self.receipt_handle(),
            body: self.body.clone(),
            md5_of_body: String::new(),
            attributes: vec![
                (
                    "ApproximateReceiveCount".to_owned(),
                    self.receive_count.to_string(),
                ),
                ("SentTimestamp".to_owned(), self.sent_ms.to_string()),
                (
                    "ApproximateFirstReceiveTimestamp".to_owned(),
                    self.sent_ms.to_string(),
                ),
            ],
        }
    }
}
