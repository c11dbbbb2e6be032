//! The deployable template as the local stack needs it: functions with what triggers them, queues, the authorizer.
//! A function's name is the last part of its `CodeUri`, which is also its folder, package and binary.
//! Only the long form of intrinsics is understood, and only where a value is looked up here.

mod document;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use document::{Condition, Document, Parameter};

/// What the local stack takes from the template.
#[derive(Debug)]
pub struct Template {
    /// The functions, by logical id.
    pub functions: Vec<Function>,
    /// The queues, by logical id.
    pub queues: BTreeMap<String, Queue>,
    /// The token check that stands before every route.
    pub authorizer: Authorizer,
    parameters: BTreeMap<String, Parameter>,
    conditions: BTreeMap<String, Condition>,
}

/// One function and its triggers.
#[derive(Debug)]
pub struct Function {
    /// Folder, package and binary.
    pub name: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The environment, with references that [`Template::resolve`] follows.
    pub environment: BTreeMap<String, Expression>,
    /// The memory that the platform grants; the local stack only tells the function.
    pub memory_mb: u32,
    /// What invokes it.
    pub triggers: Vec<Trigger>,
}

/// What invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A route of the HTTP API.
    Http(Route),
    /// Messages of a queue.
    Queue(QueueSource),
    /// The clock.
    Schedule(Schedule),
}

/// A route, as the template writes it: `/api/lp/{lpId}/summary`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Route {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
}

/// How messages of a queue are handed to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// The logical id of the queue.
    pub queue: String,
    /// The most messages of one invocation.
    pub batch_size: usize,
    /// How long a batch may be gathered for.
    pub window: Duration,
    /// Whether the function names the messages that failed; otherwise a batch fails or passes as a whole.
    pub reports_item_failures: bool,
}

/// An invocation by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Schedule {
    /// When, in the platform's dialect.
    #[serde(rename = "ScheduleExpression")]
    pub expression: String,
    /// The event, as JSON text.
    pub input: String,
}

/// A queue's attributes, as the queue service names them.
#[derive(Debug)]
pub struct Queue {
    /// Every plain attribute.
    pub attributes: BTreeMap<String, String>,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// A queue's dead-letter rule.
#[derive(Debug)]
pub struct Redrive {
    /// The logical id of the dead-letter queue.
    pub target: String,
    /// After how many receipts.
    pub max_receive_count: u32,
}

/// Whose tokens the gateway accepts.
#[derive(Debug, Deserialize)]
pub struct Authorizer {
    /// The issuer.
    pub issuer: Expression,
    /// The accepted audiences.
    pub audience: Vec<Expression>,
}

/// A value in the template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Expression {
    /// Plain text.
    Text(String),
    /// A parameter's value, or a queue's URL.
    Reference {
        /// The parameter or resource.
        #[serde(rename = "Ref")]
        name: String,
    },
    /// An attribute of a resource.
    Attribute {
        /// The resource and the attribute.
        #[serde(rename = "Fn::GetAtt")]
        path: (String, String),
    },
    /// Text with attributes of resources in it.
    Filled {
        /// The text, with `${resource.attribute}` where they belong.
        #[serde(rename = "Fn::Sub")]
        text: String,
    },
    /// One of two values.
    Choice {
        /// The condition, the value if it holds, and the value if not.
        #[serde(rename = "Fn::If")]
        of: (String, Box<Expression>, Box<Expression>),
    },
}

impl Template {
    /// Reads the template.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("cannot use {}", path.display()))
    }

    /// Reads a template from its text.
    pub fn parse(text: &str) -> Result<Self> {
        let document: Document = serde_norway::from_str(text)?;
        let mut functions = Vec::new();
        let mut queues = BTreeMap::new();
        let mut authorizer = None;
        for (id, resource) in document.resources {
            let parsed = match resource.kind.as_str() {
                "AWS::Serverless::Function" => resource
                    .function(&document.globals.function)
                    .map(|function| functions.push(function)),
                "AWS::SQS::Queue" => resource
                    .queue()
                    .map(|queue| drop(queues.insert(id.clone(), queue))),
                "AWS::Serverless::HttpApi" => {
                    resource.authorizer().map(|found| authorizer = Some(found))
                }
                _ => Ok(()),
            };
            parsed.with_context(|| format!("resource {id}"))?;
        }
        let authorizer = authorizer.context("no HttpApi with an authorizer")?;
        Ok(Self {
            functions,
            queues,
            authorizer,
            parameters: document.parameters,
            conditions: document.conditions,
        })
    }

    /// A function by its name.
    pub fn function(&self, name: &str) -> Result<&Function> {
        self.functions
            .iter()
            .find(|function| function.name == name)
            .with_context(|| format!("the template has no function {name}"))
    }

    /// Every route with the name of its function.
    pub fn routes(&self) -> Vec<(Route, String)> {
        self.triggers(|trigger| match trigger {
            Trigger::Http(route) => Some(route.clone()),
            _ => None,
        })
    }

    /// Every queue trigger with the name of its function.
    pub fn queue_sources(&self) -> Vec<(QueueSource, String)> {
        self.triggers(|trigger| match trigger {
            Trigger::Queue(source) => Some(source.clone()),
            _ => None,
        })
    }

    /// Every schedule with the name of its function.
    pub fn schedules(&self) -> Vec<(Schedule, String)> {
        self.triggers(|trigger| match trigger {
            Trigger::Schedule(schedule) => Some(schedule.clone()),
            _ => None,
        })
    }

    /// The text of a value: `values` holds the parameters that a deployment would give and the URLs of the queues.
    pub fn resolve(
        &self,
        expression: &Expression,
        values: &BTreeMap<String, String>,
    ) -> Result<String> {
        match expression {
            Expression::Text(text) => Ok(text.clone()),
            Expression::Reference { name } => {
                let default = || {
                    self.parameters
                        .get(name)
                        .and_then(|parameter| parameter.default.clone())
                };
                values
                    .get(name)
                    .cloned()
                    .or_else(default)
                    .with_context(|| format!("{name} has no value and no default"))
            }
            Expression::Attribute {
                path: (resource, attribute),
            } => bail!("{resource}.{attribute} has no value on one machine"),
            Expression::Filled { text } => bail!("{text} has no value on one machine"),
            Expression::Choice { of } => self.resolve(self.chosen(of, values)?, values),
        }
    }

    /// The user that a URL names, who is the same wherever the server is.
    pub fn user(&self, url: &Expression, values: &BTreeMap<String, String>) -> Result<String> {
        let text = match url {
            Expression::Text(text) | Expression::Filled { text } => text,
            Expression::Choice { of } => return self.user(self.chosen(of, values)?, values),
            other => bail!("expected a URL, found {other:?}"),
        };
        let user = text
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('@'));
        let (user, _) = user.with_context(|| format!("{text} names no user"))?;
        Ok(user.to_owned())
    }

    fn chosen<'a>(
        &self,
        (condition, then, otherwise): &'a (String, Box<Expression>, Box<Expression>),
        values: &BTreeMap<String, String>,
    ) -> Result<&'a Expression> {
        let condition = self
            .conditions
            .get(condition)
            .with_context(|| format!("the template has no condition {condition}"))?;
        let holds = self.holds(condition, values)?;
        Ok(if holds { then } else { otherwise })
    }

    fn holds(&self, condition: &Condition, values: &BTreeMap<String, String>) -> Result<bool> {
        match condition {
            Condition::Equal {
                sides: (left, right),
            } => Ok(self.resolve(left, values)? == self.resolve(right, values)?),
            Condition::Not { negated } => Ok(!self.holds(&negated.0, values)?),
        }
    }

    fn triggers<T>(&self, pick: impl Fn(&Trigger) -> Option<T>) -> Vec<(T, String)> {
        let of = |function: &Function| -> Vec<(T, String)> {
            function
                .triggers
                .iter()
                .filter_map(&pick)
                .map(|trigger| (trigger, function.name.clone()))
                .collect()
        };
        self.functions.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests;
