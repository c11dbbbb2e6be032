//! The response to a request that has an answer.

use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, IntoHeaderName, LINK, VARY,
};
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use lambda_http::{Body, Request, Response};

use super::content::Content;
use super::negotiation::has_already;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Where an answer came from, as `x-cache` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the cache.
    Hit,
    /// From the database; the cache did not have it.
    Miss,
    /// From the database; the cache could not be asked.
    Bypass,
    /// From the database; the cache keeps no such answers.
    Uncached,
}

impl Origin {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass | Self::Uncached => "bypass",
        }
    }
}

/// Sends an answer, or 304 to a client that has it already.
pub fn respond(request: &Request, content: Content, origin: Origin) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    let etag = content.etag();
    let headers = response.headers_mut();
    insert(headers, CACHE_CONTROL, "private, no-cache");
    insert(headers, VARY, "Accept-Encoding");
    insert(headers, X_CACHE, origin.name());
    insert(headers, ETAG, &etag);
    // Of a 304 too: the gateway would otherwise put in a type of its own.
    insert(headers, CONTENT_TYPE, "application/json");
    if has_already(request.headers(), &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    if content.is_gzipped() {
        insert(headers, CONTENT_ENCODING, "gzip");
    }
    if let Some(cursor) = content.next_cursor() {
        insert(headers, LINK, &next_page(request.uri(), cursor));
    }
    *response.body_mut() = match String::from_utf8(content.into_body()) {
        Ok(text) => Body::Text(text),
        // gzip: its second byte is never UTF-8.
        Err(binary) => Body::Binary(binary.into_bytes()),
    };
    response
}

/// The link to the page after this one: the same request with another cursor.
fn next_page(uri: &Uri, cursor: &str) -> String {
    let same = uri.query().unwrap_or_default().split('&');
    let same = same.filter(|pair| !pair.is_empty() && !is_cursor(pair));
    let query: Vec<&str> = same.collect();
    let separator = if query.is_empty() { "" } else { "&" };
    format!(
        "<{}?{}{separator}cursor={cursor}>; rel=\"next\"",
        uri.path(),
        query.join("&")
    )
}

/// Whether a pair of a query gives the cursor, however its name is encoded: what the parameters are read by decides.
fn is_cursor(pair: &str) -> bool {
    pair.parse::<QueryMap>()
        .is_ok_and(|parsed| parsed.first("cursor").is_some())
}

/// Every value set here is visible ASCII; one that is not would be left out.
fn insert(headers: &mut HeaderMap, name: impl IntoHeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::http::header::IF_NONE_MATCH;

    use super::*;

    fn request(target: &str) -> Request {
        Request::new(Body::Empty).map_uri(target)
    }

    trait MapUri {
        fn map_uri(self, target: &str) -> Self;
    }

    impl MapUri for Request {
        fn map_uri(mut self, target: &str) -> Self {
            *self.uri_mut() = target.parse().unwrap();
            self
        }
    }

    #[test]
    fn the_next_page_keeps_every_parameter_but_the_cursor() {
        for (target, link) in [
            (
                "/api/lp/42/holdings",
                "</api/lp/42/holdings?cursor=n>; rel=\"next\"",
            ),
            (
                "https://host/a?limit=2&cursor=c&fundId=1",
                "</a?limit=2&fundId=1&cursor=n>; rel=\"next\"",
            ),
            ("/a?cursor=c", "</a?cursor=n>; rel=\"next\""),
            (
                "/a?%63ursor=c&types=a%2Cb&x",
                "</a?types=a%2Cb&x&cursor=n>; rel=\"next\"",
            ),
        ] {
            let content = Content::plain(b"{}".to_vec(), Some("n".into()));
            let response = respond(&request(target), content, Origin::Miss);
            assert_eq!(response.headers()[LINK], link);
        }
    }

    #[test]
    fn a_client_that_has_the_answer_gets_304_without_a_body() {
        let content = Content::plain(b"{}".to_vec(), None);
        let mut request = request("/a");
        request
            .headers_mut()
            .insert(IF_NONE_MATCH, content.etag().parse().unwrap());
        let response = respond(&request, content.clone(), Origin::Hit);
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()[ETAG], content.etag());
        assert_eq!(response.headers()[X_CACHE], "hit");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert!(response.body().is_empty());
    }

    #[test]
    fn a_gzipped_answer_says_so_and_is_binary() {
        let content = Content::plain(vec![b' '; 2000], None).compressed();
        let response = respond(&request("/a"), content, Origin::Bypass);
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        assert!(matches!(response.body(), Body::Binary(_)));
    }
}
