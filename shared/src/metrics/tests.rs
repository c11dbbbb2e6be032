//! The line against the rules of the embedded metric format.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const AT: Duration = Duration::from_millis(1_767_225_600_123);

fn parsed(metrics: &Metrics) -> Value {
    let line = metrics.line(AT).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    assert!(line.ends_with('\n'));
    serde_json::from_str(&line).unwrap()
}

/// The sets of dimensions in which a line gives a metric.
fn sets(line: &Value, name: &str) -> Value {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    let names = |directive: &Value| directive["Metrics"].as_array().unwrap().clone();
    let has = |directive: &&Value| names(directive).iter().any(|metric| metric["Name"] == name);
    directives.iter().find(has).unwrap()["Dimensions"].clone()
}

#[test]
fn a_line_says_what_it_gives_in_which_sets_and_when() {
    let metrics = Metrics::new()
        .dimension(ROUTE, "summary")
        .dimension(CACHE, "hit")
        .property("requestId", "abc")
        .milliseconds(ANSWER_DURATION, 1.25)
        .count(CACHE_HITS, 1)
        .count(CACHE_LOOKUPS, 1);
    assert_eq!(
        parsed(&metrics),
        json!({
            "_aws": {
                "Timestamp": 1_767_225_600_123_u64,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "LpReporting",
                        "Metrics": [{"Name": "AnswerDuration", "Unit": "Milliseconds"}],
                        "Dimensions": [[], ["Route"], ["Route", "Cache"]],
                    },
                    {
                        "Namespace": "LpReporting",
                        "Metrics": [
                            {"Name": "CacheHits", "Unit": "Count"},
                            {"Name": "CacheLookups", "Unit": "Count"},
                        ],
                        "Dimensions": [[], ["Route"]],
                    },
                ],
            },
            "Route": "summary",
            "Cache": "hit",
            "requestId": "abc",
            "AnswerDuration": 1.25,
            "CacheHits": 1,
            "CacheLookups": 1,
        })
    );
}

#[test]
fn a_set_is_given_only_by_a_line_that_has_its_dimensions() {
    let line = parsed(&Metrics::new().milliseconds(ANSWER_DURATION, 1.0));
    assert_eq!(sets(&line, "AnswerDuration"), json!([[]]));
    let line = parsed(
        &Metrics::new()
            .dimension(ROUTE, "summary")
            .milliseconds(ANSWER_DURATION, 1.0),
    );
    assert_eq!(sets(&line, "AnswerDuration"), json!([[], ["Route"]]));
}

#[test]
fn a_function_with_a_route_is_told_apart_once() {
    let http = Metrics::new()
        .dimension(ROUTE, "summary")
        .dimension(FUNCTION, "summary")
        .milliseconds(DATABASE_DURATION, 1.0)
        .count(BREAKER_OPEN, 0);
    let line = parsed(&http);
    assert_eq!(sets(&line, "DatabaseDuration"), json!([[], ["Route"]]));
    assert_eq!(sets(&line, "BreakerOpen"), json!([[], ["Function"]]));
    let other = Metrics::new()
        .dimension(FUNCTION, "migrate")
        .milliseconds(DATABASE_DURATION, 1.0);
    assert_eq!(
        sets(&parsed(&other), "DatabaseDuration"),
        json!([[], ["Function"]])
    );
}

#[test]
fn only_waits_that_there_were_have_values() {
    let waits = Waits {
        database: Duration::from_micros(1_500),
        redis: Duration::ZERO,
    };
    let line = parsed(&Metrics::new().waits(waits));
    assert_eq!(line["DatabaseDuration"], 1.5);
    assert_eq!(line.get("RedisDuration"), None);
}

#[test]
fn what_the_format_has_no_place_for_is_left_out_or_replaced() {
    assert!(Metrics::new().dimension(ROUTE, "x").line(AT).is_none());
    let nothing = Metrics::new().percent(INDEX_BLOAT, f64::NAN);
    assert!(nothing.line(AT).is_none());
    let odd = Metrics::new()
        .dimension(INDEX, "a\"b\\c\nd\u{e9}")
        .dimension(TABLE, " ")
        .bytes(TABLE_BYTES, u64::MAX)
        .bytes(TABLE_BYTES, 1);
    let line = parsed(&odd);
    assert_eq!(line["Index"], "a\"b\\c?d?");
    assert_eq!(line.get("Table"), None);
    assert_eq!(line["TableBytes"], u64::MAX);
    assert_eq!(line["_aws"]["CloudWatchMetrics"], json!([]), "no table");
    let long = Metrics::new()
        .dimension(INDEX, &"x".repeat(5_000))
        .percent(INDEX_BLOAT, 1.0);
    assert_eq!(parsed(&long)["Index"].as_str().unwrap().len(), 1024);
}

#[test]
fn every_metric_keeps_to_the_limits_of_the_format() {
    let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len(), "a name stands for one metric");
    assert!(ALL.len() <= 100, "so many does one line take");
    for metric in ALL {
        assert!(metric.name.len() <= 255, "{}", metric.name);
        assert!(metric.name.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(!metric.dimensions.is_empty(), "{}", metric.name);
        for set in metric.dimensions {
            assert!(set.len() <= 30, "{}", metric.name);
            assert!(set.iter().all(|name| !names.contains(name)), "{set:?}");
        }
    }
}
