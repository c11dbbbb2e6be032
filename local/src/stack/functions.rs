//! What a deployment would set for the template's functions, with local values: parameters, queues, environments.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::TimeDelta;

use super::data::Database;
use super::{Options, Variable};
use crate::gateway::tokens::TokenScope;
use crate::host::FunctionSpec;
use crate::queue::{self, SqsQueue};
use crate::servers::postgres::Role;
use crate::servers::redis::Redis;
use crate::servers::sqs::{self, Sqs};
use crate::template::{self, Expression, Template, Trigger};

/// The audience of local tokens.
pub(super) const AUDIENCE: &str = "lp-reporting";
/// Shifts the functions' clock, and the schedule's with it, so that midnight can be tried.
const CLOCK_OFFSET: &str = "CLOCK_OFFSET_SECONDS";
/// What a deployment has and one machine has not: IAM to log in with, the authorities of RDS, a proxy, and a cache that is a cluster.
/// Here the URLs are enough, as the servers listen on loopback only and trust whoever comes.
const OF_THE_CLOUD: [&str; 6] = [
    "DATABASE_AUTH",
    "DATABASE_CA_FILE",
    "DATABASE_PROXY",
    "REDIS_AUTH",
    "REDIS_CACHE_ARN",
    "REDIS_CLUSTER",
];
/// How many instances a function has, by what invokes it: a few dashboards at once, a few batches; what works at night also
/// computes what derives from a fresh sample.
const HTTP_INSTANCES: usize = 4;
const QUEUE_INSTANCES: usize = 2;

/// The template's values on this machine.
pub struct Deployment {
    /// The queues, by logical id.
    pub queues: BTreeMap<String, SqsQueue>,
    database: Database,
    redis_url: String,
    values: BTreeMap<String, String>,
    endpoint: String,
}

impl Deployment {
    /// Creates the queues and settles every parameter.
    pub async fn prepare(
        template: &Template,
        database: &Database,
        redis: &Redis,
        sqs: &Sqs,
        scope: &TokenScope,
    ) -> Result<Self> {
        let queues = queue::create_queues(&queue::client(&sqs.url()), &template.queues).await?;
        let parameters = [
            ("JwtIssuer", scope.issuer.clone()),
            ("JwtAudience", scope.audience.clone()),
        ];
        let mut values = BTreeMap::from(parameters.map(|(name, value)| (name.to_owned(), value)));
        if let Ok(level) = std::env::var("RUST_LOG") {
            values.insert("LogLevel".to_owned(), level);
        }
        values.extend(
            queues
                .iter()
                .map(|(id, queue)| (id.clone(), queue.url().to_owned())),
        );
        Ok(Self {
            queues,
            database: database.clone(),
            redis_url: redis.url(),
            values,
            endpoint: sqs.url(),
        })
    }

    /// For functions that run apart from a stack, with a cache that is empty and a queue that nobody listens at: what has
    /// nothing to forget has nothing to send.
    pub(super) fn apart(template: &Template, database: &Database, redis: &Redis) -> Self {
        const NOWHERE: &str = "http://127.0.0.1:1";
        let queues = template.queues.keys();
        let values = queues.map(|id| (id.clone(), format!("{NOWHERE}/{id}")));
        Self {
            queues: BTreeMap::new(),
            database: database.clone(),
            redis_url: redis.url(),
            values: values.collect(),
            endpoint: NOWHERE.to_owned(),
        }
    }

    /// What the environment file says of queues and cache: where upstream systems send to, where refused messages go.
    pub(super) fn environment(&self, template: &Template) -> Result<Vec<Variable>> {
        let sources = template.queue_sources();
        let (source, _) = sources
            .first()
            .context("the template has no queue trigger")?;
        let redrive = template
            .queues
            .get(&source.queue)
            .and_then(|queue| queue.redrive.as_ref());
        let dead_letters = &redrive
            .context("the queue has no dead-letter queue")?
            .target;
        let value = |id: &str| {
            self.values
                .get(id)
                .cloned()
                .with_context(|| format!("{id} has no value"))
        };
        let mut environment = vec![
            ("QUEUE_URL", value(&source.queue)?),
            ("DLQ_URL", value(dead_letters)?),
            ("REDIS_URL", self.redis_url.clone()),
        ];
        environment.extend(sqs::client_environment(&self.endpoint));
        Ok(environment)
    }

    /// The issuer and the audiences that the gateway accepts.
    pub(super) fn accepted_tokens(&self, template: &Template) -> Result<(String, Vec<String>)> {
        let resolve = |expression| template.resolve(expression, &self.values);
        let audiences = template
            .authorizer
            .audience
            .iter()
            .map(resolve)
            .collect::<Result<_>>()?;
        Ok((resolve(&template.authorizer.issuer)?, audiences))
    }

    /// How each function is run.
    pub(super) fn specs(
        &self,
        template: &Template,
        options: &Options,
    ) -> Result<Vec<FunctionSpec>> {
        template
            .functions
            .iter()
            .map(|function| self.spec(template, function, options))
            .collect()
    }

    /// How one function is run.
    pub fn spec(
        &self,
        template: &Template,
        function: &template::Function,
        options: &Options,
    ) -> Result<FunctionSpec> {
        let mut environment = BTreeMap::new();
        for (name, expression) in &function.environment {
            if OF_THE_CLOUD.contains(&name.as_str()) {
                continue;
            }
            let value = self
                .value(template, name, expression)
                .with_context(|| format!("{name} of {}", function.name))?;
            environment.insert(name.clone(), value);
        }
        environment.extend(
            sqs::client_environment(&self.endpoint).map(|(name, value)| (name.to_owned(), value)),
        );
        environment
            .extend(std::env::var(CLOCK_OFFSET).map(|offset| (CLOCK_OFFSET.to_owned(), offset)));
        environment.extend(options.environment.iter().cloned());
        Ok(FunctionSpec {
            name: function.name.clone(),
            binary: options.binaries.join(&function.name),
            timeout: function.timeout,
            memory_mb: function.memory_mb,
            environment,
            instances: instances_of(function),
        })
    }

    /// The value of a variable: of a URL, the template says as whom, and this machine where.
    fn value(&self, template: &Template, name: &str, expression: &Expression) -> Result<String> {
        if name == "REDIS_URL" {
            return Ok(self.redis_url.clone());
        }
        if !name.ends_with("DATABASE_URL") {
            return template.resolve(expression, &self.values);
        }
        let user = template.user(expression, &self.values)?;
        let role = Role::named(&user).with_context(|| format!("there is no role {user} here"))?;
        Ok(self.database.url(role))
    }
}

fn instances_of(function: &template::Function) -> usize {
    let per_trigger = function.triggers.iter().map(|trigger| match trigger {
        Trigger::Http(_) => HTTP_INSTANCES,
        Trigger::Queue(_) => QUEUE_INSTANCES,
        Trigger::Schedule(_) => super::rebuild::AT_ONCE,
    });
    per_trigger.max().unwrap_or(1)
}

/// By how much the functions' clock is shifted.
pub(super) fn clock_offset() -> Result<TimeDelta> {
    match std::env::var(CLOCK_OFFSET) {
        Ok(seconds) => {
            let seconds = seconds
                .parse()
                .with_context(|| format!("{CLOCK_OFFSET} must be a whole number of seconds"))?;
            TimeDelta::try_seconds(seconds)
                .with_context(|| format!("{CLOCK_OFFSET} is out of bounds"))
        }
        Err(_) => Ok(TimeDelta::zero()),
    }
}
