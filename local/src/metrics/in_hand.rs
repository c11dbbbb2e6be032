//! When the messages were sent that a queue's pollers hold: how old the oldest is, which the platform tells of its queues and the
//! local endpoint does not. One that no poller has met yet is not known here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::queue::Message;

/// Messages that are remembered; more are passed over.
const MESSAGES_LIMIT: usize = 10_000;

/// The platform leaves out of its figure what was received so often.
const DELIVERIES_LIMIT: u32 = 3;

/// The messages that were received and are not deleted, by their ids. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<Mutex<HashMap<String, DateTime<Utc>>>>);

impl InHand {
    /// Remembers messages that were received.
    pub fn received(&self, messages: &[Message]) {
        let mut held = self.held();
        for message in messages {
            if let Some(sent_at) = sent_at(message)
                && deliveries(message) < DELIVERIES_LIMIT
                && held.len() < MESSAGES_LIMIT
            {
                held.insert(message.id.clone(), sent_at);
            } else {
                held.remove(&message.id);
            }
        }
    }

    /// Forgets messages that were deleted.
    pub fn deleted(&self, messages: &[Message]) {
        let mut held = self.held();
        for message in messages {
            held.remove(&message.id);
        }
    }

    /// How old the oldest is; nothing when there is none. A queue that is empty has none, whoever deleted the last.
    pub fn age_of_oldest(&self, now: DateTime<Utc>, queue_is_empty: bool) -> TimeDelta {
        let mut held = self.held();
        if queue_is_empty {
            held.clear();
        }
        let age = held.values().min().map(|sent_at| now - *sent_at);
        age.unwrap_or_default().max(TimeDelta::zero())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, DateTime<Utc>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sent_at(message: &Message) -> Option<DateTime<Utc>> {
    let millis = attribute(message, "SentTimestamp")?;
    DateTime::from_timestamp_millis(millis.parse().ok()?)
}

fn deliveries(message: &Message) -> u32 {
    let count = attribute(message, "ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn attribute<'a>(message: &'a Message, wanted: &str) -> Option<&'a str> {
    let mut attributes = message.attributes.iter();
    let (_, value) = attributes.find(|(name, _)| name == wanted)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, sent_ms: i64) -> Message {
        Message {
            id: id.to_owned(),
            receipt_handle: String::new(),
            body: String::new(),
            md5_of_body: String::new(),
            attributes: vec![("SentTimestamp".to_owned(), sent_ms.to_string())],
            message_attributes: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_counts_until_it_is_deleted_or_the_queue_is_empty() {
        let in_hand = InHand::default();
        let now = DateTime::from_timestamp_millis(10_000).unwrap();
        let age_ms = |is_empty| in_hand.age_of_oldest(now, is_empty).num_milliseconds();
        let (old, new) = (message("old", 1_000), message("new", 9_000));
        in_hand.received(&[new.clone(), old.clone()]);
        in_hand.received(std::slice::from_ref(&old));
        assert_eq!(age_ms(false), 9_000);
        in_hand.deleted(&[old]);
        assert_eq!(age_ms(false), 1_000);
        in_hand.deleted(&[new]);
        assert_eq!(age_ms(false), 0);
        in_hand.received(&[
            message("moved away", 0),
            message("ahead of the clock", 99_000),
        ]);
        assert_eq!(age_ms(false), 10_000);
        assert_eq!((age_ms(true), age_ms(false)), (0, 0));
        let mut often = message("often", 1_000);
        in_hand.received(std::slice::from_ref(&often));
        assert_eq!(age_ms(false), 9_000);
        often
            .attributes
            .push(("ApproximateReceiveCount".to_owned(), "3".to_owned()));
        in_hand.received(&[often]);
        assert_eq!(age_ms(false), 0, "the platform does not count it any more");
    }
}
