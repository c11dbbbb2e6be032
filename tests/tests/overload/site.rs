//! Real functions around the sample: the recorder fed from memory and from the real queue, and a function that answers.

use std::sync::Arc;
use std::time::Duration;

use local::host::{FunctionSpec, Host};
use local::queue::{MemoryQueue, Queue, client};
use local::servers::postgres::Role;
use local::servers::sqs::client_environment;
use local::template::Template;
use tests::database::project;
use tests::desk::Desk;
use tests::poller::poller;
use tests::queue::{Queues, take_all};
use tests::redis::PATIENT;
use tests::stack::binary;
use tests::throwaway::Throwaway;
use tokio::task::JoinHandle;

use crate::poison::RULE;

/// Instances of the recorder, and as many pollers: one reads the real queue, the others the one in memory.
const RECORDERS: usize = 3;
/// Instances of the function that answers.
const ANSWERERS: usize = 5;
/// Far beyond what a batch takes on a busy machine: one that is handed out again would bury its poison again.
const VISIBILITY: Duration = Duration::from_secs(35);
/// What an invocation may take. It is generous, since other tests share the machine: how long readers waited is printed.
const LONGEST_INVOCATION: Duration = Duration::from_secs(30);

/// Everything that runs. Dropping it leaves nothing.
pub struct Site {
    pub desk: Desk,
    pub host: Arc<Host>,
    /// What is fed from memory.
    pub memory: MemoryQueue,
    pub queues: Queues,
    sqs: aws_sdk_sqs::Client,
    pollers: Vec<JoinHandle<()>>,
    /// Dropped last: the functions' logs go with it.
    _files: Throwaway,
}

impl Site {
    /// Starts it all.
    pub async fn open() -> Self {
        let desk = Desk::sample().await;
        desk.run(RULE).await;
        let queues = Queues::create().await;
        let files = Throwaway::create();
        let specs = vec![
            spec(
                &desk,
                &queues,
                "activity-refresh",
                Role::Recorder,
                RECORDERS,
            ),
            spec(&desk, &queues, "summary", Role::Reader, ANSWERERS),
        ];
        let host = Host::start(specs, &files.processes)
            .await
            .expect("the functions start");
        let sqs = client(&endpoint());
        let memory = MemoryQueue::new(VISIBILITY);
        let mut site = Self {
            desk,
            host,
            memory,
            queues,
            sqs,
            pollers: Vec::new(),
            _files: files,
        };
        site.start_pollers().await;
        site
    }

    async fn start_pollers(&mut self) {
        let template = Template::read(&project().join("infra/template.yaml")).expect("a template");
        let real = self.queues.polled().await;
        let from_memory = (1..RECORDERS).map(|_| Queue::Memory(self.memory.clone()));
        for queue in from_memory.chain([Queue::Sqs(real)]) {
            let poller = poller(queue, &template, &self.host);
            self.pollers.push(tokio::spawn(poller.run()));
        }
    }

    /// Sends messages over the real queue.
    pub async fn send(&self, bodies: &[String]) {
        for bodies in bodies.chunks(10) {
            let mut sending = self
                .sqs
                .send_message_batch()
                .queue_url(&self.queues.queue_url);
            for (position, body) in bodies.iter().enumerate() {
                let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder();
                let entry = entry.id(position.to_string()).message_body(body).build();
                sending = sending.entries(entry.expect("an entry"));
            }
            let sent = sending.send().await.expect("the queue answers");
            assert!(sent.failed.is_empty(), "{:?}", sent.failed);
        }
    }

    /// How many messages lie among the dead letters.
    pub async fn buried(&self) -> usize {
        let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let asked = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.queues.dead_letter_queue_url);
        let answered = asked.attribute_names(name.clone()).send().await;
        let attributes = answered
            .expect("the queue answers")
            .attributes
            .unwrap_or_default();
        attributes[&name].parse().expect("a number")
    }

    /// The dead letters with their reasons, in order.
    pub async fn letters(&self) -> Vec<(String, String)> {
        let messages = take_all(&self.sqs, &self.queues.dead_letter_queue_url).await;
        let letter = |message: &aws_sdk_sqs::types::Message| {
            let reason = message
                .message_attributes()
                .and_then(|attributes| attributes.get("reason"));
            let reason = reason
                .and_then(|reason| reason.string_value())
                .unwrap_or_default();
            (
                message.body().unwrap_or_default().to_owned(),
                reason.to_owned(),
            )
        };
        let mut letters: Vec<_> = messages.iter().map(letter).collect();
        letters.sort();
        letters
    }

    /// Ends the pollers and the functions.
    pub async fn stop(&self) {
        self.pollers.iter().for_each(JoinHandle::abort);
        self.host.stop().await;
    }
}

fn spec(desk: &Desk, queues: &Queues, name: &str, role: Role, instances: usize) -> FunctionSpec {
    let pairs = [
        ("DATABASE_URL", desk.database.url(role)),
        ("REDIS_URL", desk.keyspace.url()),
        ("REDIS_PREFIX", desk.keyspace.prefix().to_owned()),
        ("QUEUE_URL", queues.queue_url.clone()),
        (
            "DEAD_LETTER_QUEUE_URL",
            queues.dead_letter_queue_url.clone(),
        ),
        (PATIENT.0, PATIENT.1.to_owned()),
        // Longer than a reversal is ahead of its entry.
        ("RETRY_DELAYS_SECONDS", "1,2,4".to_owned()),
    ];
    let endpoint = client_environment(&endpoint());
    let pairs = pairs.into_iter().chain(endpoint);
    FunctionSpec {
        name: name.to_owned(),
        binary: binary(name),
        timeout: LONGEST_INVOCATION,
        memory_mb: 512,
        environment: pairs
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        instances,
    }
}

fn endpoint() -> String {
    std::env::var("AWS_ENDPOINT_URL_SQS")
        .expect("AWS_ENDPOINT_URL_SQS is set; run the tests with `make test`")
}
