//! The written contract, held against real answers: every answer that a test gets from a running stack must match the schema
//! that docs/openapi.yaml gives for its path and status.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use lambda_http::http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::database::project;

/// What is promised, by path pattern and status.
static CONTRACT: LazyLock<HashMap<(String, u16), Promise>> = LazyLock::new(read_contract);

/// What the contract says of one kind of answer.
struct Promise {
    /// None for an answer without a body.
    body: Option<Validator>,
    headers: Vec<Header>,
    media_type: Option<&'static str>,
}

struct Header {
    name: String,
    is_required: bool,
    schema: Validator,
}

const MEDIA_TYPES: [&str; 2] = ["application/problem+json", "application/json"];

/// Fails with every way in which an answer breaks the contract. An answer of the gateway itself, which has only a message,
/// is not the functions' to promise.
pub fn assert_matches_contract(
    path_and_query: &str,
    status: u16,
    headers: &HeaderMap,
    body: &Value,
) {
    let path = path_and_query.split('?').next().unwrap_or_default();
    if body.get("message").is_some() {
        return;
    }
    let pattern = pattern_of(path);
    let Some(promise) = CONTRACT.get(&(pattern.clone(), status)) else {
        panic!("{path_and_query}: the contract has no status {status} for {pattern}");
    };
    let errors = promise.broken_by(headers, body);
    assert!(
        errors.is_empty(),
        "{path_and_query} breaks the contract:\n{}",
        errors.join("\n")
    );
}

impl Promise {
    fn broken_by(&self, headers: &HeaderMap, body: &Value) -> Vec<String> {
        let mut errors: Vec<String> = match &self.body {
            Some(schema) => schema
                .iter_errors(body)
                .map(|error| format!("{}: {error}", error.instance_path))
                .collect(),
            None => Vec::from_iter((!body.is_null()).then(|| "there is a body".to_owned())),
        };
        errors.extend(
            self.headers
                .iter()
                .filter_map(|header| header.broken_by(headers)),
        );
        let media_type = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        if self.media_type.is_some() && self.media_type != media_type {
            errors.push(format!("content-type is {media_type:?}"));
        }
        errors
    }
}

impl Header {
    /// A header is text, and a number where its schema asks for one.
    fn broken_by(&self, headers: &HeaderMap) -> Option<String> {
        let Some(value) = headers.get(&self.name) else {
            return self
                .is_required
                .then(|| format!("{} is missing", self.name));
        };
        let text = value.to_str().expect("a header is text");
        let number = text.parse().map(|number: u64| json!(number));
        let fits = self.schema.is_valid(&json!(text))
            || number.is_ok_and(|number| self.schema.is_valid(&number));
        (!fits).then(|| format!("{} is {text:?}", self.name))
    }
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

/// The written contract as it stands.
#[must_use]
pub fn document() -> Value {
    let text = std::fs::read_to_string(project().join("docs/openapi.yaml"));
    serde_norway::from_str(&text.expect("the contract is there")).expect("it is YAML")
}

fn read_contract() -> HashMap<(String, u16), Promise> {
    let document = without_nullable(document());
    let mut promises = HashMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (status, response) in item["get"]["responses"].as_object().expect("responses") {
            let status = status.parse().expect("a status code");
            let promise = read_promise(&document, resolve(&document, response));
            promises.insert((path.clone(), status), promise);
        }
    }
    promises
}

fn read_promise(document: &Value, response: &Value) -> Promise {
    let headers = response["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, header)| {
        let header = resolve(document, header);
        Header {
            name: name.clone(),
            is_required: header["required"] == json!(true),
            schema: validator(document, &header["schema"]),
        }
    });
    // The function's own body comes first; what the gateway may say instead has another media type or shape.
    let media_type = MEDIA_TYPES
        .into_iter()
        .find(|media_type| response["content"].get(media_type).is_some());
    Promise {
        body: media_type.map(|name| validator(document, &response["content"][name]["schema"])),
        headers: headers.collect(),
        media_type,
    }
}

fn validator(document: &Value, schema: &Value) -> Validator {
    let schema = json!({"allOf": [schema], "components": document["components"]});
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .build(&schema)
        .unwrap_or_else(|error| panic!("{schema}: {error}"))
}

/// What a node of the contract stands for: itself, or what it refers to.
#[must_use]
pub fn resolve<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
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
