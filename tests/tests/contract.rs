//! The written contract's own words: what it shows as an example of a refusal or failure is what is sent.

use lambda_http::http::StatusCode;
use serde_json::Value;
use shared::error::Error;
use shared::http::{ParameterError, Problem};
use tests::contract::{assert_matches_contract, document};
use tests::http::json_of;

fn parameter_error(error: &Value) -> ParameterError {
    let text = |name: &str| error[name].as_str().expect("text").to_owned();
    ParameterError {
        parameter: text("parameter"),
        detail: text("detail"),
    }
}

/// Every kind of problem, by the contract's name for its response. A 400 is given the errors of its example: their wording is
/// checked where parameters are parsed.
#[test]
fn every_example_of_a_problem_is_one_that_is_sent() {
    let contract = document();
    for (name, status) in [
        ("InvalidParameters", StatusCode::BAD_REQUEST),
        ("Unauthenticated", StatusCode::UNAUTHORIZED),
        ("NotFound", StatusCode::NOT_FOUND),
        ("Failed", StatusCode::INTERNAL_SERVER_ERROR),
        ("Unavailable", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let example = &contract["components"]["responses"][name]["content"]["application/problem+json"]
            ["example"];
        let errors = example["errors"].as_array().into_iter().flatten();
        let problem = match name {
            "InvalidParameters" => {
                Problem::InvalidParameters(errors.map(parameter_error).collect())
            }
            "Unauthenticated" => Problem::Unauthenticated,
            "NotFound" => Problem::NotFound,
            "Failed" => Problem::Failure(Error::Inconsistent("a test".into())),
            _ => Problem::Failure(Error::DatabaseTimeout),
        };
        let response = problem.into_response();
        assert_eq!(response.status(), status);
        let body = json_of(&response);
        assert_eq!(&body, example, "{name}");
        assert_matches_contract(
            "/api/lp/1/summary",
            status.as_u16(),
            response.headers(),
            &body,
        );
    }
}
