//! The HTTP response that API Gateway's HTTP API makes of a function's answer (payload format 2.0).

use std::collections::BTreeMap;

use anyhow::Result;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    multi_value_headers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Turns the function's answer into the response; an answer that is not one is the function's fault.
pub fn build(payload: &[u8]) -> Result<Response> {
    let answer: Answer = serde_json::from_slice(payload)?;
    let text = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded {
        STANDARD.decode(text)?
    } else {
        text.into_bytes()
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code)?;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain;charset=UTF-8"),
    );
    let single = answer
        .headers
        .into_iter()
        .map(|(name, value)| (name, vec![value]));
    for (name, values) in single.chain(answer.multi_value_headers) {
        set_header(headers, &name, &values)?;
    }
    for cookie in answer.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(&cookie)?);
    }
    Ok(response)
}

/// The values of a name replace what stood there: a function repeats single headers among the multi-value ones.
fn set_header(headers: &mut HeaderMap, name: &str, values: &[String]) -> Result<()> {
    let name = HeaderName::from_bytes(name.as_bytes())?;
    // The length is the server's to say: the one the function gives may count the encoded body.
    if name == header::CONTENT_LENGTH {
        return Ok(());
    }
    headers.remove(&name);
    for value in values {
        headers.append(name.clone(), HeaderValue::from_str(value)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_encoded_body_headers_and_cookies_come_back_as_they_were() {
        let payload = br#"{"statusCode": 404, "headers": {"content-type": "application/json", "link": "a"}, "cookies": ["c=1", "d=2"],
            "multiValueHeaders": {"Link": ["a", "b"]}, "body": "H4s=", "isBase64Encoded": true}"#;
        let response = build(payload).unwrap();
        assert_eq!(response.status(), 404);
        let values_of = |name: &str| {
            response
                .headers()
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(values_of("content-type"), ["application/json"]);
        assert_eq!(values_of("link"), ["a", "b"]);
        assert_eq!(values_of("set-cookie"), ["c=1", "d=2"]);
        let body = axum::body::to_bytes(response.into_body(), 100)
            .await
            .unwrap();
        assert_eq!(body.as_ref(), [0x1f, 0x8b]);
    }

    #[test]
    fn an_answer_without_a_status_is_refused() {
        assert!(build(br#"{"message": "hello"}"#).is_err());
        assert!(build(b"").is_err());
    }
}
