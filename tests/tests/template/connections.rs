//! How many connections the functions can open, against how many the database takes.

use serde_json::Value;

use crate::template::{SIZES, Template};

/// For administrators, and for what RDS itself connects with.
const RESERVED: f64 = 10.0;
/// What RDS allows by default for each capacity unit of the largest capacity, in its documentation's table for one unit.
const CONNECTIONS_A_UNIT: f64 = 189.0;

/// A process's own, one more for the session that a refresh holds, and one for each further login.
fn connections_of(name: &str, function: &Value) -> f64 {
    let variables = &function["Environment"]["Variables"];
    let pooled = variables["DATABASE_MAX_CONNECTIONS"].as_str();
    let pooled: f64 = pooled
        .and_then(|text| text.parse().ok())
        .unwrap_or(f64::INFINITY);
    let refreshes = name == "activity-refresh" || name == "nightly-refresh";
    let names = variables
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    let logins = names.filter(|name| name.ends_with("_DATABASE_URL")).count();
    pooled + f64::from(u8::from(refreshes)) + logins as f64
}

/// Every function's instances are bounded, all their connections together fit, and the least capacity can bear them.
pub fn connections(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    for size in SIZES {
        let mut opened = RESERVED;
        for (name, function) in template.functions() {
            let function = &function["Properties"];
            let instances = template.in_size(&function["ReservedConcurrentExecutions"], size);
            if instances.is_none() {
                violations.push(format!("{size}: {name} has any number of instances"));
            }
            opened += instances.unwrap_or(0.0) * connections_of(name, function);
        }
        let parameters = &template.resource("DatabaseParameters")["Parameters"];
        let taken = template
            .in_size(&parameters["max_connections"], size)
            .unwrap_or(0.0);
        if opened > taken {
            violations.push(format!(
                "{size}: {opened} connections, the database takes {taken}"
            ));
        }
        let scaling = &template.resource("Database")["ServerlessV2ScalingConfiguration"];
        let least = template
            .in_size(&scaling["MinCapacity"], size)
            .unwrap_or(0.0);
        if taken > least * CONNECTIONS_A_UNIT {
            violations.push(format!(
                "{size}: {taken} connections are too many for {least} units"
            ));
        }
    }
    violations
}

/// A proxy bounds a report's statements as the report would itself.
pub fn proxy(template: &Template) -> Vec<String> {
    let summary = template.function("summary").map(|(_, function)| function);
    let variables = summary.map(|function| &function["Environment"]["Variables"]);
    let timeout =
        variables.and_then(|variables| variables["DATABASE_STATEMENT_TIMEOUT_MS"].as_str());
    let expected = format!("SET statement_timeout = {}", timeout.unwrap_or_default());
    let targets = template
        .properties("AWS::RDS::DBProxyTargetGroup")
        .into_iter();
    let queries =
        targets.map(|(_, targets)| &targets["ConnectionPoolConfigurationInfo"]["InitQuery"]);
    let other = queries.filter(|query| *query != expected.as_str());
    other
        .map(|query| format!("a connection begins with {query}, not {expected}"))
        .collect()
}
