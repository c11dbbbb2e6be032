//! Faults that somebody may make in the template, each with the check that has to see it.

/// One fault.
pub struct Fault {
    /// In words.
    pub what: &'static str,
    /// What stands there, and what then stands in its place, the first time it occurs.
    change: (&'static str, &'static str),
    /// The name of the check.
    pub seen_by: &'static str,
}

impl Fault {
    /// The text with the fault in it.
    pub fn make(&self, text: &str) -> String {
        let (from, to) = self.change;
        assert!(
            text.contains(from),
            "{}: the template has no {from}",
            self.what
        );
        text.replacen(from, to, 1)
    }
}

const fn fault(
    what: &'static str,
    seen_by: &'static str,
    change: (&'static str, &'static str),
) -> Fault {
    Fault {
        what,
        change,
        seen_by,
    }
}

/// All of them.
pub const FAULTS: [Fault; 26] = [
    fault(
        "a property is misspelt",
        "lint",
        ("TreatMissingData:", "TreatMissingDate:"),
    ),
    fault(
        "a function has no block",
        "blocks",
        (
            "CodeUri: ../functions/holdings",
            "CodeUri: ../functions/summary",
        ),
    ),
    fault(
        "a block builds another function's binary",
        "blocks",
        ("Binary: holdings", "Binary: summary"),
    ),
    fault(
        "a route is not the contract's",
        "routes",
        ("/api/lp/{lpId}/holdings", "/api/lp/{lpId}/holding"),
    ),
    fault(
        "a route is open to everybody",
        "authorizer",
        (
            "Path: \"/api/lp/{lpId}/holdings\" }",
            "Path: \"/api/lp/{lpId}/holdings\", Auth: { Authorizer: NONE } }",
        ),
    ),
    fault(
        "a statement may take longer than its function",
        "timeouts",
        (
            "DATABASE_STATEMENT_TIMEOUT_MS: \"2000\"",
            "DATABASE_STATEMENT_TIMEOUT_MS: \"3000\"",
        ),
    ),
    fault(
        "one failure sends a whole batch back",
        "batches",
        (
            "            FunctionResponseTypes: [ReportBatchItemFailures]\n",
            "",
        ),
    ),
    fault(
        "more batches at once than instances",
        "batches",
        (
            "MaximumConcurrency: { Fn::FindInMap: [Sizes, { Ref: Size }, ActivityConcurrency] }",
            "MaximumConcurrency: 50",
        ),
    ),
    fault(
        "a batch may take longer than it is hidden from others",
        "visibility",
        ("      Timeout: 60\n", "      Timeout: 61\n"),
    ),
    fault(
        "new code comes before its migrations",
        "migrations",
        ("    DependsOn: Migrations\n", ""),
    ),
    fault(
        "a deployment with new migrations does not apply them",
        "migrations",
        (
            "Version: { Ref: MigrateFunction.Version }",
            "Version: \"1\"",
        ),
    ),
    fault(
        "an action is a wildcard",
        "permissions",
        ("Action: elasticache:Connect", "Action: elasticache:*"),
    ),
    fault(
        "a function may log in as another's role",
        "permissions",
        (
            "Policies: [{ Ref: LogInAsReader }",
            "Policies: [{ Ref: LogInAsRecorder }",
        ),
    ),
    fault(
        "an action is granted that no code calls",
        "calls",
        (
            "Action: [sqs:SendMessage, sqs:ChangeMessageVisibility]",
            "Action: [sqs:SendMessage, sqs:ChangeMessageVisibility, sqs:PurgeQueue]",
        ),
    ),
    fault(
        "more instances than the database has connections for",
        "connections",
        ("ReportConcurrency: \"60\"", "ReportConcurrency: \"90\""),
    ),
    fault(
        "more connections than the least capacity bears",
        "connections",
        ("MinCapacity: \"4\"", "MinCapacity: \"2\""),
    ),
    fault(
        "statements through a proxy are not bounded as others are",
        "proxy",
        (
            "SET statement_timeout = 2000",
            "SET statement_timeout = 20000",
        ),
    ),
    fault(
        "a schedule has no dead-letter queue",
        "schedules",
        (
            "            DeadLetterConfig: { Arn: { Fn::GetAtt: [ScheduleDeadLetterQueue, Arn] } }\n",
            "",
        ),
    ),
    fault(
        "a subnet gives public addresses",
        "network",
        ("MapPublicIpOnLaunch: false", "MapPublicIpOnLaunch: true"),
    ),
    fault(
        "the database can be reached from everywhere",
        "network",
        ("PubliclyAccessible: false", "PubliclyAccessible: true"),
    ),
    fault(
        "a connection is not encrypted",
        "encryption",
        ("rediss://", "redis://"),
    ),
    fault(
        "a log is kept for ever",
        "logs",
        (
            "      RetentionInDays: { Fn::FindInMap: [Sizes, { Ref: Size }, LogDays] }\n",
            "",
        ),
    ),
    fault(
        "the access log names the LP",
        "logs",
        ("$context.routeKey", "$context.path"),
    ),
    fault(
        "an alarm's metric is misspelt",
        "alarms",
        ("MetricName: AnswerDuration", "MetricName: AnswersDuration"),
    ),
    fault(
        "an alarm tells nobody",
        "alarms",
        ("      AlarmActions: [{ Ref: AlarmTopic }]\n", ""),
    ),
    fault(
        "the dashboard shows what nobody emits",
        "dashboard",
        ("\"MarksOutstanding\"", "\"MarksLeft\""),
    ),
];
