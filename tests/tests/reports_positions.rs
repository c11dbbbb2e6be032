//! Summary, performance and fund performance: every figure against an independent computation from the raw entries, wherever
//! the answer is read from.

use chrono::NaiveDate;
use serde_json::{Value, json};
use shared::ids::{FundId, LpId};
use shared::reports::{FundPerformance, Performance, Summary};
use tests::builders::{activity_message, insert_lp};
use tests::oracle::compare::differences;
use tests::reporting::{Reporting, ask, date, today};

/// Before everything, before any NAV, between NAVs, on a NAV's day, when only a part has begun, and lately.
const DATES: [&str; 8] = [
    "2019-06-30",
    "2020-02-09",
    "2020-08-15",
    "2020-12-31",
    "2022-05-20",
    "2023-03-05",
    "2023-12-01",
    "2025-03-01",
];

async fn positions_as_of(world: &Reporting, as_of: NaiveDate) -> Vec<Value> {
    let mut answers = vec![
        ask(&world.desk, &Summary::new(world.lp_id, as_of)).await,
        ask(&world.desk, &Performance::new(world.lp_id, as_of)).await,
    ];
    for fund_id in [world.single_fund, world.double_fund, world.unreported_fund] {
        let report = FundPerformance::new(world.lp_id, fund_id, as_of);
        answers.push(ask(&world.desk, &report).await);
    }
    answers
}

/// Compares every position on every date with the oracle's.
async fn assert_right(world: &Reporting, state: &str) {
    let oracle = world.oracle().await;
    let lp_id = world.lp_id.get();
    for as_of in DATES.map(date).into_iter().chain([today()]) {
        let expected = [
            oracle.summary(lp_id, as_of),
            oracle.performance(lp_id, as_of),
            oracle.fund_performance(lp_id, world.single_fund.get(), as_of),
            oracle.fund_performance(lp_id, world.double_fund.get(), as_of),
            oracle.fund_performance(lp_id, world.unreported_fund.get(), as_of),
        ];
        let got = positions_as_of(world, as_of).await;
        for (expected, got) in expected.into_iter().zip(got) {
            let expected = expected.unwrap_or(Value::Null);
            assert_eq!(
                differences(&expected, &got),
                Vec::<String>::new(),
                "{state}, as of {as_of}: {got}"
            );
        }
    }
}

#[tokio::test]
async fn every_position_is_right_from_marked_rows_from_views_and_without_views() {
    let world = Reporting::settled().await;
    assert_right(&world, "marked").await;
    world.refresh().await;
    // Of this LP only what is dated ahead still bears marks; without them the views answer.
    let client = &world.desk.client;
    client
        .batch_execute("delete from touched_commitments")
        .await
        .expect("marks go");
    assert_right(&world, "from the views").await;
    client
        .batch_execute("drop materialized view lp_dashboard_summary, lp_performance_latest cascade")
        .await
        .expect("views go");
    assert_right(&world, "without views").await;
}

#[tokio::test]
async fn a_view_that_was_never_populated_changes_no_answer() {
    let world = Reporting::settled().await;
    let unpopulated = "refresh materialized view lp_dashboard_summary with no data;
        refresh materialized view lp_performance_latest with no data";
    world
        .desk
        .client
        .batch_execute(unpopulated)
        .await
        .expect("views are emptied");
    assert_right(&world, "unpopulated").await;
}

#[tokio::test]
async fn the_worked_example_of_one_commitment() {
    let world = Reporting::settled().await;
    let report = FundPerformance::new(world.lp_id, world.single_fund, date("2022-12-31"));
    let answer = ask(&world.desk, &report).await;
    // 40 called inside and 1 outside, 2 paid back; 6 came back recallable; 7 were reversed.
    let expected = json!({"commitmentCents": 100_000_000, "paidInCents": 39_000_000, "distributedCents": 6_000_000,
        "unfundedCents": 68_000_000, "navCents": 52_000_000, "reportedNavCents": 52_000_000, "navAsOf": "2022-12-31",
        "dpi": 0.153846, "rvpi": 1.333333, "tvpi": 1.487179, "pic": 0.39, "irrAsOf": "2022-12-31", "annualised": true});
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&answer[field], value, "{field}");
    }
}

#[tokio::test]
async fn owed_performance_is_flagged_from_the_day_it_is_owed_and_never_before() {
    let today = today();
    let world = Reporting::settled().await;
    let rate_before =
        ask(&world.desk, &Summary::new(world.lp_id, today)).await["totals"][1]["netIrr"].clone();
    let call = activity_message(world.commitment_id, "capital_call", 9_000_000, "2024-02-01");
    world.desk.record(&[&call]).await;
    for (as_of, is_pending) in [(today, true), (date("2024-01-31"), false)] {
        for answer in positions_as_of(&world, as_of).await {
            for position in positions_in(&answer) {
                let flags = position["flags"].as_array().expect("flags");
                let is_flagged = flags.contains(&json!("IRR_PENDING"));
                assert_eq!(is_flagged, is_pending, "as of {as_of}: {position}");
            }
        }
    }
    let total = &ask(&world.desk, &Summary::new(world.lp_id, today)).await["totals"][1];
    assert_eq!(
        total["netIrr"], rate_before,
        "the rate is the one that was stored"
    );
    world.settle().await;
    assert_right(&world, "settled again").await;
}

/// Once the views stand, an entry is in every answer although their rows are the old ones: its mark makes it so. The same
/// holds for the rates that follow from it.
#[tokio::test]
async fn an_entry_after_a_refresh_is_in_every_answer_while_the_old_rows_stand() {
    let today = today();
    let world = Reporting::settled().await;
    let client = &world.desk.client;
    let forget = "delete from touched_commitments";
    world.refresh().await;
    client.batch_execute(forget).await.expect("marks go");
    let rows = "select * from lp_dashboard_summary order by lp_id, currency";
    let (before, old_rows) = (
        positions_as_of(&world, today).await,
        world.desk.rows(rows).await,
    );
    let call = activity_message(world.commitment_id, "capital_call", 9_000_000, "2024-02-01");
    world.desk.record(&[&call]).await;
    world.settle().await;
    assert_eq!(world.desk.rows(rows).await, old_rows);
    assert_right(&world, "after the entry").await;
    // The entry moved every one of these answers, so none of them can have come from the old rows.
    client.batch_execute(forget).await.expect("marks go");
    let stale = positions_as_of(&world, today).await;
    let is_of_the_entry =
        |answer: &Value| answer["fundId"].is_null() || answer["fundId"] == json!(world.single_fund);
    for (before, stale) in before
        .iter()
        .zip(&stale)
        .filter(|(before, _)| is_of_the_entry(before))
    {
        assert_eq!(
            before["totals"][1]["paidInCents"],
            stale["totals"][1]["paidInCents"]
        );
        assert_eq!(before["paidInCents"], stale["paidInCents"]);
    }
}

/// What a fund is owed concerns its gross figures alone, wherever they are shown.
#[tokio::test]
async fn owed_gross_performance_is_flagged_on_the_fund_from_the_day_it_is_owed() {
    let world = Reporting::settled().await;
    let sql = "insert into investment_valuations (investment_id, valuation_date, fair_value_cents)
        select min(investment_id), '2024-03-31', 99 from fund_investments where fund_id = $1";
    let valued = world.desk.client.execute(sql, &[&world.single_fund]).await;
    valued.expect("a valuation is inserted");
    for (as_of, is_owed) in [(today(), true), (date("2024-03-30"), false)] {
        let answer = ask(&world.desk, &Performance::new(world.lp_id, as_of)).await;
        for position in positions_in(&answer) {
            let flags = position["flags"].as_array().expect("flags");
            let expected = is_owed && position["fundId"] == json!(world.single_fund);
            assert_eq!(
                flags.contains(&json!("IRR_PENDING")),
                expected,
                "{position}"
            );
        }
        let report = FundPerformance::new(world.lp_id, world.single_fund, as_of);
        let flags = &ask(&world.desk, &report).await["flags"];
        let flags = flags.as_array().expect("flags");
        assert_eq!(flags.contains(&json!("IRR_PENDING")), is_owed);
    }
}

fn positions_in(answer: &Value) -> Vec<&Value> {
    let listed = ["totals", "funds"]
        .into_iter()
        .filter_map(|name| answer[name].as_array())
        .flatten();
    let itself = answer.get("flags").map(|_| answer);
    listed.chain(itself).collect()
}

#[tokio::test]
async fn an_unknown_lp_has_no_answer_and_one_without_commitments_an_empty_one() {
    let today = today();
    let world = Reporting::record().await;
    let newcomer = insert_lp(&world.desk.client, "Newcomer").await;
    let newcomer = LpId::try_from(newcomer).expect("an id");
    let nobody = LpId::try_from(999_999).expect("an id");
    let fund_id = world.single_fund;
    assert_eq!(
        ask(&world.desk, &Summary::new(newcomer, today)).await,
        json!({"lpId": newcomer, "name": "Newcomer", "asOf": today, "totals": []})
    );
    assert_eq!(
        ask(&world.desk, &Performance::new(newcomer, today)).await,
        json!({"lpId": newcomer, "asOf": today, "totals": [], "funds": []})
    );
    for report in [
        FundPerformance::new(newcomer, fund_id, today),
        FundPerformance::new(nobody, fund_id, today),
        FundPerformance::new(
            world.lp_id,
            FundId::try_from(999_999).expect("an id"),
            today,
        ),
    ] {
        assert_eq!(ask(&world.desk, &report).await, Value::Null);
    }
    assert_eq!(
        ask(&world.desk, &Summary::new(nobody, today)).await,
        Value::Null
    );
    assert_eq!(
        ask(&world.desk, &Performance::new(nobody, today)).await,
        Value::Null
    );
}
