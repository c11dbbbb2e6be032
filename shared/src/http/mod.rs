//! The HTTP edge: what a request says, parsed into types, and how answers and refusals are written. It knows no report,
//! no database and no cache.

mod content;
pub mod cursor;
mod negotiation;
mod parameters;
mod problem;
mod response;

use std::str::FromStr;

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use crate::ids::LONGEST_SUBJECT;
use crate::trace::{Context, TRACEPARENT, TraceId, X_AMZN_TRACE_ID};

pub use content::Content;
pub use negotiation::accepts_gzip;
pub use parameters::{Parameters, Refused, parse};
pub use problem::{ParameterError, Problem};
pub use response::{Origin, respond};

/// Who asks: the `sub` of the token that the gateway's authorizer has checked. The function itself never reads a token. What
/// no issuer would call anyone is nobody: Postgres could not even be asked about a NUL.
pub fn subject(request: &Request) -> Option<&str> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else {
        return None;
    };
    let claims = &context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    claims
        .get("sub")
        .map(String::as_str)
        .filter(|subject| (1..=LONGEST_SUBJECT).contains(&subject.chars().count()))
        .filter(|subject| !subject.chars().any(char::is_control))
}

/// An id in the path, if it is one: for what has to be known of a request that was not parsed.
pub fn id_in_path<T: FromStr>(request: &Request, name: &str) -> Option<T> {
    request.path_parameters_ref()?.first(name)?.parse().ok()
}

/// The platform's id of the invocation, empty outside of it.
pub fn request_id(request: &Request) -> &str {
    request
        .lambda_context_ref()
        .map_or("", |context| &context.request_id)
}

/// The trace that the request belongs to: the client's, else the gateway's, else the platform's.
pub fn trace_id(request: &Request) -> Option<TraceId> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let platform = request
        .lambda_context_ref()
        .and_then(|context| context.xray_trace_id.as_deref());
    Context::read(header(TRACEPARENT), header(X_AMZN_TRACE_ID))
        .trace_id()
        .or_else(|| Context::read(None, platform).trace_id())
}
