//! A whole running stack, as `make run` starts it: servers, functions, gateway, poller and sample data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use local::gateway::tokens::SigningKey;
use local::servers::postgres::Role;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use tokio_postgres::Client;

use crate::contract::assert_matches_contract;
use crate::database::connect;
use crate::figures::Figures;
use crate::queue;
use crate::redis::PATIENT;
use crate::teardown::unique_name;

/// From a cold start with sample S to the first answer, with room for a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(240);
/// From the interrupt to the end of everything that was started.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running stack. Dropping the value stops it and removes its files.
#[derive(Debug)]
pub struct Stack {
    folder: PathBuf,
    child: Child,
    settings: BTreeMap<String, String>,
    http: reqwest::Client,
    queue: aws_sdk_sqs::Client,
}

/// An answer of the gateway.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, null when it is empty.
    pub body: Value,
}

impl Stack {
    /// Starts a stack with sample S.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a stack with further arguments to `local run`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::start_shifted(arguments, 0).await
    }

    /// As [`Stack::start_with`], with a clock that is so many seconds ahead of that of the queue and the database.
    pub async fn start_shifted(arguments: &[&str], clock_offset_seconds: i64) -> Self {
        let folder = std::env::temp_dir().join(unique_name("lp-reporting-stack"));
        std::fs::create_dir(&folder).expect("a folder is created");
        let log = std::fs::File::create(folder.join("log")).expect("a log is created");
        let child = Command::new(binary("local"))
            .args(["run", "--size", "S", "--quiet", "--dir"])
            .arg(&folder)
            .args(["--env", &format!("{}={}", PATIENT.0, PATIENT.1)])
            .args(["--env", "REFRESH_DATABASE_SHARE_PERCENT=100"])
            .args(arguments)
            .env("CLOCK_OFFSET_SECONDS", clock_offset_seconds.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log is shared"))
            .stderr(log)
            .spawn()
            .expect("the program `local` starts");
        // Built before anything can fail, so that its `drop` stops what was started.
        let mut stack = Self {
            folder,
            child,
            settings: BTreeMap::new(),
            http: reqwest::Client::new(),
            queue: queue::client("http://unknown"),
        };
        stack.wait_until_ready().await;
        stack.queue = queue::client(stack.setting("AWS_ENDPOINT_URL_SQS"));
        stack
    }

    async fn wait_until_ready(&mut self) {
        let start = Instant::now();
        loop {
            self.settings = read_settings(&self.folder.join("env"));
            if self.settings.contains_key("BASE_URL") {
                return;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(
                ended.is_none(),
                "the stack ended before it was ready:\n{}",
                log()
            );
            assert!(
                start.elapsed() < START_LIMIT,
                "the stack is not ready after {START_LIMIT:?}:\n{}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// One of the settings that the stack wrote down, such as `LP_ID`.
    #[must_use]
    pub fn setting(&self, name: &str) -> &str {
        self.settings
            .get(name)
            .unwrap_or_else(|| panic!("the stack does not tell {name}"))
    }

    /// A setting that is a number.
    #[must_use]
    pub fn id(&self, name: &str) -> i64 {
        self.setting(name)
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number"))
    }

    /// Where the stack keeps its state: `target/local` of `make run`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A connection to the stack's database, as its owner.
    pub async fn database(&self) -> Client {
        connect(self.setting("DATABASE_URL")).await
    }

    /// A connection to the stack's database, as the administrator, who is bound by no policy and sees every role's statements.
    pub async fn administration(&self) -> Client {
        let url = self.setting("DATABASE_URL");
        let url = url.replacen(Role::Migrator.name(), Role::Administrator.name(), 1);
        connect(&url).await
    }

    /// A token for a subject.
    #[must_use]
    pub fn token(&self, subject: &str) -> String {
        let output = Command::new(binary("local"))
            .args(["token", "--subject", subject, "--dir"])
            .arg(&self.folder)
            .output();
        let output = output.expect("the program `local` starts");
        assert!(
            output.status.success(),
            "no token: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .expect("a token is text")
            .trim()
            .to_owned()
    }

    /// The key that signs the stack's tokens.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::read(&self.folder.join("signing-key.pem")).expect("the stack's key")
    }

    /// Every log of the stack, by its file's name: what it says itself, its servers' and its functions'.
    #[must_use]
    pub fn logs(&self) -> BTreeMap<String, String> {
        let own = self.folder.join("log");
        let entries = std::fs::read_dir(self.folder.join("logs")).expect("the folder of logs");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let read = |path: PathBuf| {
            let text = std::fs::read(&path).expect("a log can be read");
            let name = path.file_name().expect("a name").to_string_lossy();
            (
                name.into_owned(),
                String::from_utf8_lossy(&text).into_owned(),
            )
        };
        paths.chain([own]).map(read).collect()
    }

    /// Asks for a path such as `/api/lp/1/summary`.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.get_with(path, token, &[]).await
    }

    /// Asks for a path with further headers.
    pub async fn get_with(&self, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .http
            .request(Method::GET, format!("{}{path}", self.setting("BASE_URL")))
            .bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response
            .text()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        assert_matches_contract(path, status.as_u16(), &headers, &body);
        Answer {
            status,
            headers,
            body,
        }
    }

    /// What the stack tells a monitor now.
    pub async fn figures(&self) -> Figures {
        let answer = self.http.get(self.setting("METRICS_URL")).send().await;
        let answer = answer.expect("the stack answers");
        assert!(answer.status().is_success(), "{answer:?}");
        Figures::read(answer.text().await.expect("text"))
    }

    /// Puts a message on the stack's queue.
    pub async fn send(&self, message: &Value) {
        queue::send(&self.queue, self.setting("QUEUE_URL"), message).await;
    }

    /// As [`Stack::send`], with a trace in W3C's form, or in X-Ray's.
    pub async fn send_traced(
        &self,
        message: &Value,
        traceparent: Option<&str>,
        xray: Option<&str>,
    ) {
        let url = self.setting("QUEUE_URL");
        queue::send_traced(&self.queue, url, message, traceparent, xray).await;
    }

    /// Puts a message among the stack's dead letters, as one that was refused for a reason.
    pub async fn send_dead_letter(&self, message: &Value, reason: &str) {
        queue::send_dead_letter(&self.queue, self.setting("DLQ_URL"), message, reason).await;
    }

    /// How many messages the queue holds that nobody has acknowledged, those being worked on included.
    pub async fn unacknowledged(&self) -> u64 {
        let attributes = self
            .queue
            .get_queue_attributes()
            .queue_url(self.setting("QUEUE_URL"))
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .expect("the queue answers");
        let counts = attributes.attributes().expect("attributes");
        [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ]
        .iter()
        .map(|name| counts[name].parse::<u64>().expect("a number"))
        .sum()
    }

    /// Stops or starts one of the stack's servers, `postgres` or `redis`.
    pub async fn server(&self, name: &str, action: &str) {
        let url = format!("{}/servers/{name}/{action}", self.setting("INVOKE_URL"));
        let answer = self.http.post(url).send().await.expect("the stack answers");
        assert!(answer.status().is_success(), "{name} {action}: {answer:?}");
    }

    /// Invokes a function with a payload, as a schedule would.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Value {
        let url = format!(
            "{}/2015-03-31/functions/{function}/invocations",
            self.setting("INVOKE_URL")
        );
        let answer = self.http.post(url).json(payload).send().await;
        let answer = answer.expect("the stack answers").json().await;
        answer.expect("a function answers JSON")
    }

    /// Takes every message out of the stack's dead-letter queue.
    pub async fn dead_letters(&self) -> Vec<aws_sdk_sqs::types::Message> {
        queue::take_all(&self.queue, self.setting("DLQ_URL")).await
    }

    /// Stops it as Ctrl-C would, and waits for the end.
    fn stop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is small"));
        let start = Instant::now();
        let _ = kill(pid, Signal::SIGINT);
        while start.elapsed() < STOP_LIMIT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!(
            "the stack did not stop within {STOP_LIMIT:?}; its files stay in {}",
            self.folder.display()
        );
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
        if !matches!(self.child.try_wait(), Ok(None)) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// One of the project's programs: what `make test` built stands beside the tests' own folder.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("BIN_DIR") {
        return Path::new(&folder).join(name);
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test lies in target/<profile>/deps");
    profile.join(name)
}

/// Reads `NAME='value'` lines, as a shell would.
fn read_settings(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pairs = text
        .lines()
        .filter_map(|line| line.trim_start_matches("export ").split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
        .collect()
}
