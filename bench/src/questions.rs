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

/// A report's function and one question for each of many LPs.
pub struct Questions {
    /// The function.
    pub function: &'static str,
    /// What is asked, for a reader of the results.
    pub what: &'static str,
    /// An event for each LP.
    pub events: Vec<(i64, Bytes)>,
}

/// The questions of all six reports.
pub async fn questions(owner: &Client) -> Result<Vec<Questions>> {
    let ordinary = lps(
        owner,
        "select lp_id from limited_partners where metadata = '{}'",
    )
    .await?;
    let busy = lps(owner, include_str!("sql/lps_with_a_long_ledger.sql")).await?;
    let holders = lps(owner, include_str!("sql/lps_with_thirty_holdings.sql")).await?;
    let funds: std::collections::HashMap<i64, i64> = owner
        .query(
            "select lp_id, min(fund_id) from lp_fund_commitments group by lp_id",
            &[],
        )
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let of = |function, what, lps: &[i64], query: &[(&str, &str)]| -> Result<Questions> {
        let events = lps
            .iter()
            .map(|&lp_id| {
                let fund_id = funds.get(&lp_id).copied().unwrap_or_default();
                Ok((lp_id, event(function, lp_id, fund_id, query)?))
            })
            .collect::<Result<_>>()?;
        Ok(Questions {
            function,
            what,
            events,
        })
    };
    Ok(vec![
        of("summary", "all currencies of an LP", &ordinary, &[])?,
        of(
            "capital-activity",
            "a page of 1,000",
            &busy,
            &[("limit", "1000")],
        )?,
        of("fund-performance", "one fund", &ordinary, &[])?,
        of("holdings", "about 30 companies", &holders, &[])?,
        of("performance", "every fund and total", &ordinary, &[])?,
        of(
            "performance-history",
            "40 quarters",
            &ordinary,
            &[
                ("startDate", "2016-10-01"),
                ("endDate", "2026-09-30"),
                ("granularity", "quarterly"),
            ],
        )?,
    ])
}

/// LPs in an order of their own, as many as are asked about.
async fn lps(owner: &Client, sql: &str) -> Result<Vec<i64>> {
    let rows = owner.query(sql, &[]).await?;
    let mut lps: Vec<i64> = rows.iter().map(|row| row.get("lp_id")).collect();
    lps.sort_unstable();
    lps.shuffle(&mut StdRng::seed_from_u64(SEED));
    lps.truncate(LPS);
    Ok(lps)
}

/// The project's sample event of the function, for an LP who asks for itself.
pub fn event(function: &str, lp_id: i64, fund_id: i64, query: &[(&str, &str)]) -> Result<Bytes> {
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
        .map(|&(name, value)| (name.to_owned(), json!(value)))
        .collect();
    event["queryStringParameters"] = query.into();
    Ok(Bytes::from(event.to_string()))
}
