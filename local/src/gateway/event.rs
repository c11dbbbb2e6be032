//! The event that API Gateway's HTTP API makes of a request (payload format 2.0).

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::routes::Match;

/// What the gateway knows of a request beside the request itself.
#[derive(Debug)]
pub struct Received<'a> {
    /// The route and its parameters.
    pub matched: &'a Match<'a>,
    /// The claims of the accepted token.
    pub claims: &'a Map<String, Value>,
    /// The gateway's id for the request.
    pub request_id: &'a str,
    /// Who sent it.
    pub source: IpAddr,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// Builds the event.
pub fn build(parts: &Parts, body: &Bytes, received: &Received<'_>) -> Value {
    let route_key = format!(
        "{} {}",
        received.matched.route.method, received.matched.route.path
    );
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": parts.uri.path(),
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": joined_headers(&parts.headers),
        "requestContext": request_context(parts, received, &route_key),
        "pathParameters": received.matched.parameters,
        "isBase64Encoded": false,
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) {
        event["queryStringParameters"] = json!(joined_parameters(query));
    }
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) => event["body"] = text.into(),
        Err(_) => {
            event["body"] = STANDARD.encode(body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    event
}

fn request_context(parts: &Parts, received: &Received<'_>, route_key: &str) -> Value {
    let text_of = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let host = text_of(header::HOST);
    json!({
        "accountId": "000000000000",
        "apiId": "local",
        "authorizer": {"jwt": {"claims": claims_as_text(received.claims), "scopes": null}},
        "domainName": host,
        "domainPrefix": host.split('.').next().unwrap_or_default(),
        "http": {
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "protocol": format!("{:?}", parts.version),
            "sourceIp": received.source.to_string(),
            "userAgent": text_of(header::USER_AGENT),
        },
        "requestId": received.request_id,
        "routeKey": route_key,
        "stage": "$default",
        "time": received.at.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
        "timeEpoch": received.at.timestamp_millis(),
    })
}

/// Names in lower case, repeated ones joined; cookies stand apart.
fn joined_headers(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut joined = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != header::COOKIE) {
        join(
            joined.entry(name.as_str()),
            &String::from_utf8_lossy(value.as_bytes()),
        );
    }
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(';').map(|cookie| cookie.trim().to_owned()))
        .collect()
}

fn joined_parameters(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut joined = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        join(joined.entry(decode(name)), &decode(value));
    }
    joined
}

fn join<Name: Ord>(entry: std::collections::btree_map::Entry<'_, Name, String>, value: &str) {
    entry
        .and_modify(|joined| *joined = format!("{joined},{value}"))
        .or_insert_with(|| value.to_owned());
}

/// Every claim arrives as text; a list as its members between brackets.
fn claims_as_text(claims: &Map<String, Value>) -> BTreeMap<&String, String> {
    claims
        .iter()
        .map(|(name, value)| (name, claim_text(value)))
        .collect()
}

fn claim_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(members) => format!(
            "[{}]",
            members.iter().map(claim_text).collect::<Vec<_>>().join(" ")
        ),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::gateway::routes::Routes;
    use crate::template::Route;

    fn event_of(request: Request<()>, body: &'static [u8]) -> Value {
        let route = Route {
            method: "GET".to_owned(),
            path: "/api/lp/{lpId}/summary".to_owned(),
        };
        let routes = Routes::new(vec![(route, "summary".to_owned())]);
        let parts = request.into_parts().0;
        let matched = routes.find("GET", parts.uri.path()).unwrap();
        let claims = json!({"sub": "alice", "exp": 1_700_000_000, "groups": ["a", "b"]});
        let received = Received {
            matched: &matched,
            claims: claims.as_object().unwrap(),
            request_id: "id-1",
            source: IpAddr::from([127, 0, 0, 1]),
            at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        };
        build(&parts, &Bytes::from_static(body), &received)
    }

    #[test]
    fn the_event_carries_the_request_as_the_platform_would() {
        let request =
            Request::get("/api/lp/42/summary?asOf=2025-01-01&fundIds=1&fundIds=2&q=a%20b+c")
                .header("Host", "api.example:80")
                .header("X-Twice", "1")
                .header("x-twice", "2")
                .header("Cookie", "a=1; b=2");
        let event = event_of(request.body(()).unwrap(), b"");
        assert_eq!(event["rawPath"], "/api/lp/42/summary");
        assert_eq!(
            event["rawQueryString"],
            "asOf=2025-01-01&fundIds=1&fundIds=2&q=a%20b+c"
        );
        assert_eq!(
            event["queryStringParameters"],
            json!({"asOf": "2025-01-01", "fundIds": "1,2", "q": "a b c"})
        );
        assert_eq!(
            event["headers"],
            json!({"host": "api.example:80", "x-twice": "1,2"})
        );
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["pathParameters"], json!({"lpId": "42"}));
        assert_eq!(event["routeKey"], "GET /api/lp/{lpId}/summary");
        assert_eq!(event["requestContext"]["http"]["protocol"], "HTTP/1.1");
        assert_eq!(
            event["requestContext"]["time"],
            "14/Nov/2023:22:13:20 +0000"
        );
        assert!(event.get("body").is_none());
    }

    #[test]
    fn claims_are_text() {
        let event = event_of(Request::get("/api/lp/42/summary").body(()).unwrap(), b"");
        let jwt = &event["requestContext"]["authorizer"]["jwt"];
        assert_eq!(
            jwt["claims"],
            json!({"sub": "alice", "exp": "1700000000", "groups": "[a b]"})
        );
        assert!(jwt["scopes"].is_null());
        assert!(event.get("queryStringParameters").is_none());
    }

    #[test]
    fn a_body_that_is_not_text_is_encoded() {
        let event = event_of(
            Request::get("/api/lp/42/summary").body(()).unwrap(),
            &[0xff, 0x00],
        );
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("/wA="), &json!(true))
        );
    }
}
