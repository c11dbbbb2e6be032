//! Asks the functions' handlers in the test's own process, with the cache and the database that an app has.

use std::pin::Pin;

use lambda_http::{Body, Response};
use serde_json::Value;
use shared::app::App;

use crate::http::{json_of, request};

/// An answer on its way. Boxed, so that a test is not compiled through all that answering consists of.
type Answering<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// Asks for a path of an LP or a fund.
pub async fn get(app: &App, subject: &str, path_and_query: &str) -> Response<Body> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let request = request(path_and_query, Some(subject), &[]);
    let last = path.rsplit('/').next().unwrap_or_default();
    let answering: Answering<'_> = match (last, path.contains("/lp/"), path.contains("/fund/")) {
        ("summary", true, _) => Box::pin(summary::handle(app, request)),
        ("summary", false, _) => Box::pin(fund_summary::handle(app, request)),
        ("performance", _, true) => Box::pin(fund_performance::handle(app, request)),
        ("performance", _, false) => Box::pin(performance::handle(app, request)),
        ("history", ..) => Box::pin(performance_history::handle(app, request)),
        ("holdings", ..) => Box::pin(holdings::handle(app, request)),
        ("capital-activity", ..) => Box::pin(capital_activity::handle(app, request)),
        _ => panic!("no function answers {path}"),
    };
    answering.await
}

/// The status and the body; of a list, all its pages together. The path of a list has a query.
pub async fn ask(app: &App, subject: &str, path: &str) -> (u16, Value) {
    let first = get(app, subject, path).await;
    let (status, mut whole) = (first.status().as_u16(), json_of(&first));
    while let Some(cursor) = whole["nextCursor"].as_str() {
        let page = get(app, subject, &format!("{path}&cursor={cursor}")).await;
        let mut page = json_of(&page);
        let items = page["items"].as_array_mut().expect("a page has items");
        assert!(
            !items.is_empty(),
            "{path}: a page that was told of is empty"
        );
        let so_far = whole["items"].as_array_mut().expect("a page has items");
        so_far.append(items);
        whole["nextCursor"] = page["nextCursor"].take();
    }
    (status, whole)
}
