//! The two lists, capital activity and holdings: contents, filters, and pages that neither repeat nor lose an item.

use serde_json::{Value, json};
use shared::http::cursor::{DatePosition, PairPosition};
use shared::ids::{FundId, LpId};
use shared::reports::{CapitalActivity, Filter, Holdings};
use tests::builders::activity_message;
use tests::oracle::compare::differences;
use tests::reporting::{Reporting, ask, date, today};

fn activity(world: &Reporting, filter: Filter) -> CapitalActivity {
    CapitalActivity {
        lp_id: world.lp_id,
        filter,
        limit: 1000,
        after: None,
        as_of: today(),
    }
}

fn holdings(lp_id: LpId) -> Holdings {
    Holdings {
        lp_id,
        fund_id: None,
        limit: 1000,
        after: None,
        as_of: today(),
    }
}

fn items(answer: &Value) -> Vec<Value> {
    answer["items"].as_array().expect("items").clone()
}

/// Reads page after page of `limit`, continuing from each page's last item.
async fn pages_of_activity(world: &Reporting, filter: &Filter, limit: i64) -> Vec<Value> {
    let mut report = CapitalActivity {
        limit,
        ..activity(world, filter.clone())
    };
    let mut all = Vec::new();
    loop {
        let answer = ask(&world.desk, &report).await;
        let page = items(&answer);
        assert!(page.len() <= usize::try_from(limit).expect("small"));
        all.extend(page);
        if answer["nextCursor"].is_null() {
            return all;
        }
        let last = all.last().expect("a page before a next one has items");
        report.after = Some(DatePosition {
            date: date(last["effectiveDate"].as_str().expect("a date")),
            id: last["activityId"].as_i64().expect("an id"),
        });
    }
}

#[tokio::test]
async fn the_whole_ledger_is_listed_newest_first() {
    let world = Reporting::record().await;
    let expected = world
        .oracle()
        .await
        .capital_activity(world.lp_id.get(), None, None)
        .expect("the LP is there");
    let got = ask(&world.desk, &activity(&world, Filter::default())).await;
    assert_eq!(differences(&expected, &got), Vec::<String>::new());
}

#[tokio::test]
async fn every_filter_gives_what_it_says_in_pages_of_every_size() {
    let world = Reporting::record().await;
    let all = items(&ask(&world.desk, &activity(&world, Filter::default())).await);
    let types = vec!["capital_call", "distribution"];
    let fund_ids = vec![world.single_fund, world.double_fund];
    let (start, end) = (Some(date("2020-02-10")), Some(date("2023-11-15")));
    let metadata = Some(("wire".to_owned(), "same-day".to_owned()));
    let none = Filter::default;
    for filter in [
        none(),
        Filter {
            start,
            end,
            ..none()
        },
        Filter {
            types: types.clone(),
            ..none()
        },
        Filter {
            fund_ids: fund_ids.clone(),
            ..none()
        },
        Filter {
            fund_ids: fund_ids.clone(),
            types: types.clone(),
            ..none()
        },
        Filter {
            metadata: metadata.clone(),
            ..none()
        },
        Filter {
            metadata,
            fund_ids: fund_ids.clone(),
            types: types.clone(),
            start,
            end,
        },
        Filter {
            fund_ids: vec![FundId::try_from(999_999).expect("an id")],
            ..none()
        },
        Filter {
            fund_ids,
            types,
            start,
            end,
            metadata: None,
        },
    ] {
        let expected: Vec<Value> = all
            .iter()
            .filter(|item| passes(item, &filter))
            .cloned()
            .collect();
        for limit in [1, 2, 5, 1000] {
            let got = pages_of_activity(&world, &filter, limit).await;
            assert_eq!(got, expected, "{filter:?} by {limit}");
        }
    }
}

fn passes(item: &Value, filter: &Filter) -> bool {
    let day = date(item["effectiveDate"].as_str().expect("a date"));
    let fund_id = item["fundId"].as_i64().expect("an id");
    let has_metadata = |(key, value): &(String, String)| item["metadata"][key] == json!(value);
    filter.start.is_none_or(|start| start <= day)
        && filter.end.is_none_or(|end| day <= end)
        && (filter.types.is_empty() || filter.types.iter().any(|kind| item["type"] == json!(kind)))
        && (filter.fund_ids.is_empty() || filter.fund_ids.iter().any(|fund| fund.get() == fund_id))
        && filter.metadata.as_ref().is_none_or(has_metadata)
}

#[tokio::test]
async fn pages_stay_stable_while_entries_are_recorded() {
    let world = Reporting::record().await;
    let all = items(&ask(&world.desk, &activity(&world, Filter::default())).await);
    let mut report = CapitalActivity {
        limit: 3,
        ..activity(&world, Filter::default())
    };
    let mut seen = items(&ask(&world.desk, &report).await);
    // One entry newer than the page, which is not shown any more, and one older, which will be.
    let newer = activity_message(world.commitment_id, "capital_call", 100, "2098-01-01");
    let older = activity_message(world.commitment_id, "capital_call", 100, "2020-02-11");
    world.desk.record(&[&newer, &older]).await;
    let last = seen.last().expect("a full page");
    report.after = Some(DatePosition {
        date: date(last["effectiveDate"].as_str().expect("a date")),
        id: last["activityId"].as_i64().expect("an id"),
    });
    report.limit = 1000;
    seen.extend(items(&ask(&world.desk, &report).await));
    assert_eq!(seen.len(), all.len() + 1);
    seen.retain(|item| item["effectiveDate"] != json!("2020-02-11"));
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_last_page_that_is_just_full_has_no_next_one() {
    let world = Reporting::record().await;
    let count = items(&ask(&world.desk, &activity(&world, Filter::default())).await).len();
    let mut report = activity(&world, Filter::default());
    report.limit = i64::try_from(count).expect("small");
    assert!(ask(&world.desk, &report).await["nextCursor"].is_null());
    report.limit -= 1;
    assert!(ask(&world.desk, &report).await["nextCursor"].is_string());
}

#[tokio::test]
async fn holdings_are_the_lps_part_of_the_whole_each_amount_rounded_by_itself() {
    let world = Reporting::settled().await;
    let expected = world
        .oracle()
        .await
        .holdings(world.lp_id.get())
        .expect("the LP is there");
    let got = ask(&world.desk, &holdings(world.lp_id)).await;
    assert_eq!(differences(&expected, &got), Vec::<String>::new(), "{got}");
    assert_eq!(items(&got).len(), 4);
    // In the first fund 110,000,000 of 280,000,000 are the LP's. What the fund paid for it, 15,000,003, makes 5,893,
    // and its value of 23,000,001 cents makes 9,035,714.68 cents.
    let first = &items(&got)[0];
    assert_eq!(first["ownershipPercent"], json!(39.285714));
    assert_eq!(first["costBasisCents"], json!(5_892_858));
    assert_eq!(first["currentValueCents"], json!(9_035_715));
    assert_eq!(first["unrealizedMultiple"], json!(1.533333));
}

/// A share follows from the commitments in force, which are read from the view while it is right.
#[tokio::test]
async fn holdings_are_the_same_from_marked_rows_from_the_view_and_without_it() {
    let world = Reporting::settled().await;
    let increase = activity_message(
        world.commitment_id,
        "commitment_increase",
        10_000_000,
        "2024-05-01",
    );
    world.desk.record(&[&increase]).await;
    let expected = world.oracle().await.holdings(world.lp_id.get());
    let expected = expected.expect("the LP is there");
    let assert_right = async |state| {
        let got = ask(&world.desk, &holdings(world.lp_id)).await;
        let differences = differences(&expected, &got);
        assert_eq!(differences, Vec::<String>::new(), "{state}: {got}");
    };
    assert_right("marked").await;
    world.refresh().await;
    // What is dated ahead keeps its marks; without them the view answers.
    for (statement, state) in [
        ("delete from touched_commitments", "from the view"),
        (
            "drop materialized view lp_performance_latest cascade",
            "without it",
        ),
    ] {
        let client = &world.desk.client;
        client
            .batch_execute(statement)
            .await
            .expect("it is allowed");
        assert_right(state).await;
    }
}

/// Releases may exceed a commitment, and even all commitments of a fund: what can be computed is shown, and the rest says why not.
#[tokio::test]
async fn a_share_that_releases_have_undone_is_flagged() {
    let world = Reporting::settled().await;
    let release = |cents| {
        activity_message(
            world.commitment_id,
            "commitment_release",
            cents,
            "2024-05-01",
        )
    };
    world.desk.record(&[&release(150_000_000)]).await;
    for (more_cents, flags) in [
        (0, vec!["COMMITMENT_NEGATIVE"]),
        (130_000_000, vec!["COMMITMENT_NEGATIVE", "ZERO_COMMITMENT"]),
        (7_000_000, vec!["COMMITMENT_NEGATIVE", "ZERO_COMMITMENT"]),
    ] {
        if more_cents > 0 {
            world.desk.record(&[&release(more_cents)]).await;
        }
        let got = ask(&world.desk, &holdings(world.lp_id)).await;
        let expected = world.oracle().await.holdings(world.lp_id.get());
        let expected = expected.expect("the LP is there");
        assert_eq!(differences(&expected, &got), Vec::<String>::new(), "{got}");
        let first = &items(&got)[0];
        assert_eq!(first["flags"], json!(flags));
        assert_eq!(first["ownershipPercent"].is_null(), flags.len() > 1);
        assert_eq!(first["unrealizedMultiple"], json!(1.533333));
    }
}

#[tokio::test]
async fn holdings_come_in_pages_and_by_fund() {
    let world = Reporting::settled().await;
    let all = items(&ask(&world.desk, &holdings(world.lp_id)).await);
    for limit in [1, 2, 3, 4] {
        let mut report = Holdings {
            limit,
            ..holdings(world.lp_id)
        };
        let mut seen: Vec<Value> = Vec::new();
        loop {
            let answer = ask(&world.desk, &report).await;
            seen.extend(items(&answer));
            if answer["nextCursor"].is_null() {
                break;
            }
            let last = seen.last().expect("a page before a next one has items");
            report.after = Some(PairPosition {
                first: last["fundId"].as_i64().expect("an id"),
                second: last["investmentId"].as_i64().expect("an id"),
            });
        }
        assert_eq!(seen, all, "by {limit}");
    }
    let of_fund = Holdings {
        fund_id: Some(world.double_fund),
        ..holdings(world.lp_id)
    };
    let expected: Vec<Value> = all
        .iter()
        .filter(|item| item["fundId"] == json!(world.double_fund))
        .cloned()
        .collect();
    assert_eq!(items(&ask(&world.desk, &of_fund).await), expected);
}

#[tokio::test]
async fn an_unknown_lp_has_no_lists() {
    let world = Reporting::record().await;
    let nobody = LpId::try_from(999_999).expect("an id");
    let activity = CapitalActivity {
        lp_id: nobody,
        ..activity(&world, Filter::default())
    };
    assert_eq!(ask(&world.desk, &activity).await, Value::Null);
    assert_eq!(ask(&world.desk, &holdings(nobody)).await, Value::Null);
}
