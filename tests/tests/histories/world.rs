//! The world of a history: three LPs, three funds, and what they hold, as new rows beside the worlds of other histories.

use tests::builders::{grant, grant_fund, insert_commitment, insert_fund, insert_lp};
use tests::teardown::unique_name;
use tokio_postgres::Client;

/// How many there are of each.
pub const LPS: usize = 3;
pub const FUNDS: usize = 3;
pub const COMMITMENTS: usize = 7;

/// The funds' currencies.
pub const CURRENCIES: [&str; FUNDS] = ["USD", "USD", "EUR"];
/// LP, fund, cents and date of the commitments: several in one fund, one that begins with the second midnight. The last LP has none.
const HELD: [(usize, usize, i64, &str); COMMITMENTS] = [
    (0, 0, 50_000_000, "2019-05-01"),
    (0, 0, 30_000_000, "2021-02-01"),
    (0, 1, 100_000_000, "2020-01-01"),
    (0, 2, 20_000_000, "2022-01-31"),
    (1, 0, 170_000_000, "2019-05-01"),
    (1, 1, 3, "2020-01-01"),
    (1, 2, 40_000_000, "2024-03-01"),
];

/// The ids, by position.
#[derive(Debug, Clone)]
pub struct World {
    /// A name that no other world has: its events' source, and who looks at it.
    pub name: String,
    pub lp_ids: Vec<i64>,
    pub fund_ids: Vec<i64>,
    pub commitment_ids: Vec<i64>,
    /// One investment of each fund that is written to.
    pub investment_ids: Vec<i64>,
}

impl World {
    /// Inserts a new one.
    pub async fn insert(client: &Client) -> Self {
        let name = unique_name("history");
        let mut world = Self {
            name,
            lp_ids: Vec::new(),
            fund_ids: Vec::new(),
            commitment_ids: Vec::new(),
            investment_ids: Vec::new(),
        };
        for lp in 0..LPS {
            let lp_id = insert_lp(client, &format!("LP {lp}")).await;
            grant(client, &world.name, lp_id).await;
            world.lp_ids.push(lp_id);
        }
        for (fund, currency) in CURRENCIES.iter().enumerate() {
            let fund_id = insert_fund(client, &format!("Fund {fund}"), currency).await;
            grant_fund(client, &world.name, fund_id).await;
            world.fund_ids.push(fund_id);
            world
                .investment_ids
                .push(insert_investments(client, fund_id).await);
        }
        for (lp, fund, cents, date) in HELD {
            let (lp_id, fund_id) = (world.lp_ids[lp], world.fund_ids[fund]);
            let commitment_id = insert_commitment(client, lp_id, fund_id, cents, date).await;
            world.commitment_ids.push(commitment_id);
        }
        world
    }

    /// A number that no other world of the database has.
    pub fn number(&self) -> i64 {
        self.lp_ids[0]
    }

    /// The currency of a commitment's fund.
    pub fn currency(commitment: usize) -> &'static str {
        CURRENCIES[HELD[commitment % COMMITMENTS].1]
    }

    /// The position of the LP that holds a commitment.
    pub fn holder(commitment: usize) -> usize {
        HELD[commitment % COMMITMENTS].0
    }
}

/// One that is valued and one that is not; returns the first.
async fn insert_investments(client: &Client, fund_id: i64) -> i64 {
    let sql = "with companies as (
            insert into portfolio_companies (name, sector, stage)
            values ('Fjord Robotics', 'Industrials', 'Growth'), ('Lumen Health', 'Health', 'Buyout') returning company_id),
        investments as (
            insert into fund_investments (fund_id, company_id, investment_date)
            select $1, company_id, '2020-03-01' from companies order by company_id returning investment_id),
        flows as (
            insert into fund_cash_flows (investment_id, flow_date, amount_cents)
            select investment_id, '2020-03-01', -10000003 from investments),
        valuations as (
            insert into investment_valuations (investment_id, valuation_date, fair_value_cents)
            select min(investment_id), '2022-12-31', 21000000 from investments)
        select min(investment_id) from investments";
    let row = client.query_one(sql, &[&fund_id]).await;
    row.expect("investments are inserted").get(0)
}
