//! How many messages the queues hold.

use anyhow::{Context, Result};
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use crate::Outcome;
use crate::show::{Field, Format, table};
use crate::target::Target;

const QUEUES: [Field; 4] = [
    ("queue", "name", Format::Text),
    ("visible", "visible", Format::Count),
    ("in flight", "inFlight", Format::Count),
    ("delayed", "delayed", Format::Count),
];

/// Tells of the activity queue and of its dead-letter queue. The numbers are SQS's approximations.
pub async fn show(target: &Target) -> Result<Outcome> {
    let activity = counts(target, "activity", target.queue_url()?).await?;
    let dead = counts(target, "dead letters", target.dead_letter_queue_url()?).await?;
    let answer = json!({"queues": [activity, dead]});
    Ok(Outcome {
        text: table(&answer["queues"], &QUEUES, ""),
        answer,
        is_wrong: false,
    })
}

async fn counts(target: &Target, name: &str, url: &str) -> Result<Value> {
    let wanted = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let told = target
        .sqs
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(wanted.to_vec()))
        .send()
        .await;
    let told = told.map_err(|error| {
        anyhow::anyhow!(
            "the queue {url} does not answer: {}",
            DisplayErrorContext(error)
        )
    })?;
    let attributes = told.attributes.unwrap_or_default();
    let count = |name: &QueueAttributeName| {
        let count = attributes
            .get(name)
            .and_then(|count| count.parse::<i64>().ok());
        count.with_context(|| format!("the queue {url} does not tell {name}"))
    };
    Ok(json!({
        "name": name,
        "visible": count(&wanted[0])?,
        "inFlight": count(&wanted[1])?,
        "delayed": count(&wanted[2])?,
    }))
}
