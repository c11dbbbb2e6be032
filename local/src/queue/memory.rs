//! A queue in memory with the rules of SQS that batches depend on: a received message is hidden for a while, comes
//! back with a higher receive count unless deleted, and an old receipt deletes nothing.

use std::collections::{BTreeSet, HashMap};
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
    sent: u64,
    kept: HashMap<u64, Held>,
    /// Numbers of kept messages by when they can be received. A deleted one is dropped when its turn comes.
    turns: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Held {
    body: String,
    sent_ms: i64,
    receive_count: u32,
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
        let held = Held {
            body,
            sent_ms: Utc::now().timestamp_millis(),
            receive_count: 0,
        };
        let mut messages = self.lock();
        messages.sent += 1;
        let number = messages.sent;
        messages.kept.insert(number, held);
        messages.turns.insert((Instant::now(), number));
    }

    /// How many messages are not deleted, visible or not.
    pub fn len(&self) -> usize {
        self.lock().kept.len()
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
        let mut held = self.lock();
        for message in messages {
            let Some((number, receipt)) = parse_receipt(&message.receipt_handle) else {
                continue;
            };
            let is_current = |held: &Held| held.receive_count == receipt;
            if held.kept.get(&number).is_some_and(is_current) {
                held.kept.remove(&number);
            }
        }
    }

    fn take(&self, limit: usize) -> Vec<Message> {
        let now = Instant::now();
        let (mut taken, mut hidden) = (Vec::new(), Vec::new());
        let mut messages = self.lock();
        let Messages { kept, turns, .. } = &mut *messages;
        while taken.len() < limit {
            let visible = turns
                .first()
                .filter(|(visible_from, _)| *visible_from <= now);
            let Some(&turn) = visible else { break };
            turns.remove(&turn);
            let (_, number) = turn;
            if let Some(held) = kept.get_mut(&number) {
                taken.push(held.receive(number));
                hidden.push((now + self.visibility, number));
            }
        }
        turns.extend(hidden);
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The receipt names how often the message was received, so that an old one is told from the current one.
    fn receive(&mut self, number: u64) -> Message {
        self.receive_count += 1;
        Message {
            id: format!("message-{number}"),
            receipt_handle: format!("{number}-{}", self.receive_count),
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
            message_attributes: Vec::new(),
        }
    }
}

/// The message's number and its receive count.
fn parse_receipt(handle: &str) -> Option<(u64, u32)> {
    let (number, receipt) = handle.split_once('-')?;
    Some((number.parse().ok()?, receipt.parse().ok()?))
}
