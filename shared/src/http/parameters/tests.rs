//! What is refused, what is taken, and how refusals read.

use std::collections::HashMap;

use lambda_http::Body;

use super::*;
use crate::http::cursor::PairPosition;

const NAMES: &[&str] = &[
    "asOf",
    "startDate",
    "endDate",
    "limit",
    "fundIds",
    "types",
    "cursor",
    "metadata",
];

fn read<T>(
    query: &str,
    read: impl FnOnce(&mut Parameters) -> Result<T, Refused>,
) -> Result<T, String> {
    let path = HashMap::from([
        ("lpId".to_owned(), "42".to_owned()),
        ("fundId".to_owned(), "x".to_owned()),
    ]);
    let request = Request::new(Body::Empty)
        .with_path_parameters(path)
        .with_query_string_parameters(query.parse::<QueryMap>().unwrap());
    let today = NaiveDate::from_ymd_opt(2024, 3, 1).unwrap();
    parse(&request, today, NAMES, read).map_err(|problem| match problem {
        Problem::InvalidParameters(errors) => errors
            .iter()
            .map(|error| format!("{} {}", error.parameter, error.detail))
            .collect::<Vec<_>>()
            .join("; "),
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_error_is_told_at_once() {
    let errors = read("asOf=2024-02-30&limit=0&b=1&a=&limit=1", |parameters| {
        let (fund, as_of, limit) = (
            parameters.fund_id_in_path(),
            parameters.as_of(),
            parameters.limit(),
        );
        Ok((parameters.lp_id()?, fund?, as_of?, limit?))
    });
    assert_eq!(
        errors.unwrap_err(),
        "fundId is not a whole number from 1 to 9223372036854775807; \
         asOf is not a date as YYYY-MM-DD in the years 1900 to 9998; limit is given more than once; \
         a is not a parameter here; b is not a parameter here"
    );
}

#[test]
fn what_a_client_wrote_comes_back_as_a_url_spells_it_and_bounded() {
    for (query, refusal) in [
        (
            "%3Cscript%3E=1&=2&%C3%A9%22",
            " is not a parameter here; %3Cscript%3E is not a parameter here; %C3%A9%22 is not a parameter here",
        ),
        (
            "types=%3Cb%3E%0A",
            "types holds \"%3Cb%3E%0A\", which is none of call",
        ),
    ] {
        let read = read(query, |parameters| {
            parameters.some_of("types", &[("call", 1)])
        });
        assert_eq!(read.unwrap_err(), refusal);
    }
    let long = "%01".repeat(5000);
    let many: Vec<String> = (0..5000).map(|n| format!("{long}{n}")).collect();
    let names: Vec<String> = (0..5000).map(|n| format!("p{n}")).collect();
    for query in [
        names.join("&"),
        many[..9].join("&"),
        format!("types={long}"),
    ] {
        let read = read(&query, |parameters| {
            parameters.some_of("types", &[("call", 1)])
        });
        assert!(read.unwrap_err().len() < 1000, "{}", &query[..40]);
    }
}

#[test]
fn as_of_is_today_unless_given_and_never_later() {
    let as_of = |query| read(query, Parameters::as_of).map(|date| date.to_string());
    assert_eq!(as_of("").as_deref(), Ok("2024-03-01"));
    assert_eq!(as_of("asOf=2024-02-29").as_deref(), Ok("2024-02-29"));
    assert_eq!(
        as_of("asOf=2024-03-02").unwrap_err(),
        "asOf is after today, 2024-03-01"
    );
}

#[test]
fn a_date_has_one_spelling() {
    for text in ["1900-01-01", "9998-12-31", "2024-02-29"] {
        assert!(parse_date(text).is_some(), "{text}");
    }
    for text in [
        "",
        "2024-2-9",
        "+2024-01-01",
        "2023-02-29",
        "1899-12-31",
        "9999-01-01",
        "2024-01-01T00:00",
        "20240101",
    ] {
        assert!(parse_date(text).is_none(), "{text}");
    }
}

#[test]
fn a_range_runs_forward() {
    let range = |query| read(query, Parameters::date_range);
    assert!(range("startDate=2024-01-01&endDate=2024-01-01").is_ok());
    assert!(range("endDate=2024-01-01").is_ok());
    assert_eq!(
        range("startDate=2024-01-02&endDate=2024-01-01").unwrap_err(),
        "endDate is before startDate"
    );
}

#[test]
fn a_list_is_sorted_without_repeats_and_bounded() {
    let ids = |query: &str| {
        read(query, Parameters::fund_ids).map(|ids| ids.iter().map(|id| id.get()).collect())
    };
    assert_eq!(ids("fundIds=3,1"), Ok(vec![1, 3]));
    let expected = "fundIds holds an item twice";
    assert_eq!(ids("fundIds=3,1,3"), Err(expected.to_owned()));
    assert_eq!(ids(""), Ok(vec![]));
    let expected = "fundIds holds \"\", which is not a whole number from 1 to 9223372036854775807";
    assert_eq!(ids("fundIds=1,"), Err(expected.to_owned()));
    let many = vec!["1"; LONGEST_LIST + 1].join(",");
    assert_eq!(
        ids(&format!("fundIds={many}")),
        Err("fundIds holds more than 400 items".to_owned())
    );
}

#[test]
fn words_are_looked_up() {
    let words = [("call", 1), ("distribution", 2)];
    assert_eq!(
        read("types=distribution,call", |parameters| parameters
            .some_of("types", &words)),
        Ok(vec![1, 2])
    );
    assert_eq!(
        read("types=sale", |parameters| parameters
            .some_of("types", &words)),
        Err("types holds \"sale\", which is none of call, distribution".to_owned())
    );
    assert_eq!(
        read("types=call", |parameters| parameters
            .one_of("types", &words)),
        Ok(Some(1))
    );
}

#[test]
fn a_limit_stays_within_its_bounds() {
    for (query, expected) in [
        ("", Some(100)),
        ("limit=1", Some(1)),
        ("limit=1000", Some(1000)),
    ] {
        assert_eq!(read(query, Parameters::limit).ok(), expected);
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=%2B5",
        "limit=-1",
        "limit=007",
        "limit=",
        "limit=ten",
        "limit=1e2",
    ] {
        assert_eq!(
            read(query, Parameters::limit).unwrap_err(),
            "limit is not a whole number from 1 to 1000"
        );
    }
}

#[test]
fn a_cursor_is_read_under_its_own_filter_only() {
    let position = PairPosition {
        first: 1,
        second: 2,
    };
    let query = format!("cursor={}", cursor::encode("one", &position));
    assert_eq!(
        read(&query, |parameters| parameters.cursor("one")),
        Ok(Some(position))
    );
    let refused = read(&query, |parameters| {
        parameters.cursor::<PairPosition>("other")
    });
    assert_eq!(
        refused.unwrap_err(),
        "cursor was not given out for this list with these filters"
    );
}

#[test]
fn metadata_is_a_key_and_a_value() {
    let pair = |key: &str, value: &str| Ok(Some((key.to_owned(), value.to_owned())));
    assert_eq!(
        read("metadata=batch:a%3Ab", Parameters::metadata),
        pair("batch", "a:b")
    );
    let (longest, too_long) = ("é".repeat(100), "é".repeat(101));
    assert_eq!(
        read(&format!("metadata=a:{longest}"), Parameters::metadata),
        pair("a", &longest)
    );
    for query in [
        "metadata=batch",
        "metadata=:a",
        "metadata=batch:",
        &format!("metadata=a:{too_long}"),
    ] {
        assert_eq!(
            read(query, Parameters::metadata).unwrap_err(),
            "metadata is not key:value, each of 1 to 100 characters"
        );
    }
}

#[test]
fn what_no_text_in_the_database_can_hold_is_refused_in_every_parameter() {
    let refused = [
        read("metadata=a:%00", Parameters::metadata).map(drop),
        read("asOf=%00", Parameters::as_of).map(drop),
        read("fundIds=1,%002", Parameters::fund_ids).map(drop),
    ];
    for (refused, name) in refused.into_iter().zip(["metadata", "asOf", "fundIds"]) {
        assert_eq!(refused, Err(format!("{name} holds the character NUL")));
    }
}
