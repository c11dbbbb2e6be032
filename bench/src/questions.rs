//! What the functions are asked: events for random LPs of the sample, of the shape that each goal names.

use anyhow::{Context, Result};
use axum::body::Bytes;
use local::project_directory;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio_postgres::Client;

/// The same LPs in every run.
const SEED: u64 = 7;
/// LPs that are asked about.
const LPS: usize = 200;

/// Query parameters.
type Query = Vec<(&'static str, String)>;

/// A report's function and one question for each of many LPs.
pub struct Questions {
    /// The function.
    pub function: &'static str,
    /// What is asked, for a reader of the results.
    pub what: &'static str,
    /// An event for each LP.
    pub events: Vec<(i64, Bytes)>,
}

/// An LP, and a fund that it has committed to.
type Pair = (i64, i64);

/// The questions of all six reports.
pub async fn questions(database: &Client) -> Result<Vec<Questions>> {
    let ordinary = pairs(database, include_str!("sql/ordinary_lps.sql")).await?;
    let busy = pairs(database, include_str!("sql/lps_with_a_long_ledger.sql")).await?;
    let old = pairs(database, include_str!("sql/lps_with_an_old_fund.sql")).await?;
    let thousand: &[_] = &[("limit", "1000".to_owned())];
    let thirty: &[_] = &[("limit", "30".to_owned())];
    let forty_quarters = |fund_id: i64| {
        vec![
            ("fundId", fund_id.to_string()),
            ("startDate", "2016-10-01".to_owned()),
            ("endDate", "2026-09-30".to_owned()),
            ("granularity", "quarterly".to_owned()),
        ]
    };
    Ok(vec![
        of("summary", "all currencies", &ordinary, |_| Vec::new())?,
        of("capital-activity", "a page of 1,000", &busy, |_| {
            thousand.to_vec()
        })?,
        of("fund-performance", "one fund", &ordinary, |_| Vec::new())?,
        of("holdings", "30 companies", &ordinary, |_| thirty.to_vec())?,
        of("performance", "every fund and total", &ordinary, |_| {
            Vec::new()
        })?,
        of("performance-history", "40 quarters", &old, forty_quarters)?,
    ])
}

fn of(
    function: &'static str,
    what: &'static str,
    lps: &[Pair],
    query: impl Fn(i64) -> Query,
) -> Result<Questions> {
    let events = lps
        .iter()
        .map(|&(lp_id, fund_id)| Ok((lp_id, event(function, lp_id, fund_id, &query(fund_id))?)))
        .collect::<Result<_>>()?;
    Ok(Questions {
        function,
        what,
        events,
    })
}

/// LPs in an order of their own, as many as are asked about.
async fn pairs(database: &Client, sql: &str) -> Result<Vec<Pair>> {
    let rows = database.query(sql, &[]).await?;
    let mut lps: Vec<Pair> = rows
        .iter()
        .map(|row| (row.get("lp_id"), row.get("fund_id")))
        .collect();
    lps.sort_unstable();
    lps.shuffle(&mut StdRng::seed_from_u64(SEED));
    lps.truncate(LPS);
    Ok(lps)
}

/// The project's sample event of the function, for an LP who asks for itself.
pub fn event(function: &str, lp_id: i64, fund_id: i64, query: &[(&str, String)]) -> Result<Bytes> {
    let file = project_directory().join(format!("events/{function}.json"));
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let mut event: Value = serde_json::from_str(&text)?;
    let mut path = event["requestContext"]["routeKey"]
        .as_str()
        .and_then(|key| key.strip_prefix("GET "))
        .context("a sample event without route")?
        .to_owned();
    let parameters = event["pathParameters"]
        .as_object_mut()
        .context("a sample event without path parameters")?;
    for (name, value) in [("lpId", lp_id), ("fundId", fund_id)] {
        if let Some(parameter) = parameters.get_mut(name) {
            *parameter = value.to_string().into();
        }
        path = path.replace(&format!("{{{name}}}"), &value.to_string());
    }
    event["rawPath"] = path.as_str().into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = format!("lp-{lp_id}").into();
    let pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    event["rawQueryString"] = pairs.join("&").into();
    let query: serde_json::Map<String, Value> = query
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    event["queryStringParameters"] = query.into();
    Ok(Bytes::from(event.to_string()))
}

/// The same question of a client that refuses compression.
pub fn plain(event: &Bytes) -> Result<Bytes> {
    let mut event: Value = serde_json::from_slice(event)?;
    event["headers"]["accept-encoding"] = "identity".into();
    Ok(Bytes::from(event.to_string()))
}
