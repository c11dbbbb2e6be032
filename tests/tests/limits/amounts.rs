//! Amounts at the ends: of messages, and of what is worked out from the largest of them.

use serde_json::{Value, json};
use tests::builders::{
    activity_message, fund_nav_message, insert_commitment, insert_fund, insert_lp, nav_message,
};
use tests::desk::Desk;
use tests::office::Office;

use crate::asking::{
    assert_rebuild_is_the_same, assert_right, everything, grant_all, oracle, refresh,
};

const LARGEST: i64 = 1_000_000_000_000_000;
/// Amounts as they may be written, and the reason for which each is refused.
const AMOUNTS: [(&str, &str); 22] = [
    ("1000000000000001", "INVALID_AMOUNT"),
    ("9223372036854775807", "INVALID_AMOUNT"),
    ("9223372036854775808", "INVALID_AMOUNT"),
    ("18446744073709551615", "INVALID_AMOUNT"),
    ("18446744073709551616", "INVALID_AMOUNT"),
    ("1e15", "INVALID_AMOUNT"),
    ("1E+15", "INVALID_AMOUNT"),
    ("1.0", "INVALID_AMOUNT"),
    ("0.1", "INVALID_AMOUNT"),
    ("1e-300", "INVALID_AMOUNT"),
    ("0", "INVALID_AMOUNT"),
    ("-0", "INVALID_AMOUNT"),
    ("-1", "INVALID_AMOUNT"),
    ("-9223372036854775808", "INVALID_AMOUNT"),
    ("\"100\"", "MALFORMED"),
    ("null", "MALFORMED"),
    ("true", "MALFORMED"),
    ("[100]", "MALFORMED"),
    ("1e400", "MALFORMED"),
    ("0100", "MALFORMED"),
    ("NaN", "MALFORMED"),
    ("0x10", "MALFORMED"),
];

#[tokio::test]
async fn an_amount_that_is_none_is_refused_and_the_largest_and_the_smallest_are_recorded() {
    let office = Office::open().await;
    let commitment_id = office.world.commitment_id;
    let call = activity_message(commitment_id, "capital_call", 1234567, "2021-03-01").to_string();
    let mut bodies: Vec<String> = Vec::new();
    let mut expected: Vec<(String, String)> = Vec::new();
    for (amount, reason) in AMOUNTS {
        let body = call.replace("1234567", amount);
        expected.push((body.clone(), reason.to_owned()));
        bodies.push(body);
    }
    for amount in [1, LARGEST] {
        let call = activity_message(commitment_id, "capital_call", amount, "2021-03-01");
        bodies.push(call.to_string());
    }
    let nav = |nav_cents| nav_message(commitment_id, nav_cents, "2021-03-31", "2021-04-30");
    for nav_cents in [LARGEST + 1, -LARGEST - 1, i64::MIN] {
        let body = nav(nav_cents).to_string();
        expected.push((body.clone(), "INVALID_AMOUNT".to_owned()));
        bodies.push(body);
    }
    bodies.extend([-LARGEST, 0, LARGEST].map(|nav_cents| nav(nav_cents).to_string()));
    expected.sort();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    for (letter, expected) in office.dead_letters().await.iter().zip(&expected) {
        assert_eq!(letter, expected);
    }
    let sum = "select sum(amount_cents)::bigint from capital_activities";
    assert_eq!(office.desk.number(sum).await, LARGEST + 1);
    let navs = "select nav_cents from commitment_navs order by nav_cents";
    let recorded = office.desk.rows(navs).await;
    assert_eq!(
        recorded,
        [-LARGEST, 0, LARGEST].map(|cents| format!("({cents})"))
    );
    println!("{} amounts refused, 5 recorded", expected.len());
}

/// An investment, its flows and its values, all as large as they may be or as small.
async fn insert_holding(desk: &Desk, fund_id: i64, cents: i64) {
    let sql = "with company as (insert into portfolio_companies (name, sector, stage) values ('Vast', 'Any', 'Late') returning company_id),
            investment as (insert into fund_investments (fund_id, company_id, investment_date)
                select $1, company_id, '2020-02-01' from company returning investment_id),
            flow as (insert into fund_cash_flows (investment_id, flow_date, amount_cents)
                select investment_id, day, cents from investment, (values (date '2020-02-01', -$2::bigint), ('2023-01-01', $2), ('2023-06-01', -$2)) f (day, cents))
        insert into investment_valuations (investment_id, valuation_date, fair_value_cents)
        select investment_id, '2024-01-01', $2 from investment";
    let inserted = desk.client.execute(sql, &[&fund_id, &cents]).await;
    inserted.expect("a holding is inserted");
}

fn events(commitment_id: i64, cents: i64) -> [Value; 8] {
    let entry = |kind, date| activity_message(commitment_id, kind, cents, date);
    [
        entry("capital_call", "2020-03-01"),
        entry("capital_call_outside", "2020-03-01"),
        entry("commitment_increase", "2021-01-01"),
        entry("distribution", "2022-01-01"),
        entry("recallable_distribution", "2022-06-01"),
        entry("commitment_release", "2023-01-01"),
        nav_message(commitment_id, cents, "2021-12-31", "2022-02-01"),
        nav_message(commitment_id, -cents, "2024-12-31", "2025-02-01"),
    ]
}

/// Side by side with one cent, so that ratios and shares are as large and as small as they get.
#[tokio::test]
async fn what_is_worked_out_from_the_largest_and_the_smallest_amounts_is_right() {
    let office = Office::open().await;
    let desk = &office.desk;
    let fund_ids = [
        insert_fund(&desk.client, "Vast", "USD").await,
        insert_fund(&desk.client, "Slight", "USD").await,
    ];
    let lp_ids = [
        insert_lp(&desk.client, "Whale").await,
        insert_lp(&desk.client, "Minnow").await,
    ];
    let mut messages = Vec::new();
    for (fund_id, amounts) in fund_ids
        .into_iter()
        .zip([[LARGEST, 1], [LARGEST - 1, LARGEST]])
    {
        for (lp_id, cents) in lp_ids.into_iter().zip(amounts) {
            let date = "2020-01-01";
            let id = insert_commitment(&desk.client, lp_id, fund_id, cents, date).await;
            messages.extend(events(id, cents));
            // A cent committed, and everything else as large as it may be.
            let id = insert_commitment(&desk.client, lp_id, fund_id, 1, date).await;
            messages.extend(events(id, LARGEST));
        }
        insert_holding(desk, fund_id, LARGEST).await;
        insert_holding(desk, fund_id, 1).await;
        messages.push(fund_nav_message(
            fund_id,
            LARGEST,
            "2024-12-31",
            "2025-02-01",
        ));
    }
    let bodies: Vec<String> = messages.iter().map(Value::to_string).collect();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    assert_eq!(office.dead_letters().await, []);
    for fund_id in fund_ids {
        let told = json!({"schema": "lp-reporting/refresh/1", "fundId": fund_id});
        assert_eq!(office.deliver(&[told.to_string()], 1).await, [0_usize; 0]);
    }
    grant_all(desk, &lp_ids, &fund_ids).await;
    let oracle = oracle(desk, &lp_ids, &fund_ids).await;
    let dates = ["2020-02-29", "2021-12-31", "2022-12-31"].map(|day| day.parse().ok());
    let lps = oracle.truth().lps.values();
    let questions: Vec<_> = lps.flat_map(|lp| everything(&oracle, lp, &dates)).collect();
    let lps = oracle.truth().lps.values();
    let now: Vec<_> = lps
        .flat_map(|lp| everything(&oracle, lp, &[None]))
        .collect();
    let past = assert_right(desk, &questions).await;
    let live = assert_right(desk, &now).await;
    refresh(desk).await;
    let from_views = assert_right(desk, &now).await;
    let rows = assert_rebuild_is_the_same(desk).await;
    println!(
        "{} answers are the oracle's, {rows} derived rows are a rebuild's",
        past + live + from_views
    );
}
