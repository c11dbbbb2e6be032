//! The trace that a request belongs to, in X-Ray's header: the client's, where that is one, and else a new one.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::host::trace_root;

const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Sees to it that the headers name a trace, and returns its root.
pub fn ensure(headers: &mut HeaderMap) -> String {
    let given = headers
        .get(X_AMZN_TRACE_ID)
        .and_then(|value| value.to_str().ok());
    if let Some(root) = given.and_then(root_in) {
        return root.to_owned();
    }
    let root = trace_root();
    if let Ok(value) = HeaderValue::from_str(&root) {
        headers.insert(X_AMZN_TRACE_ID, value);
    }
    root
}

fn root_in(header: &str) -> Option<&str> {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_root = |field: &&str| match field.split('-').collect::<Vec<_>>()[..] {
        ["Root=1", time, random] => {
            (time.len(), random.len()) == (8, 24) && is_hex(time) && is_hex(random)
        }
        _ => false,
    };
    header.split(';').map(str::trim).find(is_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensured(header: Option<&'static str>) -> (String, String) {
        let given = header.map(|text| (X_AMZN_TRACE_ID, HeaderValue::from_static(text)));
        let mut headers: HeaderMap = given.into_iter().collect();
        let root = ensure(&mut headers);
        (root, headers[X_AMZN_TRACE_ID].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_clients_trace_stays_as_it_is() {
        let header = "Self=1-67891234-12456789abcdef012345678a;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(ensured(Some(header)), (root.to_owned(), header.to_owned()));
    }

    #[test]
    fn where_there_is_none_or_none_that_is_understood_one_begins() {
        for header in [
            None,
            Some("nonsense"),
            Some("Root=1-57-bd"),
            Some("Root=1-5759e988"),
        ] {
            let (root, header) = ensured(header);
            assert_eq!(root, header);
            assert_eq!(root_in(&header), Some(root.as_str()));
        }
    }
}
