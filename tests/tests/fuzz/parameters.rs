//! Queries and paths, read by every report: known names with values that are right, nearly right or anything, and other names.

use std::collections::HashMap;

use chrono::NaiveDate;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::{Body, Request, RequestExt};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shared::http::{Parameters, Refused, parse};
use shared::reports::{
    CapitalActivity, FundPerformance, Holdings, Performance, PerformanceHistory, Summary,
};

use crate::{slipped, slips, try_on};

/// No refusal is longer, whatever was asked.
const LONGEST_REFUSAL_BYTES: usize = 8 * 1024;

const NAMES: &[&str] = &[
    "asOf",
    "startDate",
    "endDate",
    "limit",
    "cursor",
    "fundId",
    "fundIds",
    "commitmentId",
    "types",
    "metadata",
    "granularity",
];
const VALUES: &[&str] = &[
    "2024-02-29",
    "1900-01-01",
    "9998-12-31",
    "2023-02-29",
    "1",
    "1000",
    "9223372036854775807",
    "7,12",
    "capital_call",
    "capital_call,distribution",
    "wire:same-day",
    "monthly",
    "yearly",
    "",
    ",",
    "0",
    "-1",
];

type Pairs = Vec<(String, String)>;

fn value() -> impl Strategy<Value = String> {
    let right = prop::sample::select(VALUES).boxed();
    prop_oneof![
        4 => right.clone().prop_map(str::to_owned),
        2 => (right, slips()).prop_map(|(text, slips)| slipped(text, &slips)),
        1 => any::<String>(),
        1 => "[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}",
        1 => "[0-9,]{0,3000}",
    ]
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let known = prop::sample::select(NAMES).prop_map(str::to_owned);
    let name = prop_oneof![8 => known, 1 => any::<String>()];
    prop::collection::vec((name, value()), 0..30)
}

fn request(lp_id: String, fund_id: String, pairs: &Pairs) -> Request {
    let mut query: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in pairs {
        query.entry(name.clone()).or_default().push(value.clone());
    }
    let path = HashMap::from([("lpId".to_owned(), lp_id), ("fundId".to_owned(), fund_id)]);
    Request::new(Body::Empty)
        .with_path_parameters(path)
        .with_query_string_parameters(QueryMap::from(query))
}

/// What a report makes of the request, or else a refusal that says what is wrong, at no greater length than it has to.
fn read<T>(
    request: &Request,
    names: &[&str],
    read: impl FnOnce(&mut Parameters) -> Result<T, Refused>,
) -> Result<Option<T>, TestCaseError> {
    let today = NaiveDate::from_ymd_opt(2024, 3, 1).expect("a date");
    let problem = match parse(request, today, names, read) {
        Ok(question) => return Ok(Some(question)),
        Err(problem) => problem.into_response(),
    };
    prop_assert_eq!(problem.status(), 400);
    let told = std::str::from_utf8(problem.body()).expect("text");
    prop_assert!(told.contains(r#""errors":[{"#), "{}", told);
    prop_assert!(told.len() <= LONGEST_REFUSAL_BYTES, "{} bytes", told.len());
    let is_plain = |c: char| c.is_ascii() && !c.is_control() && !"<>&".contains(c);
    prop_assert!(told.chars().all(is_plain), "{}", told);
    Ok(None)
}

fn assert_within_bounds(question: &CapitalActivity) -> Result<(), TestCaseError> {
    let filter = &question.filter;
    prop_assert!((1..=1000).contains(&question.limit));
    prop_assert!(filter.fund_ids.len() <= 400);
    prop_assert!(filter.fund_ids.windows(2).all(|pair| pair[0] < pair[1]));
    prop_assert!(
        filter
            .start
            .zip(filter.end)
            .is_none_or(|(start, end)| start <= end)
    );
    if let Some((key, value)) = &filter.metadata {
        prop_assert!(!key.contains(['\0', ':']) && !value.contains('\0'));
        prop_assert!(key.chars().count().max(value.chars().count()) <= 100);
    }
    Ok(())
}

#[test]
fn every_report_reads_a_query_or_says_what_is_wrong() {
    let cases = (value(), value(), pairs());
    try_on(
        "queries, each to six reports",
        cases,
        |(lp_id, fund_id, pairs)| {
            let request = request(lp_id, fund_id, &pairs);
            read(&request, Summary::PARAMETERS, Summary::parse)?;
            read(&request, Performance::PARAMETERS, Performance::parse)?;
            read(
                &request,
                PerformanceHistory::PARAMETERS,
                PerformanceHistory::parse,
            )?;
            read(
                &request,
                FundPerformance::PARAMETERS,
                FundPerformance::parse,
            )?;
            read(&request, Holdings::PARAMETERS, Holdings::parse)?;
            let activity = read(
                &request,
                CapitalActivity::PARAMETERS,
                CapitalActivity::parse,
            )?;
            activity.as_ref().map_or(Ok(()), assert_within_bounds)
        },
    );
}

#[test]
fn what_is_right_is_taken() {
    let ids = prop::collection::btree_set(1..=i64::MAX, 1..20);
    let word = "[^:\0]{1,100}";
    try_on(
        "right queries",
        (1..=1000_i64, ids, word, word),
        |(limit, ids, key, value)| {
            let listed: Vec<String> = ids.iter().map(i64::to_string).collect();
            let pairs = vec![
                ("limit".to_owned(), limit.to_string()),
                ("fundIds".to_owned(), listed.join(",")),
                ("metadata".to_owned(), format!("{key}:{value}")),
            ];
            let request = request("42".to_owned(), "7".to_owned(), &pairs);
            let Some(question) = read(
                &request,
                CapitalActivity::PARAMETERS,
                CapitalActivity::parse,
            )?
            else {
                return Err(TestCaseError::fail("a right query was refused"));
            };
            prop_assert_eq!(question.limit, limit);
            prop_assert!(question.filter.fund_ids.iter().map(|id| id.get()).eq(ids));
            prop_assert_eq!(question.filter.metadata, Some((key, value)));
            Ok(())
        },
    );
}
