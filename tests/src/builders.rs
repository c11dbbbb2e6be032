//! Small worlds for scenario tests: an LP, a fund, a commitment, and the messages about them.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use shared::grant::{Funds, Grant};
use tokio_postgres::Client;

use crate::teardown::unique_name;

/// Inserts an LP and returns its id.
pub async fn insert_lp(client: &Client, name: &str) -> i64 {
    let sql = "insert into limited_partners (name) values ($1) returning lp_id";
    client
        .query_one(sql, &[&name])
        .await
        .expect("an LP is inserted")
        .get(0)
}

/// Inserts a fund and returns its id.
pub async fn insert_fund(client: &Client, name: &str, currency: &str) -> i64 {
    let sql =
        "insert into funds (name, vintage_year, currency) values ($1, 2020, $2) returning fund_id";
    client
        .query_one(sql, &[&name, &currency])
        .await
        .expect("a fund is inserted")
        .get(0)
}

/// Inserts a commitment, dated `YYYY-MM-DD`, and returns its id.
pub async fn insert_commitment(
    client: &Client,
    lp_id: i64,
    fund_id: i64,
    amount_cents: i64,
    date: &str,
) -> i64 {
    let sql =
        "insert into lp_fund_commitments (lp_id, fund_id, commitment_amount_cents, commitment_date)
               values ($1, $2, $3, $4::text::date) returning commitment_id";
    client
        .query_one(sql, &[&lp_id, &fund_id, &amount_cents, &date])
        .await
        .expect("a commitment is inserted")
        .get(0)
}

/// Lets a subject see an LP from now on.
pub async fn grant(client: &Client, subject: &str, lp_id: i64) {
    let sql = "insert into lp_access (subject, lp_id) values ($1, $2)";
    client
        .execute(sql, &[&subject, &lp_id])
        .await
        .expect("access is granted");
}

/// Makes a subject the GP of a fund from now on.
pub async fn grant_fund(client: &Client, subject: &str, fund_id: i64) {
    let sql = "insert into lp_access (subject, fund_id, role) values ($1, $2, 'gp')";
    client
        .execute(sql, &[&subject, &fund_id])
        .await
        .expect("access is granted");
}

/// An LP with one commitment of 1,000,000.00 USD from 2020-01-01, in a fund of its own.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// The LP.
    pub lp_id: i64,
    /// The fund.
    pub fund_id: i64,
    /// The LP's commitment in the fund.
    pub commitment_id: i64,
}

impl World {
    /// Inserts it.
    pub async fn insert(client: &Client) -> Self {
        let lp_id = insert_lp(client, "Harbour Pension Fund").await;
        let fund_id = insert_fund(client, "Alder Growth I", "USD").await;
        let commitment_id =
            insert_commitment(client, lp_id, fund_id, 100_000_000, "2020-01-01").await;
        Self {
            lp_id,
            fund_id,
            commitment_id,
        }
    }
}

/// A capital activity in USD under an event id of its own. Tests change or add fields as they need.
#[must_use]
pub fn activity_message(commitment_id: i64, kind: &str, amount_cents: i64, date: &str) -> Value {
    json!({
        "schema": "lp-reporting/capital-activity/1",
        "source": "tests",
        "eventId": unique_name("event"),
        "commitmentId": commitment_id,
        "type": kind,
        "amountCents": amount_cents,
        "currency": "USD",
        "effectiveDate": date,
    })
}

/// The reversal of an activity message, under an event id of its own.
#[must_use]
pub fn reversal_message(of: &Value) -> Value {
    let mut message = of.clone();
    message["reversesEventId"] = of["eventId"].clone();
    message["eventId"] = json!(unique_name("event"));
    message
}

/// A commitment's NAV in USD, reported at noon UTC of `reported_on`.
#[must_use]
pub fn nav_message(
    commitment_id: i64,
    nav_cents: i64,
    as_of_date: &str,
    reported_on: &str,
) -> Value {
    json!({
        "schema": "lp-reporting/commitment-nav/1",
        "source": "tests",
        "eventId": unique_name("event"),
        "commitmentId": commitment_id,
        "asOfDate": as_of_date,
        "reportedAt": format!("{reported_on}T12:00:00Z"),
        "navCents": nav_cents,
        "currency": "USD",
    })
}

/// A fund's NAV in USD, reported at noon UTC of `reported_on`; net is a twentieth below gross.
#[must_use]
pub fn fund_nav_message(
    fund_id: i64,
    gross_nav_cents: i64,
    as_of_date: &str,
    reported_on: &str,
) -> Value {
    json!({
        "schema": "lp-reporting/fund-nav/1",
        "source": "tests",
        "eventId": unique_name("event"),
        "fundId": fund_id,
        "asOfDate": as_of_date,
        "reportedAt": format!("{reported_on}T12:00:00Z"),
        "grossNavCents": gross_nav_cents,
        "netNavCents": gross_nav_cents - gross_nav_cents / 20,
        "currency": "USD",
    })
}

/// The notice of a system that has written to the database itself; `whom` is `lpId` or `fundId`.
#[must_use]
pub fn refresh_message(whom: &str, id: i64) -> Value {
    json!({"schema": "lp-reporting/refresh/1", whom: id})
}

/// A grant of a whole LP as a reader keeps it, believed for so long from now on.
#[must_use]
pub fn kept_grant(believed_for: Duration) -> Grant {
    Grant {
        funds: Funds::All,
        believed_until: Utc::now() + believed_for,
    }
}
