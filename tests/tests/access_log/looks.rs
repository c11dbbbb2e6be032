//! When a look is recorded, and where.

use chrono::Days;
use serde_json::{Value, json};
use tests::http::event;
use tests::platform::Process;
use tests::proxy::Proxy;
use tests::reporting::date;

use crate::world::{World, logged_looks};

/// A port at which nobody listens.
const NOWHERE: &str = "postgres://reader@127.0.0.1:1/none";
/// Why a look is in the log that the database was not even asked to take.
const LEFT_ALONE: &str =
    "the database is left alone for a moment, because it did not answer in time";

#[tokio::test]
async fn every_look_is_recorded_once_after_its_answer_and_before_the_next_event() {
    let world = World::new().await;
    let World { hers, anothers, .. } = world;
    let url = world.database.reader_url();
    let mut function = world.start("fund-performance", &url).await;
    for (number, (lp, query, subject, status, recorded)) in [
        (hers.to_string(), "", Some("ada"), 404, Some("not_found")),
        (anothers.to_string(), "", Some("ada"), 404, Some("denied")),
        ("987654".to_owned(), "", Some("ada"), 404, Some("denied")),
        (hers.to_string(), "", None, 401, Some("denied")),
        ("x".to_owned(), "", None, 401, Some("denied")),
        (hers.to_string(), "?x=1", Some("ada"), 400, None),
        ("x".to_owned(), "", Some("ada"), 400, None),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/api/lp/{lp}/fund/7/performance{query}");
        let name = format!("request-{number}");
        let event = event(&path, subject, &[]);
        let (request_id, answer, looks) = world
            .ask_in_time(&mut function, &name, || event.clone())
            .await;
        assert_eq!(answer["statusCode"], status, "{path}");
        let look = |outcome| {
            json!({"subject": subject, "lp_id": lp.parse::<i64>().ok(), "fund_id": 7, "route": "fund-performance",
                   "outcome": outcome, "request_id": request_id})
        };
        assert_eq!(looks, Vec::from_iter(recorded.map(look)), "{path}");
    }
}

#[tokio::test]
async fn a_look_into_the_cache_and_at_what_the_client_has_already_is_recorded_like_any_other() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    let (mut day, mut etag) = (date("2020-01-01"), String::new());
    for (name, status, x_cache) in [
        ("first", 200, "miss"),
        ("second", 200, "hit"),
        ("third", 304, "hit"),
    ] {
        let has_already = [("if-none-match", etag.as_str())];
        let headers = if status == 304 { &has_already[..] } else { &[] };
        let event = || {
            // Nobody has asked for the next day yet.
            let days = u64::from(x_cache == "miss");
            day = day + Days::new(days);
            world.summary_of(day, headers)
        };
        let (request_id, answer, looks) = world.ask_in_time(&mut function, name, event).await;
        assert_eq!(answer["statusCode"], status);
        assert_eq!(answer["headers"]["x-cache"], x_cache);
        assert_eq!(looks, [world.look(&request_id)]);
        answer["headers"]["etag"]
            .as_str()
            .expect("an ETag")
            .clone_into(&mut etag);
    }
}

/// The log's table is locked, so that recording can only wait: the answer does not, the next event does, and not for ever.
#[tokio::test]
async fn what_the_database_does_not_take_in_time_is_in_the_functions_log_and_nowhere_else() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    let locked = "begin; lock table access_log in access exclusive mode";
    let busy = world.database.connect().await;
    busy.batch_execute(locked).await.expect("it is locked");
    let answer = function.answer("waits", &world.summary(&[])).await;
    assert_eq!(answer["statusCode"], 200);
    function.goes_on().await;
    assert_eq!(logged_looks(&function), [world.look("waits")]);
    busy.batch_execute("commit").await.expect("it is unlocked");
    // What waited for the lock has given up before this gets it.
    let locked = format!("{locked}; commit");
    busy.batch_execute(&locked).await.expect("nobody has it");
    assert_eq!(world.looks().await, [Value::Null; 0]);
    // On a busy machine it was silent for so long that it is left alone for some seconds.
    let (request_id, _, looks) = world
        .ask_in_time(&mut function, "again", || world.summary(&[]))
        .await;
    assert_eq!(looks, [world.look(&request_id)]);
}

#[tokio::test]
async fn what_the_database_refuses_is_in_the_functions_log_and_the_answer_is_as_ever() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    for (request_id, refused) in [
        ("revoked", "revoke insert on access_log from reader"),
        ("dropped", "drop table access_log cascade"),
    ] {
        world.owner.batch_execute(refused).await.expect("it is run");
        let answer = function.answer(request_id, &world.summary(&[])).await;
        assert_eq!(answer["statusCode"], 200);
        function.goes_on().await;
        assert_eq!(
            logged_looks(&function).last(),
            Some(&world.look(request_id)),
            "{refused}"
        );
    }
}

/// Its connection is silent, and nobody tells. One look waits for that, the next does not, and the first question that the database
/// answers ends it.
#[tokio::test]
async fn a_silent_database_is_left_alone_until_it_answers() {
    let world = World::new().await;
    let (proxy, url) = Proxy::before_url(&world.database.reader_url()).await;
    let mut function = world.start("summary", &url).await;
    let (request_id, _, looks) = world
        .ask_in_time(&mut function, "planted", || world.summary(&[]))
        .await;
    assert_eq!(looks, [world.look(&request_id)]);
    let late = reasons(&function).len();
    proxy.strand();
    for request_id in ["waits", "passes"] {
        let answer = function.answer(request_id, &world.summary(&[])).await;
        assert_eq!(answer["headers"]["x-cache"], "hit");
        function.goes_on().await;
    }
    assert_eq!(
        reasons(&function)[late..],
        ["the database did not answer in time", LEFT_ALONE]
    );
    let path = format!("/api/lp/{}/summary?asOf=2020-01-01", world.hers);
    let asked = event(&path, Some("ada"), &[]);
    assert_eq!(function.answer("asked", &asked).await["statusCode"], 200);
    function.goes_on().await;
    // A busy machine may still be too slow to record it in time, but that is tried.
    assert!(!reasons(&function)[late + 2..].contains(&LEFT_ALONE.to_owned()));
}

/// Why looks are in the function's log.
fn reasons(function: &Process) -> Vec<String> {
    let reason = |line: &Value| line["error"].as_str().map(str::to_owned);
    function
        .logged("access_log")
        .iter()
        .filter_map(reason)
        .collect()
}

#[tokio::test]
async fn without_the_database_a_look_into_the_cache_is_in_the_functions_log() {
    let world = World::new().await;
    let mut function = world.start_summary().await;
    let (planted, _) = world
        .ask(&mut function, "planted", &world.summary(&[]))
        .await;
    let mut alone = world.start("summary", NOWHERE).await;
    let answer = alone.answer("cached", &world.summary(&[])).await;
    assert_eq!(answer["body"], planted["body"]);
    alone.goes_on().await;
    assert_eq!(logged_looks(&alone), [world.look("cached")]);
}
