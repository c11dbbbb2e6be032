//! Requests for a refresh: at most one is outstanding, it is delayed so that refreshing stays a small share of the
//! database's time, and it waits until recording pauses. None of this holds up whoever records.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::views::{Cause, refresh_views};
use crate::app::Clock;
use crate::config::RefreshConfig;
use crate::db::{self, Database};
use crate::error::Error;
use crate::ledger::VIEWS_SCHEMA;
use crate::queue::{LONGEST_SEND_DELAY, Queue};

/// Even when recording never pauses, a refresh starts after this.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// When another refresh is under way, the request is looked at again after this.
const BUSY_DELAY: Duration = Duration::from_secs(5);
/// A message that comes earlier than this before its request is due is not the request's own: the queue delays by whole
/// seconds, rounded up, and two clocks hardly drift apart by a second within its longest delay.
const EARLY: Duration = Duration::from_secs(1);

/// Asks for a refresh where there is something to refresh and nobody has asked yet. Call it after the commit whose marks it
/// is for. Returns whether a message was sent.
pub async fn request_refresh(
    db: &Database,
    queue: &Queue,
    config: &RefreshConfig,
    clock: Clock,
) -> Result<bool, Error> {
    let connection = db.connection().await?;
    let share = i64::from(config.database_share_percent);
    let longest = LONGEST_SEND_DELAY.as_secs_f64();
    let row = db::query_opt(
        &connection,
        include_str!("request.sql"),
        &[&share, &clock.now().date_naive(), &longest],
    )
    .await?;
    let Some(row) = row else { return Ok(false) };
    let refresh_id: i64 = row.get("refresh_id");
    let delay = Duration::try_from_secs_f64(row.get("delay_seconds")).unwrap_or_default();
    let Err(failure) = send(queue, delay).await else {
        return Ok(true);
    };
    // Without its message the request would only keep others from asking.
    let sql = "delete from view_refreshes where refresh_id = $1 and started_at is null";
    db::execute(&connection, sql, &[&refresh_id]).await?;
    Err(failure)
}

async fn send(queue: &Queue, delay: Duration) -> Result<(), Error> {
    queue
        .send(&json!({ "schema": VIEWS_SCHEMA }).to_string(), delay)
        .await
}

/// What the message of a request is for: waits until recording pauses, refreshes, and asks again when there are newer marks.
/// A copy that comes before the request is due does nothing, because the request's own message is still under way; to send
/// it on would keep every copy alive for good. One that finds no request asks for a refresh as anyone does, where there is
/// something to refresh. Returns whether it refreshed.
pub async fn refresh_requested_views(
    db: &Database,
    queue: &Queue,
    config: &RefreshConfig,
    clock: Clock,
) -> Result<bool, Error> {
    match wait_for_quiet(db, config, clock).await? {
        Turn::Now => {}
        Turn::Later => return Ok(false),
        Turn::NotAsked => {
            request_refresh(db, queue, config, clock).await?;
            return Ok(false);
        }
    }
    let refreshed = refresh_views(db, clock, Cause::Activity, None).await?;
    if refreshed.is_some() {
        request_refresh(db, queue, config, clock).await?;
    } else {
        send(queue, BUSY_DELAY).await?;
    }
    Ok(refreshed.is_some())
}

/// Whether it is the outstanding request's turn.
enum Turn {
    /// It is due, and recording pauses.
    Now,
    /// It is not due yet.
    Later,
    /// There is none; another refresh may have taken it.
    NotAsked,
}

/// Waits until no mark has been made for the configured time, or for two seconds at most, as long as a request is outstanding
/// that is due.
async fn wait_for_quiet(
    db: &Database,
    config: &RefreshConfig,
    clock: Clock,
) -> Result<Turn, Error> {
    let deadline = Instant::now() + LONGEST_WAIT;
    let connection = db.connection().await?;
    loop {
        let today = clock.now().date_naive();
        let row = db::query_one(&connection, include_str!("quiet.sql"), &[&today]).await?;
        let Some(due_in_seconds) = row.get::<_, Option<f64>>("due_in_seconds") else {
            return Ok(Turn::NotAsked);
        };
        if due_in_seconds > EARLY.as_secs_f64() {
            return Ok(Turn::Later);
        }
        let Some(quiet_seconds) = row.get::<_, Option<f64>>("quiet_seconds") else {
            return Ok(Turn::Now);
        };
        let quiet = Duration::try_from_secs_f64(quiet_seconds).unwrap_or_default();
        let left = deadline.saturating_duration_since(Instant::now());
        if quiet >= config.debounce || left.is_zero() {
            return Ok(Turn::Now);
        }
        sleep((config.debounce - quiet).min(left)).await;
    }
}
