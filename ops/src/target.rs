//! Which system is operated, and how it is asked: the local stack by the addresses in its file, a deployment by AWS. The same calls
//! go to both.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use serde_json::Value;
use tokio::process::Command;

use crate::cli::TargetArguments;

/// The platform ends an invocation after fifteen minutes.
const INVOCATION_LIMIT: Duration = Duration::from_secs(15 * 60 + 15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A system.
pub struct Target {
    lambda: aws_sdk_lambda::Client,
    /// The client of its queues.
    pub sqs: aws_sdk_sqs::Client,
    names: Names,
}

/// What a system calls its parts; of a deployment, as far as was told.
#[derive(Default)]
struct Names {
    function: Option<String>,
    queue_url: Option<String>,
    dead_letter_queue_url: Option<String>,
}

impl Target {
    /// Finds the system. Nothing is connected yet.
    pub async fn open(arguments: &TargetArguments) -> Result<Self> {
        let names = Names {
            function: arguments.function.clone(),
            queue_url: arguments.queue_url.clone(),
            dead_letter_queue_url: arguments.dead_letter_queue_url.clone(),
        };
        if let Some(stack) = &arguments.stack {
            Self::deployed(names.or(outputs(stack).await?)).await
        } else if names.is_any() {
            Self::deployed(names).await
        } else {
            Self::local(&arguments.env_file)
        }
    }

    fn local(file: &Path) -> Result<Self> {
        let environment = read_environment(file)?;
        let value = |name: &str| {
            environment
                .get(name)
                .cloned()
                .with_context(|| format!("{} does not tell {name}", file.display()))
        };
        let (id, secret) = (value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, None, None, "the local stack");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(value("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let queues = aws_sdk_sqs::config::Builder::from(&sdk)
            .endpoint_url(value("AWS_ENDPOINT_URL_SQS")?)
            .build();
        let names = Names {
            function: Some("nightly-refresh".to_owned()),
            queue_url: Some(value("QUEUE_URL")?),
            dead_letter_queue_url: Some(value("DLQ_URL")?),
        };
        let functions =
            aws_sdk_lambda::config::Builder::from(&sdk).endpoint_url(value("INVOKE_URL")?);
        Ok(Self {
            lambda: aws_sdk_lambda::Client::from_conf(patient(functions)),
            sqs: aws_sdk_sqs::Client::from_conf(queues),
            names,
        })
    }

    async fn deployed(names: Names) -> Result<Self> {
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        ensure!(
            sdk.region().is_some(),
            "no AWS region is set: set AWS_REGION, or choose a profile that has one"
        );
        let functions = aws_sdk_lambda::config::Builder::from(&sdk);
        Ok(Self {
            lambda: aws_sdk_lambda::Client::from_conf(patient(functions)),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            names,
        })
    }

    /// Has the function do a task, and waits for its answer. Asked once only: if it gives none, it may be at work all the same.
    pub async fn invoke(&self, task: &Value) -> Result<Value> {
        let function = named(&self.names.function, "function")?;
        let sent = self
            .lambda
            .invoke()
            .function_name(function)
            .payload(Blob::new(task.to_string()))
            .send()
            .await;
        let answer = sent.map_err(|error| {
            let cause = DisplayErrorContext(error);
            anyhow::anyhow!("{function} gave no answer, and may be at work all the same: {cause}")
        })?;
        let payload: &[u8] = answer.payload().map_or(&[], |payload| payload.as_ref());
        let payload: Value = serde_json::from_slice(payload)
            .with_context(|| format!("the answer of {function} is no JSON"))?;
        if answer.function_error().is_some() {
            let message = payload["errorMessage"].as_str();
            bail!(
                "{}",
                message.unwrap_or("the function failed; its log says why")
            );
        }
        Ok(payload)
    }

    /// The URL of the activity queue.
    pub fn queue_url(&self) -> Result<&str> {
        named(&self.names.queue_url, "queue-url")
    }

    /// The URL of the dead-letter queue.
    pub fn dead_letter_queue_url(&self) -> Result<&str> {
        named(&self.names.dead_letter_queue_url, "dead-letter-queue-url")
    }
}

/// Waits as long as an invocation may take, and never begins a task twice.
fn patient(config: aws_sdk_lambda::config::Builder) -> aws_sdk_lambda::Config {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(INVOCATION_LIMIT)
        .build();
    config
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // While the function is at work, nothing is sent either way.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

fn named<'a>(name: &'a Option<String>, option: &str) -> Result<&'a str> {
    name.as_deref()
        .with_context(|| format!("this deployment's --{option} is not told: give it, or --stack"))
}

impl Names {
    fn is_any(&self) -> bool {
        let Self {
            function,
            queue_url,
            dead_letter_queue_url,
        } = self;
        function.is_some() || queue_url.is_some() || dead_letter_queue_url.is_some()
    }

    /// What is told here, and for the rest the other.
    fn or(self, other: Self) -> Self {
        Self {
            function: self.function.or(other.function),
            queue_url: self.queue_url.or(other.queue_url),
            dead_letter_queue_url: self.dead_letter_queue_url.or(other.dead_letter_queue_url),
        }
    }
}

/// The outputs of a stack, by the AWS command line, which whoever deploys has.
async fn outputs(stack: &str) -> Result<Names> {
    let mut command = Command::new("aws");
    command.args(["cloudformation", "describe-stacks", "--output", "json"]);
    command.args(["--query", "Stacks[0].Outputs", "--stack-name", stack]);
    let output = command.output().await.context(
        "the AWS command line, which --stack needs, cannot be run: install it, or give --function, --queue-url and --dead-letter-queue-url",
    )?;
    ensure!(
        output.status.success(),
        "the stack {stack} cannot be looked up: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let outputs: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the outputs of the stack {stack} are no JSON"))?;
    let output = |name: &str| {
        let mut outputs = outputs.as_array().into_iter().flatten();
        let found = outputs.find(|output| output["OutputKey"] == name)?;
        found["OutputValue"].as_str().map(str::to_owned)
    };
    Ok(Names {
        function: output("NightlyRefreshFunctionName"),
        queue_url: output("ActivityQueueUrl"),
        dead_letter_queue_url: output("ActivityDeadLetterQueueUrl"),
    })
}

/// The `NAME='value'` lines of a running stack.
fn read_environment(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "no local stack is running, as there is no {}: start one with `make run`, or name a deployment with --stack",
            file.display()
        )
    })?;
    let pairs = text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((name.to_owned(), value.replace(r"'\''", "'")))
    });
    Ok(pairs.collect())
}
