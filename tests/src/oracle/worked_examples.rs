//! Small worlds whose numbers were worked out by hand: who checks the checker.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::Oracle;
use super::history::{Scope, history};
use super::truth::{Commitment, Entry, Fund, Investment, Lp, Report, Truth};

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn instant(text: &str) -> DateTime<Utc> {
    format!("{text}T12:00:00Z").parse().expect("an instant")
}

/// Cash, paid-in, distributed and unfunded effect of a hundred, by type.
fn entry(activity_id: i64, kind: &str, amount_cents: i64, on: &str) -> Entry {
    let [cash, paid_in, distributed, unfunded] = match kind {
        "capital_call" => [-1, 1, 0, -1],
        "distribution" => [1, 0, 1, 0],
        "recallable_distribution" => [1, 0, 1, 1],
        "commitment_increase" => [0, 0, 0, 1],
        other => panic!("no such type in the examples: {other}"),
    };
    Entry {
        activity_id,
        kind: kind.to_owned(),
        amount_cents,
        date: date(on),
        recorded_at: instant(on),
        components: None,
        description: None,
        reference_number: None,
        metadata: json!({}),
        reverses_activity_id: None,
        cash_cents: cash * amount_cents,
        paid_in_cents: paid_in * amount_cents,
        distributed_cents: distributed * amount_cents,
        unfunded_cents: unfunded * amount_cents,
    }
}

fn nav(report_id: i64, on: &str, nav_cents: i64, reported_on: &str) -> Report {
    Report {
        report_id,
        date: date(on),
        nav_cents,
        reported_at: instant(reported_on),
    }
}

fn commitment(
    commitment_id: i64,
    lp_id: i64,
    original_cents: i64,
    entries: Vec<Entry>,
    navs: Vec<Report>,
) -> Commitment {
    Commitment {
        commitment_id,
        lp_id,
        fund_id: 1,
        currency: "USD".to_owned(),
        original_cents,
        date: date("2020-01-01"),
        active: true,
        entries,
        navs,
    }
}

fn oracle(commitments: Vec<Commitment>, investments: Vec<Investment>, navs: Vec<Report>) -> Oracle {
    let fund = Fund {
        fund_id: 1,
        name: "Fund".to_owned(),
        vintage_year: 2020,
        currency: "USD".to_owned(),
        investments,
        navs,
    };
    let mut lps = BTreeMap::new();
    for commitment in commitments {
        let lp_id = commitment.lp_id;
        let lp = lps.entry(lp_id).or_insert_with(|| Lp {
            lp_id,
            name: "LP".to_owned(),
            commitments: Vec::new(),
        });
        lp.commitments.push(commitment);
    }
    Oracle::new(
        Truth {
            lps,
            funds: BTreeMap::from([(1, fund)]),
        },
        date("2024-12-31"),
    )
}

fn assert_fields(answer: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("fields") {
        assert_eq!(&answer[name], value, "{name} of {answer:#}");
    }
}

/// 60 called and 10 given back recallably; 80 was reported between the two, so 70 is left; an increase made 100 into 120.
#[test]
fn a_position_adds_up_and_its_nav_is_adjusted_since_the_report() {
    let entries = vec![
        entry(1, "capital_call", 6_000, "2020-01-01"),
        entry(2, "commitment_increase", 2_000, "2020-06-01"),
        entry(3, "recallable_distribution", 1_000, "2021-02-01"),
    ];
    let navs = vec![
        nav(2, "2020-12-31", 8_000, "2021-03-01"),
        nav(3, "2020-12-31", 7_777, "2021-02-01"),
    ];
    let oracle = oracle(
        vec![commitment(1, 1, 10_000, entries, navs)],
        vec![],
        vec![],
    );
    let answer = oracle
        .fund_performance(1, 1, date("2021-06-30"))
        .expect("a position");
    assert_fields(
        &answer,
        &json!({
            "commitmentCents": 12_000, "paidInCents": 6_000, "distributedCents": 1_000, "unfundedCents": 7_000,
            "navCents": 7_000, "reportedNavCents": 8_000, "navAsOf": "2020-12-31", "irrAsOf": "2021-02-01",
            "dpi": 0.166_667, "rvpi": 1.166_667, "tvpi": 1.333_333, "pic": 0.5, "annualised": true,
            "flags": ["GROSS_INSUFFICIENT_FLOWS", "ZERO_COST"],
        }),
    );
    // −60 on 2020-01-01 and +80 after 397 days: (80/60)^(365/397) − 1.
    assert_eq!(answer["netIrr"], json!(0.302_771));
}

#[test]
fn one_commitment_without_a_report_is_unknown_in_its_fund_and_at_cost_in_the_total() {
    let entries = vec![
        entry(1, "capital_call", 4_000, "2020-02-01"),
        entry(2, "distribution", 1_000, "2020-12-01"),
    ];
    let oracle = oracle(
        vec![commitment(1, 1, 10_000, entries, vec![])],
        vec![],
        vec![],
    );
    let fund = oracle
        .fund_performance(1, 1, date("2021-06-30"))
        .expect("a position");
    assert_fields(
        &fund,
        &json!({"navCents": null, "rvpi": null, "tvpi": null, "netIrr": null, "annualised": null, "dpi": 0.25}),
    );
    assert_fields(
        &fund,
        &json!({"irrAsOf": "2020-12-01", "flags": ["GROSS_INSUFFICIENT_FLOWS", "NO_NAV", "ZERO_COST"]}),
    );
    let summary = oracle.summary(1, date("2021-06-30")).expect("an LP");
    let total = &summary["totals"][0];
    assert_fields(
        total,
        &json!({"navCents": 3_000, "reportedNavCents": null, "navAsOf": null, "flags": ["NAV_AT_COST"]}),
    );
    // 40 in, 10 and what is left at cost, 30, out again within the year: the rate is zero, and not annualised.
    assert_fields(
        total,
        &json!({"netIrr": 0.0, "annualised": false, "fundCount": 1, "commitmentCount": 1}),
    );
}

#[test]
fn before_its_date_and_without_entries_a_commitment_is_in_no_answer() {
    let oracle = oracle(
        vec![commitment(1, 1, 10_000, vec![], vec![])],
        vec![],
        vec![],
    );
    assert_eq!(oracle.fund_performance(1, 1, date("2019-12-31")), None);
    assert_eq!(
        oracle.summary(1, date("2019-12-31")).expect("an LP")["totals"],
        json!([])
    );
    let known = oracle.summary(1, date("2020-01-01")).expect("an LP");
    let flags = ["INSUFFICIENT_FLOWS", "NAV_AT_COST", "ZERO_PAID_IN"];
    assert_fields(
        &known["totals"][0],
        &json!({"flags": flags, "irrAsOf": null, "navCents": 0, "dpi": null, "pic": 0.0}),
    );
    assert_eq!(oracle.summary(2, date("2020-01-01")), None);
}

/// A fund put 100 into a company and sold a part for 30; the rest was valued at 110, and 10 more went in after that.
fn investment(investment_id: i64, valuations: Vec<(NaiveDate, i64)>) -> Investment {
    Investment {
        investment_id,
        company_id: investment_id,
        company_name: "Company".to_owned(),
        sector: "Software".to_owned(),
        stage: "Growth".to_owned(),
        date: date("2020-01-01"),
        exit_date: None,
        flows: vec![
            (date("2020-01-01"), -10_000),
            (date("2021-01-01"), 3_000),
            (date("2022-06-01"), -1_000),
        ],
        valuations,
    }
}

#[test]
fn gross_figures_take_the_newer_of_valuations_and_reported_nav() {
    let commitments = || vec![commitment(1, 1, 10_000, vec![], vec![])];
    let valued = vec![(date("2021-12-31"), 9_000), (date("2021-12-31"), 11_000)];
    let by_valuation = oracle(commitments(), vec![investment(1, valued.clone())], vec![]);
    let answer = by_valuation
        .fund_performance(1, 1, date("2022-12-31"))
        .expect("a position");
    // (30 + 110 + 10) / 110.
    assert_eq!(answer["moic"], json!(1.363_636));
    let reported = oracle(
        commitments(),
        vec![investment(1, valued)],
        vec![nav(1, "2022-06-30", 20_000, "2022-08-01")],
    );
    let answer = reported
        .fund_performance(1, 1, date("2022-12-31"))
        .expect("a position");
    assert_eq!(answer["moic"], json!(2.090_909));
    let earlier = reported
        .fund_performance(1, 1, date("2020-12-31"))
        .expect("a position");
    // Never valued yet: at cost, so nothing was won or lost.
    assert_fields(&earlier, &json!({"moic": 1.0, "grossIrr": null}));
}

#[test]
fn a_holding_is_the_share_of_the_commitments_in_force_rounded_half_even() {
    let increased = vec![
        entry(1, "commitment_increase", 5_000, "2020-03-01"),
        entry(2, "commitment_increase", 9_000, "2030-01-01"),
    ];
    let commitments = vec![
        commitment(1, 1, 10_000, increased, vec![]),
        commitment(2, 2, 33_000, vec![], vec![]),
    ];
    let investments = vec![
        investment(7, vec![(date("2021-12-31"), 24_002)]),
        investment(8, vec![]),
    ];
    let holdings = oracle(commitments, investments, vec![])
        .holdings(1)
        .expect("an LP");
    // 150 of 480 is 31.25 %: of the cost of 110.00 it is 34.375, of the value of 240.02 it is 75.00625.
    let valued = json!({
        "investmentId": 7, "ownershipPercent": 31.25, "costBasisCents": 3_438, "currentValueCents": 7_501,
        "unrealizedGainCents": 4_063, "unrealizedMultiple": 2.182, "valuationDate": "2021-12-31", "flags": [],
    });
    assert_fields(&holdings["items"][0], &valued);
    let at_cost = json!({"currentValueCents": 3_438, "unrealizedMultiple": 1.0, "valuationDate": null, "flags": ["VALUED_AT_COST"]});
    assert_fields(&holdings["items"][1], &at_cost);
}

#[test]
fn a_history_keeps_the_last_point_of_each_period_and_cash_only_after_the_last_report() {
    let entries = vec![
        entry(1, "capital_call", 5_000, "2020-02-01"),
        entry(2, "distribution", 1_000, "2021-01-10"),
        entry(3, "distribution", 1_000, "2021-02-10"),
        entry(4, "distribution", 1_000, "2030-02-10"),
    ];
    let navs = vec![
        nav(1, "2020-06-30", 5_500, "2020-08-01"),
        nav(2, "2020-12-31", 6_000, "2021-02-01"),
    ];
    let oracle = oracle(
        vec![commitment(1, 1, 10_000, entries, navs)],
        vec![],
        vec![],
    );
    let scope = Scope::Commitment(1);
    let series = oracle.series(1, scope).expect("the LP's commitment");
    let dates = |granularity, end: Option<&str>| -> Vec<Value> {
        let answer = history(
            (1, scope, date("2024-12-31")),
            &series,
            granularity,
            (None, end.map(date)),
        );
        let points = answer["series"][0]["points"]
            .as_array()
            .expect("points")
            .iter();
        points.map(|point| point["date"].clone()).collect()
    };
    assert_eq!(
        dates("monthly", None),
        ["2020-06-30", "2020-12-31", "2021-01-10", "2021-02-10"]
    );
    assert_eq!(
        dates("quarterly", None),
        ["2020-06-30", "2020-12-31", "2021-02-10"]
    );
    assert_eq!(
        dates("quarterly", Some("2021-01-31")),
        ["2020-06-30", "2020-12-31", "2021-01-10"]
    );
    assert_eq!(dates("yearly", None), ["2020-12-31", "2021-02-10"]);
    assert_eq!(oracle.series(1, Scope::Commitment(2)), None);
    let at = &series[0].1[&date("2021-02-10")];
    assert_fields(
        at,
        &json!({"paidInCents": 5_000, "distributedCents": 2_000, "navCents": 4_000, "tvpi": 1.2, "dpi": 0.4}),
    );
}
