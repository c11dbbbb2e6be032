//! Those who play a history: recorders, whoever works at night, and readers, with clocks that tests may set on.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Utc};
use futures_util::future::join_all;
use local::servers::postgres::Role;
use shared::app::App;
use shared::batch::Worker;
use shared::config::Environment;
use shared::queue::Queue;
use shared::refresh::{Cause, refresh_views};
use shared::trace::TRACEPARENT;
use tests::desk::Desk;
use tests::queue::Queues;
use tests::redis::PATIENT;

use crate::history::MIDNIGHTS;

/// The first day of every history: midnights later it is the leap day, then March.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2024, 2, 28).expect("a date");
/// The tries that a message gets which waits for another.
pub const TRIES: usize = 2;
/// How many recorders may work at the same time.
pub const RECORDERS: usize = 3;
/// An address at which nobody listens.
const NOWHERE: &str = "redis://127.0.0.1:1";

/// Takes away what no one may take away. Deleting a few rows is quicker than truncating many tables.
const EMPTY: &str = "
    set session_replication_role = replica;
    delete from capital_activities; delete from commitment_navs; delete from fund_nav_snapshots; delete from received_events;
    delete from fund_cash_flows; delete from investment_valuations; delete from fund_investments; delete from portfolio_companies;
    delete from lp_capital_accounts; delete from lp_performance_snapshots; delete from lp_pooled_performance; delete from fund_performance;
    delete from touched_commitments; delete from pending_performance; delete from view_refreshes; delete from row_changes;
    delete from lp_access; delete from lp_fund_commitments; delete from limited_partners; delete from funds;
    set session_replication_role = origin";

/// Somebody has asked for a refresh already, so that the first recorder need not: the local queue is the slowest part here.
const ASKED: &str =
    "insert into view_refreshes (cause, due_at) values ('activity', now() + interval '1 day')";

/// Everybody, on a database and a corner of Redis of their own.
pub struct Crew {
    pub desk: Desk,
    pub queues: Queues,
    pub queue: Queue,
    days: Vec<Day>,
}

/// Those who work by the clock of one day.
pub struct Day {
    pub today: NaiveDate,
    recorders: Vec<Worker>,
    /// Works at night.
    pub night: App,
    /// Reads with the cache.
    pub warm: App,
    /// Reads without.
    pub cold: App,
}

impl Crew {
    pub async fn gather() -> Self {
        let (desk, queues) = (Desk::empty().await, Queues::create().await);
        let mut days = Vec::new();
        for day in 0..=MIDNIGHTS {
            days.push(Day::begin(&desk, &queues, day).await);
        }
        let queue = queues.sender().await;
        Self {
            desk,
            queues,
            queue,
            days,
        }
    }

    /// Makes room for the next world, as if nothing had ever been: the clock goes back to the first day, where no view has been.
    pub async fn begin_anew(&self) {
        self.desk.run(EMPTY).await;
        let night = &self.days[0].night;
        let refreshed = refresh_views(&night.db, night.clock, Cause::Nightly, None).await;
        refreshed.expect("empty views are refreshed");
        self.desk.run(ASKED).await;
    }

    /// Those of the day after so many midnights.
    pub fn day(&self, midnights: usize) -> &Day {
        &self.days[midnights.min(MIDNIGHTS)]
    }
}

impl Day {
    async fn begin(desk: &Desk, queues: &Queues, midnights: usize) -> Self {
        let today = FIRST_DAY + chrono::Days::new(midnights as u64);
        let offset = (noon(today) - Utc::now().naive_utc())
            .num_seconds()
            .to_string();
        let environment = |role, redis_url: &str| {
            Environment::of(&[
                ("DATABASE_URL", &desk.database.url(role)),
                ("REDIS_URL", redis_url),
                ("REDIS_PREFIX", desk.keyspace.prefix()),
                PATIENT,
                ("QUEUE_URL", &queues.queue_url),
                ("DEAD_LETTER_QUEUE_URL", &queues.dead_letter_queue_url),
                ("CLOCK_OFFSET_SECONDS", &offset),
                // What waits for another message is tried twice.
                ("RETRY_DELAYS_SECONDS", "1"),
            ])
        };
        let redis_url = desk.keyspace.url();
        let app = |role, redis_url| {
            App::from_environment(&environment(role, redis_url)).expect("the environment is usable")
        };
        let mut recorders = Vec::new();
        for _ in 0..RECORDERS {
            let recorder = Worker::from_environment(&environment(Role::Recorder, &redis_url)).await;
            recorders.push(recorder.expect("the environment is usable"));
        }
        Self {
            today,
            recorders,
            night: app(Role::Refresher, &redis_url),
            warm: app(Role::Reader, &redis_url),
            cold: app(Role::Reader, NOWHERE),
        }
    }

    /// Delivers batches, each to a recorder of its own, and returns the ids of the messages that failed.
    pub async fn deliver(&self, batches: Vec<Vec<SqsMessage>>) -> Vec<String> {
        let recorders = self.recorders.iter().cycle();
        let working = batches.into_iter().zip(recorders).map(|(batch, recorder)| {
            let mut event = SqsEvent::default();
            event.records = batch;
            recorder.work(event)
        });
        let responses = join_all(working).await;
        let failures = responses
            .into_iter()
            .flat_map(|response| response.batch_item_failures);
        failures.map(|failure| failure.item_identifier).collect()
    }
}

/// A body as the queue delivers it, for the n-th time.
pub fn record(message_id: &str, body: String, deliveries: usize) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(message_id.to_owned());
    record.receipt_handle = Some(format!("receipt-{message_id}"));
    record.body = Some(body);
    let count = ("ApproximateReceiveCount".to_owned(), deliveries.to_string());
    record.attributes.insert(count.0, count.1);
    record
}

/// The same with the trace that its sender gave it.
pub fn traced(mut record: SqsMessage, traceparent: String) -> SqsMessage {
    let mut attribute = SqsMessageAttribute::default();
    attribute.data_type = Some("String".to_owned());
    attribute.string_value = Some(traceparent);
    record
        .message_attributes
        .insert(TRACEPARENT.to_owned(), attribute);
    record
}

fn noon(day: NaiveDate) -> NaiveDateTime {
    day.and_time(NaiveTime::from_hms_opt(12, 0, 0).expect("noon"))
}
