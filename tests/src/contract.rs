//! The written contract, held against real answers: every answer that a test gets from a running stack must match the schema
//! that docs/openapi.yaml gives for its path and status.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::database::project;

/// Validators by path pattern and status.
static CONTRACT: LazyLock<HashMap<(String, u16), Validator>> = LazyLock::new(read_contract);

/// Fails with every way in which an answer breaks the contract. An answer of the gateway itself, which has only a message,
/// is not the functions' to promise.
pub fn assert_matches_contract(path_and_query: &str, status: u16, body: &Value) {
    let path = path_and_query.split('?').next().unwrap_or_default();
    if body.is_null() || body.get("message").is_some() {
        return;
    }
    let pattern = pattern_of(path);
    let Some(validator) = CONTRACT.get(&(pattern.clone(), status)) else {
        panic!("{path_and_query}: the contract has no status {status} for {pattern}");
    };
    let errors: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(
        errors.is_empty(),
        "{path_and_query} breaks the contract:\n{}",
        errors.join("\n")
    );
}

/// `/api/lp/7/fund/3/performance` is an answer to `/api/lp/{lpId}/fund/{fundId}/performance`.
fn pattern_of(path: &str) -> String {
    let mut before = "";
    let parts = path.split('/').map(|part| {
        let pattern = match before {
            "lp" => "{lpId}",
            "fund" => "{fundId}",
            _ => part,
        };
        before = part;
        pattern
    });
    parts.collect::<Vec<_>>().join("/")
}

fn read_contract() -> HashMap<(String, u16), Validator> {
    let text = std::fs::read_to_string(project().join("docs/openapi.yaml"));
    let document: Value =
        serde_norway::from_str(&text.expect("the contract is there")).expect("it is YAML");
    let document = without_nullable(document);
    let mut validators = HashMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (status, response) in item["get"]["responses"].as_object().expect("responses") {
            let response = resolve(&document, response);
            let Some(content) = response["content"].as_object() else {
                continue;
            };
            // The function's own body comes first; what the gateway may say instead has another media type or shape.
            let media = content
                .get("application/problem+json")
                .or_else(|| content.get("application/json"))
                .expect("JSON");
            let schema = json!({"allOf": [media["schema"]], "components": document["components"]});
            let status = status.parse().expect("a status code");
            let validator = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft7)
                .build(&schema)
                .unwrap_or_else(|error| panic!("{path} {status}: {error}"));
            validators.insert((path.clone(), status), validator);
        }
    }
    validators
}

fn resolve<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    match node["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.trim_start_matches('#'))
            .expect("the reference leads somewhere"),
        None => node,
    }
}

/// OpenAPI 3.0 writes `nullable: true` where JSON Schema lists `null` among the types.
fn without_nullable(node: Value) -> Value {
    match node {
        Value::Object(object) => {
            let nullable = object.get("nullable") == Some(&Value::Bool(true));
            let mut plain: Map<String, Value> = object
                .into_iter()
                .filter(|(name, _)| name != "nullable" && name != "example" && name != "examples")
                .map(|(name, value)| (name, without_nullable(value)))
                .collect();
            if nullable {
                let kind = plain["type"].clone();
                plain.insert("type".to_owned(), json!([kind, "null"]));
                if let Some(Value::Array(values)) = plain.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            Value::Object(plain)
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nullable).collect()),
        plain => plain,
    }
}
