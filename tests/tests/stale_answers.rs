//! All six reports, cached and asked again after something was recorded: they say what an empty cache would.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::app::App;
use shared::config::Environment;
use tests::builders::{activity_message, fund_nav_message};
use tests::database::project;
use tests::office::Office;
use tests::redis::{Keyspace, PATIENT};

const FUNCTIONS: [&str; 6] = [
    "summary",
    "capital-activity",
    "fund-performance",
    "holdings",
    "performance",
    "performance-history",
];

/// The LP, fund and commitment that events/ speaks of, a neighbour with commitment 302 in the same fund, and an investment.
const WORLD: &str = "
    insert into limited_partners (lp_id, name) values (42, 'Hartwell Teachers'' Pension Fund'), (43, 'Lakeside Endowment');
    insert into funds (fund_id, name, vintage_year, currency) values (7, 'Northgate Growth Partners III', 2021, 'USD');
    insert into lp_fund_commitments (commitment_id, lp_id, fund_id, commitment_amount_cents, commitment_date)
        values (301, 42, 7, 1000000000, '2021-03-01'), (302, 43, 7, 500000000, '2021-03-01');
    insert into portfolio_companies (company_id, name, sector, stage) values (1, 'Fjord Robotics', 'Industrials', 'Growth');
    insert into fund_investments (investment_id, fund_id, company_id, investment_date) values (1, 7, 1, '2021-06-01');
    insert into fund_cash_flows (investment_id, flow_date, amount_cents) values (1, '2021-06-01', -200000000);
    insert into lp_access (subject, lp_id) values ('auth0|5f7c8ec7c33c6c004bbafe82', 42);";

/// The function's event without its parameters and without gzip.
fn request(function: &str) -> Request {
    let file = project().join(format!("events/{function}.json"));
    let text = std::fs::read_to_string(file).expect("the event is there");
    let mut event: Value = serde_json::from_str(&text).expect("it is JSON");
    event["rawQueryString"] = json!("");
    event["queryStringParameters"] = json!({});
    event["headers"]["accept-encoding"] = json!("identity");
    lambda_http::request::from_str(&event.to_string()).expect("it is an event of API Gateway")
}

async fn handle(app: &App, function: &str) -> Response<Body> {
    let request = request(function);
    match function {
        "summary" => summary::handle(app, request).await,
        "capital-activity" => capital_activity::handle(app, request).await,
        "fund-performance" => fund_performance::handle(app, request).await,
        "holdings" => holdings::handle(app, request).await,
        "performance" => performance::handle(app, request).await,
        _ => performance_history::handle(app, request).await,
    }
}

/// The body, and whether it came from the cache.
async fn ask(app: &App, function: &str) -> (Value, bool) {
    let response = handle(app, function).await;
    let body: Value = serde_json::from_slice(response.body()).expect("it is JSON");
    assert_eq!(response.status(), 200, "{function}: {body}");
    (body, response.headers()["x-cache"] == "hit")
}

/// Asks everything until it is cached, records, asks again, and returns the reports whose answers changed.
async fn changed_by(office: &Office, message: &Value) -> Vec<&'static str> {
    let app = &office.desk.reader;
    let mut before = Vec::new();
    for function in FUNCTIONS {
        ask(app, function).await;
        let (body, is_hit) = ask(app, function).await;
        assert!(is_hit, "{function}");
        before.push(body);
    }
    assert_eq!(
        office.deliver(&[message.to_string()], 1).await,
        [0_usize; 0]
    );
    let keyspace = Keyspace::default();
    let empty = App::from_environment(&Environment::of(&[
        ("DATABASE_URL", &office.desk.database.reader_url()),
        ("REDIS_URL", &keyspace.url()),
        ("REDIS_PREFIX", keyspace.prefix()),
        PATIENT,
    ]))
    .expect("the environment is usable");
    let mut changed = Vec::new();
    for (function, before) in FUNCTIONS.into_iter().zip(before) {
        let (right, _) = ask(&empty, function).await;
        assert_eq!(ask(app, function).await.0, right, "{function} is stale");
        if right != before {
            changed.push(function);
        }
    }
    changed
}

#[tokio::test]
async fn whatever_is_recorded_no_report_answers_as_before() {
    let office = Office::open().await;
    let made = office.desk.client.batch_execute(WORLD).await;
    made.expect("the world is made");
    let call = activity_message(301, "capital_call", 100_000_000, "2021-06-01");
    let changed = changed_by(&office, &call).await;
    assert!(
        changed.contains(&"summary") && changed.contains(&"capital-activity"),
        "{changed:?}"
    );
    // A neighbour's commitment moves every share in the fund.
    let increase = activity_message(302, "commitment_increase", 500_000_000, "2022-01-01");
    assert_eq!(changed_by(&office, &increase).await, ["holdings"]);
    let nav = fund_nav_message(7, 300_000_000, "2022-12-31", "2023-02-01");
    let changed = changed_by(&office, &nav).await;
    assert!(
        changed.contains(&"fund-performance") && changed.contains(&"performance"),
        "{changed:?}"
    );
}

/// As the old primary is after a failover: the address may lead to it for a while, and what is acknowledged elsewhere it may lack.
#[tokio::test]
async fn a_server_that_takes_no_writes_is_asked_for_nothing() {
    let office = Office::open().await;
    office.desk.run(WORLD).await;
    let (desk, app) = (&office.desk, &office.desk.reader);
    ask(app, "summary").await;
    let alter = |how: &str| {
        format!("do $$ begin execute format('alter database %I {how}', current_database()); end $$")
    };
    desk.run(&alter("set default_transaction_read_only = on"))
        .await;
    app.db.drop_idle_connections();
    assert_eq!(handle(app, "holdings").await.status(), 503);
    let call = [activity_message(301, "capital_call", 100, "2021-06-01").to_string()];
    assert_eq!(office.deliver(&call, 1).await, [0], "it comes again");
    desk.run(&alter("reset default_transaction_read_only"))
        .await;
    assert!(!ask(app, "holdings").await.1, "nothing was cached");
    assert_eq!(office.deliver(&call, 2).await, [0_usize; 0]);
}
