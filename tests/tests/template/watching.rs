//! Logs, alarms and the dashboard: what they name is there, and somebody is told.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::metrics;
use tests::contract;
use tests::database::project;

use crate::template::{Template, differences, members, target};

/// Metrics of AWS's own, with the dimension that they are asked by, from its documentation.
const OF_AWS: [(&str, &str, &[&str]); 4] = [
    (
        "AWS/SQS",
        "QueueName",
        &[
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesVisible",
        ],
    ),
    ("AWS/ApiGateway", "ApiId", &["Count", "5xx"]),
    (
        "AWS/RDS",
        "DBClusterIdentifier",
        &[
            "CPUUtilization",
            "FreeableMemory",
            "DatabaseConnections",
            "ServerlessDatabaseCapacity",
        ],
    ),
    (
        "AWS/ElastiCache",
        "clusterId",
        &[
            "BytesUsedForCache",
            "ElastiCacheProcessingUnits",
            "ThrottledCmds",
        ],
    ),
];

/// What the gateway may write down of a request: who asked by his subject, and nothing that names an LP or an address.
const LOGGED: [&str; 9] = [
    "requestId",
    "requestTime",
    "routeKey",
    "status",
    "authorizer.claims.sub",
    "responseLatency",
    "integrationLatency",
    "responseLength",
    "error.message",
];

/// A metric as an alarm or the dashboard names it.
#[derive(Debug)]
struct Named {
    namespace: String,
    name: String,
    dimensions: BTreeSet<String>,
}

impl Named {
    /// Whether somebody emits it under these dimensions.
    fn is_emitted(&self) -> bool {
        if self.namespace == metrics::NAMESPACE {
            let metric = metrics::ALL.iter().find(|metric| metric.name == self.name);
            let sets = metric.map(|metric| metric.dimensions).unwrap_or_default();
            return sets.iter().any(|set| {
                let set: BTreeSet<String> = set.iter().map(|name| (*name).to_owned()).collect();
                set == self.dimensions
            });
        }
        OF_AWS.iter().any(|(namespace, dimension, names)| {
            let dimensions = BTreeSet::from([(*dimension).to_owned()]);
            self.namespace == *namespace
                && self.dimensions == dimensions
                && names.contains(&self.name.as_str())
        })
    }
}

/// Every log ends some day, functions write to one of them, and the gateway's tells no more than it may.
pub fn logs(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let groups = template.properties("AWS::Logs::LogGroup");
    for (id, group) in &groups {
        if group["RetentionInDays"].is_null() {
            violations.push(format!("{id} is kept for ever"));
        }
    }
    for (name, function) in template.functions() {
        let group = target(&function["Properties"]["LoggingConfig"]["LogGroup"]);
        if !groups.iter().any(|(id, _)| Some(*id) == group) {
            violations.push(format!("{name} logs to {group:?}"));
        }
    }
    for (id, stage) in template.properties("AWS::ApiGatewayV2::Stage") {
        let format = stage["AccessLogSettings"]["Format"]
            .as_str()
            .unwrap_or_default();
        if serde_json::from_str::<Value>(format).is_err() {
            violations.push(format!("{id} does not log JSON"));
        }
        let variables = format
            .split("$context.")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let told = variables.filter(|variable| !LOGGED.contains(variable));
        violations.extend(told.map(|variable| format!("{id} logs {variable}")));
    }
    violations
}

/// Each alarm looks at a metric that somebody emits, tells the topic when it begins and when it ends, and has its section in the
/// runbook, as each section has its alarm.
pub fn alarms(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let alarms = template.properties("AWS::CloudWatch::Alarm");
    for (id, alarm) in &alarms {
        let metrics = alarm_metrics(alarm);
        if metrics.is_empty() {
            violations.push(format!("{id} looks at nothing"));
        }
        let unknown = metrics.iter().filter(|metric| !metric.is_emitted());
        violations.extend(unknown.map(|metric| format!("{id}: nobody emits {metric:?}")));
        for name in ["AlarmActions", "OKActions"] {
            if alarm[name] != json!([{"Ref": "AlarmTopic"}]) {
                violations.push(format!("{id}: {name} is {}", alarm[name]));
            }
        }
        if alarm["TreatMissingData"].is_null() {
            violations.push(format!("{id} does not say what no data mean"));
        }
    }
    let runbook = project().join("docs/runbook.md");
    let runbook = std::fs::read_to_string(runbook).expect("the runbook is there");
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let ids = alarms.iter().map(|(id, _)| (*id).to_owned()).collect();
    violations.extend(differences(&ids, &sections.map(str::to_owned).collect()));
    violations
}

fn alarm_metrics(alarm: &Value) -> Vec<Named> {
    let queries = members(&alarm["Metrics"]).into_iter();
    let queried = queries.map(|query| &query["MetricStat"]["Metric"]);
    let metrics = queried
        .chain([alarm])
        .filter(|metric| !metric["MetricName"].is_null());
    metrics
        .map(|metric| {
            let dimensions = members(&metric["Dimensions"]).into_iter();
            Named {
                namespace: metric["Namespace"].as_str().unwrap_or_default().to_owned(),
                name: metric["MetricName"].as_str().unwrap_or_default().to_owned(),
                dimensions: dimensions
                    .filter_map(|dimension| Some(dimension["Name"].as_str()?.to_owned()))
                    .collect(),
            }
        })
        .collect()
}

/// The dashboard can be read, shows every metric of ours and none that nobody emits, answers by their percentiles and by every route,
/// the database's load, and every alarm.
pub fn dashboard(template: &Template) -> Vec<String> {
    let body = template.resource("Dashboard")["DashboardBody"]["Fn::Sub"].as_str();
    let body = match serde_json::from_str::<Value>(body.unwrap_or_default()) {
        Ok(body) => body,
        Err(error) => return vec![format!("it is not JSON: {error}")],
    };
    let widgets = members(&body["widgets"]);
    let rows = widgets
        .iter()
        .flat_map(|widget| members(&widget["properties"]["metrics"]));
    let shown: Vec<Named> = rows.filter_map(row_metric).collect();
    let unknown = shown.iter().filter(|metric| !metric.is_emitted());
    let mut violations: Vec<String> = unknown
        .map(|metric| format!("nobody emits {metric:?}"))
        .collect();
    let ours = shown
        .iter()
        .filter(|metric| metric.namespace == metrics::NAMESPACE);
    let ours = ours.map(|metric| metric.name.clone()).collect();
    let all = metrics::ALL
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    violations.extend(differences(&ours, &all));
    let text = body.to_string();
    let unshown = wanted(template).into_iter();
    let unshown = unshown.filter(|wanted| !text.contains(wanted));
    violations.extend(unshown.map(|wanted| format!("missing: {wanted}")));
    violations
}

/// What has to be found on the dashboard, as its JSON has it.
fn wanted(template: &Template) -> Vec<String> {
    let alarms = template.resources("AWS::CloudWatch::Alarm").into_iter();
    let alarms = alarms.map(|(id, _)| format!("\"${{{id}.Arn}}\""));
    let [_, _, (_, _, database), _] = OF_AWS;
    let words = database.iter().chain(&["p50", "p95", "p99"]);
    let words = words.map(|word| format!("\"{word}\""));
    let contract = contract::document();
    let paths = contract["paths"].as_object().into_iter().flatten();
    let routes = paths.map(|(_, item)| {
        let route = &item["get"]["operationId"];
        format!(
            "\"{}\",\"{}\",{route}",
            metrics::ANSWER_DURATION.name,
            metrics::ROUTE
        )
    });
    alarms.chain(words).chain(routes).collect()
}

/// `[namespace, name, dimension, value, …, {options}]`, or an expression that may search for one.
fn row_metric(row: &Value) -> Option<Named> {
    if let Some(expression) = row[0]["expression"].as_str() {
        return searched(expression);
    }
    let words: Vec<&str> = members(row).into_iter().filter_map(Value::as_str).collect();
    let [namespace, name, dimensions @ ..] = words.as_slice() else {
        return None;
    };
    Some(Named {
        namespace: (*namespace).to_owned(),
        name: (*name).to_owned(),
        dimensions: dimensions
            .iter()
            .step_by(2)
            .map(|name| (*name).to_owned())
            .collect(),
    })
}

/// `SEARCH('{namespace,dimension,…} MetricName="name"', …)`.
fn searched(expression: &str) -> Option<Named> {
    let (schema, rest) = expression.strip_prefix("SEARCH('{")?.split_once('}')?;
    let (namespace, dimensions) = schema.split_once(',')?;
    let name = rest.split('"').nth(1)?;
    Some(Named {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.split(',').map(str::to_owned).collect(),
    })
}
