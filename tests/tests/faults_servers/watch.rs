//! What was sent, acknowledged and answered, seen from outside: between the poller or the client and the functions.
//!
//! The n-th call is over 2ⁿ cents, so that the sum of an answer says which calls it has seen.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use local::host::{Host, Invoke, InvokeError};
use serde_json::Value;
use tests::http::event;

use crate::site::SUBJECT;

/// So that their sum is still an amount.
const MOST_CALLS: u32 = 49;

/// The functions, watched. Sets of calls are sums of their amounts.
pub struct Watch {
    host: Arc<Host>,
    calls: AtomicU32,
    acknowledged: AtomicU64,
}

/// An answer, and what was known when it was asked for and when it came.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub body: Value,
    /// `x-cache`.
    pub cache: String,
    retry_after: String,
    content_type: String,
    /// What was acknowledged before it was asked for.
    acknowledged: u64,
    /// What had been sent when it came.
    sent: u64,
    /// From the event's being handed out, as the platform's limit counts.
    took: Duration,
}

/// What became of the questions of one caller, or of several.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub answers: u32,
    pub hits: u32,
    /// How many answers the database gave because Redis was out of reach.
    pub bypasses: u32,
    /// How often there was a 503.
    pub unavailable: u32,
    /// How many answers were older than what was acknowledged, or than the answer before.
    pub stale: u32,
    shown: u64,
    longest: Duration,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            answers,
            hits,
            unavailable,
            longest,
            ..
        } = self;
        let longest_ms = longest.as_millis();
        write!(
            f,
            "{answers} answers ({hits} from the cache), {unavailable} times 503, none after more than {longest_ms} ms"
        )
    }
}

impl Watch {
    pub fn over(host: Arc<Host>) -> Self {
        Self {
            host,
            calls: AtomicU32::new(0),
            acknowledged: AtomicU64::new(0),
        }
    }

    /// The amount of the next call, which may be recorded from now on.
    pub fn next_amount(&self) -> i64 {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(call < MOST_CALLS, "too many calls for one ledger");
        1 << call
    }

    pub fn sent(&self) -> u64 {
        (1 << self.calls.load(Ordering::SeqCst)) - 1
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Asks a function. One that hangs or dies fails the test: the host ends it at the platform's limit.
    pub async fn ask(&self, function: &str, path: &str) -> Told {
        let acknowledged = self.acknowledged();
        let event = event(path, Some(SUBJECT), &[]).to_string();
        let answer = self.host.invoke_timed(function, Bytes::from(event)).await;
        let (answer, took) = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        let sent = self.sent();
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        let body = answer["body"].as_str().unwrap_or_default();
        let header = |name: &str| {
            let value = &answer["multiValueHeaders"][name][0];
            let value = value.as_str().or_else(|| answer["headers"][name].as_str());
            value.unwrap_or_default().to_owned()
        };
        Told {
            status: answer["statusCode"]
                .as_u64()
                .and_then(|status| status.try_into().ok())
                .unwrap_or_default(),
            body: serde_json::from_str(body).unwrap_or_default(),
            cache: header("x-cache"),
            retry_after: header("retry-after"),
            content_type: header("content-type"),
            acknowledged,
            sent,
            took,
        }
    }
}

impl Invoke for Watch {
    /// Notes what the function says is done.
    async fn invoke_traced(
        &self,
        function: &str,
        payload: Bytes,
        trace: Option<String>,
    ) -> Result<Bytes, InvokeError> {
        let answer = self
            .host
            .invoke_traced(function, payload.clone(), trace)
            .await?;
        self.acknowledged
            .fetch_or(done(&payload, &answer), Ordering::SeqCst);
        Ok(answer)
    }
}

/// The calls of a batch that are dealt with.
fn done(batch: &[u8], answer: &[u8]) -> u64 {
    let parsed = |bytes| serde_json::from_slice::<Value>(bytes).expect("JSON");
    let (batch, answer) = (parsed(batch), parsed(answer));
    let failures = answer["batchItemFailures"].as_array();
    let has_failed = |id: &Value| {
        failures.is_some_and(|failures| {
            failures
                .iter()
                .any(|failure| failure["itemIdentifier"] == *id)
        })
    };
    let records = batch["Records"].as_array().expect("records");
    let amounts = records.iter().filter_map(|record| {
        let message = parsed(record["body"].as_str()?.as_bytes());
        let amount = message["amountCents"].as_u64()?;
        (!has_failed(&record["messageId"])).then_some(amount)
    });
    amounts.sum()
}

impl Told {
    /// The calls in the answer.
    pub fn shown(&self) -> u64 {
        let totals = &self.body["totals"];
        totals[0]["paidInCents"]
            .as_u64()
            .unwrap_or_else(|| panic!("no sum: {self:?}"))
    }

    /// Whether it is an answer that has seen everything acknowledged before it was asked for.
    pub fn is_right(&self) -> bool {
        self.status == 200 && self.acknowledged & !self.shown() == 0
    }

    /// A 503 as it is promised.
    fn assert_unavailable(&self) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert_eq!(self.retry_after, "1", "{self:?}");
        assert_eq!(
            self.body["type"], "urn:lp-reporting:problem:unavailable",
            "{self:?}"
        );
    }
}

impl Seen {
    /// Judges an answer to the question that this caller has always asked.
    pub fn judge(&mut self, told: &Told) {
        self.longest = self.longest.max(told.took);
        if told.status != 200 {
            told.assert_unavailable();
            self.unavailable += 1;
            return;
        }
        let shown = told.shown();
        assert_eq!(shown & !told.sent, 0, "nobody has sent that: {told:?}");
        self.answers += 1;
        self.hits += u32::from(told.cache == "hit");
        self.bypasses += u32::from(told.cache == "bypass");
        self.stale += u32::from((told.acknowledged | self.shown) & !shown != 0);
        self.shown = shown;
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self {
            answers: self.answers + other.answers,
            hits: self.hits + other.hits,
            bypasses: self.bypasses + other.bypasses,
            unavailable: self.unavailable + other.unavailable,
            stale: self.stale + other.stale,
            shown: self.shown & other.shown,
            longest: self.longest.max(other.longest),
        }
    }
}
