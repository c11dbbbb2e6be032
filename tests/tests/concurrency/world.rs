//! Three LPs in two funds, and what happens to them: a plan of messages that overlap in every way.

use chrono::{Days, NaiveDate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::builders::{
    activity_message, fund_nav_message, grant, insert_commitment, insert_fund, insert_lp,
    nav_message, reversal_message,
};
use tests::desk::Desk;

/// Types of entries, the common ones more often.
const TYPES: [&str; 9] = [
    "capital_call",
    "capital_call",
    "capital_call_outside",
    "distribution",
    "distribution",
    "recallable_distribution",
    "return_of_unused_capital",
    "commitment_increase",
    "commitment_release",
];
/// Those that change what a whole fund's shares are made of.
const OF_COMMITMENTS: [&str; 2] = ["commitment_increase", "commitment_release"];
/// Entries and reports are of these years, in no order.
const FIRST_DAY: &str = "2020-02-01";
const DAYS: u64 = 2_000;
/// Amounts are powers of two, so that sums tell which entries they are of; from this power on they begin again, as long plans would exceed
/// what an entry may have.
const LARGEST_POWER: usize = 40;
/// Who may ask.
pub const SUBJECTS: [&str; 2] = ["adviser", "auditor"];

/// A commitment, whose, and in which fund.
#[derive(Debug, Clone, Copy)]
pub struct Commitment {
    /// Its id.
    pub commitment_id: i64,
    /// Its LP.
    pub lp_id: i64,
    /// Its fund.
    pub fund_id: i64,
}

/// Who is there.
#[derive(Debug)]
pub struct World {
    /// The LPs.
    pub lp_ids: Vec<i64>,
    /// The funds.
    pub fund_ids: Vec<i64>,
    /// The commitments; the first LP has two in the first fund.
    pub commitments: Vec<Commitment>,
}

/// A message and whom it concerns.
#[derive(Debug)]
pub struct Planned {
    /// Its event id.
    pub event_id: String,
    /// Its body.
    pub body: Value,
    /// The LPs whose answers it may change.
    pub lp_ids: Vec<i64>,
    /// The position of the message that it takes back.
    pub reverses: Option<usize>,
}

impl World {
    /// Inserts it, and a table in which the database notes what is recorded in the order of the locks.
    pub async fn insert(desk: &Desk) -> Self {
        let client = &desk.client;
        let (mut lp_ids, mut fund_ids, mut commitments) = (Vec::new(), Vec::new(), Vec::new());
        for name in ["Alder", "Birch"] {
            fund_ids.push(insert_fund(client, name, "USD").await);
        }
        for name in ["Ash", "Beech", "Cedar"] {
            let lp_id = insert_lp(client, name).await;
            for subject in SUBJECTS {
                grant(client, subject, lp_id).await;
            }
            lp_ids.push(lp_id);
        }
        for (lp, fund) in [(0, 0), (0, 1), (0, 0), (1, 0), (1, 1), (2, 1)] {
            let (lp_id, fund_id) = (lp_ids[lp], fund_ids[fund]);
            let commitment_id =
                insert_commitment(client, lp_id, fund_id, 1 << 40, "2020-01-01").await;
            commitments.push(Commitment {
                commitment_id,
                lp_id,
                fund_id,
            });
        }
        let world = Self {
            lp_ids,
            fund_ids,
            commitments,
        };
        world.begin(desk).await;
        desk.run(include_str!("world.sql")).await;
        world
    }

    /// A call and a NAV of each commitment, so that no sum below ever falls under zero.
    async fn begin(&self, desk: &Desk) {
        for Commitment { commitment_id, .. } in &self.commitments {
            let call = activity_message(*commitment_id, "capital_call", 1 << 36, "2020-01-15");
            let nav = nav_message(*commitment_id, 1 << 36, "2020-01-31", "2020-02-10");
            desk.record(&[&call, &nav]).await;
        }
        desk.settle_owed().await;
    }

    /// So many messages. Entries are of distinct powers of two for each LP and type, so that a sum says what it is made of.
    pub fn plan(&self, messages: usize, seed: u64) -> Vec<Planned> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut plan: Vec<Planned> = Vec::new();
        for position in 0..messages {
            let chance = random.random_range(0..100);
            let planned = match chance {
                0..14 => self.reversal(&mut random, &plan),
                14..32 => Some(self.nav(&mut random)),
                32..38 => Some(self.fund_nav(&mut random)),
                _ => None,
            };
            let mut planned = planned.unwrap_or_else(|| self.entry(&mut random, &plan));
            planned.event_id = format!("event-{position}");
            planned.body["eventId"] = json!(planned.event_id);
            planned.body["metadata"] = json!({"event": planned.event_id});
            if let Some(entry) = planned.reverses {
                planned.body["reversesEventId"] = json!(plan[entry].event_id);
            }
            plan.push(planned);
        }
        plan
    }

    fn entry(&self, random: &mut StdRng, plan: &[Planned]) -> Planned {
        let commitment = self.any_commitment(random);
        let kind = *TYPES.choose(random).expect("a type");
        let same = |planned: &&Planned| {
            planned.body["type"] == kind && planned.lp_ids.contains(&commitment.lp_id)
        };
        let amount_cents = 1_i64 << (plan.iter().filter(same).count() % LARGEST_POWER);
        let day = any_day(random).to_string();
        let body = activity_message(commitment.commitment_id, kind, amount_cents, &day);
        let lp_ids = if OF_COMMITMENTS.contains(&kind) {
            self.lps_of(commitment.fund_id)
        } else {
            vec![commitment.lp_id]
        };
        planned(body, lp_ids, None)
    }

    /// Takes back an entry that nothing has taken back yet, if there is one.
    fn reversal(&self, random: &mut StdRng, plan: &[Planned]) -> Option<Planned> {
        let is_free = |position: &usize| {
            let entry = &plan[*position];
            entry.body.get("type").is_some()
                && entry.reverses.is_none()
                && !plan
                    .iter()
                    .any(|planned| planned.reverses == Some(*position))
        };
        let free: Vec<usize> = (0..plan.len()).filter(is_free).collect();
        let entry = *free.choose(random)?;
        let lp_ids = plan[entry].lp_ids.clone();
        Some(planned(
            reversal_message(&plan[entry].body),
            lp_ids,
            Some(entry),
        ))
    }

    fn nav(&self, random: &mut StdRng) -> Planned {
        let commitment = self.any_commitment(random);
        let (day, nav_cents) = (any_day(random), random.random_range(0..1 << 16));
        let (day, reported) = (day.to_string(), (day + Days::new(40)).to_string());
        let body = nav_message(commitment.commitment_id, nav_cents, &day, &reported);
        planned(body, vec![commitment.lp_id], None)
    }

    fn fund_nav(&self, random: &mut StdRng) -> Planned {
        let fund_id = *self.fund_ids.choose(random).expect("a fund");
        let (day, nav_cents) = (any_day(random), random.random_range(0..1 << 16));
        let (day, reported) = (day.to_string(), (day + Days::new(40)).to_string());
        let body = fund_nav_message(fund_id, nav_cents, &day, &reported);
        planned(body, self.lps_of(fund_id), None)
    }

    fn any_commitment(&self, random: &mut StdRng) -> Commitment {
        *self.commitments.choose(random).expect("a commitment")
    }

    fn lps_of(&self, fund_id: i64) -> Vec<i64> {
        let of_fund = self.commitments.iter().filter(|c| c.fund_id == fund_id);
        let mut lp_ids: Vec<i64> = of_fund.map(|commitment| commitment.lp_id).collect();
        lp_ids.dedup();
        lp_ids
    }
}

fn planned(body: Value, lp_ids: Vec<i64>, reverses: Option<usize>) -> Planned {
    Planned {
        event_id: String::new(),
        body,
        lp_ids,
        reverses,
    }
}

fn any_day(random: &mut StdRng) -> NaiveDate {
    let first: NaiveDate = FIRST_DAY.parse().expect("a date");
    first + Days::new(random.random_range(0..DAYS))
}
