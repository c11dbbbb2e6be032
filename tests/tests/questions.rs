//! Questions as clients ask them of the real functions: what is refused, what a cursor and a cached answer are bound to, and what a
//! database that does not answer in time leads to.

use std::net::TcpListener;

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared::app::App;
use shared::config::Environment;
use tests::builders::{grant, insert_fund, insert_lp};
use tests::desk::Desk;
use tests::http::{header, json_of, request};
use tests::reporting::Reporting;

/// The awkward LP, and `ada`, who may see it.
async fn world() -> Reporting {
    let world = Reporting::settled().await;
    grant(&world.desk.client, "ada", world.lp_id.get()).await;
    world
}

async fn holdings(world: &Reporting, query: &str) -> Response<Body> {
    let path = format!("/api/lp/{}/holdings?{query}", world.lp_id);
    holdings::handle(&world.desk.reader, request(&path, Some("ada"), &[])).await
}

async fn activity(world: &Reporting, query: &str) -> Response<Body> {
    let path = format!("/api/lp/{}/capital-activity?{query}", world.lp_id);
    capital_activity::handle(&world.desk.reader, request(&path, Some("ada"), &[])).await
}

fn next_cursor(page: &Response<Body>) -> String {
    assert_eq!(page.status(), 200);
    let cursor = &json_of(page)["nextCursor"];
    cursor.as_str().expect("a next page").to_owned()
}

/// The parameters that a refusal names.
fn refused(response: &Response<Body>) -> Vec<Value> {
    assert_eq!(response.status(), 400);
    let problem = json_of(response);
    let errors = problem["errors"].as_array().expect("errors");
    errors
        .iter()
        .map(|error| error["parameter"].clone())
        .collect()
}

#[tokio::test]
async fn a_character_that_the_database_cannot_hold_is_the_clients_mistake() {
    let world = world().await;
    let response = activity(&world, "metadata=wire:%00&fundIds=%00").await;
    assert_eq!(refused(&response), ["fundIds", "metadata"]);
}

#[tokio::test]
async fn a_cursor_is_refused_under_other_filters_and_taken_with_another_limit() {
    let world = world().await;
    let (single, double) = (world.single_fund, world.double_fund);
    let cursor = next_cursor(&holdings(&world, &format!("fundId={single}&limit=1")).await);
    let with = async |query: String| holdings(&world, &format!("{query}cursor={cursor}")).await;
    assert_eq!(
        refused(&with(format!("fundId={double}&")).await),
        ["cursor"]
    );
    assert_eq!(refused(&with(String::new()).await), ["cursor"]);
    assert_eq!(
        with(format!("fundId={single}&limit=7&")).await.status(),
        200
    );
    let cursor = next_cursor(&activity(&world, "types=capital_call&limit=1").await);
    let with = async |query: &str| activity(&world, &format!("{query}&cursor={cursor}")).await;
    for filters in [
        "types=distribution",
        "types=capital_call&startDate=2020-01-01",
        "types=capital_call&endDate=2099-01-01",
        "types=capital_call&metadata=wire:same-day",
        "types=capital_call&fundIds=1",
    ] {
        assert_eq!(refused(&with(filters).await), ["cursor"], "{filters}");
    }
    assert_eq!(with("types=capital_call&limit=2").await.status(), 200);
}

#[tokio::test]
async fn a_cached_answer_is_another_for_every_filter_page_and_limit() {
    let world = world().await;
    let (single, double) = (world.single_fund, world.double_fund);
    let cursor = next_cursor(&holdings(&world, "limit=1").await);
    let mut answers = Vec::new();
    for query in [
        String::new(),
        format!("fundId={single}"),
        format!("fundId={double}"),
        format!("limit=1&cursor={cursor}"),
    ] {
        let (first, second) = (
            holdings(&world, &query).await,
            holdings(&world, &query).await,
        );
        assert_eq!(header(&first, "x-cache"), "miss", "{query}");
        assert_eq!(header(&second, "x-cache"), "hit", "{query}");
        assert_eq!(first.body().as_ref(), second.body().as_ref());
        answers.push(first.body().to_vec());
    }
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 4);
}

#[tokio::test]
async fn a_fund_that_is_not_the_lps_is_not_there() {
    let world = world().await;
    let fund = insert_fund(&world.desk.client, "Not the LP's", "USD").await;
    let nowhere = request("/api/lp/999999/holdings", Some("ada"), &[]);
    let nowhere = holdings::handle(&world.desk.reader, nowhere).await;
    for fund_id in [fund, 999_999] {
        let response = holdings(&world, &format!("fundId={fund_id}")).await;
        assert_eq!(response.status(), 404, "{fund_id}");
        assert_eq!(response.headers(), nowhere.headers());
        assert_eq!(response.body().as_ref(), nowhere.body().as_ref());
    }
    // Of a list that is only filtered, nothing is left.
    let filtered = activity(&world, &format!("fundIds={fund}")).await;
    assert_eq!(filtered.status(), 200);
    assert_eq!(json_of(&filtered)["items"], json!([]));
}

/// An app whose statements may take 300 ms, on a database at `url`.
fn impatient(desk: &Desk, url: &str) -> App {
    let variables = [
        ("DATABASE_URL", url),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "300"),
        ("REDIS_URL", &desk.keyspace.url()),
        ("REDIS_PREFIX", desk.keyspace.prefix()),
    ];
    App::from_environment(&Environment::of(&variables)).expect("the variables are right")
}

/// Asks for a summary of what never answers, and expects to be told to retry: that there is an answer at all is the app's limit.
async fn assert_unavailable_in_time(app: &App) {
    let response = summary::handle(app, request("/api/lp/1/summary", Some("ada"), &[])).await;
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(
        json_of(&response)["type"],
        "urn:lp-reporting:problem:unavailable"
    );
}

#[tokio::test]
async fn a_table_that_somebody_holds_locked_is_told_as_unavailable_in_time() {
    let mut desk = Desk::empty().await;
    let app = impatient(&desk, &desk.database.reader_url());
    let lp_id = insert_lp(&desk.client, "An LP").await;
    assert_eq!(lp_id, 1);
    grant(&desk.client, "ada", lp_id).await;
    let transaction = desk.client.transaction().await.expect("a transaction");
    let sql = "lock table limited_partners in access exclusive mode";
    transaction.batch_execute(sql).await.expect("it is locked");
    assert_unavailable_in_time(&app).await;
}

/// The wait for a connection counts as well: this server accepts one and never says a word.
#[tokio::test]
async fn a_server_that_says_nothing_is_told_as_unavailable_in_time() {
    let desk = Desk::empty().await;
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let app = impatient(&desk, &format!("postgres://reader@{address}/none"));
    assert_unavailable_in_time(&app).await;
}
