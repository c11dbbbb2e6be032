//! An instance of a function, with a proxy before every server that it uses.

use std::fmt::Write;
use std::time::{Duration, Instant};

use local::servers::postgres::Role;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::platform::Process;
use tests::proxy::Proxy;
use tests::redis::PATIENT;

use crate::world::World;

/// The longest that a test waits for a batch to end, beyond any wait within it.
const ENDED: Duration = Duration::from_secs(30);
/// Of those who record: a batch may take thrice as long, but not longer than 45 s, and a session be idle in its transaction. Whoever
/// is held, is frozen, or waits for one who is, still has time when a slow machine has looked at everything meanwhile.
const STATEMENT_TIMEOUT: (&str, &str) = ("DATABASE_STATEMENT_TIMEOUT_MS", "45000");

/// The servers that an instance uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Database,
    Cache,
    Queue,
}

/// A running instance.
pub struct Instance {
    process: Process,
    database: Proxy,
    cache: Proxy,
    queue: Proxy,
    invocations: usize,
}

impl Instance {
    /// An instance of activity-refresh. The options are those of its sessions in the database.
    pub async fn recorder(world: &World, options: &str) -> Self {
        Self::start(world, "activity-refresh", Role::Recorder, options, &[]).await
    }

    /// An instance of activity-refresh with further variables.
    pub async fn recorder_with(world: &World, variables: &[(&str, &str)]) -> Self {
        Self::start(world, "activity-refresh", Role::Recorder, "", variables).await
    }

    /// An instance of a function that answers.
    pub async fn reader(world: &World, function: &str) -> Self {
        // Enough for a slow machine to connect and to answer, and no longer than a test can wait for a silent database. Of connections
        // it has as many as when it is deployed.
        let limits = [
            ("DATABASE_STATEMENT_TIMEOUT_MS", "5000"),
            ("DATABASE_MAX_CONNECTIONS", "1"),
        ];
        Self::start(world, function, Role::Reader, "", &limits).await
    }

    async fn start(
        world: &World,
        function: &str,
        role: Role,
        options: &str,
        more: &[(&str, &str)],
    ) -> Self {
        let desk = &world.reporting.desk;
        let sqs = std::env::var("AWS_ENDPOINT_URL_SQS").expect("run the tests with `make test`");
        let (database, mut database_url) = Proxy::before_url(&desk.database.url(role)).await;
        let (cache, cache_url) = Proxy::before_url(&desk.keyspace.url()).await;
        let (queue, queue_url) = Proxy::before_url(&sqs).await;
        if !options.is_empty() {
            let separator = if database_url.contains('?') { '&' } else { '?' };
            let options = options.replace('=', "%3D").replace(' ', "%20");
            write!(database_url, "{separator}options={options}").expect("a string takes all");
        }
        let mut variables = vec![
            ("DATABASE_URL", database_url.as_str()),
            STATEMENT_TIMEOUT,
            ("REDIS_URL", &cache_url),
            ("REDIS_PREFIX", desk.keyspace.prefix()),
            PATIENT,
            // On a busy machine a refresh takes long, and the next would be put off for a multiple of that.
            ("REFRESH_DATABASE_SHARE_PERCENT", "100"),
            ("QUEUE_URL", &world.queues.queue_url),
            ("DEAD_LETTER_QUEUE_URL", &world.queues.dead_letter_queue_url),
            ("AWS_ENDPOINT_URL_SQS", &queue_url),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
        ];
        variables.extend_from_slice(more);
        let process = Process::start(function, &variables).await;
        Self {
            process,
            database,
            cache,
            queue,
            invocations: 0,
        }
    }

    /// The way to a server.
    pub fn to(&self, server: Server) -> &Proxy {
        match server {
            Server::Database => &self.database,
            Server::Cache => &self.cache,
            Server::Queue => &self.queue,
        }
    }

    /// Does the same to every way.
    pub fn to_all(&self, act: impl Fn(&Proxy)) {
        for proxy in [&self.database, &self.cache, &self.queue] {
            act(proxy);
        }
    }

    /// Hands over a batch, delivered for the n-th time.
    pub fn hand_over(&mut self, bodies: &[&Value], deliveries: usize) {
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(position, body)| record(position, body, deliveries))
            .collect();
        self.invocations += 1;
        let request_id = format!("request-{}", self.invocations);
        self.process
            .hand_over(&request_id, &json!({ "Records": records }));
    }

    /// Waits for the end of a batch, and returns which of its messages are to be delivered again.
    pub async fn failed(&mut self) -> Vec<usize> {
        let response = self.response().await;
        self.process.goes_on().await;
        let failures = response["batchItemFailures"].as_array();
        let failures = failures.map_or(&[][..], Vec::as_slice).iter();
        failures
            .map(|failure| {
                let id = failure["itemIdentifier"].as_str().expect("an id");
                id.parse().expect("a position")
            })
            .collect()
    }

    /// The answer, of which the function does not learn that it has arrived.
    pub async fn response(&mut self) -> Value {
        let answered = tokio::time::timeout(ENDED, self.process.answered()).await;
        answered.expect("the function answers")
    }

    /// Works on a batch from beginning to end.
    pub async fn work(&mut self, bodies: &[&Value], deliveries: usize) -> Vec<usize> {
        self.hand_over(bodies, deliveries);
        self.failed().await
    }

    /// Answers a request as the platform hands it over.
    pub async fn answer(&mut self, event: &Value) -> Value {
        self.invocations += 1;
        let request_id = format!("request-{}", self.invocations);
        let answer = self.process.answer(&request_id, event).await;
        self.process.goes_on().await;
        answer
    }

    /// Stops every thread of it, as when the platform freezes an instance.
    pub fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Kills it; the servers are told, as by the kernel that closes its sockets. What was held on its way never arrives.
    pub async fn kill(self) {
        for proxy in self.end().await {
            proxy.cut();
        }
    }

    /// Kills it, and nobody is told, as when its machine is gone. Until what is returned is dropped, the servers wait for it.
    pub async fn vanish(self) -> [Proxy; 3] {
        self.to_all(Proxy::strand);
        self.end().await
    }

    /// Kills the process, and leaves its ways to the servers as they are.
    async fn end(self) -> [Proxy; 3] {
        let Self {
            process,
            database,
            cache,
            queue,
            ..
        } = self;
        process.kill().await;
        [database, cache, queue]
    }
}

/// A message as the queue delivers it, which bears its position for an id.
fn record(position: usize, body: &Value, deliveries: usize) -> Value {
    json!({
        "messageId": position.to_string(),
        "receiptHandle": format!("receipt-{position}"),
        "body": body.to_string(),
        "attributes": {"ApproximateReceiveCount": deliveries.to_string()},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:activity",
        "awsRegion": "us-east-1",
    })
}

/// How long it took, to be printed.
pub fn ms_since(begun: Instant) -> String {
    format!("{:.0} ms", begun.elapsed().as_secs_f64() * 1e3)
}
