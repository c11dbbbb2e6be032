//! The real events in events/, one a function, through its handler: what API Gateway hands over is understood and answered.

use lambda_http::{Body, Request, Response};
use serde_json::Value;
use shared::app::App;
use tests::contract::assert_matches_contract;
use tests::database::project;
use tests::desk::Desk;

/// The LP, fund and commitment that the events speak of, and the subject in their tokens.
const WORLD: &str = "
    insert into limited_partners (lp_id, name) values (42, 'Hartwell Teachers'' Pension Fund');
    insert into funds (fund_id, name, vintage_year, currency) values (7, 'Northgate Growth Partners III', 2021, 'USD'),
        (12, 'Northgate Growth Partners IV', 2023, 'USD');
    insert into lp_fund_commitments (commitment_id, lp_id, fund_id, commitment_amount_cents, commitment_date)
        values (301, 42, 7, 1000000000, '2021-03-01');
    insert into lp_access (subject, lp_id) values ('auth0|5f7c8ec7c33c6c004bbafe82', 42);
    insert into lp_access (subject, fund_id, role) values ('auth0|64d1b1f0a5a2c84fd20b7a11', 7, 'gp');";

/// The request of an event file, asked on a desk of its own.
async fn request(function: &str) -> (Desk, Request, String) {
    let desk = Desk::empty().await;
    desk.client
        .batch_execute(WORLD)
        .await
        .expect("the world is made");
    let file = project().join(format!("events/{function}.json"));
    let text = std::fs::read_to_string(file).expect("the event is there");
    let event: Value = serde_json::from_str(&text).expect("it is JSON");
    let path = event["rawPath"].as_str().expect("a path").to_owned();
    let request = lambda_http::request::from_str(&text).expect("it is an event of API Gateway");
    (desk, request, path)
}

fn check(path: &str, response: &Response<Body>) {
    let body: Value = serde_json::from_slice(response.body().as_ref()).expect("it is JSON");
    assert_eq!(response.status(), 200, "{path}: {body}");
    let is_of_lp = path.starts_with("/api/lp/");
    assert!(if is_of_lp {
        body["lpId"] == 42
    } else {
        body["fundId"] == 7
    });
    assert_matches_contract(path, 200, response.headers(), &body);
}

macro_rules! event_of {
    ($test:ident, $function:literal, $handle:path) => {
        #[tokio::test]
        async fn $test() {
            let (desk, request, path) = request($function).await;
            let app: &App = &desk.reader;
            check(&path, &$handle(app, request).await);
        }
    };
}

event_of!(summary_answers_its_event, "summary", summary::handle);
event_of!(
    access_log_answers_its_event,
    "access-log",
    access_log::handle
);
event_of!(
    capital_activity_answers_its_event,
    "capital-activity",
    capital_activity::handle
);
event_of!(
    fund_performance_answers_its_event,
    "fund-performance",
    fund_performance::handle
);
event_of!(
    fund_summary_answers_its_event,
    "fund-summary",
    fund_summary::handle
);
event_of!(holdings_answers_its_event, "holdings", holdings::handle);
event_of!(
    performance_answers_its_event,
    "performance",
    performance::handle
);
event_of!(
    performance_history_answers_its_event,
    "performance-history",
    performance_history::handle
);
