//! Plays a history: the steps in their order, then whatever is left on the queue until nothing is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsMessage;
use serde_json::Value;
use shared::refresh::{Cause, Scope, rebuild, refresh_views, work_the_night};
use tests::builders::refresh_message;

use crate::check::{self, Finding};
use crate::crew::{Crew, Day, RECORDERS, record, traced};
use crate::history::{History, MIDNIGHTS, Step};
use crate::messages::message;
use crate::sending::{Course, Sending};
use crate::totals::Totals;
use crate::world::{FUNDS, LPS, World};
use crate::write;

/// Rounds of redelivery after the last step. Of several events with one id, each may have to wait until the one before it is given up.
const ROUNDS: usize = 16;

/// A history being played.
pub struct Play<'a> {
    pub crew: &'a Crew,
    pub history: &'a History,
    pub world: World,
    pub midnights: usize,
    /// What was put on the queue, and how it fared.
    pub courses: BTreeMap<Sending, Course>,
    /// Deliveries so far, each of batches that are worked on at the same time.
    moment: usize,
    /// Answers that were compared.
    pub asked: Cell<usize>,
}

/// Plays it, and tells how much there was to it, or what was wrong.
pub async fn play(crew: &Crew, history: &History) -> Result<Totals, Finding> {
    crew.begin_anew().await;
    let mut play = Play {
        crew,
        history,
        world: World::insert(&crew.desk.client).await,
        midnights: 0,
        courses: BTreeMap::new(),
        moment: 0,
        asked: Cell::new(0),
    };
    for fund in 0..FUNDS {
        play.tell("fundId", play.world.fund_ids[fund]).await?;
    }
    for step in &history.steps {
        play.go_through(step).await?;
    }
    play.drain().await?;
    let letters = crate::ledger::check(&play).await?;
    check::answers(&play).await?;
    check::rebuilding(&play).await?;
    play.refresh_views().await?;
    check::drift(&play).await?;
    check::answers_from_views(&play).await?;
    Ok(play.totals(letters))
}

impl Play<'_> {
    /// Those who work today.
    pub fn day(&self) -> &Day {
        self.crew.day(self.midnights)
    }

    async fn go_through(&mut self, step: &Step) -> Result<(), Finding> {
        match step {
            Step::Deliver(batch) => self.deliver(std::slice::from_ref(batch)).await,
            Step::DeliverTogether(batches) => {
                let batches = &batches[..batches.len().min(RECORDERS)];
                self.deliver(batches).await;
            }
            Step::Ask { lp, question } => check::question(self, lp % LPS, *question).await?,
            Step::RefreshViews => self.refresh_views().await?,
            Step::Night => self.night().await?,
            Step::Midnight => self.midnights += 1,
            Step::Rebuild { fund } => self.rebuild(self.world.fund_ids[fund % FUNDS]).await?,
            Step::Write(written) => {
                write::write(&self.crew.desk.client, &self.world, written).await;
                let (whom, id) = write::concerns(&self.world, written);
                self.tell(whom, id).await?;
            }
            Step::LoseTags { lp } => self.lose_tags(self.world.lp_ids[lp % LPS]).await,
        }
        Ok(())
    }

    /// Puts messages on the queue and has them delivered once.
    async fn deliver(&mut self, batches: &[Vec<usize>]) {
        let events = self.history.events.len();
        let mut delivered = Vec::new();
        for batch in batches.iter().filter(|_| events > 0) {
            let batch = batch.iter().map(|position| self.send(position % events));
            delivered.push(batch.collect());
        }
        self.deliver_sent(delivered).await;
    }

    fn send(&mut self, event: usize) -> Sending {
        let time = 1 + self.sendings(event).count();
        let sending = Sending { event, time };
        self.courses.insert(sending, Course::default());
        sending
    }

    /// How each message of an event fared.
    pub fn sendings(&self, event: usize) -> impl Iterator<Item = (Sending, &Course)> {
        let sending = |time| Sending { event, time };
        let range = self.courses.range(sending(0)..=sending(usize::MAX));
        range.map(|(sending, course)| (*sending, course))
    }

    async fn deliver_sent(&mut self, batches: Vec<Vec<Sending>>) {
        self.moment += 1;
        let mut records: Vec<Vec<SqsMessage>> = Vec::new();
        for batch in &batches {
            let batch = batch.iter().map(|sending| self.record(*sending));
            records.push(batch.collect());
        }
        let begun = Instant::now();
        let failed = self.day().deliver(records).await;
        let took = begun.elapsed();
        for sending in batches.into_iter().flatten() {
            let is_acknowledged = !failed.contains(&self.message_id(sending));
            let course = self.courses.entry(sending).or_default();
            course.is_acknowledged = is_acknowledged;
            course.longest = course.longest.max(took);
        }
    }

    fn record(&mut self, sending: Sending) -> SqsMessage {
        let course = self.courses.entry(sending).or_default();
        course.deliveries += 1;
        course.moment = self.moment;
        let deliveries = course.deliveries;
        let record = record(&self.message_id(sending), self.text(sending), deliveries);
        traced(record, sending.traceparent(self.world.number()))
    }

    /// Delivers what nobody has delivered yet, and then what failed, until the queue is empty.
    async fn drain(&mut self) -> Result<(), Finding> {
        let never: Vec<usize> = (0..self.history.events.len())
            .filter(|event| self.sendings(*event).next().is_none())
            .collect();
        self.deliver(&[never]).await;
        for _ in 0..ROUNDS {
            let left = self.waiting();
            if left.is_empty() {
                return Ok(());
            }
            self.deliver_sent(vec![left]).await;
        }
        match self.waiting() {
            left if left.is_empty() => Ok(()),
            left => Err(format!("messages never end: {left:?}")),
        }
    }

    /// What is on the queue.
    fn waiting(&self) -> Vec<Sending> {
        let waiting = self
            .courses
            .iter()
            .filter(|(_, course)| !course.is_acknowledged);
        waiting.map(|(sending, _)| *sending).collect()
    }

    /// Tells that a system has written for an LP or a fund.
    async fn tell(&self, whom: &str, id: i64) -> Result<(), Finding> {
        let notice = record("notice", refresh_message(whom, id).to_string(), 1);
        let failed = self.day().deliver(vec![vec![notice]]).await;
        if failed.is_empty() {
            Ok(())
        } else {
            Err(format!("a notice about {whom} {id} failed"))
        }
    }

    pub async fn refresh_views(&self) -> Result<(), Finding> {
        let night = &self.day().night;
        let refreshed = refresh_views(&night.db, night.clock, Cause::Activity, None).await;
        told("a refresh of the views", refreshed)
    }

    async fn night(&self) -> Result<(), Finding> {
        let night = &self.day().night;
        let worked = work_the_night(&night.db, &night.cache, &self.crew.queue, night.clock).await;
        match worked {
            Ok(night) if night.drift_rows > 0 => Err(format!(
                "the night found {} rows of drift",
                night.drift_rows
            )),
            worked => told("a night", worked),
        }
    }

    pub async fn rebuild(&self, fund_id: i64) -> Result<(), Finding> {
        const LONG: Duration = Duration::from_secs(60);
        let night = &self.day().night;
        let scope = Scope::Fund(fund_id);
        let until = Instant::now() + LONG;
        let rebuilt = rebuild(&night.db, &night.cache, &self.crew.queue, scope, until).await;
        told("a rebuild", rebuilt)
    }

    async fn lose_tags(&self, lp_id: i64) {
        let keyspace = &self.crew.desk.keyspace;
        let tags = ["ledger", "performance", "holdings"];
        let keys = tags.map(|tag| format!("{}lp:{{{lp_id}}}:tag:{tag}", keyspace.prefix()));
        let command = redis::cmd("DEL").arg(&keys[..]).to_owned();
        let lost = tests::refusing_redis::run(&keyspace.url(), &command).await;
        lost.expect("Redis loses keys");
    }

    /// The queue's name of a message, which no other ever has.
    fn message_id(&self, sending: Sending) -> String {
        format!("{}-{}-{}", self.world.name, sending.event, sending.time)
    }

    /// The message of an event.
    pub fn message(&self, event: usize) -> Value {
        message(self.history, &self.world, event)
    }

    /// The text of what was sent.
    pub fn text(&self, sending: Sending) -> String {
        let message = self.message(sending.event);
        if sending.is_laid_out() {
            format!("{message:#}")
        } else {
            message.to_string()
        }
    }

    fn totals(&self, letters: usize) -> Totals {
        Totals {
            events: self.history.events.len(),
            deliveries: self.courses.values().map(|course| course.deliveries).sum(),
            letters,
            questions: self.asked.get(),
            midnights: self.midnights.min(MIDNIGHTS),
        }
    }
}

fn told<T>(what: &str, outcome: Result<T, shared::error::Error>) -> Result<(), Finding> {
    outcome
        .map(drop)
        .map_err(|error| format!("{what} failed: {}", error.chain()))
}
