//! The HTTP edge: what a request says, parsed into types, and how answers and refusals are written. It knows no report,
//! no database and no cache.

mod content;
pub mod cursor;
mod negotiation;
mod parameters;
mod problem;
mod response;

use std::convert::Infallible;

use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response, service_fn};

pub use content::Content;
pub use negotiation::accepts_gzip;
pub use parameters::{Parameters, Refused, parse};
pub use problem::{ParameterError, Problem};
pub use response::{Origin, respond};

/// Serves requests as a Lambda function until the environment ends it.
pub async fn run<'a, S, H, F>(state: &'a S, handler: H) -> Result<(), lambda_http::Error>
where
    S: Sync,
    H: Fn(&'a S, Request) -> F,
    F: Future<Output = Response<Body>> + Send + 'a,
{
    let handler = &handler;
    let service = service_fn(move |request| {
        let response = handler(state, request);
        async { Ok::<_, Infallible>(response.await) }
    });
    lambda_http::run(service).await
}

/// Who asks: the `sub` of the token that the gateway's authorizer has checked. The function itself never reads a token.
pub fn subject(request: &Request) -> Option<&str> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else {
        return None;
    };
    let claims = &context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    claims
        .get("sub")
        .map(String::as_str)
        .filter(|subject| !subject.is_empty())
}
