//! The performance history of an LP, its funds and its commitments, against an independent computation.

use serde_json::{Value, json};
use shared::finance::periods::Granularity;
use shared::ids::{CommitmentId, FundId};
use shared::reports::{PerformanceHistory, Scope};
use tests::builders::activity_message;
use tests::oracle::compare::differences;
use tests::oracle::history::{self, history};
use tests::reporting::{Reporting, ask, date, today};

fn question(world: &Reporting, scope: Scope, granularity: Granularity) -> PerformanceHistory {
    PerformanceHistory {
        lp_id: world.lp_id,
        scope,
        start: None,
        end: None,
        granularity,
        as_of: today(),
    }
}

fn scopes(world: &Reporting) -> [(Scope, history::Scope); 5] {
    let commitment_id = CommitmentId::try_from(world.commitment_id).expect("an id");
    let fund = |fund_id: FundId| (Scope::Fund(fund_id), history::Scope::Fund(fund_id.get()));
    [
        (Scope::Lp, history::Scope::Lp),
        (
            Scope::Commitment(commitment_id),
            history::Scope::Commitment(world.commitment_id),
        ),
        fund(world.single_fund),
        fund(world.double_fund),
        fund(world.unreported_fund),
    ]
}

#[tokio::test]
async fn every_point_of_every_scope_and_granularity_is_right() {
    let world = Reporting::settled().await;
    let oracle = world.oracle().await;
    let lp_id = world.lp_id.get();
    for (scope, same_scope) in scopes(&world) {
        let series = oracle
            .series(lp_id, same_scope)
            .expect("the scope is the LP's");
        for (granularity, word) in [
            (Granularity::Monthly, "monthly"),
            (Granularity::Quarterly, "quarterly"),
            (Granularity::Yearly, "yearly"),
        ] {
            for range in [
                (None, None),
                (Some(date("2021-12-31")), Some(date("2024-06-29"))),
            ] {
                let report = PerformanceHistory {
                    start: range.0,
                    end: range.1,
                    ..question(&world, scope, granularity)
                };
                let expected = history((lp_id, same_scope, report.as_of), &series, word, range);
                let got = ask(&world.desk, &report).await;
                assert_eq!(
                    differences(&expected, &got),
                    Vec::<String>::new(),
                    "{scope:?} {word}: {got}"
                );
            }
        }
    }
}

#[tokio::test]
async fn points_from_the_day_on_which_performance_is_owed_say_so() {
    let world = Reporting::settled().await;
    let call = activity_message(world.commitment_id, "capital_call", 1_000, "2022-06-01");
    world.desk.record(&[&call]).await;
    let answer = ask(
        &world.desk,
        &question(&world, Scope::Lp, Granularity::Monthly),
    )
    .await;
    let points = answer["series"][1]["points"].as_array().expect("points");
    assert!(points.len() > 3);
    for point in points {
        let is_flagged = point["flags"]
            .as_array()
            .expect("flags")
            .contains(&json!("IRR_PENDING"));
        assert_eq!(
            is_flagged,
            point["date"].as_str() >= Some("2022-06-01"),
            "{point}"
        );
    }
}

#[tokio::test]
async fn while_points_after_the_last_are_owed_the_last_says_so() {
    let world = Reporting::settled().await;
    let late = activity_message(world.commitment_id, "capital_call", 1_000, "2025-06-02");
    world.desk.record(&[&late]).await;
    let last = async |end: Option<&str>| {
        let mut report = question(&world, scopes(&world)[1].0, Granularity::Monthly);
        report.end = end.map(date);
        let answer = ask(&world.desk, &report).await;
        let points = answer["series"][0]["points"]
            .as_array()
            .expect("points")
            .clone();
        let flagged = |point: &Value| point["flags"].to_string().contains("IRR_PENDING");
        assert!(
            points.iter().rev().skip(1).all(|point| !flagged(point)),
            "{answer}"
        );
        let last = points.last().expect("a point");
        (last["date"].clone(), flagged(last))
    };
    let (before, is_flagged) = last(None).await;
    assert!(is_flagged && before.as_str() < Some("2025-06-02"));
    // Of the days until then nothing is owed.
    assert_eq!(last(Some("2025-06-01")).await, (before, false));
    world.settle().await;
    assert_eq!(last(None).await, (json!("2025-06-02"), false));
}

#[tokio::test]
async fn points_from_the_day_on_which_gross_performance_is_owed_say_so_in_that_fund() {
    let world = Reporting::settled().await;
    let sql = "insert into investment_valuations (investment_id, valuation_date, fair_value_cents)
        select min(investment_id), '2022-06-01', 99 from fund_investments where fund_id = $1";
    let valued = world.desk.client.execute(sql, &[&world.single_fund]).await;
    valued.expect("a valuation is inserted");
    for (scope, _) in scopes(&world) {
        let answer = ask(&world.desk, &question(&world, scope, Granularity::Monthly)).await;
        let is_of_fund =
            matches!(scope, Scope::Commitment(_)) || scope == Scope::Fund(world.single_fund);
        for series in answer["series"].as_array().expect("series") {
            for point in series["points"].as_array().expect("points") {
                let flags = point["flags"].as_array().expect("flags");
                let expected = is_of_fund && point["date"].as_str() >= Some("2022-06-01");
                assert_eq!(
                    flags.contains(&json!("IRR_PENDING")),
                    expected,
                    "{scope:?} {point}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_the_lps_has_no_history() {
    let world = Reporting::settled().await;
    let theirs = world
        .desk
        .number("select min(commitment_id) from lp_fund_commitments where lp_id > 1")
        .await;
    for scope in [
        Scope::Commitment(CommitmentId::try_from(theirs).expect("an id")),
        Scope::Fund(FundId::try_from(999_999).expect("an id")),
    ] {
        let report = question(&world, scope, Granularity::Yearly);
        assert_eq!(ask(&world.desk, &report).await, Value::Null, "{scope:?}");
    }
}
