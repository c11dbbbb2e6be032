//! The functions of a site: how they are run, how they reach their servers, and how batches reach them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use local::host::FunctionSpec;
use local::queue::{Queue, SqsQueue};
use local::servers::postgres::Role;
use local::servers::sqs::client_environment;
use local::template::{self, Template};
use tests::poller::poller;
use tests::proxy::Proxy;
use tests::queue::Queues;
use tests::redis::PATIENT;
use tests::stack::binary;
use tokio::task::JoinSet;

use crate::watch::Watch;

pub const RECORDER: &str = "activity-refresh";
/// What a function may take beyond the platform's limit, on a machine that is busy with other tests.
const ALLOWANCE: Duration = Duration::from_secs(3);
/// So many batches and questions of a kind at once.
const INSTANCES: usize = 2;

/// How long statements may take, in milliseconds.
const STATEMENT_TIMEOUT: &str = "DATABASE_STATEMENT_TIMEOUT_MS";
/// For functions that answer while nothing is wrong with the database: a busy machine shall not make them give it up.
pub const AMPLE: (&str, &str) = (STATEMENT_TIMEOUT, "10000");
/// For functions that find Redis silent or slow: they wait for it no longer than by default, which is what an empty variable stands for.
pub const IMPATIENT: [(&str, &str); 1] = [("REDIS_TIMEOUT_MS", "")];

/// Variables of a site's functions that a test changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changed<'a> {
    /// Of those that answer.
    pub reading: &'a [(&'a str, &'a str)],
    /// Of the one that records.
    pub recording: &'a [(&'a str, &'a str)],
}

/// Where the servers are that the functions are to reach.
pub struct Servers {
    /// The database's URL, as its administrator.
    pub database_url: String,
    pub redis_url: String,
    pub redis_prefix: String,
}

/// A function's proxies.
pub struct Way {
    pub database: Proxy,
    pub redis: Proxy,
}

impl Way {
    /// With nothing in the way.
    pub async fn to(servers: &Servers) -> Self {
        let (database, _) = Proxy::before_url(&servers.database_url).await;
        let (redis, _) = Proxy::before_url(&servers.redis_url).await;
        Self { database, redis }
    }

    /// What a function needs to know that goes this way.
    pub fn variables(
        &self,
        servers: &Servers,
        role: Role,
        queues: &Queues,
    ) -> Vec<(&'static str, String)> {
        let url = &servers.database_url;
        let url = url.replacen(Role::Administrator.name(), role.name(), 1);
        let endpoint = std::env::var("AWS_ENDPOINT_URL_SQS").expect("`make test` sets it");
        let mut variables = vec![
            ("DATABASE_URL", self.database.url(&url)),
            ("REDIS_URL", self.redis.url(&servers.redis_url)),
            ("REDIS_PREFIX", servers.redis_prefix.clone()),
            (PATIENT.0, PATIENT.1.to_owned()),
            ("QUEUE_URL", queues.queue_url.clone()),
            (
                "DEAD_LETTER_QUEUE_URL",
                queues.dead_letter_queue_url.clone(),
            ),
        ];
        variables.extend(client_environment(&endpoint));
        variables
    }
}

/// A function as it is deployed, with the limits and delays of the template, and some of its variables changed. Where its statements
/// may take longer than it may, it may take as long.
pub fn spec(
    template: &Template,
    name: &str,
    own: Vec<(&str, String)>,
    changed: &[(&str, &str)],
) -> FunctionSpec {
    let function: &template::Function = template.function(name).expect("the template has it");
    let is_numeric = |value: &str| value.chars().all(|c| c.is_ascii_digit() || c == ',');
    let numbers = function.environment.iter().filter_map(|(name, value)| {
        let value = template.resolve(value, &BTreeMap::new()).ok()?;
        is_numeric(&value).then(|| (name.clone(), value))
    });
    let own = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let changed = changed
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: BTreeMap<String, String> = numbers.chain(own).chain(changed).collect();
    let statement_ms: u64 = environment[STATEMENT_TIMEOUT].parse().expect("a number");
    let longest = function.timeout.max(Duration::from_millis(statement_ms));
    FunctionSpec {
        name: name.to_owned(),
        binary: binary(name),
        timeout: longest + ALLOWANCE,
        memory_mb: function.memory_mb,
        environment,
        instances: INSTANCES,
    }
}

/// As many as there are instances for their batches.
pub fn pollers(template: &Template, queue: &SqsQueue, watch: &Arc<Watch>) -> JoinSet<()> {
    let one = || poller(Queue::Sqs(queue.clone()), template, watch);
    (0..INSTANCES).map(|_| one().run()).collect()
}
