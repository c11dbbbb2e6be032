//! First-time readers: so many a second ask for their summaries, however long the answers take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use local::host::{Host, Invoke};
use serde_json::{Value, json};
use tests::database::project;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

const REQUESTS_A_SECOND: u32 = 100;

/// What readers were told, and when.
#[derive(Debug, Default)]
pub struct Readers {
    /// From the moment at which each was due.
    pub waits: Vec<Duration>,
    /// How many answers came from the cache.
    pub hits: usize,
    /// Whatever was no answer.
    pub errors: Vec<String>,
}

/// Asks for so long, one LP after the other, and waits for every answer. The LPs are written to all the while, so that what the
/// cache has of one seldom lives until it is asked about again.
pub async fn read(host: Arc<Host>, lp_ids: Vec<i64>, time: Duration) -> Readers {
    let interval = Duration::from_secs(1) / REQUESTS_A_SECOND;
    let requests = (time.as_secs_f64() * f64::from(REQUESTS_A_SECOND)) as u32;
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for (request, lp_id) in (0..requests).zip(lp_ids.into_iter().cycle()) {
        let due = start + interval * request;
        sleep_until(due.into()).await;
        let (host, event) = (Arc::clone(&host), event(lp_id));
        asking.spawn(async move {
            let answer = host.invoke("summary", event.to_string().into()).await;
            (due.elapsed(), answer.map_err(|error| error.to_string()))
        });
    }
    let mut readers = Readers::default();
    while let Some(asked) = asking.join_next().await {
        let (wait, answer) = asked.expect("a request does not panic");
        readers.waits.push(wait);
        match answer.map(|answer| serde_json::from_slice::<Value>(&answer).expect("it is JSON")) {
            Ok(answer) if answer["statusCode"] == 200 => {
                readers.hits += usize::from(answer["headers"]["x-cache"] == "hit");
            }
            Ok(answer) => readers.errors.push(answer.to_string()),
            Err(error) => readers.errors.push(error),
        }
    }
    readers.waits.sort_unstable();
    readers
}

/// The function's sample event, from somebody who may see the LP.
fn event(lp_id: i64) -> Value {
    let file = project().join("events/summary.json");
    let text = std::fs::read_to_string(file).expect("the event is there");
    let mut event: Value = serde_json::from_str(&text).expect("it is JSON");
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(format!("lp-{lp_id}"));
    event["pathParameters"]["lpId"] = json!(lp_id.to_string());
    event
}

impl Readers {
    /// The wait within which so many of a hundred were answered.
    pub fn percentile(&self, percent: usize) -> Duration {
        let position = (self.waits.len() * percent).div_ceil(100);
        self.waits[position.saturating_sub(1)]
    }
}
