//! The template's own form, as far as the local stack reads it, and its translation into what the stack uses.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::Value;

use super::{Authorizer, Expression, Function, Queue, QueueSource, Redrive, Trigger};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    pub(super) conditions: BTreeMap<String, Condition>,
    #[serde(default)]
    pub(super) globals: Globals,
    pub(super) resources: BTreeMap<String, Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parameter {
    pub(super) default: Option<String>,
}

/// What a value may depend on.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Condition {
    Equal {
        #[serde(rename = "Fn::Equals")]
        sides: (Expression, Expression),
    },
    Not {
        #[serde(rename = "Fn::Not")]
        negated: Box<(Condition,)>,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Globals {
    #[serde(default)]
    pub(super) function: FunctionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FunctionProperties {
    code_uri: Option<String>,
    timeout: Option<u64>,
    memory_size: Option<u32>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    events: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, Expression>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SqsEvent {
    queue: Expression,
    batch_size: Option<usize>,
    maximum_batching_window_in_seconds: Option<u64>,
    #[serde(default)]
    function_response_types: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: Expression,
    max_receive_count: u32,
}

impl Resource {
    fn read<T: DeserializeOwned>(self) -> Result<T> {
        Ok(serde_norway::from_value(self.properties)?)
    }

    pub(super) fn function(self, globals: &FunctionProperties) -> Result<Function> {
        /// What the platform grants when nothing is said.
        const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
        const DEFAULT_MEMORY_MB: u32 = 128;
        let own: FunctionProperties = self.read()?;
        let uri = own.code_uri.context("no CodeUri")?;
        let mut environment = globals.environment.variables.clone();
        environment.extend(own.environment.variables);
        Ok(Function {
            name: uri
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
            timeout: Duration::from_secs(
                own.timeout
                    .or(globals.timeout)
                    .unwrap_or(DEFAULT_TIMEOUT_SECONDS),
            ),
            memory_mb: own
                .memory_size
                .or(globals.memory_size)
                .unwrap_or(DEFAULT_MEMORY_MB),
            environment,
            triggers: own
                .events
                .into_values()
                .map(Self::trigger)
                .collect::<Result<_>>()?,
        })
    }

    fn trigger(self) -> Result<Trigger> {
        match self.kind.as_str() {
            "HttpApi" => self.read().map(Trigger::Http),
            "ScheduleV2" => self.read().map(Trigger::Schedule),
            "SQS" => self.queue_source().map(Trigger::Queue),
            other => bail!("the local stack knows no event of type {other}"),
        }
    }

    fn queue_source(self) -> Result<QueueSource> {
        const DEFAULT_BATCH_SIZE: usize = 10;
        let event: SqsEvent = self.read()?;
        Ok(QueueSource {
            queue: resource_of(event.queue)?,
            batch_size: event.batch_size.unwrap_or(DEFAULT_BATCH_SIZE),
            window: Duration::from_secs(
                event.maximum_batching_window_in_seconds.unwrap_or_default(),
            ),
            reports_item_failures: event
                .function_response_types
                .iter()
                .any(|kind| kind == "ReportBatchItemFailures"),
        })
    }

    pub(super) fn queue(self) -> Result<Queue> {
        let mut properties: BTreeMap<String, Value> = if self.properties.is_null() {
            BTreeMap::new()
        } else {
            self.read()?
        };
        let redrive = match properties.remove("RedrivePolicy") {
            Some(policy) => {
                let policy: RedrivePolicy = serde_norway::from_value(policy)?;
                Some(Redrive {
                    target: resource_of(policy.dead_letter_target_arn)?,
                    max_receive_count: policy.max_receive_count,
                })
            }
            None => None,
        };
        let attributes = properties
            .into_iter()
            .map(|(name, value)| Ok((name, scalar_text(&value)?)))
            .collect::<Result<_>>()?;
        Ok(Queue {
            attributes,
            redrive,
        })
    }

    pub(super) fn authorizer(self) -> Result<Authorizer> {
        let auth = &self.properties["Auth"];
        let default = auth["DefaultAuthorizer"]
            .as_str()
            .context("no default authorizer")?;
        let authorizer = &auth["Authorizers"][default];
        ensure!(
            authorizer["IdentitySource"] == "$request.header.Authorization",
            "tokens are only read from the Authorization header"
        );
        Ok(serde_norway::from_value(
            authorizer["JwtConfiguration"].clone(),
        )?)
    }
}

fn resource_of(expression: Expression) -> Result<String> {
    match expression {
        Expression::Attribute {
            path: (resource, attribute),
        } if attribute == "Arn" => Ok(resource),
        other => bail!("expected the Arn of a resource of this template, found {other:?}"),
    }
}

fn scalar_text(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => bail!("expected a plain value, found {other:?}"),
    }
}
