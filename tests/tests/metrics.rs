//! What the system tells of itself, on a running stack and on a function by itself: every metric with its labels, in the numbers
//! that what was done adds up to, and the traces by which lines of the log are found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::metrics::{self, INDEX_BLOAT, INDEX_BYTES, Kind, TABLE_BYTES};
use tests::builders::{activity_message, grant, insert_lp};
use tests::desk::Desk;
use tests::figures::{Figures, family};
use tests::http::event;
use tests::platform::Process;
use tests::redis::PATIENT;
use tests::stack::{Answer, Stack};

/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);
const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const W3C_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
const XRAY_ID: &str = "5759e988bd862e3fe1be46a994272793";

struct Run {
    stack: Stack,
}

impl Run {
    fn summary(&self, query: &str) -> String {
        format!("/api/lp/{}/summary{query}", self.stack.setting("LP_ID"))
    }

    async fn ask(&self, path: &str) -> Answer {
        self.stack.get(path, self.stack.setting("TOKEN")).await
    }

    fn call(&self, amount_cents: i64) -> Value {
        let commitment_id = self.stack.id("COMMITMENT_ID");
        activity_message(commitment_id, "capital_call", amount_cents, "2021-03-01")
    }

    /// Does something and waits until these figures, one a line, have grown by so much; by more they must not.
    async fn grows(&self, by: &str, act: impl AsyncFnOnce()) {
        let by = by.split_terminator('\n').map(|line| {
            let (sample, by) = line.trim().rsplit_once(' ').expect("a sample and a number");
            (sample, by.parse().expect("a number"))
        });
        let by: Vec<(&str, f64)> = by.collect();
        let before = self.stack.figures().await;
        act().await;
        let grown = |now: &Figures, sample: &str| now.of(sample) - before.of(sample);
        let is_there = |now: &Figures| by.iter().all(|(sample, by)| grown(now, sample) >= *by);
        let now = self.until(is_there).await;
        for (sample, by) in by {
            assert_eq!(grown(&now, sample), by, "{sample}");
        }
    }

    /// Waits until the figures are as they should be.
    async fn until(&self, are_so: impl Fn(&Figures) -> bool) -> Figures {
        let start = Instant::now();
        loop {
            let figures = self.stack.figures().await;
            if are_so(&figures) {
                return figures;
            }
            assert!(start.elapsed() < LIMIT, "{figures:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The lines of the functions' logs that bear a trace.
    fn traced(&self, function: &str, trace_id: &str) -> Vec<Value> {
        let logs = self.stack.logs();
        let of_function = logs.iter().filter(|(name, _)| name.starts_with(function));
        let lines = of_function.flat_map(|(_, text)| text.lines());
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line| bears(line, trace_id))
            .collect()
    }

    async fn until_traced(&self, function: &str, trace_id: &str, is_it: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        while !self.traced(function, trace_id).iter().any(&is_it) {
            let lines = self.traced(function, trace_id);
            assert!(
                start.elapsed() < LIMIT,
                "{function}, {trace_id}: {lines:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What is measured of a request stands in a line of its own; every other line has the trace in its span.
fn bears(line: &Value, trace_id: &str) -> bool {
    line["trace_id"] == trace_id || line["span"]["trace_id"] == trace_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_shows_in_the_figures() {
    let run = Run {
        stack: Stack::start().await,
    };
    answers_are_told_by_route_and_cache(&run).await;
    a_refused_look_is_an_answer_that_nobody_looked_up(&run).await;
    messages_are_told_by_what_became_of_them(&run).await;
    the_night_tells_of_the_views(&run).await;
    what_is_outstanding_is_measured_when_asked(&run).await;
    a_command_tells_how_long_it_waited(&run).await;
    traces_are_found_in_the_logs(&run).await;
    without_redis_answers_bypass_it_and_the_breaker_opens(&run).await;
    without_the_database_there_are_server_errors(&run).await;
    every_metric_has_been_told(&run).await;
}

async fn answers_are_told_by_route_and_cache(run: &Run) {
    let path = run.summary("?asOf=2020-02-29");
    for (cache, hits, misses) in [("miss", 0, 1), ("hit", 1, 0)] {
        // The first also has to ask for the grant; the second finds all it needs in the cache.
        let by = format!(
            r#"lp_reporting_answer_duration_milliseconds_count 1
               lp_reporting_answer_duration_milliseconds_count{{route="summary"}} 1
               lp_reporting_answer_duration_milliseconds_count{{route="summary",cache="{cache}"}} 1
               lp_reporting_cache_lookups_total{{route="summary"}} 1
               lp_reporting_cache_hits_total{{route="summary"}} {hits}
               lp_reporting_redis_duration_milliseconds_count{{route="summary"}} 1
               lp_reporting_database_duration_milliseconds_count{{route="summary"}} {misses}
               lp_reporting_server_errors_total{{route="summary"}} 0
               aws_apigateway_count_total 1
               aws_apigateway_5xx_total 0"#
        );
        run.grows(&by, async || {
            let answer = run.ask(&path).await;
            assert_eq!(answer.headers["x-cache"], cache);
        })
        .await;
    }
    let figures = run.stack.figures().await;
    for labels in ["", r#"route="summary",cache="miss","#] {
        let name = "lp_reporting_answer_duration_milliseconds";
        let median = format!(r#"{name}{{{labels}quantile="0.5"}}"#);
        assert!(figures.of(&median) > 0.0, "{median}");
    }
    let uncached = r#"lp_reporting_answer_duration_milliseconds_count{route="fund-summary",cache="bypass"} 1
        lp_reporting_cache_lookups_total{route="fund-summary"} 0"#;
    run.grows(uncached, async || {
        let fund = format!("/api/fund/{}/summary", run.stack.setting("FUND_ID"));
        run.stack.get(&fund, run.stack.setting("GP_TOKEN")).await;
    })
    .await;
}

async fn a_refused_look_is_an_answer_that_nobody_looked_up(run: &Run) {
    // One that the gateway itself refuses is the gateway's alone.
    let by = r#"lp_reporting_answer_duration_milliseconds_count{route="summary"} 1
        lp_reporting_cache_lookups_total{route="summary"} 0
        lp_reporting_server_errors_total{route="summary"} 0
        aws_apigateway_count_total 2"#;
    run.grows(by, async || {
        let other = format!("/api/lp/{}/summary", run.stack.setting("OTHER_LP_ID"));
        assert_eq!(run.ask(&other).await.status, StatusCode::NOT_FOUND);
        let nobody = run.stack.get(&run.summary(""), "no.valid.token").await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

async fn messages_are_told_by_what_became_of_them(run: &Run) {
    let by = r#"lp_reporting_messages_recorded_total 2
        lp_reporting_messages_duplicated_total 1
        lp_reporting_messages_refused_total 1
        aws_sqs_approximate_number_of_messages_visible{queue="ActivityDeadLetterQueue"} 1"#;
    let (first, second) = (run.call(1), run.call(2));
    run.grows(by, async || {
        for message in [&first, &second, &first, &run.call(0)] {
            run.stack.send(message).await;
        }
    })
    .await;
    let figures = run.stack.figures().await;
    assert!(figures.of("lp_reporting_batch_duration_milliseconds_count") > 0.0);
    let refreshes = r#"lp_reporting_view_refresh_duration_seconds_count{cause="activity"}"#;
    run.until(|now| now.of(refreshes) > 0.0).await;
    // Its commitment may come: it is put off, and meanwhile it is the oldest that there is.
    let before = run.stack.figures().await;
    let early = activity_message(987_654_321, "capital_call", 1, "2021-03-01");
    run.stack.send(&early).await;
    let retried = "lp_reporting_messages_retried_total";
    let oldest = r#"aws_sqs_approximate_age_of_oldest_message_seconds{queue="ActivityQueue"}"#;
    run.until(|now| now.of(retried) > before.of(retried) && now.of(oldest) > 0.0)
        .await;
    let age = "lp_reporting_retried_message_age_seconds";
    run.until(|now| now.find(age).is_some()).await;
}

async fn the_night_tells_of_the_views(run: &Run) {
    let by = r#"lp_reporting_view_refresh_duration_seconds_count{cause="nightly"} 1
        lp_reporting_database_duration_milliseconds_count{function="nightly-refresh"} 1"#;
    run.grows(by, async || {
        let task = json!({"task": "refresh"});
        run.stack.invoke("nightly-refresh", &task).await;
    })
    .await;
    let figures = run.stack.figures().await;
    assert_eq!(figures.of("lp_reporting_drift_rows"), 0.0);
    assert!(figures.of("lp_reporting_view_age_seconds") < LIMIT.as_secs_f64());
    let migrated = r#"lp_reporting_database_duration_milliseconds_count{function="migrate"}"#;
    assert_eq!(figures.of(migrated), 1.0, "once, as the stack started");
}

async fn what_is_outstanding_is_measured_when_asked(run: &Run) {
    let age = |figures: &Figures| figures.of("lp_reporting_view_age_seconds");
    let before = age(&run.stack.figures().await);
    let (lp, fund) = (run.stack.id("LP_ID"), run.stack.id("FUND_ID"));
    let commitment = run.stack.id("COMMITMENT_ID");
    let sql = format!(
        "insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date) values ({commitment}, {lp}, {fund}, '9000-01-01');
         insert into pending_performance (fund_id, from_date) values ({fund}, '9000-01-01');
         update view_refreshes set started_at = started_at - interval '27 hours' where started_at is not null"
    );
    let database = run.stack.database().await;
    database.batch_execute(&sql).await.expect("it is written");
    let by = r#"lp_reporting_marks_outstanding 1
        lp_reporting_performance_pending 1
        lp_reporting_view_refresh_duration_seconds_count{cause="nightly"} 0
        lp_reporting_database_duration_milliseconds_count{function="nightly-refresh"} 1"#;
    run.grows(by, async || {
        let task = json!({"task": "measure"});
        run.stack.invoke("nightly-refresh", &task).await;
    })
    .await;
    let now = age(&run.stack.figures().await);
    assert!(now >= before + 27.0 * 3600.0, "{before}, then {now}");
}

async fn a_command_tells_how_long_it_waited(run: &Run) {
    let by = r#"lp_reporting_database_duration_milliseconds_count{function="entitlements"} 1
        lp_reporting_redis_duration_milliseconds_count{function="entitlements"} 1"#;
    run.grows(by, async || {
        let revoke = json!({"revoke": {"subject": "nobody", "role": "lp_viewer", "lpId": run.stack.id("LP_ID"), "by": "a test"}});
        let done = run.stack.invoke("entitlements", &revoke).await;
        assert_eq!(done["forgotten"], true, "{done}");
    })
    .await;
}

async fn traces_are_found_in_the_logs(run: &Run) {
    let token = run.stack.setting("TOKEN");
    let ask = async |headers: &[(&str, &str)]| {
        let answer = run.stack.get_with(&run.summary(""), token, headers).await;
        assert_eq!(answer.status, StatusCode::OK);
    };
    ask(&[("traceparent", W3C), ("x-amzn-trace-id", XRAY)]).await;
    let is_measured = |line: &Value| line["Route"] == "summary";
    run.until_traced("summary", W3C_ID, is_measured).await;
    // Too long to be believed: the gateway's counts.
    let long = format!("01{}-{}", &W3C[2..], "x".repeat(1_000));
    ask(&[("traceparent", &long), ("x-amzn-trace-id", XRAY)]).await;
    run.until_traced("summary", XRAY_ID, is_measured).await;

    run.stack.dead_letters().await;
    run.stack.send_traced(&run.call(3), Some(W3C), None).await;
    let is_done = |line: &Value| line["end"] == "Done";
    run.until_traced("activity-refresh", W3C_ID, is_done).await;
    run.stack
        .send_traced(&run.call(0), Some(W3C), Some(XRAY))
        .await;
    let is_buried = |line: &Value| line["message"] == "dead letter";
    run.until_traced("activity-refresh", W3C_ID, is_buried)
        .await;
    run.stack
        .send_traced(&run.call(0), Some("nonsense"), Some(XRAY))
        .await;
    run.until_traced("activity-refresh", XRAY_ID, is_buried)
        .await;
    let letters = run.stack.dead_letters().await;
    let carried = letters.iter().filter_map(|letter| {
        let own = letter.message_attributes().expect("attributes");
        let text = |name: &str| own.get(name).and_then(|value| value.string_value());
        let system = letter.attributes().expect("attributes");
        let xray = system
            .iter()
            .find(|(name, _)| name.as_str() == "AWSTraceHeader");
        let carried = (text("traceparent"), xray.map(|(_, value)| value.as_str()));
        // What was put off before may end here too.
        (text("reason") == Some("INVALID_AMOUNT")).then_some(carried)
    });
    let carried: BTreeSet<_> = carried.collect();
    let expected = [(Some(W3C), Some(XRAY)), (None, Some(XRAY))];
    assert_eq!(carried, BTreeSet::from(expected));
}

async fn without_redis_answers_bypass_it_and_the_breaker_opens(run: &Run) {
    run.stack.server("redis", "stop").await;
    let by = r#"lp_reporting_answer_duration_milliseconds_count{route="summary",cache="bypass"} 1
        lp_reporting_cache_lookups_total{route="summary"} 1
        lp_reporting_cache_hits_total{route="summary"} 0"#;
    run.grows(by, async || {
        run.ask(&run.summary("")).await;
    })
    .await;
    let open = r#"lp_reporting_breaker_open{function="summary"}"#;
    let ask_until = async |is_open: f64| {
        let start = Instant::now();
        while run.stack.figures().await.of(open) != is_open {
            run.ask(&run.summary("")).await;
            assert!(start.elapsed() < LIMIT, "the breaker is not {is_open}");
        }
    };
    ask_until(1.0).await;
    run.stack.server("redis", "start").await;
    ask_until(0.0).await;
}

async fn without_the_database_there_are_server_errors(run: &Run) {
    run.stack.server("postgres", "stop").await;
    let by = r#"lp_reporting_server_errors_total{route="summary"} 1
        lp_reporting_answer_duration_milliseconds_count{route="summary"} 1
        lp_reporting_cache_lookups_total{route="summary"} 0
        aws_apigateway_5xx_total 1"#;
    run.grows(by, async || {
        let answer = run.ask(&run.summary("?asOf=2019-02-28")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    })
    .await;
    run.stack.server("postgres", "start").await;
}

/// By now all of it was done.
async fn every_metric_has_been_told(run: &Run) {
    let figures = run.stack.figures().await;
    for metric in metrics::ALL {
        // Of the sizes of tables and indexes only their maintenance tells.
        if [INDEX_BLOAT, TABLE_BYTES, INDEX_BYTES].contains(&metric) {
            continue;
        }
        let sets = metric.dimensions.iter();
        let expected: BTreeSet<Vec<String>> = sets
            .map(|set| set.iter().map(|name| name.to_lowercase()).collect())
            .collect();
        let told = figures.label_sets(&family(metric.name));
        assert_eq!(told, expected, "{}", metric.name);
    }
}

#[test]
fn the_local_stack_knows_which_metrics_are_states() {
    let states = metrics::ALL
        .iter()
        .filter(|metric| metric.kind == Kind::Gauge);
    let states: BTreeSet<&str> = states.map(|metric| metric.name).collect();
    assert_eq!(states, BTreeSet::from(local::metrics::GAUGES));
}

/// A function that answers one LP's summary, and what it is asked.
async fn summary_of_one_lp(desk: &Desk, database_url: &str) -> (Process, String) {
    let lp_id = insert_lp(&desk.client, "Harbour Pension Fund").await;
    grant(&desk.client, "ada", lp_id).await;
    let variables = [
        ("DATABASE_URL", database_url),
        ("DATABASE_MAX_CONNECTIONS", "1"),
        ("REDIS_URL", &desk.keyspace.url()),
        ("REDIS_PREFIX", desk.keyspace.prefix()),
        PATIENT,
    ];
    let function = Process::start("summary", &variables).await;
    (function, format!("/api/lp/{lp_id}/summary"))
}

#[tokio::test]
async fn a_line_is_written_once_the_answer_has_arrived_and_before_the_next_event() {
    let desk = Desk::empty().await;
    let (mut function, path) = summary_of_one_lp(&desk, &desk.database.reader_url()).await;
    for (number, cache) in ["miss", "hit"].into_iter().enumerate() {
        let request = event(&path, Some("ada"), &[("traceparent", W3C)]);
        function.answer(cache, &request).await;
        assert_eq!(function.told().len(), number, "it has not arrived yet");
        function.goes_on().await;
        let told = function.told();
        assert_eq!(told.len(), number + 1);
        let line = &told[number];
        let (is_hit, is_miss) = (cache == "hit", cache == "miss");
        for (field, expected) in [
            ("Route", json!("summary")),
            ("Cache", json!(cache)),
            ("CacheHits", json!(u8::from(is_hit))),
            ("CacheLookups", json!(1)),
            ("ServerErrors", json!(0)),
            ("BreakerOpen", json!(0)),
            ("request_id", json!(cache)),
            ("trace_id", json!(W3C_ID)),
        ] {
            assert_eq!(line[field], expected, "{field}");
        }
        let time = |field: &str| line[field].as_f64();
        let (whole, redis) = (time("AnswerDuration"), time("RedisDuration"));
        assert!(redis > Some(0.0) && redis < whole, "{line}");
        let database = time("DatabaseDuration");
        assert_eq!(database.is_some(), is_miss, "{line}");
        assert!(database < whole, "{line}");
    }
}

#[tokio::test]
async fn what_is_logged_of_a_request_bears_its_trace_also_after_the_answer() {
    let desk = Desk::empty().await;
    let nowhere = "postgres://reader@127.0.0.1:1/none";
    let (mut function, path) = summary_of_one_lp(&desk, nowhere).await;
    let request = event(&path, Some("ada"), &[("traceparent", W3C)]);
    let answer = function.answer("fails", &request).await;
    assert_eq!(answer["statusCode"], 503);
    function.goes_on().await;
    let errors = |function: &Process| {
        let lines = function.lines().into_iter();
        let errors: Vec<Value> = lines.filter(|line| line["level"] == "ERROR").collect();
        assert!(!errors.is_empty());
        errors
    };
    for line in errors(&function) {
        assert_eq!(line["span"]["trace_id"], W3C_ID, "{line}");
    }
    assert_eq!(function.told()[0]["ServerErrors"], 1);
    // Nobody sees who looked but the log, after the answer.
    let request = event(&path, None, &[("x-amzn-trace-id", XRAY)]);
    function.answer("refused", &request).await;
    function.goes_on().await;
    let looks = function.logged("access_log");
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0]["span"]["trace_id"], XRAY_ID, "{}", looks[0]);
}
