//! Refusals and failures as `application/problem+json` (RFC 9457). Statuses are chosen here and nowhere else.

use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;

use crate::error::Error;

/// Why there is no answer.
#[derive(Debug)]
pub enum Problem {
    /// 400: these parameters, all of them.
    InvalidParameters(Vec<ParameterError>),
    /// 401: the gateway's authorizer gave no subject.
    Unauthenticated,
    /// 404: not there. To this subject that is told apart from [`Problem::Denied`] by nothing: both have the same bytes, so that
    /// nobody learns which LPs exist.
    NotFound,
    /// 404: not this subject's.
    Denied,
    /// 503 when the infrastructure is away, otherwise 500. The cause goes to the log, never to the client.
    Failure(Error),
}

/// One refused parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterError {
    /// Its name, as in the URL.
    pub parameter: String,
    /// What is wrong with it, to be read after the name.
    pub detail: String,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failure(error)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ParameterError],
}

impl Problem {
    /// The response. A failure is logged here, once, with its chain of causes.
    pub fn into_response(self) -> Response<Body> {
        if let Self::Failure(error) = &self {
            tracing::error!(error = %error.chain(), "a request failed");
        }
        let (status, kind, title) = self.describe();
        let errors = match &self {
            Self::InvalidParameters(errors) => errors.as_slice(),
            Self::Unauthenticated | Self::NotFound | Self::Denied | Self::Failure(_) => &[],
        };
        let document = Document {
            kind,
            title,
            status: status.as_u16(),
            errors,
        };
        // A document of strings and numbers cannot fail to be written.
        let mut response = Response::new(Body::Text(
            serde_json::to_string(&document).unwrap_or_default(),
        ));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn describe(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidParameters(_) => (
                StatusCode::BAD_REQUEST,
                "urn:lp-reporting:problem:invalid-parameters",
                "Some parameters are not valid",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "urn:lp-reporting:problem:unauthenticated",
                "The request carries no signed-in subject",
            ),
            Self::NotFound | Self::Denied => (
                StatusCode::NOT_FOUND,
                "urn:lp-reporting:problem:not-found",
                "There is nothing here for you",
            ),
            Self::Failure(error) if error.is_infrastructure() => (
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:lp-reporting:problem:unavailable",
                "The service is unavailable for the moment",
            ),
            Self::Failure(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "urn:lp-reporting:problem:internal",
                "The request could not be answered",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(response: &Response<Body>) -> serde_json::Value {
        serde_json::from_slice(response.body()).unwrap()
    }

    #[test]
    fn every_refused_parameter_is_named() {
        let errors = vec![ParameterError {
            parameter: "asOf".into(),
            detail: "is not a date".into(),
        }];
        let response = Problem::InvalidParameters(errors).into_response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            body(&response),
            serde_json::json!({
                "type": "urn:lp-reporting:problem:invalid-parameters",
                "title": "Some parameters are not valid",
                "status": 400,
                "errors": [{"parameter": "asOf", "detail": "is not a date"}],
            })
        );
    }

    #[test]
    fn only_an_absent_infrastructure_invites_a_retry_and_no_cause_is_told() {
        let away = Problem::Failure(Error::DatabaseTimeout).into_response();
        assert_eq!(
            (away.status().as_u16(), &away.headers()[RETRY_AFTER]),
            (503, &HeaderValue::from_static("1"))
        );
        let wrong = Problem::Failure(Error::Inconsistent("a secret".into())).into_response();
        assert_eq!(
            (wrong.status().as_u16(), wrong.headers().get(RETRY_AFTER)),
            (500, None)
        );
        assert!(!body(&wrong).to_string().contains("secret"));
    }
}
