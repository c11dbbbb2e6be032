//! What a client will take: content codings (`Accept-Encoding`) and representations that it has already (`If-None-Match`).

use lambda_http::http::HeaderMap;
use lambda_http::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

/// Whether the client takes gzip at least as gladly as plain text. A client that says nothing gets plain text.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for (coding, weight) in lines(headers, ACCEPT_ENCODING.as_str())
        .flat_map(|line| line.split(','))
        .map(weighted)
    {
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            gzip = Some(weight);
        } else if coding.eq_ignore_ascii_case("identity") {
            identity = Some(weight);
        } else if coding == "*" {
            any = Some(weight);
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// Whether the client has the representation with this ETag, by weak comparison (RFC 9110, 13.1.2).
pub(super) fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    // No tag of ours holds a comma, so a comma always ends one.
    lines(headers, IF_NONE_MATCH.as_str())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn lines<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
}

/// A coding and its weight: 1 when none is given, 0 (refused) when it cannot be read.
fn weighted(part: &str) -> (&str, f32) {
    let (coding, parameters) = part.split_once(';').unwrap_or((part, ""));
    let weight = match parameters
        .trim()
        .strip_prefix(['q', 'Q'])
        .map(str::trim_start)
    {
        None => 1.0,
        Some(value) => {
            let weight: Option<f32> = value
                .strip_prefix('=')
                .and_then(|value| value.trim().parse().ok());
            weight
                .filter(|weight| (0.0..=1.0).contains(weight))
                .unwrap_or(0.0)
        }
    };
    (coding.trim(), weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn gzip_is_sent_to_those_who_want_it() {
        for (lines, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZIP"], true),
            (&["deflate, gzip;q=0.5, br"], true),
            (&["deflate", "gzip"], true),
            (&["*"], true),
            (&["br"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0, *"], false),
            (&["*;q=0"], false),
            (&["identity"], false),
            (&["identity, gzip;q=0.5"], false),
            (&["gzip ; q = 0.5"], true),
            (&["gzip;q=NaN"], false),
            (&["gzip;q=7"], false),
        ] {
            assert_eq!(
                accepts_gzip(&with("accept-encoding", lines)),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_known_representation_is_recognised() {
        for (lines, expected) in [
            (&[][..], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["\"b\""], false),
            (&["a"], false),
            (&["\"a-gzip\""], false),
        ] {
            assert_eq!(
                has_already(&with("if-none-match", lines), "\"a\""),
                expected,
                "{lines:?}"
            );
        }
    }
}
