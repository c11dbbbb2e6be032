//! The database that is dumped: the sample, and on top of it something of every kind.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::builders::{
    activity_message, fund_nav_message, grant, grant_fund, nav_message, reversal_message,
};
use tests::desk::{Desk, reasons};
use tests::reporting::today;

use super::site::{SUBJECT, Site};

/// Past days on which is asked, besides today: one with reports to come, one within a quarter, one long ago.
const DAYS: [&str; 3] = ["2024-06-30", "2021-02-10", "2016-01-01"];

pub struct Old {
    pub site: Site,
    pub desk: Desk,
    /// The LP for whom is recorded.
    pub lp_id: i64,
    commitment_id: i64,
    /// The first message that was recorded on top of the sample.
    pub first: Value,
    /// All that is asked.
    pub questions: Vec<String>,
}

impl Old {
    pub async fn open() -> Self {
        let desk = Desk::sample().await;
        // As the migrations have it; a copy of a database does not take it along.
        desk.run("do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$")
            .await;
        let site = Site::at(&desk.database.reader_url(), &desk.keyspace);
        let sql = "select c.lp_id, c.fund_id, c.commitment_id
            from lp_fund_commitments c
            join funds f on f.fund_id = c.fund_id
            where f.currency = 'USD' and c.status = 'active'
            order by c.commitment_id
            limit 1";
        let row = desk.client.query_one(sql, &[]).await.expect("a commitment");
        let (lp_id, fund_id, commitment_id) = (row.get(0), row.get(1), row.get(2));
        let messages = one_of_each(commitment_id, fund_id);
        let recorded = desk.record(&messages.iter().collect::<Vec<_>>()).await;
        let refused: Vec<_> = reasons(&recorded).into_iter().flatten().collect();
        assert!(refused.is_empty(), "{refused:?}");
        desk.settle_owed().await;
        let questions = questions(&desk, &site, lp_id).await;
        Self {
            site,
            desk,
            lp_id,
            commitment_id,
            first: messages[0].clone(),
            questions,
        }
    }

    /// The bodies of all answers now.
    pub async fn answers(&self) -> BTreeMap<String, String> {
        self.site.answers(&self.questions).await
    }

    /// A call of today, yet to be recorded.
    pub fn call(&self) -> Value {
        let today = today().to_string();
        activity_message(self.commitment_id, "capital_call", 123_45, &today)
    }
}

/// Every type of entry, some of them dated long ago and one ahead, a reversal, a NAV that restates another, and a fund's.
fn one_of_each(commitment_id: i64, fund_id: i64) -> Vec<Value> {
    let today = today().to_string();
    let entry = |kind: &str, cents, date: &str| activity_message(commitment_id, kind, cents, date);
    let wrong = entry("distribution", 7_000_000, "2022-05-20");
    vec![
        entry("capital_call", 2_000_000, &today),
        entry("capital_call_outside", 100_000, "2024-02-29"),
        entry("return_of_unused_capital", 300_000, "2024-03-15"),
        entry("distribution", 5_000_000, "2019-12-31"),
        entry("recallable_distribution", 400_000, "2023-08-01"),
        entry("commitment_increase", 10_000_000, "2024-01-31"),
        entry("commitment_release", 1_000_000, "2025-01-31"),
        entry("distribution", 900_000, "2097-01-31"),
        reversal_message(&wrong),
        wrong,
        nav_message(commitment_id, 77_000_000, "2024-06-30", "2026-01-15"),
        nav_message(commitment_id, 78_000_000, "2024-06-30", "2026-01-16"),
        fund_nav_message(fund_id, 9_900_000_000, "2025-06-30", "2026-01-15"),
    ]
}

/// What is asked of the LP, of two others and of their funds, once all of it is granted and one of them was looked at.
async fn questions(desk: &Desk, site: &Site, lp_id: i64) -> Vec<String> {
    let mut questions = Vec::new();
    for lp_id in [lp_id, lp_id + 1, lp_id + 2] {
        grant(&desk.client, SUBJECT, lp_id).await;
        questions.extend(of_lp(desk, site, lp_id).await);
    }
    site.look(&format!("/api/lp/{lp_id}/summary")).await;
    let funds = "select f.fund_id from funds f order by f.fund_id";
    for fund in desk.client.query(funds, &[]).await.expect("the funds") {
        let fund_id: i64 = fund.get(0);
        grant_fund(&desk.client, SUBJECT, fund_id).await;
        questions.push(format!("/api/fund/{fund_id}/summary"));
    }
    questions
}

async fn of_lp(desk: &Desk, site: &Site, lp_id: i64) -> Vec<String> {
    let lp = format!("/api/lp/{lp_id}");
    let sql = "select c.fund_id, min(c.commitment_id) from lp_fund_commitments c where c.lp_id = $1 group by c.fund_id order by 1";
    let funds = desk.client.query(sql, &[&lp_id]).await.expect("its funds");
    let mut reports = vec![format!("{lp}/summary"), format!("{lp}/performance")];
    let mut histories = vec![String::new()];
    for fund in &funds {
        let (fund_id, commitment_id): (i64, i64) = (fund.get(0), fund.get(1));
        reports.push(format!("{lp}/fund/{fund_id}/performance"));
        histories.push(format!("&fundId={fund_id}"));
        histories.push(format!("&commitmentId={commitment_id}"));
    }
    let past = |report: &String| DAYS.map(|day| format!("{report}?asOf={day}"));
    let mut paths: Vec<String> = reports.iter().flat_map(past).collect();
    paths.append(&mut reports);
    for granularity in ["monthly", "quarterly", "yearly"] {
        let history = format!("{lp}/performance/history?granularity={granularity}");
        paths.extend(histories.iter().map(|of| format!("{history}{of}")));
    }
    paths.extend([
        format!("{lp}/holdings?limit=1000"),
        format!("{lp}/capital-activity?limit=1000"),
        format!("{lp}/capital-activity?types=distribution"),
        format!("{lp}/access-log"),
        second_page(site, &lp).await,
    ]);
    paths
}

async fn second_page(site: &Site, lp: &str) -> String {
    let first = format!("{lp}/capital-activity?limit=50");
    let page: Value = serde_json::from_str(&site.ask(&first).await.body).expect("it is JSON");
    let cursor = page["nextCursor"].as_str().expect("there is more");
    format!("{first}&cursor={cursor}")
}
