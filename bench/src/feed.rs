//! What upstream systems send: activities on random commitments, some of them twice, some before what they reverse.

use std::time::Duration;

use anyhow::Result;
use chrono::{Days, NaiveDate, Utc};
use local::queue::MemoryQueue;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio_postgres::Client;

const SEED: u64 = 13;
/// How long a message that was received and not deleted stays hidden.
const VISIBILITY: Duration = Duration::from_secs(2);
/// Commitments that are written to.
const COMMITMENTS: i64 = 20_000;

/// A source of messages whose ids are new to the database.
pub struct Feed {
    run: String,
    commitments: Vec<Commitment>,
    random: StdRng,
    sent: u64,
    today: NaiveDate,
}

/// Which commitments a feed writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commitments {
    /// All over the database.
    All,
    /// Those of the LPs that are alike at every size.
    Alike,
}

/// A commitment that is written to.
#[derive(Debug, Clone)]
pub struct Commitment {
    /// Its number.
    pub commitment_id: i64,
    /// Whose it is.
    pub lp_id: i64,
    /// The fund it is in.
    pub fund_id: i64,
    currency: String,
}

/// What a queue was filled with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Messages.
    pub messages: u64,
    /// Ledger entries that they make: each event once.
    pub entries: u64,
}

impl Feed {
    /// A feed for some commitments.
    pub async fn open(database: &Client, commitments: Commitments) -> Result<Self> {
        let sql = "select c.commitment_id, c.lp_id, c.fund_id, f.currency
                   from lp_fund_commitments c join funds f on f.fund_id = c.fund_id join limited_partners l on l.lp_id = c.lp_id
                   where $2 or l.name like 'Alike %'
                   order by hashint8(c.commitment_id), c.commitment_id limit $1";
        let all = commitments == Commitments::All;
        let rows = database.query(sql, &[&COMMITMENTS, &all]).await?;
        let now = Utc::now();
        Ok(Self {
            run: format!("bench-{}", now.timestamp_millis()),
            commitments: rows
                .iter()
                .map(|row| Commitment {
                    commitment_id: row.get(0),
                    lp_id: row.get(1),
                    fund_id: row.get(2),
                    currency: row.get(3),
                })
                .collect(),
            random: StdRng::seed_from_u64(SEED),
            sent: 0,
            today: now.date_naive(),
        })
    }

    /// Fills a queue with so many messages: one in a hundred is sent twice, one in two hundred is a reversal that comes
    /// before what it reverses.
    pub fn fill(&mut self, queue: &MemoryQueue, messages: u64) -> Sent {
        let mut sent = Sent::default();
        while sent.messages < messages {
            let commitment = self.any_commitment();
            let (event_id, body) = self.activity(&commitment);
            let chance: f64 = self.random.random();
            if chance < 0.005 {
                queue.send(self.reversal(&commitment, &event_id, &body));
                sent.messages += 1;
                sent.entries += 1;
            } else if chance < 0.015 {
                queue.send(body.to_string());
                sent.messages += 1;
            }
            queue.send(body.to_string());
            sent.messages += 1;
            sent.entries += 1;
        }
        sent
    }

    /// One of the commitments.
    pub fn any_commitment(&mut self) -> Commitment {
        self.commitments[self.random.random_range(0..self.commitments.len())].clone()
    }

    /// A capital call of the last days, and its event id.
    pub fn activity(&mut self, commitment: &Commitment) -> (String, serde_json::Value) {
        self.sent += 1;
        let event_id = format!("{}-{}", self.run, self.sent);
        let effective_date = self.today - Days::new(self.random.random_range(0..20));
        let body = json!({
            "schema": "lp-reporting/capital-activity/1",
            "source": "bench",
            "eventId": event_id,
            "commitmentId": commitment.commitment_id,
            "type": "capital_call",
            "amountCents": self.random.random_range(1_000_00..50_000_00),
            "currency": commitment.currency,
            "effectiveDate": effective_date,
        });
        (event_id, body)
    }

    fn reversal(
        &self,
        commitment: &Commitment,
        reverses: &str,
        original: &serde_json::Value,
    ) -> String {
        let mut body = original.clone();
        body["eventId"] = format!("{reverses}-reversal").into();
        body["reversesEventId"] = reverses.into();
        body["commitmentId"] = commitment.commitment_id.into();
        body.to_string()
    }

    /// How many entries the ledger has: nothing else writes it meanwhile, so that one too many shows as well.
    pub async fn recorded(&self, database: &Client) -> Result<u64> {
        let sql = "select count(*) from capital_activities";
        let row = database.query_one(sql, &[]).await?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }
}

/// A queue in memory, as the feed fills it.
pub fn queue() -> MemoryQueue {
    MemoryQueue::new(VISIBILITY)
}
