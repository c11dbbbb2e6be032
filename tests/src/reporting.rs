//! A small and awkward world for the reports, and how to ask them without HTTP.

use chrono::{Days, NaiveDate, Utc};
use serde_json::{Value, json};
use shared::access::{Scope, Scoped};
use shared::answer::Report;
use shared::ids::{FundId, LpId};
use shared::refresh::{Cause, refresh_views};

use crate::builders::{
    activity_message, fund_nav_message, insert_commitment, insert_fund, insert_lp, nav_message,
    reversal_message,
};
use crate::desk::Desk;
use crate::oracle::Oracle;
use crate::oracle::read::read_truth;

/// An LP with two commitments in one fund, a reported one in another, an unreported one in a third of another currency, and
/// one that is not dated yet.
pub struct Reporting {
    /// Where it lies.
    pub desk: Desk,
    /// The LP.
    pub lp_id: LpId,
    /// A fund in which the LP has one commitment, reported, with a reversal and a recallable distribution.
    pub single_fund: FundId,
    /// A fund in which it has two, one of them unreported.
    pub double_fund: FundId,
    /// A fund in euros in which it has one commitment, without any NAV.
    pub unreported_fund: FundId,
    /// The commitment of the single fund.
    pub commitment_id: i64,
}

/// Today, as the functions take it.
#[must_use]
pub fn today() -> NaiveDate {
    Utc::now().date_naive()
}

/// The last day that has had its noon, and how far a clock is to be set off, in seconds, for which it is that noon now and midnight is
/// far. It is never set ahead: Redis forgets grants by a clock of its own, and whoever is ahead of that believes none.
#[must_use]
pub fn latest_noon() -> (NaiveDate, i64) {
    let now = Utc::now().naive_utc();
    let noon = now.date().and_hms_opt(12, 0, 0).expect("noon");
    let noon = if noon > now {
        noon - Days::new(1)
    } else {
        noon
    };
    (noon.date(), (noon - now).num_seconds())
}

/// A date from `YYYY-MM-DD`.
#[must_use]
pub fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// What a report answers to somebody who may see its LP; null when it finds nothing.
pub async fn ask(desk: &Desk, report: &impl Report) -> Value {
    let connection = desk.reader.db.connection().await.expect("a connection");
    let Scope::Lp(lp_id, _) = report.scope() else {
        panic!("the report is about an LP");
    };
    let scoped = Scoped::granted(&connection, lp_id);
    let answer = report.load(&scoped).await.expect("the report loads");
    serde_json::to_value(answer).expect("an answer is JSON")
}

impl Reporting {
    /// Records the world. Its performance is still owed and its views are not refreshed.
    pub async fn record() -> Self {
        let desk = Desk::empty().await;
        let client = &desk.client;
        let lp_id = insert_lp(client, "Harbour Pension Fund").await;
        let single = insert_fund(client, "Alder Growth I", "USD").await;
        let double = insert_fund(client, "Birch Buyout II", "USD").await;
        let unreported = insert_fund(client, "Cedar Europe III", "EUR").await;
        let commit = async |fund_id, amount_cents, date| {
            insert_commitment(client, lp_id, fund_id, amount_cents, date).await
        };
        let commitment_id = commit(single, 100_000_000, "2020-01-01").await;
        let (first, second) = (
            commit(double, 50_000_000, "2020-06-01").await,
            commit(double, 30_000_000, "2022-02-01").await,
        );
        let euros = commit(unreported, 20_000_000, "2023-03-01").await;
        commit(single, 5_000_000, "2099-01-01").await;
        insert_neighbour(client, &[single, double, unreported]).await;
        for fund_id in [single, double] {
            insert_portfolio(client, fund_id).await;
        }
        let messages = entries(commitment_id, first, second, euros)
            .into_iter()
            .chain([fund_nav_message(
                double,
                90_000_000,
                "2024-12-31",
                "2025-02-01",
            )])
            .collect::<Vec<_>>();
        desk.record(&messages.iter().collect::<Vec<_>>()).await;
        Self {
            lp_id: LpId::try_from(lp_id).expect("an id"),
            single_fund: FundId::try_from(single).expect("an id"),
            double_fund: FundId::try_from(double).expect("an id"),
            unreported_fund: FundId::try_from(unreported).expect("an id"),
            commitment_id,
            desk,
        }
    }

    /// Records it and computes the performance that is owed.
    pub async fn settled() -> Self {
        let world = Self::record().await;
        world.settle().await;
        world
    }

    /// Computes the performance that is owed.
    pub async fn settle(&self) {
        self.desk.settle_owed().await;
    }

    /// Refreshes the views.
    pub async fn refresh(&self) {
        refresh_views(
            &self.desk.night.db,
            self.desk.night.clock,
            Cause::Nightly,
            None,
        )
        .await
        .expect("the views are refreshed");
    }

    /// Someone independent who knows the raw entries.
    pub async fn oracle(&self) -> Oracle {
        let truth = read_truth(&self.desk.client).await;
        Oracle::new(truth.expect("the truth is readable"), today())
    }
}

/// Another LP in the same funds, so that no share is the whole and no sum may leave its LP.
async fn insert_neighbour(client: &tokio_postgres::Client, funds: &[i64]) {
    let lp_id = insert_lp(client, "Lakeside Endowment").await;
    for fund_id in funds {
        insert_commitment(client, lp_id, *fund_id, 170_000_000, "2020-01-01").await;
        insert_commitment(client, lp_id, *fund_id, 9_000_000, "2098-01-01").await;
    }
}

/// Three investments: one held and valued twice on a day, one held and never valued, one exited.
async fn insert_portfolio(client: &tokio_postgres::Client, fund_id: i64) {
    for (name, exit_date, values) in [
        ("valued", None, &[210_000_00_i64, 230_000_01][..]),
        ("unvalued", None, &[]),
        ("exited", Some("2023-05-05"), &[500_000_00]),
    ] {
        let sql = "with company as (insert into portfolio_companies (name, sector, stage) values ($2, 'Logistics', 'Growth') returning company_id)
            insert into fund_investments (fund_id, company_id, investment_date, exit_date)
            select $1, company_id, '2021-02-01', $3::text::date from company returning investment_id";
        let row = client.query_one(sql, &[&fund_id, &name, &exit_date]).await;
        let investment_id: i64 = row.expect("an investment is inserted").get(0);
        let sql = "insert into fund_cash_flows (investment_id, flow_date, amount_cents)
            values ($1, '2021-02-01', -10000003), ($1, '2022-02-01', -5000000), ($1, '2023-01-01', 2000000)";
        client
            .execute(sql, &[&investment_id])
            .await
            .expect("flows are inserted");
        for value in values {
            let sql = "insert into investment_valuations (investment_id, valuation_date, fair_value_cents) values ($1, '2024-06-30', $2)";
            client
                .execute(sql, &[&investment_id, value])
                .await
                .expect("a valuation is inserted");
        }
    }
}

fn entries(single: i64, first: i64, second: i64, euros: i64) -> Vec<Value> {
    let mut tagged = activity_message(single, "capital_call", 12_500_000, "2023-11-15");
    tagged["metadata"] = json!({"wire": "same-day", "round": 3});
    tagged["components"] = json!({"investments": 12_000_000, "management_fee": 500_000});
    let wrong = activity_message(single, "distribution", 7_000_000, "2022-05-20");
    vec![
        activity_message(single, "capital_call", 40_000_000, "2020-02-10"),
        activity_message(single, "capital_call_outside", 1_000_000, "2020-02-10"),
        nav_message(single, 39_000_000, "2020-12-31", "2021-02-15"),
        activity_message(single, "return_of_unused_capital", 2_000_000, "2021-01-20"),
        activity_message(single, "recallable_distribution", 6_000_000, "2022-05-20"),
        reversal_message(&wrong),
        wrong,
        nav_message(single, 52_000_000, "2022-12-31", "2023-02-10"),
        tagged,
        activity_message(single, "commitment_increase", 10_000_000, "2024-01-31"),
        activity_message(single, "distribution", 70_000_000, "2097-01-31"),
        activity_message(first, "capital_call", 55_000_000, "2020-07-01"),
        nav_message(first, 61_000_000, "2021-12-31", "2022-02-10"),
        activity_message(second, "capital_call", 8_000_000, "2022-03-01"),
        activity_message(first, "distribution", 20_000_000, "2023-06-30"),
        nav_message(first, 58_000_000, "2024-06-30", "2024-08-10"),
        activity_message(euros, "capital_call", 3_000_000, "2023-04-01"),
        activity_message(euros, "commitment_release", 20_000_000, "2023-09-01"),
    ]
}
