//! The subcommands that talk to a running stack: sending a message, calling a function, making a token.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::directory::StateDirectory;
use crate::environment_file;
use crate::gateway::tokens::{Flaw, SigningKey, TokenScope};
use crate::host::request_id;
use crate::queue;

/// Which fields of a sample message are taken from the running stack, so that the sample fits its data.
const SUBSTITUTES: [(&str, &str); 3] = [
    ("commitmentId", "COMMITMENT_ID"),
    ("fundId", "FUND_ID"),
    ("lpId", "LP_ID"),
];

/// A running stack, as its environment file describes it.
pub struct Client {
    directory: StateDirectory,
    environment: BTreeMap<String, String>,
}

impl Client {
    /// Finds the stack of a state directory.
    pub fn open(directory: &Path) -> Result<Self> {
        let directory = StateDirectory::open(directory)?;
        let environment = environment_file::read(&directory.environment_file())?;
        Ok(Self {
            directory,
            environment,
        })
    }

    /// Sends the message in a file to the queue: as it stands, or with a fresh event id, the stack's own ids and what `set`
    /// says. Returns the body as sent.
    pub async fn send(&self, file: &Path, set: &[(String, String)], as_is: bool) -> Result<String> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let body = if as_is {
            text
        } else {
            let mut message: Map<String, Value> =
                serde_json::from_str(&text).with_context(|| {
                    format!(
                        "{} is no JSON object; --as-is sends anything",
                        file.display()
                    )
                })?;
            self.adapt(&mut message)?;
            for (field, value) in set {
                // What is no JSON is meant as text: `--set currency=EUR`.
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into());
                message.insert(field.clone(), value);
            }
            Value::from(message).to_string()
        };
        let client = queue::client(self.value("AWS_ENDPOINT_URL_SQS")?);
        client
            .send_message()
            .queue_url(self.value("QUEUE_URL")?)
            .message_body(&body)
            .send()
            .await?;
        Ok(body)
    }

    /// Makes a sample message one of this stack's: a new event on rows that are there. A reversal takes back the event that
    /// was sent last for the id that it names.
    fn adapt(&self, message: &mut Map<String, Value>) -> Result<()> {
        let mut sent = self.sent_events();
        if let Some(reversed) = message.get("reversesEventId").and_then(Value::as_str) {
            let latest = sent.get(reversed).cloned();
            let latest = latest.with_context(|| {
                format!("the event {reversed}, which this one takes back, was not sent yet")
            })?;
            message.insert("reversesEventId".to_owned(), latest.into());
        }
        if let Some(given) = message.get("eventId").and_then(Value::as_str) {
            let fresh = request_id();
            sent.insert(given.to_owned(), fresh.clone());
            message.insert("eventId".to_owned(), fresh.into());
            fs::write(
                self.directory.sent_events_file(),
                serde_json::to_vec(&sent)?,
            )?;
        }
        for (field, variable) in SUBSTITUTES {
            if message.contains_key(field) {
                let own = serde_json::from_str(self.value(variable)?)?;
                message.insert(field.to_owned(), own);
            }
        }
        Ok(())
    }

    /// By the id in a sample file: the fresh one under which it was sent last.
    fn sent_events(&self) -> BTreeMap<String, String> {
        let text = fs::read(self.directory.sent_events_file()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Calls a function and returns its answer.
    pub async fn invoke(&self, function: &str, payload: String) -> Result<String> {
        let url = format!(
            "{}/2015-03-31/functions/{function}/invocations",
            self.value("INVOKE_URL")?
        );
        let response = reqwest::Client::new()
            .post(url)
            .body(payload)
            .send()
            .await?;
        let failed = !response.status().is_success()
            || response.headers().contains_key("x-amz-function-error");
        let answer = response.text().await?;
        ensure!(!failed, "{function} failed: {answer}");
        Ok(answer)
    }

    /// A token of the stack's issuer, good or with one flaw.
    pub fn token(&self, subject: &str, ttl_seconds: i64, flaw: Option<Flaw>) -> Result<String> {
        let key = SigningKey::read(&self.directory.signing_key())?;
        let scope = TokenScope {
            issuer: self.value("JWT_ISSUER")?.to_owned(),
            audience: self.value("JWT_AUDIENCE")?.to_owned(),
        };
        match flaw {
            Some(flaw) => key.flawed_token(&scope, subject, flaw),
            None => key.token(&scope, subject, ttl_seconds),
        }
    }

    fn value(&self, name: &str) -> Result<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the environment file has no {name}"))
    }
}
