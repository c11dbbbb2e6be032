//! The hit rate under a stated mix of sessions, in a time of its own: a session lasts an hour, the run some seconds. An
//! answer whose time to live has passed in that time is taken out of the cache before the next request.
//!
//! The mix: an LP opens the dashboard (summary, performance, newest activity), looks at three pages (holdings, history, a
//! fund), each with the summary in its header, and within the hour comes back to the dashboard and one page. No money moves.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Result;
use axum::body::Bytes;
use local::host::Host;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

use crate::answers::REPORTS;
use crate::questions::event;
use crate::rig::{Cast, Rig, Way, invoke, say};

const SEED: u64 = 11;
/// The sessions begin within so many seconds: a working day.
const DAY_S: f64 = 8.0 * 3600.0;

/// What came from the cache.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Mix {
    /// Requests and hits, by report.
    pub reports: BTreeMap<String, Tally>,
    /// Hits of all requests.
    pub hit_rate: f64,
}

/// Requests and hits.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How many were asked.
    pub requests: u32,
    /// How many of them came from the cache.
    pub hits: u32,
}

/// A request at its time.
struct Visit {
    at_s: f64,
    lp_id: i64,
    function: &'static str,
    event: Bytes,
}

/// Plays all sessions.
pub async fn measure(rig: &Rig) -> Result<Mix> {
    say("The mix of sessions");
    let visits = visits(rig).await?;
    let host = rig
        .host(Cast {
            name: "mix",
            functions: &REPORTS,
            instances: 1,
            way: Way::InTheMorning,
        })
        .await?;
    rig.empty_cache().await?;
    let played = play(&host, rig.cache().await?, &visits).await;
    host.stop().await;
    played
}

async fn play(host: &Arc<Host>, link: MultiplexedConnection, visits: &[Visit]) -> Result<Mix> {
    let mut shelf = Shelf {
        link,
        expires_at_s: HashMap::new(),
    };
    let mut mix = Mix::default();
    for visit in visits {
        shelf.expire(visit.lp_id, visit.at_s).await?;
        let answer = invoke(host, visit.function, &visit.event).await?;
        let is_hit = answer["headers"]["x-cache"] == "hit";
        let tally = mix.reports.entry(visit.function.to_owned()).or_default();
        tally.requests += 1;
        tally.hits += u32::from(is_hit);
        shelf.note(visit.lp_id, visit.at_s, is_hit).await?;
    }
    let (requests, hits) = mix
        .reports
        .values()
        .fold((0, 0), |(requests, hits), tally| {
            (requests + tally.requests, hits + tally.hits)
        });
    mix.hit_rate = f64::from(hits) / f64::from(requests);
    Ok(mix)
}

/// What is cached, and until when in the mix's own time.
struct Shelf {
    link: MultiplexedConnection,
    expires_at_s: HashMap<i64, HashMap<String, f64>>,
}

impl Shelf {
    /// Takes out what has outlived its time.
    async fn expire(&mut self, lp_id: i64, now_s: f64) -> Result<()> {
        let Some(keys) = self.expires_at_s.get_mut(&lp_id) else {
            return Ok(());
        };
        let outlived: Vec<String> = keys
            .extract_if(|_, expires_at_s| *expires_at_s <= now_s)
            .map(|(key, _)| key)
            .collect();
        if !outlived.is_empty() {
            let _: () = redis::cmd("DEL")
                .arg(outlived)
                .query_async(&mut self.link)
                .await?;
        }
        Ok(())
    }

    /// Notes the time to live of what was planted just now, and of the tags, which a miss makes live on.
    async fn note(&mut self, lp_id: i64, now_s: f64, is_hit: bool) -> Result<()> {
        let pattern = format!("*lp:{{{lp_id}}}:*");
        let found: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut self.link)
            .await?;
        let known = self.expires_at_s.entry(lp_id).or_default();
        for key in found {
            if !is_hit && key.contains(":tag:") {
                known.remove(&key);
            }
            if let Entry::Vacant(unknown) = known.entry(key) {
                let ms: f64 = redis::cmd("PTTL")
                    .arg(unknown.key())
                    .query_async(&mut self.link)
                    .await?;
                unknown.insert(now_s + ms / 1e3);
            }
        }
        Ok(())
    }
}

/// All requests of all sessions, by time.
async fn visits(rig: &Rig) -> Result<Vec<Visit>> {
    let rows = rig
        .administrator
        .query(
            "select lp_id, min(fund_id) from lp_fund_commitments group by lp_id order by lp_id",
            &[],
        )
        .await?;
    let lps: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut visits = Vec::new();
    for _ in 0..rig.effort.sessions {
        let (lp_id, fund_id) = lps[random.random_range(0..lps.len())];
        let mut at_s = random.random_range(0.0..DAY_S);
        let mut ask = |at_s, function, query: &[(&str, String)]| -> Result<()> {
            let event = event(function, lp_id, fund_id, query)?;
            visits.push(Visit {
                at_s,
                lp_id,
                function,
                event,
            });
            Ok(())
        };
        let returns_at_s = at_s + random.random_range(300.0..3600.0);
        let pages = ["holdings", "performance-history", "fund-performance"];
        for begins_at_s in [at_s, returns_at_s] {
            at_s = begins_at_s;
            ask(at_s, "summary", &[])?;
            ask(at_s, "performance", &[])?;
            ask(at_s, "capital-activity", &[("limit", "50".to_owned())])?;
            let looked_at = if begins_at_s < returns_at_s { 3 } else { 1 };
            for page in pages.into_iter().take(looked_at) {
                at_s += random.random_range(20.0..90.0);
                ask(at_s, "summary", &[])?;
                ask(at_s, page, &[])?;
            }
        }
    }
    visits.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    Ok(visits)
}
