//! The dead letters of a history: of which message each is, that it has that message's text, and its reason.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::Message;

use crate::check::Finding;
use crate::play::Play;
use crate::sending::Sending;

/// Takes them out of the queue: the reason of each, by the message that it is of.
pub async fn letters(play: &Play<'_>) -> Result<BTreeMap<Sending, String>, Finding> {
    let queues = &play.crew.queues;
    let mut letters = BTreeMap::new();
    for letter in queues.take_all(&queues.dead_letter_queue_url).await {
        let body = letter.body().unwrap_or_default();
        let traceparent = attribute(&letter, "traceparent").unwrap_or_default();
        let Some((world, sending)) = Sending::of_traceparent(traceparent) else {
            return Err(format!("a dead letter of no message: {body}"));
        };
        if world != play.world.number() {
            // A history that failed has left it.
            continue;
        }
        let Some(course) = play.courses.get(&sending) else {
            return Err(format!("{sending:?} was never sent and is buried"));
        };
        let sent = play.text(sending);
        if body != sent {
            return Err(format!("{sending:?} said {sent}, its dead letter {body}"));
        }
        let Some(reason) = attribute(&letter, "reason") else {
            return Err(format!("{sending:?} is buried without a reason"));
        };
        let earlier = letters.insert(sending, reason.to_owned());
        if let Some(earlier) = earlier.filter(|_| !course.met_silence()) {
            return Err(format!("{sending:?} is buried twice: {earlier}, {reason}"));
        }
    }
    Ok(letters)
}

fn attribute<'a>(letter: &'a Message, name: &str) -> Option<&'a str> {
    letter.message_attributes()?.get(name)?.string_value()
}
