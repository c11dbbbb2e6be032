//! Messages that could not be recorded: looked at, and sent again. A letter is taken away only after it was sent, so that none is ever
//! lost; one that was sent and could not be taken away is sent twice, which the ledger takes as once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::Outcome;
use crate::cli::{Redrive, Show};
use crate::progress::Progress;
use crate::show::{Field, Format, names, table};
use crate::target::Target;

/// While letters are looked at, nobody else gets them. They come back by themselves if this program is killed.
const HIDDEN_SECONDS: i32 = 300;
/// The most that SQS hands out, or changes, in one request.
const AT_ONCE: usize = 10;
/// A queue is taken to be empty when it gives nothing for so long.
const WAIT_SECONDS: i32 = 1;
/// So many are looked at for those that are to be sent again, which takes less than they are hidden.
const LOOKED_AT: usize = 1000;
/// What is said of a message's death.
const REASON: &str = "reason";
const DETAIL: &str = "detail";

const LETTERS: [Field; 5] = [
    ("id", "id", Format::Text),
    ("age, h", "ageHours", Format::Decimal),
    ("reason", "reason", Format::Text),
    ("detail", "detail", Format::Line(60)),
    ("body", "body", Format::Line(120)),
];

/// Shows letters, and leaves them where they are.
pub async fn show(target: &Target, wanted: &Show) -> Result<Outcome> {
    let _progress = Progress::start("looking");
    let interrupt = Interrupt::catch();
    let held = hold(target, wanted.most.into(), &interrupt).await?;
    give_back(target, held.values()).await;
    interrupt.check()?;
    let is_wanted = |letter: &&Message| {
        wanted.reason.is_none() || attribute(letter, REASON) == wanted.reason.as_deref()
    };
    let now = Utc::now();
    let letters = held.values().filter(is_wanted);
    let answer =
        json!({"deadLetters": letters.map(|letter| told(letter, now)).collect::<Vec<_>>()});
    Ok(Outcome {
        text: table(&answer["deadLetters"], &LETTERS, "No dead letters."),
        answer,
        is_wrong: false,
    })
}

/// Sends letters to the activity queue again.
pub async fn redrive(target: &Target, redrive: &Redrive) -> Result<Outcome> {
    let _progress = Progress::start("redriving");
    let interrupt = Interrupt::catch();
    // Known before anything is held.
    target.queue_url()?;
    let held = hold(target, LOOKED_AT, &interrupt).await?;
    let is_chosen = |letter: &&Message| {
        let has_reason =
            redrive.reason.is_some() && attribute(letter, REASON) == redrive.reason.as_deref();
        redrive.all || has_reason || redrive.id.iter().any(|id| id == id_of(letter))
    };
    let chosen: Vec<&Message> = held
        .values()
        .filter(is_chosen)
        .take(redrive.most.into())
        .collect();
    let (redriven, failure) = if redrive.dry_run {
        (0, interrupt.check().err())
    } else {
        send_all_again(target, &chosen, &interrupt).await
    };
    let is_gone = |letter: &&Message| {
        let gone = &chosen[..redriven];
        gone.iter().any(|one| id_of(one) == id_of(letter))
    };
    give_back(target, held.values().filter(|letter| !is_gone(letter))).await;
    if let Some(failure) = failure {
        return Err(failure.context(format!(
            "stopped when {redriven} letters had been sent again; the others are where they were"
        )));
    }
    Ok(outcome(redrive, &held, &chosen))
}

fn outcome(redrive: &Redrive, held: &BTreeMap<String, Message>, chosen: &[&Message]) -> Outcome {
    let ids: Vec<&str> = chosen.iter().map(|letter| id_of(letter)).collect();
    let unknown: Vec<&String> = redrive
        .id
        .iter()
        .filter(|id| !held.contains_key(*id))
        .collect();
    let answer = json!({"dryRun": redrive.dry_run, "ids": ids, "unknownIds": unknown});
    let verb = if redrive.dry_run { "would be" } else { "were" };
    let text = format!("{} letters {verb} sent again.\n", ids.len())
        + &names("ids", &answer["ids"])
        + &names("not among the letters", &answer["unknownIds"]);
    Outcome {
        is_wrong: !unknown.is_empty(),
        answer,
        text,
    }
}

/// One after the other, until all are sent, one fails, or an interrupt comes between two. How many are, and what ended it.
async fn send_all_again(
    target: &Target,
    letters: &[&Message],
    interrupt: &Interrupt,
) -> (usize, Option<anyhow::Error>) {
    for (sent, letter) in letters.iter().enumerate() {
        let outcome = match interrupt.check() {
            Ok(()) => send_again(target, letter).await,
            interrupted => interrupted,
        };
        if let Err(failure) = outcome {
            return (sent, Some(failure));
        }
    }
    (letters.len(), None)
}

async fn send_again(target: &Target, letter: &Message) -> Result<()> {
    let sent = target
        .sqs
        .send_message()
        .queue_url(target.queue_url()?)
        .message_body(letter.body().unwrap_or_default())
        .set_message_attributes(Some(kept_attributes(letter)))
        .send()
        .await;
    let id = id_of(letter);
    sent.map_err(|error| anyhow!("{id} could not be sent: {}", DisplayErrorContext(error)))?;
    let deleted = target
        .sqs
        .delete_message()
        .queue_url(target.dead_letter_queue_url()?)
        .receipt_handle(letter.receipt_handle().unwrap_or_default())
        .send()
        .await;
    deleted.map_err(|error| {
        let cause = DisplayErrorContext(error);
        anyhow!("{id} was sent but could not be taken away, so it is also still here: {cause}")
    })?;
    Ok(())
}

/// What a letter goes with when it is sent again: the sender's attributes, such as its trace.
fn kept_attributes(letter: &Message) -> HashMap<String, MessageAttributeValue> {
    let attributes = letter.message_attributes().cloned().unwrap_or_default();
    let is_of_its_death = |name: &str| name == REASON || name == DETAIL;
    let kept = attributes.into_iter();
    kept.filter(|(name, _)| !is_of_its_death(name)).collect()
}

/// Receives up to so many letters, by their ids, and hides them for a while.
async fn hold(
    target: &Target,
    most: usize,
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, Message>> {
    let url = target.dead_letter_queue_url()?;
    let mut held = BTreeMap::new();
    while held.len() < most && interrupt.check().is_ok() {
        let count = AT_ONCE.min(most - held.len());
        let received = target
            .sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(count)?)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        let received = received.map_err(|error| {
            let cause = DisplayErrorContext(error);
            anyhow!("the dead-letter queue {url} does not answer: {cause}")
        })?;
        let letters = received.messages.unwrap_or_default();
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            let id = letter.message_id.clone().context("a message without id")?;
            held.insert(id, letter);
        }
    }
    Ok(held)
}

/// Lets others see the letters again. Those for which it fails come back by themselves.
async fn give_back(target: &Target, letters: impl Iterator<Item = &Message>) {
    let letters: Vec<&Message> = letters.collect();
    for some in letters.chunks(AT_ONCE) {
        if let Err(failure) = give_some_back(target, some).await {
            eprintln!("lp-ops: some letters come back in {HIDDEN_SECONDS} s only: {failure:#}");
        }
    }
}

async fn give_some_back(target: &Target, letters: &[&Message]) -> Result<()> {
    let entry = |(at, letter): (usize, &&Message)| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(at.to_string())
            .receipt_handle(letter.receipt_handle().unwrap_or_default())
            .visibility_timeout(0)
            .build()
    };
    let entries = letters.iter().enumerate().map(entry);
    let changed = target
        .sqs
        .change_message_visibility_batch()
        .queue_url(target.dead_letter_queue_url()?)
        .set_entries(Some(entries.collect::<Result<Vec<_>, _>>()?))
        .send()
        .await?;
    ensure!(
        changed.failed.is_empty(),
        "{} were refused",
        changed.failed.len()
    );
    Ok(())
}

fn id_of(letter: &Message) -> &str {
    letter.message_id().unwrap_or_default()
}

fn attribute<'a>(letter: &'a Message, name: &str) -> Option<&'a str> {
    letter.message_attributes()?.get(name)?.string_value()
}

/// A letter without a reason was delivered too often, and moved by the queue itself.
fn told(letter: &Message, now: DateTime<Utc>) -> Value {
    let sent_at = letter
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::SentTimestamp))
        .and_then(|millis| DateTime::from_timestamp_millis(millis.parse().ok()?));
    let age_hours = sent_at.map(|sent_at| (now - sent_at).as_seconds_f64() / 3600.0);
    json!({
        "id": letter.message_id(),
        "sentAt": sent_at,
        "ageHours": age_hours,
        "reason": attribute(letter, REASON),
        "detail": attribute(letter, DETAIL),
        "body": letter.body(),
    })
}

/// Whether Ctrl-C was pressed: what was begun is finished, what is held is given back, and nothing further is begun.
struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    fn catch() -> Self {
        let pressed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&pressed);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                seen.store(true, Ordering::Relaxed);
            }
        });
        Self(pressed)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_sent_again_with_its_senders_attributes_and_without_its_reason() {
        let mut letter = Message::builder();
        for name in [REASON, DETAIL, "traceparent"] {
            let value = MessageAttributeValue::builder().data_type("String");
            let value = value.string_value(name).build().unwrap();
            letter = letter.message_attributes(name, value);
        }
        let kept = kept_attributes(&letter.build());
        let names: Vec<&String> = kept.keys().collect();
        assert_eq!(names, ["traceparent"]);
    }
}
