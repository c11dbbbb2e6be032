//! Tasks of the schedules: none is lost silently.

use crate::template::{Template, target};

/// What a schedule cannot hand over is tried again and then buried, and so is what the function then fails at.
pub fn schedules(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let schedules = template.properties("AWS::Scheduler::Schedule");
    if schedules.is_empty() {
        violations.push("there is none".to_owned());
    }
    for (id, schedule) in schedules {
        let task = &schedule["Target"];
        if target(&task["DeadLetterConfig"]["Arn"]) != Some("ScheduleDeadLetterQueue") {
            violations.push(format!("{id} has no dead-letter queue"));
        }
        if task["RetryPolicy"]["MaximumRetryAttempts"]
            .as_u64()
            .is_none_or(|tries| tries == 0)
        {
            violations.push(format!("{id} tries once"));
        }
        let input = task["Input"].as_str().unwrap_or_default();
        let input: serde_json::Value = serde_json::from_str(input).unwrap_or_default();
        if input["task"].as_str().is_none() {
            violations.push(format!("{id} names no task"));
        }
        let called = target(&task["Arn"]).unwrap_or_default();
        let configurations = template.properties("AWS::Lambda::EventInvokeConfig");
        let buries = configurations.iter().any(|(_, configuration)| {
            target(&configuration["FunctionName"]) == Some(called)
                && target(&configuration["DestinationConfig"]["OnFailure"]["Destination"])
                    == Some("ScheduleDeadLetterQueue")
        });
        if !buries {
            violations.push(format!("what {called} fails at is not buried"));
        }
    }
    violations
}
