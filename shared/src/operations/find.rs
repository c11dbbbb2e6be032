//! LPs and funds by what people call them, for whoever has a name or another system's id and needs this one's.

use serde::Serialize;
use serde_json::{Map, Value};
use tokio_postgres::types::Json;

use crate::db::{self, Database, Values};
use crate::error::Error;

/// What is looked for.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Wanted {
    /// A part of the name, in whatever case.
    pub name: Option<String>,
    /// What the metadata hold, beside whatever else they do.
    pub metadata: Option<Map<String, Value>>,
    /// At most so many LPs, and so many funds.
    pub most: i64,
}

/// What was found, in the order of ids. Metadata themselves are not told.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// LPs.
    pub lps: Vec<FoundLp>,
    /// Funds.
    pub funds: Vec<FoundFund>,
    /// Whether there are more LPs or more funds than were asked for.
    pub is_truncated: bool,
}

/// An LP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundLp {
    /// Its id.
    pub lp_id: i64,
    /// Its name.
    pub name: String,
}

/// A fund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundFund {
    /// Its id.
    pub fund_id: i64,
    /// Its name.
    pub name: String,
    /// The year of its first investment.
    pub vintage_year: i32,
    /// Its currency.
    pub currency: String,
    /// `raising`, `active` or `liquidated`.
    pub status: String,
}

/// Looks for LPs and for funds.
pub async fn find(db: &Database, wanted: &Wanted) -> Result<Found, Error> {
    let connection = db.connection().await?;
    let most = usize::try_from(wanted.most).unwrap_or_default();
    let metadata = wanted.metadata.as_ref().map(Json);
    // One more tells whether there are more.
    let limit = wanted.most.saturating_add(1);
    let values: Values<'_> = &[&wanted.name, &metadata, &limit];
    let lps = db::query(&connection, include_str!("find_lps.sql"), values).await?;
    let funds = db::query(&connection, include_str!("find_funds.sql"), values).await?;
    let lp = |row: &tokio_postgres::Row| FoundLp {
        lp_id: row.get("lp_id"),
        name: row.get("name"),
    };
    let fund = |row: &tokio_postgres::Row| FoundFund {
        fund_id: row.get("fund_id"),
        name: row.get("name"),
        vintage_year: row.get("vintage_year"),
        currency: row.get("currency"),
        status: row.get("status"),
    };
    Ok(Found {
        is_truncated: lps.len() > most || funds.len() > most,
        lps: lps.iter().take(most).map(lp).collect(),
        funds: funds.iter().take(most).map(fund).collect(),
    })
}
