//! Days at the ends of the calendar that is taken, and what looks like a day.

use std::time::Instant;

use chrono::NaiveDate;
use serde_json::{Value, json};
use tests::builders::{activity_message, nav_message};
use tests::office::Office;

use crate::asking::{
    ask, assert_rebuild_is_the_same, assert_right, everything, grant_all, oracle, refresh,
};

const DAYS: [&str; 7] = [
    "1900-01-01",
    "1900-02-28",
    "2000-02-29",
    "2024-02-29",
    "2023-12-31",
    "9996-02-29",
    "9998-12-31",
];
const NO_DAYS: [&str; 34] = [
    "",
    "0000-01-01",
    "0001-01-01",
    "1899-12-31",
    "9999-01-01",
    "9999-12-31",
    "10000-01-01",
    "+10000-01-01",
    "-0044-03-15",
    "-2024-01-01",
    "0044-03-15 BC",
    "2024-01-01 BC",
    "2024-01-01 AD",
    "infinity",
    "-infinity",
    "epoch",
    "now",
    "today",
    "1900-02-29",
    "2023-02-29",
    "2024-02-30",
    "2024-04-31",
    "2024-00-01",
    "2024-01-00",
    "2024-13-01",
    "2024-1-1",
    "20240101",
    "2024-W01-1",
    "2024-001",
    "2024-01-01T00:00:00Z",
    " 2024-01-01",
    "2024\u{2010}01\u{2010}01",
    "\u{662}\u{660}\u{662}\u{664}-\u{660}\u{661}-\u{660}\u{661}",
    "2024-01-01\u{200b}",
];

#[tokio::test]
async fn a_day_is_of_the_calendar_from_1900_to_9998_and_written_in_one_way() {
    let office = Office::open().await;
    let commitment_id = office.world.commitment_id;
    let call = |date: &str| activity_message(commitment_id, "capital_call", 100, date).to_string();
    let mut expected: Vec<(String, String)> = NO_DAYS
        .iter()
        .map(|day| (call(day), "INVALID_DATE".to_owned()))
        .collect();
    for (odd, reason) in [
        (json!(20240101), "MALFORMED"),
        (json!(null), "MALFORMED"),
        (json!(["2024-01-01"]), "MALFORMED"),
    ] {
        let mut message = activity_message(commitment_id, "capital_call", 100, "");
        message["effectiveDate"] = odd;
        expected.push((message.to_string(), reason.to_owned()));
    }
    let mut bodies: Vec<String> = expected.iter().map(|(body, _)| body.clone()).collect();
    bodies.extend(DAYS.iter().map(|day| call(day)));
    expected.sort();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    assert_eq!(office.dead_letters().await, expected);
    let days = "select effective_date from capital_activities order by 1";
    let mut recorded = DAYS.map(|day| format!("({day})"));
    recorded.sort();
    assert_eq!(office.desk.rows(days).await, recorded);
    println!("{} days refused, {} recorded", expected.len(), DAYS.len());
}

/// Entries from one end to the other, before the commitment's own date and far ahead, and reports at the first day and today.
fn messages(commitment_id: i64, today: NaiveDate) -> Vec<Value> {
    let entry = |kind, cents, date| activity_message(commitment_id, kind, cents, date);
    let today = today.to_string();
    vec![
        entry("capital_call", 10_000, "1900-01-01"),
        nav_message(commitment_id, 9_900, "1900-01-01", "1900-01-01"),
        entry("commitment_increase", 50, "1900-01-01"),
        entry("capital_call", 40_000, "1999-12-31"),
        entry("distribution", 1, "2000-02-29"),
        entry("recallable_distribution", 5_000, "2024-02-29"),
        nav_message(commitment_id, 61_000, &today, &today),
        entry("capital_call", 7_000, "9996-02-29"),
        entry("commitment_release", 90_000_000, "9998-12-30"),
        entry("distribution", 990_000_000, "9998-12-31"),
    ]
}

#[tokio::test]
async fn eight_thousand_years_of_entries_are_answered_as_of_every_day() {
    let office = Office::open().await;
    let (desk, world) = (&office.desk, office.world);
    let today = tests::reporting::today();
    let bodies: Vec<String> = messages(world.commitment_id, today)
        .iter()
        .map(Value::to_string)
        .collect();
    let begun = Instant::now();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    println!(
        "recorded, with rates over 8,099 years: {:?}",
        begun.elapsed()
    );
    assert_eq!(office.dead_letters().await, []);
    grant_all(desk, &[world.lp_id], &[world.fund_id]).await;
    let oracle = oracle(desk, &[world.lp_id], &[world.fund_id]).await;
    let lp = &oracle.truth().lps[&world.lp_id];
    let dates = [
        "1900-01-01",
        "1900-01-02",
        "1999-12-31",
        "2000-02-29",
        "2020-01-01",
        "2024-02-29",
    ];
    let dates: Vec<_> = dates
        .map(|day| day.parse().ok())
        .into_iter()
        .chain([None])
        .collect();
    let mut questions = everything(&oracle, lp, &dates);
    let ends = (
        NaiveDate::from_ymd_opt(1900, 1, 1),
        NaiveDate::from_ymd_opt(9998, 12, 31),
    );
    for scope in tests::oracle::questions::scopes(lp) {
        let asked = [
            ("monthly", ends),
            ("yearly", (ends.1, ends.1)),
            ("yearly", (ends.0, ends.0)),
        ];
        questions.extend(oracle.histories(world.lp_id, scope, &asked));
    }
    questions.extend(oracle.lists(lp, 3, ends.1));
    let live = assert_right(desk, &questions).await;
    refresh(desk).await;
    let from_views = assert_right(desk, &questions).await;
    let rows = assert_rebuild_is_the_same(desk).await;
    assert_bounds_are_named(&office).await;
    let finite = "select count(*) from lp_performance_snapshots where net_irr is not null and abs(net_irr) < 1e6";
    println!(
        "{} answers are the oracle's, {rows} derived rows are a rebuild's, {} rates",
        live + from_views,
        desk.number(finite).await
    );
}

/// A question about a day out of bounds names its parameter.
async fn assert_bounds_are_named(office: &Office) {
    let lp_id = office.world.lp_id;
    for (path, parameter) in [
        ("summary?asOf=1899-12-31", "asOf"),
        ("summary?asOf=9998-12-31", "asOf"),
        ("performance?asOf=9999-12-31", "asOf"),
        ("performance?asOf=0001-01-01", "asOf"),
        ("capital-activity?startDate=1899-12-31", "startDate"),
        ("capital-activity?endDate=10000-01-01", "endDate"),
        ("capital-activity?endDate=infinity", "endDate"),
        (
            "capital-activity?startDate=9998-12-31&endDate=1900-01-01",
            "endDate",
        ),
        ("performance/history?startDate=2023-02-29", "startDate"),
        ("performance/history?endDate=-0044-03-15", "endDate"),
    ] {
        let (status, problem) = ask(&office.desk.reader, &format!("/api/lp/{lp_id}/{path}")).await;
        assert_eq!(status, 400, "{path}: {problem}");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}");
    }
}
