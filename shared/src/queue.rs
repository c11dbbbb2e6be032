//! The activity queue and its dead-letter queue, as the functions use them: sending, and putting a message off.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
};

use crate::config::QueueConfig;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::trace::{Context, TRACEPARENT};

/// The longest that SQS delays a message at its sending.
pub const LONGEST_SEND_DELAY: Duration = Duration::from_secs(900);

/// One try to send or put off a message, and all of them. The queue does either in milliseconds; when it is silent, what is not
/// acknowledged comes again, and waiting longer would only use up the time that a function has.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of both queues.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    queue_url: String,
    dead_letter_queue_url: String,
}

impl Queue {
    /// A client with the credentials and endpoint of the environment; nothing is connected yet.
    pub async fn new(config: &QueueConfig) -> Self {
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(limits)
            .load()
            .await;
        Self {
            client: Client::new(&sdk),
            queue_url: config.queue_url.clone(),
            dead_letter_queue_url: config.dead_letter_queue_url.clone(),
        }
    }

    /// Sends a message to the activity queue, to be delivered after `delay` (whole seconds, rounded up).
    pub async fn send(&self, body: &str, delay: Duration) -> Result<(), Error> {
        let delay = delay.min(LONGEST_SEND_DELAY);
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body)
            .delay_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Sends a body verbatim to the dead-letter queue, with the reason beside it, and what the message carried of a trace.
    pub async fn send_dead_letter(
        &self,
        body: &str,
        refusal: &Refusal,
        trace: Context<'_>,
    ) -> Result<(), Error> {
        let mut letter = self
            .client
            .send_message()
            .queue_url(&self.dead_letter_queue_url)
            .message_body(body)
            .message_attributes("reason", text(refusal.reason.code())?)
            .message_attributes("detail", text(&carried(&refusal.detail))?);
        if let Some(traceparent) = trace.traceparent {
            letter = letter.message_attributes(TRACEPARENT, text(traceparent)?);
        }
        if let Some(xray) = trace.xray {
            let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
            letter = letter.message_system_attributes(name, system_text(xray)?);
        }
        letter.send().await.map_err(failed)?;
        Ok(())
    }

    /// Hides a message for so long; it is delivered again after that, unless it is deleted before.
    pub async fn put_off(&self, receipt_handle: &str, delay: Duration) -> Result<(), Error> {
        self.client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(i32::try_from(delay.as_secs()).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(failed)?;
        Ok(())
    }
}

/// Without the characters that SQS refuses in an attribute: a sentence of the database may quote some.
fn carried(sentence: &str) -> String {
    let is_refused = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    sentence.replace(is_refused, " ")
}

fn text(value: &str) -> Result<MessageAttributeValue, Error> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .map_err(|error| Error::Queue(error.into()))
}

fn system_text(value: &str) -> Result<MessageSystemAttributeValue, Error> {
    MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .map_err(|error| Error::Queue(error.into()))
}

/// The SDK's errors say little by themselves; with their context they name the cause.
fn failed<E>(error: E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    Error::Queue(DisplayErrorContext(error).to_string().into())
}
