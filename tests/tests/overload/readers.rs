//! First-time readers: so many a second ask for their summaries, however long the answers take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use local::host::{Host, Invoke};
use serde_json::{Value, json};
use tests::database::project;
use tests::reporting::today;
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

/// Asks for so long, one LP after the other, and waits for every answer. Each time round is about the day before, so that nobody
/// finds in the cache what somebody else has asked.
pub async fn read(host: Arc<Host>, lp_ids: Vec<i64>, time: Duration) -> Readers {
    let interval = Duration::from_secs(1) / REQUESTS_A_SECOND;
    let requests = (time.as_secs_f64() * f64::from(REQUESTS_A_SECOND)) as u32;
    let (today, start) = (today(), Instant::now());
    let mut asking = JoinSet::new();
    for request in 0..requests {
        let position = request as usize;
        let as_of = today - Days::new((position / lp_ids.len()) as u64);
        let lp_id = lp_ids[position % lp_ids.len()];
        let due = start + interval * request;
        sleep_until(due.into()).await;
        let (host, event) = (Arc::clone(&host), event(lp_id, as_of));
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
fn event(lp_id: i64, as_of: NaiveDate) -> Value {
    let file = project().join("events/summary.json");
    let text = std::fs::read_to_string(file).expect("the event is there");
    let mut event: Value = serde_json::from_str(&text).expect("it is JSON");
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(format!("lp-{lp_id}"));
    event["pathParameters"]["lpId"] = json!(lp_id.to_string());
    event["queryStringParameters"] = json!({"asOf": as_of.to_string()});
    event["rawQueryString"] = json!(format!("asOf={as_of}"));
    event
}

impl Readers {
    /// The wait within which so many of a hundred were answered.
    pub fn percentile(&self, percent: usize) -> Duration {
        let position = (self.waits.len() * percent).div_ceil(100);
        self.waits[position.saturating_sub(1)]
    }
}
