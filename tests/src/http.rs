//! Requests as the gateway would make them, for handlers and functions that are called without it.

use std::collections::HashMap;

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};

/// A GET of a path, with its query, by a subject whose token the gateway has checked; without a subject, the token names none.
#[must_use]
pub fn request(
    path_and_query: &str,
    subject: Option<&str>,
    headers: &[(&'static str, &str)],
) -> Request {
    let event = event(path_and_query, subject, headers);
    lambda_http::request::from_str(&event.to_string()).expect("the event is well formed")
}

/// As [`request`], with all the claims of the token.
#[must_use]
pub fn request_with_claims(
    path_and_query: &str,
    claims: &Value,
    headers: &[(&'static str, &str)],
) -> Request {
    let event = event_with_claims(path_and_query, claims, headers);
    lambda_http::request::from_str(&event.to_string()).expect("the event is well formed")
}

/// As [`request`], as the event that a function gets.
#[must_use]
pub fn event(
    path_and_query: &str,
    subject: Option<&str>,
    headers: &[(&'static str, &str)],
) -> Value {
    let claims = subject.map_or_else(|| json!({}), |subject| json!({ "sub": subject }));
    event_with_claims(path_and_query, &claims, headers)
}

fn event_with_claims(
    path_and_query: &str,
    claims: &Value,
    headers: &[(&'static str, &str)],
) -> Value {
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    json!({
        "version": "2.0",
        "routeKey": "GET /",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers.iter().copied().collect::<HashMap<_, _>>(),
        "pathParameters": path_parameters(path),
        "requestContext": {
            "authorizer": { "jwt": { "claims": claims, "scopes": null } },
            "http": { "method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "" },
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

/// What stands behind `lp` and `fund` in the path.
fn path_parameters(path: &str) -> HashMap<&'static str, &str> {
    let parts: Vec<&str> = path.split('/').collect();
    let name = |part| match part {
        "lp" => Some("lpId"),
        "fund" => Some("fundId"),
        _ => None,
    };
    let pairs = parts.windows(2);
    pairs
        .filter_map(|pair| Some((name(pair[0])?, pair[1])))
        .collect()
}

/// A header's text, empty when it is not there.
#[must_use]
pub fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

/// A body that is JSON.
#[must_use]
pub fn json_of(response: &Response<Body>) -> Value {
    serde_json::from_slice(response.body()).expect("it is JSON")
}
