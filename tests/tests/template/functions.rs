//! What is deployed of functions/, by what it is called, and in which order.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::contract;
use tests::database::project;

use crate::template::{SIZES, Template, differences, members, target};

/// Every folder of functions/ has a block, which builds the binary of that name.
pub fn blocks(template: &Template) -> Vec<String> {
    let folders = std::fs::read_dir(project().join("functions")).expect("functions/ is there");
    let folders = folders.map(|entry| entry.expect("an entry").file_name());
    let folders = folders
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let functions = template.functions();
    let names = functions
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let mut violations = differences(&names, &folders);
    for (name, function) in functions {
        let binary = &function["Metadata"]["BuildProperties"]["Binary"];
        if binary != name {
            violations.push(format!("functions/{name} is built as {binary}"));
        }
    }
    violations
}

/// (method, path, function) of each route that the gateway has.
fn gateway(template: &Template) -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for (method, path, operation) in operations(template) {
        let uri = &operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"];
        let function = template.functions().into_iter().find(|(name, _)| {
            let id = template
                .function(name)
                .map(|(id, _)| id)
                .unwrap_or_default();
            uri.as_str()
                .is_some_and(|uri| uri.contains(&format!("${{{id}.Arn}}")))
        });
        let name = function.map_or("nobody", |(name, _)| name);
        routes.insert(format!("{method} {path} by {name}"));
    }
    routes
}

/// The gateway's operations as method, path and what is said of them.
fn operations(template: &Template) -> Vec<(&str, &str, &Value)> {
    let paths = template.resource("Api")["Body"]["paths"].as_object();
    let operations = paths.into_iter().flatten().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    });
    operations.collect()
}

/// The gateway has the contract's routes, each by the function that the contract names.
pub fn routes(template: &Template) -> Vec<String> {
    let contract = contract::document();
    let paths = contract["paths"].as_object().expect("paths");
    let promised = paths.iter().map(|(path, item)| {
        let name = item["get"]["operationId"].as_str().expect("an operation");
        format!("get {path} by {name}")
    });
    differences(&gateway(template), &promised.collect())
}

/// Each route asks for a token, which the one authorizer checks.
pub fn authorizer(template: &Template) -> Vec<String> {
    let schemes = &template.resource("Api")["Body"]["components"]["securitySchemes"];
    let authorizer = &schemes["AccessToken"]["x-amazon-apigateway-authorizer"];
    let expected = json!({
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": {"Ref": "JwtIssuer"}, "audience": [{"Ref": "JwtAudience"}]},
    });
    let mut violations = Vec::new();
    if authorizer != &expected {
        violations.push(format!("the authorizer is {authorizer}"));
    }
    for (method, path, operation) in operations(template) {
        if operation["security"] != json!([{"AccessToken": []}]) {
            violations.push(format!(
                "{method} {path} asks for {}",
                operation["security"]
            ));
        }
    }
    violations
}

fn milliseconds(function: &Value) -> (u64, u64) {
    let statement = &function["Environment"]["Variables"]["DATABASE_STATEMENT_TIMEOUT_MS"];
    let statement_ms = statement.as_str().and_then(|text| text.parse().ok());
    let limit_ms = function["Timeout"].as_u64().map(|seconds| seconds * 1000);
    (statement_ms.unwrap_or(u64::MAX), limit_ms.unwrap_or(0))
}

/// A function that the platform cuts off answers nothing; one that gives up on the database first still tells its client to retry.
/// Beside the statement: the network, looks into the cache before and after, and the access log after the answer.
pub fn timeouts(template: &Template) -> Vec<String> {
    const BESIDE_MS: u64 = 800;
    let functions = template.functions().into_iter();
    let too_short = functions.filter_map(|(name, function)| {
        let (statement_ms, limit_ms) = milliseconds(&function["Properties"]);
        let is_short = statement_ms.saturating_add(BESIDE_MS) > limit_ms;
        is_short.then(|| format!("{name} has {limit_ms} ms, and a statement {statement_ms}"))
    });
    too_short.collect()
}

/// Whole batches, without waiting for more, failures told one by one, as many at once as there are instances, a way out for what
/// cannot be done.
pub fn batches(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let sources = template.properties("AWS::Lambda::EventSourceMapping");
    if sources.len() != 1 {
        violations.push(format!("{} queues are read", sources.len()));
    }
    for (id, source) in sources {
        for (name, expected) in [
            ("BatchSize", json!(10)),
            ("MaximumBatchingWindowInSeconds", json!(0)),
            ("FunctionResponseTypes", json!(["ReportBatchItemFailures"])),
        ] {
            if source[name] != expected {
                violations.push(format!("{id}: {name} is {}", source[name]));
            }
        }
        let function = template.resource(target(&source["FunctionName"]).unwrap_or_default());
        for size in SIZES {
            let at_once = template.in_size(&source["ScalingConfig"]["MaximumConcurrency"], size);
            let instances = template.in_size(&function["ReservedConcurrentExecutions"], size);
            if at_once.is_none() || at_once != instances {
                violations.push(format!(
                    "{size}: {at_once:?} batches at once for {instances:?} instances"
                ));
            }
        }
        let queue = template.resource(target(&source["EventSourceArn"]).unwrap_or_default());
        if target(&queue["RedrivePolicy"]["deadLetterTargetArn"]).is_none() {
            violations.push(format!("{id} reads a queue without a dead-letter queue"));
        }
    }
    violations
}

/// AWS asks for six times the function's timeout, so that a batch being worked on is not handed out again.
pub fn visibility(template: &Template) -> Vec<String> {
    let sources = template
        .properties("AWS::Lambda::EventSourceMapping")
        .into_iter();
    let too_short = sources.filter_map(|(_, source)| {
        let function = template.resource(target(&source["FunctionName"])?);
        let queue = template.resource(target(&source["EventSourceArn"])?);
        let timeout = function["Timeout"].as_u64()?;
        let visibility = queue["VisibilityTimeout"].as_u64().unwrap_or(30);
        let is_short = visibility < 6 * timeout;
        is_short
            .then(|| format!("a message is hidden for {visibility} s, a batch may take {timeout}"))
    });
    too_short.collect()
}

/// A deployment migrates before it touches the code of any other function, whenever the migrations may have changed, and waits for
/// what came of it as long as that may take.
pub fn migrations(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, function) in template.functions() {
        let waits = members(&function["DependsOn"]).contains(&&json!("Migrations"));
        if waits == (name == "migrate") {
            violations.push(format!(
                "{name} {}",
                if waits {
                    "waits for itself"
                } else {
                    "does not wait"
                }
            ));
        }
    }
    let resource = template.resource("Migrations");
    let migrate = template.function("migrate");
    let alias = template.resource(target(&resource["ServiceToken"]).unwrap_or_default());
    let called = target(&alias["FunctionName"]);
    if called.is_none() || called != migrate.map(|(id, _)| id) {
        violations.push(format!("{called:?} is called"));
    }
    let version = target(&resource["Version"]).unwrap_or_default();
    let versions = template.resources("AWS::Lambda::Version");
    if !versions.iter().any(|(id, _)| *id == version) {
        violations.push("new code of the function does not have it called".to_owned());
    }
    let timeout = migrate.and_then(|(_, function)| function["Timeout"].as_u64());
    if resource["ServiceTimeout"].as_u64() <= timeout {
        violations
            .push("a deployment does not wait for as long as the function may take".to_owned());
    }
    violations
}
