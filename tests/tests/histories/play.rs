//! Plays a history: the steps in their order, then whatever is left on the queue until nothing is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsMessage;
use serde_json::Value;
use shared::refresh::{Cause, Scope, rebuild, refresh_views, work_the_night};
use tests::builders::refresh_message;

use crate::check::{self, Finding};
use crate::crew::{Crew, Day, RECORDERS, record};
use crate::history::{History, Step};
use crate::messages::message;
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
    /// How often the message of each event was put on the queue.
    copies: BTreeMap<usize, usize>,
    /// What is on the queue: the copies not acknowledged, and how often each was delivered.
    waiting: BTreeMap<(usize, usize), usize>,
    /// Deliveries of each event, all copies together.
    pub deliveries: BTreeMap<usize, usize>,
    /// Events of which a copy was acknowledged.
    pub acknowledged: BTreeSet<usize>,
}

/// Plays it, and tells what was wrong.
pub async fn play(crew: &Crew, history: &History) -> Result<(), Finding> {
    crew.begin_anew().await;
    let mut play = Play {
        crew,
        history,
        world: World::insert(&crew.desk.client).await,
        midnights: 0,
        copies: BTreeMap::new(),
        waiting: BTreeMap::new(),
        deliveries: BTreeMap::new(),
        acknowledged: BTreeSet::new(),
    };
    for fund in 0..FUNDS {
        play.tell("fundId", play.world.fund_ids[fund]).await?;
    }
    for step in &history.steps {
        play.go_through(step).await?;
    }
    play.drain().await?;
    crate::ledger::check(&play).await?;
    check::answers(&play).await?;
    check::rebuilding(&play).await?;
    play.refresh_views().await?;
    check::drift(&play).await?;
    check::answers_from_views(&play).await
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
            let mut copies = Vec::new();
            for position in batch {
                let position = position % events;
                let copy = self.copies.entry(position).or_default();
                *copy += 1;
                copies.push((position, *copy));
            }
            delivered.push(copies);
        }
        self.deliver_copies(delivered).await;
    }

    async fn deliver_copies(&mut self, batches: Vec<Vec<(usize, usize)>>) {
        let mut records: Vec<Vec<SqsMessage>> = Vec::new();
        for batch in &batches {
            let batch = batch.iter().map(|copy| self.record(*copy));
            records.push(batch.collect());
        }
        let failed = self.day().deliver(records).await;
        for copy in batches.into_iter().flatten() {
            if !failed.contains(&self.message_id(copy)) {
                self.waiting.remove(&copy);
                self.acknowledged.insert(copy.0);
            }
        }
    }

    fn record(&mut self, copy: (usize, usize)) -> SqsMessage {
        *self.deliveries.entry(copy.0).or_default() += 1;
        let message_id = self.message_id(copy);
        let deliveries = self.waiting.entry(copy).or_default();
        *deliveries += 1;
        let body = message(self.history, &self.world, copy.0);
        record(&message_id, &body, *deliveries)
    }

    /// Delivers what nobody has delivered yet, and then what failed, until the queue is empty.
    async fn drain(&mut self) -> Result<(), Finding> {
        let never: Vec<usize> = (0..self.history.events.len())
            .filter(|position| !self.copies.contains_key(position))
            .collect();
        self.deliver(&[never]).await;
        let mut rounds = 0;
        while !self.waiting.is_empty() {
            if rounds == ROUNDS {
                return Err(format!("messages never end: {:?}", self.waiting));
            }
            rounds += 1;
            let left: Vec<(usize, usize)> = self.waiting.keys().copied().collect();
            self.deliver_copies(vec![left]).await;
        }
        Ok(())
    }

    /// Tells that a system has written for an LP or a fund.
    async fn tell(&self, whom: &str, id: i64) -> Result<(), Finding> {
        let notice = record("notice", &refresh_message(whom, id), 1);
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

    /// The queue's name of a copy, which no other message ever has.
    fn message_id(&self, (position, copy): (usize, usize)) -> String {
        format!("{}-{position}-{copy}", self.world.name)
    }

    /// The body of an event's message.
    pub fn message(&self, position: usize) -> Value {
        message(self.history, &self.world, position)
    }
}

fn told<T>(what: &str, outcome: Result<T, shared::error::Error>) -> Result<(), Finding> {
    outcome
        .map(drop)
        .map_err(|error| format!("{what} failed: {}", error.chain()))
}
