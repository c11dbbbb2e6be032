//! Records what upstream systems say on the activity queue, and sees to what follows from it: performance, cached answers
//! and views.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent};
use shared::batch::Worker;

/// Works on one batch of messages. Those that must be delivered again are named in the answer; the others are done.
pub async fn handle(
    worker: &Worker,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Error> {
    Ok(worker.work(event.payload).await)
}
