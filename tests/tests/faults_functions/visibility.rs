//! A queue hides a message for less time than the first run takes: it hands it to a second poller, and the first is done with a receipt
//! that is no longer the last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use axum::body::Bytes;
use local::host::{Invoke, InvokeError};
use local::poller::Poller;
use local::queue::{Queue, SqsQueue};
use local::template::Template;
use serde_json::{Value, json};
use tests::database::project;
use tests::poller::poller;
use tests::proxy::Held;
use tests::proxy::When::{self, After, Before};
use tests::queue::client;
use tokio::time::timeout;

use crate::instance::Server::Database;
use crate::instance::{Instance, ms_since};
use crate::world::World;

const BEGIN: &[u8] = b"START TRANSACTION";
const COMMIT: &[u8] = b"COMMIT\0";
/// How long the queue hides what it has handed out.
const HIDDEN_SECONDS: &str = "2";
/// Far beyond what any wait takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);
/// Ends the session of the recorder that is held, as the server does when one is idle for too long. The other's is not idle.
const END_SESSION: &str = "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
    where a.datname = current_database() and a.application_name = 'activity-refresh' and a.state = 'idle in transaction'";

/// Where the first is held on its way to the database: what it sends there, the how manieth time, and whether that has arrived.
type Step = (&'static [u8], usize, When);

/// An instance to which a poller hands its batches, and those that it got.
struct Recorder {
    instance: tokio::sync::Mutex<Instance>,
    batches: Mutex<Vec<Value>>,
}

impl Recorder {
    async fn polling(world: &World, queue: &SqsQueue) -> Poller<Self> {
        let recorder = Self {
            instance: tokio::sync::Mutex::new(Instance::recorder(world, "").await),
            batches: Mutex::default(),
        };
        let template = Template::read(&project().join("infra/template.yaml"));
        let template = template.expect("the template is understood");
        poller(Queue::Sqs(queue.clone()), &template, &Arc::new(recorder))
    }

    fn note(&self, batch: Value) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(batch);
    }

    async fn hold(&self, steps: &[Step]) -> Vec<Held> {
        let instance = self.instance.lock().await;
        let hold =
            |&(pattern, occurrence, when)| instance.to(Database).hold(pattern, occurrence, when);
        steps.iter().map(hold).collect()
    }

    /// The only message of the first batch.
    fn first_message(&self) -> Value {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let records = batches[0]["Records"].as_array().expect("records");
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }
}

impl Invoke for Recorder {
    async fn invoke_traced(
        &self,
        _: &str,
        payload: Bytes,
        _: Option<String>,
    ) -> Result<Bytes, InvokeError> {
        let batch: Value = serde_json::from_slice(&payload).expect("a batch is JSON");
        self.note(batch.clone());
        let answer = self.instance.lock().await.answer(&batch).await;
        assert_eq!(answer, json!({"batchItemFailures": []}));
        Ok(Bytes::from(answer.to_string()))
    }
}

/// Polls until a batch is worked off and deleted.
async fn work_off(poller: &Poller<Recorder>) -> Instant {
    let working = async {
        while poller.poll_once().await.expect("the queue answers") == 0 {}
        Instant::now()
    };
    timeout(LIMIT, working).await.expect("it is worked off")
}

/// Polls until nothing is left, not even what comes later, such as the refresh that was asked for.
async fn work_off_all(poller: &Poller<Recorder>, queue: &SqsQueue) {
    let working = async {
        while queue.depth().await.expect("the queue answers").all > 0 {
            poller.poll_once().await.expect("the queue answers");
        }
    };
    timeout(LIMIT, working).await.expect("the queue is empty");
}

async fn hide_for_a_short_time(world: &World) {
    let endpoint = std::env::var("AWS_ENDPOINT_URL_SQS").expect("run the tests with `make test`");
    let set = client(&endpoint)
        .set_queue_attributes()
        .queue_url(&world.queues.queue_url)
        .attributes(QueueAttributeName::VisibilityTimeout, HIDDEN_SECONDS)
        .send()
        .await;
    set.expect("the queue is told");
}

/// The first run is held at these steps until the second is done. When the first has come to its first one, `then` is done beside the
/// second run.
async fn taken_again(what: &str, steps: &[Step], then: impl AsyncFnOnce(&World)) {
    let world = World::settled().await;
    hide_for_a_short_time(&world).await;
    world.warm_up().await;
    let queue = world.queues.polled().await;
    let (first, second) = tokio::join!(
        Recorder::polling(&world, &queue),
        Recorder::polling(&world, &queue)
    );
    let held = first.functions.hold(steps).await;
    let call = world.call(1_000);
    world.queues.send(&call).await;
    let second_run = async {
        held[0].reached().await;
        let reached = Instant::now();
        let (acknowledged, ()) = tokio::join!(work_off(&second), then(&world));
        println!(
            "the first is held {what}: acknowledged by the second {:.0} ms later",
            (acknowledged - reached).as_secs_f64() * 1e3
        );
        world.assert_of_this_moment(what).await;
        for held in held {
            held.reached().await;
            held.release();
        }
        Instant::now()
    };
    let (_, released) = tokio::join!(work_off(&first), second_run);
    println!(
        "and by the first {} after it was let go",
        ms_since(released)
    );
    assert_same_message(&first.functions, &second.functions);
    world.assert_recorded_once(&[call]).await;
    work_off_all(&second, &queue).await;
    let dead_letters = &world.queues.dead_letter_queue_url;
    let buried = world.queues.take_all(dead_letters).await;
    assert!(buried.is_empty(), "{buried:?}");
    world.assert_settled().await;
    world.assert_no_deadlock().await;
}

/// Both got it, with receipts of their own, so that the first deletes it by an old one.
fn assert_same_message(first: &Recorder, second: &Recorder) {
    let (first, second) = (first.first_message(), second.first_message());
    assert_eq!(first["messageId"], second["messageId"]);
    assert_ne!(first["receiptHandle"], second["receiptHandle"]);
    let deliveries = |message: &Value| message["attributes"]["ApproximateReceiveCount"].clone();
    assert_eq!(deliveries(&first), "1");
    assert_eq!(deliveries(&second), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_handed_out_again_after_the_commit_is_recorded_once() {
    taken_again("after its commit", &[(COMMIT, 1, After)], async |_| {}).await;
}

/// The second waits for the first until the server has given that up, and is done before the first begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_handed_out_again_before_the_commit_is_recorded_once() {
    let steps = [(COMMIT, 1, Before), (BEGIN, 2, Before)];
    taken_again("before its commit", &steps, async |world| {
        world.reporting.desk.until_waiting(1).await;
        assert_eq!(world.number(END_SESSION).await, 1);
    })
    .await;
}
