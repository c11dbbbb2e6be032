//! What upstream systems send when something has gone wrong with them: a stream with duplicates, reversals before their entries, and
//! poison; and what has to become of each message.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::builders::activity_message;
use tokio_postgres::Client;

use crate::poison::{AT_ONCE, KEPT, LATE, REVERSAL, TAKEN_BACK};

/// Who sends it all.
pub const SOURCE: &str = "overload";
/// Shares of the messages, in thousandths.
const DUPLICATES: u32 = 10;
const REORDERED: u32 = 5;
const POISON: u32 = 10;
/// Of the little that the real queue carries more is poison, so that each kind of it is there.
const POISON_WITH_LATE: u32 = 120;
/// How many messages later the second of a pair comes, at most.
const FARTHEST: u64 = 50;
/// Types, the common ones more often. An increase moves the shares of a whole fund.
const TYPES: [&str; 3] = ["capital_call", "distribution", "recallable_distribution"];
const INCREASES: u32 = 2;

/// A ledger entry as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub commitment_id: i64,
    pub kind: String,
    pub amount_cents: i64,
    pub date: NaiveDate,
}

/// Where messages come from, and the account of them.
pub struct Stream {
    commitments: Vec<(i64, String)>,
    random: StdRng,
    numbered: u64,
    /// Messages that come once so many have been sent.
    held: BTreeMap<(u64, u64), String>,
    taken_back: Value,
    /// Whether poison may be of the kind that waits before it is refused.
    pub with_late: bool,
    pub sent: u64,
    pub duplicates: usize,
    pub reordered: usize,
    /// What the ledger has to have of it, by event id.
    pub entries: BTreeMap<String, Entry>,
    /// What has to lie among the dead letters, with the reason.
    pub poison: Vec<(String, String)>,
}

impl Stream {
    /// A stream about the sample's commitments.
    pub async fn open(client: &Client, seed: u64) -> Self {
        let sql = "select c.commitment_id, f.currency from lp_fund_commitments c join funds f using (fund_id) order by 1";
        let rows = client.query(sql, &[]).await.expect("the sample");
        Self {
            commitments: rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
            random: StdRng::seed_from_u64(seed),
            numbered: 0,
            held: BTreeMap::new(),
            taken_back: Value::Null,
            with_late: false,
            sent: 0,
            duplicates: 0,
            reordered: 0,
            entries: BTreeMap::new(),
            poison: Vec::new(),
        }
    }

    /// The events that some of the poison is about.
    pub fn prelude(&mut self) -> Vec<String> {
        let mut kept = self.entry();
        kept["eventId"] = json!(KEPT);
        let mut taken_back = self.entry();
        taken_back["eventId"] = json!(TAKEN_BACK);
        let reversal = reversal(&taken_back, REVERSAL);
        self.taken_back = taken_back.clone();
        self.sent += 3;
        [kept, taken_back, reversal]
            .into_iter()
            .map(|body| self.expect(&body))
            .collect()
    }

    /// The next so many messages.
    pub fn take(&mut self, count: u64) -> Vec<String> {
        (0..count).map(|_| self.next()).collect()
    }

    /// What is still held back.
    pub fn rest(&mut self) -> Vec<String> {
        self.sent += self.held.len() as u64;
        std::mem::take(&mut self.held).into_values().collect()
    }

    fn next(&mut self) -> String {
        self.sent += 1;
        if let Some(held) = self
            .held
            .first_entry()
            .filter(|held| held.key().0 <= self.sent)
        {
            return held.remove();
        }
        let entry = self.entry();
        let poison = if self.with_late {
            POISON_WITH_LATE
        } else {
            POISON
        };
        match self.random.random_range(0..1000) {
            chance if chance < DUPLICATES => {
                self.duplicates += 1;
                let body = self.expect(&entry);
                self.hold(body.clone());
                body
            }
            chance if chance < DUPLICATES + REORDERED => {
                self.reordered += 1;
                let event_id = entry["eventId"].as_str().expect("an id");
                let reversal = reversal(&entry, &format!("{event_id}-reversal"));
                let body = self.expect(&entry);
                self.hold(body);
                self.expect(&reversal)
            }
            chance if chance < DUPLICATES + REORDERED + poison => self.spoil(entry),
            _ => self.expect(&entry),
        }
    }

    fn entry(&mut self) -> Value {
        let (commitment_id, currency) = self.commitments.choose(&mut self.random).expect("some");
        let kind = if self.random.random_ratio(INCREASES, 1000) {
            "commitment_increase"
        } else {
            TYPES.choose(&mut self.random).expect("a type")
        };
        let first: NaiveDate = "2024-01-01".parse().expect("a date");
        let date = first + Days::new(self.random.random_range(0..700));
        let amount_cents = self.random.random_range(1..5_000_000);
        let mut entry = activity_message(*commitment_id, kind, amount_cents, &date.to_string());
        self.numbered += 1;
        entry["source"] = json!(SOURCE);
        entry["eventId"] = json!(format!("event-{}", self.numbered));
        entry["currency"] = json!(currency);
        entry
    }

    fn spoil(&mut self, entry: Value) -> String {
        let late = if self.with_late { &LATE[..] } else { &[] };
        let turn = self.poison.len() % (late.len() + AT_ONCE.len());
        let (reason, spoil) = late.iter().chain(&AT_ONCE).nth(turn).expect("a kind");
        let body = spoil(entry, &self.taken_back);
        self.poison.push((body.clone(), (*reason).to_owned()));
        body
    }

    fn hold(&mut self, body: String) {
        let until = self.sent + self.random.random_range(1..=FARTHEST);
        self.held.insert((until, self.sent), body);
    }

    /// Expects of an entry or a reversal that it is recorded.
    fn expect(&mut self, body: &Value) -> String {
        let text = |name: &str| body[name].as_str().expect("text").to_owned();
        let amount_cents = body["amountCents"].as_i64().expect("cents");
        let sign = if body.get("reversesEventId").is_some() {
            -1
        } else {
            1
        };
        let entry = Entry {
            commitment_id: body["commitmentId"].as_i64().expect("an id"),
            kind: text("type"),
            amount_cents: sign * amount_cents,
            date: text("effectiveDate").parse().expect("a date"),
        };
        self.entries.insert(text("eventId"), entry);
        body.to_string()
    }
}

fn reversal(of: &Value, event_id: &str) -> Value {
    let mut body = of.clone();
    body["eventId"] = json!(event_id);
    body["reversesEventId"] = of["eventId"].clone();
    body
}
