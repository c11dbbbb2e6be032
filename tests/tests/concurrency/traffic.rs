//! Everybody at once: recorders of overlapping batches, readers, and the work of the night; and what each of them saw, when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsEvent;
use chrono::NaiveDate;
use lambda_http::http::StatusCode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use shared::app::App;
use shared::batch::Worker;
use shared::config::Environment;
use shared::refresh::{Cause, Scope, rebuild, refresh_views, settle_owed, work_the_night};
use tests::builders::refresh_message;
use tests::desk::Desk;
use tests::office::{record, worker};
use tests::queue::Queues;
use tests::redis::PATIENT;
use tokio::sync::Barrier;

use crate::checker::Span;
use crate::question::Question;
use crate::world::{Planned, SUBJECTS, World};

/// The most messages of a batch that are new to its recorder.
const BATCH: usize = 5;
/// Tries of what was refused because its entry was not there: by then it is.
const LATE_TRIES: usize = 10;
/// The first questions, which are about the first LP, are asked the most.
const HOT: usize = 6;
/// After how many batches a long run says how far it is.
const TOLD_EVERY: usize = 100;
/// What a rebuild of this small world may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Where it all happens.
pub struct Site {
    pub desk: Desk,
    pub queues: Queues,
    pub world: World,
    pub plan: Vec<Planned>,
    pub questions: Vec<Question>,
    /// By everybody's clock.
    pub today: NaiveDate,
    /// How far that is set off, in seconds.
    pub clock_offset: String,
    /// Redis, further away: what stands between a commit and the forgetting takes long enough to be met.
    pub far_redis_url: String,
    pub start: Instant,
    /// Whether everything is recorded and acknowledged.
    pub recorded: AtomicBool,
}

/// A batch, and which of its messages were to come again.
#[derive(Debug)]
pub struct Delivered {
    pub span: Span,
    pub messages: Vec<usize>,
    pub failed: BTreeSet<usize>,
}

/// What a reader was told.
#[derive(Debug)]
pub struct Reply {
    pub question: usize,
    pub answer: Value,
    /// What `x-cache` says.
    pub origin: String,
}

/// What the work of the night came to.
#[derive(Debug, Default)]
pub struct Nights {
    pub tasks: usize,
    pub drift_rows: i64,
}

impl Site {
    /// Runs something and says when it began and ended.
    async fn timed<T>(&self, work: impl Future<Output = T>) -> (Span, T) {
        let begin = self.start.elapsed();
        let outcome = work.await;
        let end = self.start.elapsed();
        (Span { begin, end }, outcome)
    }

    /// Which messages each of some recorders is given, in batches: its share of the plan, and now and then one of the others'.
    pub fn shares(&self, recorders: usize, seed: u64) -> Vec<Vec<Vec<usize>>> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut share = |recorder: usize| {
            let mut own = (recorder..self.plan.len()).step_by(recorders).peekable();
            let mut batches = Vec::new();
            while own.peek().is_some() {
                let size = random.random_range(1..=BATCH);
                let mut batch: Vec<usize> = own.by_ref().take(size).collect();
                if random.random_bool(0.4) {
                    let near = batch[0].saturating_sub(8)..(batch[0] + 4).min(self.plan.len());
                    batch.insert(0, random.random_range(near));
                }
                batches.push(batch);
            }
            batches
        };
        (0..recorders).map(&mut share).collect()
    }

    /// Records batches one after the other. What is refused because its entry has not arrived comes again when all entries have.
    pub async fn record(
        self: Arc<Self>,
        batches: Vec<Vec<usize>>,
        redis_url: String,
        everyone: Arc<Barrier>,
    ) -> Vec<Delivered> {
        let delays = ("RETRY_DELAYS_SECONDS", "0,0,0,0,0,0,0,0,0,0");
        let redis = ("REDIS_URL", redis_url.as_str());
        let changed = [delays, redis, self.clock()];
        let worker = worker(&self.desk, &self.queues, &changed).await;
        let (mut delivered, all) = (Vec::new(), batches.len());
        for (count, batch) in batches.into_iter().enumerate() {
            if count > 0 && count % TOLD_EVERY == 0 {
                println!("{count} of a recorder's {all} batches");
            }
            // Now and then another system says that it wrote to the database itself.
            let rewritten = (count % 4 == 3).then(|| self.world.lp_ids[count % 3]);
            delivered.push(self.deliver(&worker, batch, rewritten).await);
        }
        everyone.wait().await;
        let failed = delivered.iter().flat_map(|batch| &batch.failed);
        let mut late: Vec<usize> = failed.copied().collect();
        for _ in 0..LATE_TRIES {
            if late.is_empty() {
                break;
            }
            let again = self.deliver(&worker, late, None).await;
            late = again.failed.iter().copied().collect();
            delivered.push(again);
        }
        assert!(late.is_empty(), "{late:?} were never acknowledged");
        delivered
    }

    async fn deliver(
        &self,
        worker: &Worker,
        messages: Vec<usize>,
        rewritten: Option<i64>,
    ) -> Delivered {
        let bodies = messages
            .iter()
            .map(|&message| self.plan[message].body.clone());
        let errand = rewritten.map(|lp_id| refresh_message("lpId", lp_id));
        let mut event = SqsEvent::default();
        event.records = bodies
            .chain(errand)
            .enumerate()
            .map(|(position, body)| record(position, &body.to_string(), 1))
            .collect();
        // Boxed, so that whoever records is not laid out together with all that recording consists of: the compiler gives up on that.
        let (span, response) = self.timed(Box::pin(worker.work(event))).await;
        let failed = response.batch_item_failures.iter().map(|failure| {
            let position: usize = failure.item_identifier.parse().expect("a position");
            *messages.get(position).expect("the errand does not fail")
        });
        Delivered {
            span,
            failed: failed.collect(),
            messages,
        }
    }

    /// Asks until everything is recorded: half of the time about what everyone asks, and half of the time twice in a row.
    pub async fn read(self: Arc<Self>, app: App, seed: u64) -> Vec<(Span, Reply)> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut replies = Vec::new();
        while !self.recorded.load(Ordering::SeqCst) {
            let asked_by_all = random.random_bool(0.5);
            let questions = if asked_by_all {
                HOT
            } else {
                self.questions.len()
            };
            let question = random.random_range(0..questions);
            let subject = SUBJECTS.choose(&mut random).expect("a subject");
            for _ in 0..random.random_range(1..=2) {
                replies.push(self.ask(&app, question, subject).await);
            }
        }
        replies
    }

    /// Asks a question, which must be answered.
    pub async fn ask(&self, app: &App, question: usize, subject: &str) -> (Span, Reply) {
        let asked = self.questions[question];
        let (span, response) = self.timed(asked.ask(app, subject)).await;
        let answer = serde_json::from_slice(response.body()).expect("it is JSON");
        assert_eq!(response.status(), StatusCode::OK, "{asked:?}: {answer}");
        let origin = response.headers()["x-cache"].to_str().expect("text");
        let origin = origin.to_owned();
        let reply = Reply {
            question,
            answer,
            origin,
        };
        (span, reply)
    }

    fn clock(&self) -> (&str, &str) {
        ("CLOCK_OFFSET_SECONDS", &self.clock_offset)
    }

    /// The clients of a function that answers, with some of its variables changed.
    pub fn reader(&self, changed: &[(&str, &str)]) -> App {
        let (desk, url) = (&self.desk, self.desk.database.reader_url());
        let redis_url = desk.keyspace.url();
        let mut variables = vec![
            ("DATABASE_URL", url.as_str()),
            ("REDIS_URL", redis_url.as_str()),
            ("REDIS_PREFIX", desk.keyspace.prefix()),
            PATIENT,
            self.clock(),
        ];
        variables.extend_from_slice(changed);
        App::from_environment(&Environment::of(&variables)).expect("the environment is usable")
    }

    /// Does the work of the night, and rebuilds, over and over until everything is recorded.
    pub async fn work_nights(self: Arc<Self>) -> Nights {
        let (night, queue) = (&self.desk.night, self.queues.sender().await);
        let App {
            db, cache, clock, ..
        } = night;
        let mut nights = Nights::default();
        while !self.recorded.load(Ordering::SeqCst) {
            let until = Instant::now() + LONGEST;
            match nights.tasks % 5 {
                0 => drop(settle_owed(db, cache, &queue).await.expect("it settles")),
                1 | 3 => {
                    let refreshed = refresh_views(db, *clock, Cause::Activity, None).await;
                    refreshed.expect("the views are refreshed");
                }
                2 => {
                    let scope = Scope::Fund(self.world.fund_ids[nights.tasks % 2]);
                    let rebuilt = rebuild(db, cache, &queue, scope, until).await;
                    rebuilt.expect("it rebuilds").expect("the fund is there");
                }
                _ => {
                    let night = work_the_night(db, cache, &queue, *clock).await;
                    nights.drift_rows += night.expect("the night passes").drift_rows;
                }
            }
            nights.tasks += 1;
        }
        nights
    }
}
