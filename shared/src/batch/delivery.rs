//! A message as the queue delivered it, and what is to become of it.

use aws_lambda_events::sqs::SqsMessage;
use chrono::{DateTime, Utc};
use tracing::Span;
use tracing::field::display;

use crate::error::Error;
use crate::ledger::{Message, Outcome, parse_message};
use crate::refusal::{Reason, Refusal};
use crate::trace::{AWS_TRACE_HEADER, Context, TRACEPARENT};

/// A message, and what is to become of it.
pub(super) struct Delivery {
    record: SqsMessage,
    pub(super) message: Option<Message>,
    pub(super) fate: Fate,
}

pub(super) enum Fate {
    /// Acknowledged.
    Done,
    /// Never recordable, or not yet.
    Refused(Refusal),
    /// Something is away; it stays on the queue until it is back.
    Retry,
    /// Others of its batch shall not wait for it; it comes back by itself in a moment.
    MakesWay,
}

impl Fate {
    /// What follows from an outcome, provided that what is owed for it gets done.
    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Recorded | Outcome::Duplicate => Self::Done,
            Outcome::Refused(refusal) => Self::Refused(refusal),
            Outcome::Undecided => Self::MakesWay,
        }
    }

    /// Of a message whose data the database refuses.
    pub(super) fn refused_by_database(error: &Error) -> Self {
        Self::Refused(Refusal::new(Reason::NotRecordable, sentence(error)))
    }
}

impl Delivery {
    pub(super) fn read(record: SqsMessage) -> Self {
        let (message, fate) = match parse_message(record.body.as_deref().unwrap_or_default()) {
            Ok(message) => (Some(message), Fate::Done),
            Err(refusal) => (None, Fate::Refused(refusal)),
        };
        Self {
            record,
            message,
            fate,
        }
    }

    /// The queue's name of the message, the same at every delivery.
    pub(super) fn message_id(&self) -> &str {
        self.record.message_id.as_deref().unwrap_or_default()
    }

    pub(super) fn body(&self) -> &str {
        self.record.body.as_deref().unwrap_or_default()
    }

    pub(super) fn receipt_handle(&self) -> &str {
        self.record.receipt_handle.as_deref().unwrap_or_default()
    }

    /// What it carries of a trace.
    pub(super) fn trace(&self) -> Context<'_> {
        let attribute = self.record.message_attributes.get(TRACEPARENT);
        Context::read(
            attribute.and_then(|attribute| attribute.string_value.as_deref()),
            self.record
                .attributes
                .get(AWS_TRACE_HEADER)
                .map(String::as_str),
        )
    }

    /// What is logged about it bears its id and its trace, whatever level the log's filter lets pass.
    pub(super) fn span(&self) -> Span {
        let trace_id = self.trace().trace_id().map(display);
        tracing::error_span!("message", message_id = self.message_id(), trace_id)
    }

    /// When it was put on the queue, as the queue tells it.
    pub(super) fn sent_at(&self) -> Option<DateTime<Utc>> {
        let millis = self.record.attributes.get("SentTimestamp")?;
        DateTime::from_timestamp_millis(millis.parse().ok()?)
    }

    /// How often it was delivered, this time included, whatever came of it.
    pub(super) fn deliveries(&self) -> usize {
        let count = self.record.attributes.get("ApproximateReceiveCount");
        count
            .and_then(|count| count.parse().ok())
            .unwrap_or(1)
            .max(1)
    }
}

/// The server's own sentence; it names the rule, and the data only by the rule's name.
fn sentence(error: &Error) -> String {
    match error {
        Error::Database(error) => error
            .as_db_error()
            .map_or_else(|| error.to_string(), |error| error.message().to_owned()),
        other => other.to_string(),
    }
}
