//! What each role may do, against what its function calls, both ways.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tests::database::project;

use crate::template::{Template, differences, members, target};

/// What the platform itself needs to run a function: to keep its log, and to connect it to the network.
const OF_THE_PLATFORM: [&str; 2] = [
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
];

/// What the platform does in a function's name, and no code calls: it reads the queue, and buries what the schedules could not do.
const IN_ITS_NAME: [&str; 3] = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];

const CACHE: [&str; 2] = ["elasticache:Connect Cache", "elasticache:Connect CacheUser"];
/// A report's role is let in by the database and by its proxy, where there is one.
const READER: [&str; 2] = [
    "rds-db:connect cluster/reader",
    "rds-db:connect proxy/reader",
];

/// What a function calls, by its code: `shared/src/iam.rs` logs in, `shared/src/queue.rs` sends.
fn called_by(function: &str) -> BTreeSet<String> {
    let own: &[&str] = match function {
        "migrate" => &[
            "rds-db:connect cluster/migrator",
            "rds-db:connect cluster/administrator",
        ],
        "entitlements" => &["rds-db:connect cluster/grantor"],
        "activity-refresh" => &[
            "rds-db:connect cluster/recorder",
            "sqs:ReceiveMessage ActivityQueue",
            "sqs:DeleteMessage ActivityQueue",
            "sqs:GetQueueAttributes ActivityQueue",
            "sqs:SendMessage ActivityQueue",
            "sqs:ChangeMessageVisibility ActivityQueue",
            "sqs:SendMessage ActivityDeadLetterQueue",
        ],
        "nightly-refresh" => &[
            "rds-db:connect cluster/refresher",
            "rds-db:connect cluster/migrator",
            "rds-db:connect cluster/reader",
            "rds-db:connect proxy/reader",
            "sqs:SendMessage ActivityQueue",
            "sqs:SendMessage ScheduleDeadLetterQueue",
        ],
        _ => &READER,
    };
    let cache: &[&str] = if function == "migrate" { &[] } else { &CACHE };
    own.iter()
        .chain(cache)
        .map(|&call| call.to_owned())
        .collect()
}

/// Each function's role allows what its code calls and nothing else; no other role allows anything of AWS's by a wildcard.
pub fn permissions(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let mut roles = BTreeSet::new();
    for (name, function) in template.functions() {
        let role = target(&function["Properties"]["Role"]).unwrap_or_default();
        if !roles.insert(role) {
            violations.push(format!("{name} shares the role {role}"));
        }
        let allowed = allowed(template, template.resource(role), &mut violations);
        let differences = differences(&allowed, &called_by(name));
        violations.extend(
            differences
                .into_iter()
                .map(|difference| format!("{name}: {difference}")),
        );
    }
    for (id, role) in template.properties("AWS::IAM::Role") {
        for call in allowed(template, role, &mut violations) {
            if call.contains('*') {
                violations.push(format!("{id} may {call}"));
            }
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

/// What a role allows, as `action resource`.
fn allowed(template: &Template, role: &Value, violations: &mut Vec<String>) -> BTreeSet<String> {
    let own = members(&role["Policies"]).into_iter();
    let mut documents: Vec<&Value> = own.map(|policy| &policy["PolicyDocument"]).collect();
    for policy in members(&role["ManagedPolicyArns"]) {
        match target(policy) {
            Some(id) => documents.push(&template.resource(id)["PolicyDocument"]),
            None if OF_THE_PLATFORM
                .iter()
                .any(|name| policy.to_string().contains(name)) => {}
            None => violations.push(format!("a role has {policy}")),
        }
    }
    let statements = documents
        .into_iter()
        .flat_map(|document| members(&document["Statement"]));
    statements.flat_map(calls_of).collect()
}

fn calls_of(statement: &Value) -> Vec<String> {
    let resources: Vec<String> = members(&statement["Resource"])
        .into_iter()
        .flat_map(resource)
        .collect();
    let actions = members(&statement["Action"]).into_iter();
    let actions = actions.map(|action| action.as_str().unwrap_or_default());
    let effect = if statement["Effect"] == "Allow" {
        ""
    } else {
        "not "
    };
    actions
        .flat_map(|action| {
            resources
                .iter()
                .map(move |resource| format!("{effect}{action} {resource}"))
        })
        .collect()
}

/// A resource in a word: its id, or a user of the database and who knows him.
fn resource(value: &Value) -> Vec<String> {
    if let Some(choices) = value["Fn::If"].as_array() {
        let choices = choices.iter().skip(1);
        return choices
            .filter(|choice| choice["Ref"] != "AWS::NoValue")
            .flat_map(resource)
            .collect();
    }
    if let Some(id) = target(value) {
        return vec![id.to_owned()];
    }
    let text = value["Fn::Sub"]
        .as_str()
        .or_else(|| value["Fn::Sub"][0].as_str());
    let text = text.or_else(|| value.as_str()).unwrap_or_default();
    let user = text.rsplit('/').next().unwrap_or_default();
    if text.contains("dbuser:${Database.DBClusterResourceId}/") {
        vec![format!("cluster/{user}")]
    } else if text.contains("dbuser:${ProxyId}/") {
        vec![format!("proxy/{user}")]
    } else {
        vec![text.to_owned()]
    }
}

/// Of the queue's actions, those that are granted are those that the code calls, whoever calls them.
pub fn calls(template: &Template) -> Vec<String> {
    let mut granted = BTreeSet::new();
    for (_, function) in template.functions() {
        let role = template.resource(target(&function["Properties"]["Role"]).unwrap_or_default());
        let allowed = allowed(template, role, &mut Vec::new());
        let actions = allowed.iter().filter_map(|call| call.split(' ').next());
        let of_the_queue = actions.filter(|action| action.starts_with("sqs:"));
        granted.extend(
            of_the_queue
                .filter(|action| !IN_ITS_NAME.contains(action))
                .map(str::to_owned),
        );
    }
    differences(&granted, &called(&project().join("shared/src")))
}

/// The operations of the queue's client that source files call: those that name a queue.
fn called(folder: &Path) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            calls.extend(called(&path));
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source file is text");
        let before_queues = source.split(".queue_url(").collect::<Vec<_>>();
        let before_queues = before_queues
            .split_last()
            .map(|(_, before)| before)
            .unwrap_or_default();
        for before in before_queues {
            let operation = before.trim_end().trim_end_matches("()").rsplit('.').next();
            calls.insert(format!(
                "sqs:{}",
                in_capitals(operation.unwrap_or_default())
            ));
        }
    }
    calls
}

/// `send_message` as AWS writes it.
fn in_capitals(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    words.collect()
}
