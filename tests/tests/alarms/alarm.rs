//! The alarms as they stand in the template, and what the local stack shows of the metrics that they look at.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::metrics::{self, Kind, Unit};
use tests::database::project;
use tests::figures::{Figures, family};

use crate::formula::evaluate;

/// An alarm.
#[derive(Debug)]
pub struct Alarm {
    pub id: String,
    /// What it looks at, by the ids that its formula has.
    metrics: BTreeMap<String, Shown>,
    formula: String,
    comparison: String,
    pub threshold: f64,
    /// Whether it rings where there is nothing to look at.
    rings_of_nothing: bool,
}

/// A statistic of a metric, as a sample of the local stack's.
#[derive(Debug)]
enum Shown {
    /// What the sample says now.
    Now(String),
    /// By how much it has grown.
    Growth(String),
}

/// Every alarm of the template, by its id.
pub fn alarms() -> BTreeMap<String, Alarm> {
    let file = project().join("infra/template.yaml");
    let text = std::fs::read_to_string(file).expect("the template is there");
    let template: Value = serde_norway::from_str(&text).expect("it is YAML");
    let resources = template["Resources"].as_object().expect("resources");
    let alarms = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms
        .map(|(id, alarm)| (id.clone(), Alarm::read(id, &alarm["Properties"])))
        .collect()
}

impl Alarm {
    fn read(id: &str, alarm: &Value) -> Self {
        let (metrics, formula) = match alarm["Metrics"].as_array() {
            Some(queries) => of_queries(queries),
            None => {
                let extended = &alarm["ExtendedStatistic"];
                let statistic = extended
                    .as_str()
                    .unwrap_or_else(|| text(&alarm["Statistic"]));
                let metric = ("metric".to_owned(), Shown::of(alarm, statistic));
                (BTreeMap::from([metric]), "metric".to_owned())
            }
        };
        Self {
            id: id.to_owned(),
            metrics,
            formula,
            comparison: text(&alarm["ComparisonOperator"]).to_owned(),
            threshold: alarm["Threshold"].as_f64().expect("a threshold"),
            rings_of_nothing: alarm["TreatMissingData"] == "breaching",
        }
    }

    /// What it looks at comes to, from an earlier moment until now; nothing, where there is nothing to look at.
    pub fn value(&self, before: &Figures, now: &Figures) -> Option<f64> {
        let value_of = |id: &str| {
            let shown = self.metrics.get(id);
            match shown.unwrap_or_else(|| panic!("{}: what is {id}?", self.id)) {
                Shown::Now(sample) => now.find(sample),
                Shown::Growth(sample) => Some(now.of(sample) - before.of(sample)),
            }
        };
        evaluate(&self.formula, &value_of)
    }

    /// Whether it rings at a value, were it the value for as long as the alarm looks at.
    pub fn rings_at(&self, value: Option<f64>) -> bool {
        let Some(value) = value else {
            return self.rings_of_nothing;
        };
        match self.comparison.as_str() {
            "GreaterThanThreshold" => value > self.threshold,
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "LessThanThreshold" => value < self.threshold,
            "LessThanOrEqualToThreshold" => value <= self.threshold,
            other => panic!("{}: {other}", self.id),
        }
    }
}

/// Metric math: the metrics, and the one formula that the alarm looks at.
fn of_queries(queries: &[Value]) -> (BTreeMap<String, Shown>, String) {
    let (formulas, stats): (Vec<&Value>, Vec<&Value>) = queries
        .iter()
        .partition(|query| query["MetricStat"].is_null());
    let [formula] = formulas.as_slice() else {
        panic!("not one formula: {formulas:?}")
    };
    let shown = stats.iter().map(|query| {
        let stat = &query["MetricStat"];
        let shown = Shown::of(&stat["Metric"], text(&stat["Stat"]));
        (text(&query["Id"]).to_owned(), shown)
    });
    (shown.collect(), text(&formula["Expression"]).to_owned())
}

impl Shown {
    /// Where the local stack shows a statistic of a metric.
    fn of(metric: &Value, statistic: &str) -> Self {
        let name = text(&metric["MetricName"]);
        let queue = metric["Dimensions"][0]["Value"]["Fn::GetAtt"][0].as_str();
        let labels = queue.map_or(String::new(), |queue| format!(r#"{{queue="{queue}"}}"#));
        match (text(&metric["Namespace"]), name, statistic) {
            (metrics::NAMESPACE, _, _) => {
                assert!(metric["Dimensions"].is_null(), "{name}: over everything");
                Self::of_ours(name, statistic)
            }
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum") => Self::Now(format!(
                "aws_sqs_approximate_number_of_messages_visible{labels}"
            )),
            ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum") => Self::Now(format!(
                "aws_sqs_approximate_age_of_oldest_message_seconds{labels}"
            )),
            ("AWS/ApiGateway", "Count", "Sum") => Self::Growth("aws_apigateway_count_total".into()),
            ("AWS/ApiGateway", "5xx", "Sum") => Self::Growth("aws_apigateway_5xx_total".into()),
            other => panic!("the local stack does not show {other:?}"),
        }
    }

    fn of_ours(name: &str, statistic: &str) -> Self {
        let metric = metrics::ALL.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("nobody tells {name}"));
        let mut sample = family(name);
        let unit = format!("_{}", metric.unit.name().to_lowercase());
        if metric.unit != Unit::Count && !sample.ends_with(&unit) {
            sample.push_str(&unit);
        }
        match (metric.kind, statistic) {
            (Kind::Counter, "Sum") => Self::Growth(sample + "_total"),
            (Kind::Gauge, "Maximum") => Self::Now(sample),
            (Kind::Distribution, "Maximum") => Self::Now(sample + r#"{quantile="1"}"#),
            (Kind::Distribution, percentile) => {
                let hundredths = percentile.strip_prefix('p').and_then(|p| p.parse().ok());
                let hundredths: f64 = hundredths.unwrap_or_else(|| panic!("{name}: {percentile}"));
                Self::Now(format!(r#"{sample}{{quantile="{}"}}"#, hundredths / 100.0))
            }
            other => panic!("the local stack does not show {other:?} of {name}"),
        }
    }
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn an_alarm_rings_on_the_far_side_of_its_threshold_only() {
    let alarm = |comparison: &str, missing: &str| {
        let properties = json!({
            "Namespace": metrics::NAMESPACE, "MetricName": metrics::VIEW_AGE.name, "Statistic": "Maximum",
            "ComparisonOperator": comparison, "Threshold": 10, "TreatMissingData": missing,
        });
        Alarm::read("AnAlarm", &properties)
    };
    for (comparison, missing, rings) in [
        (
            "GreaterThanThreshold",
            "breaching",
            [false, false, true, true],
        ),
        (
            "LessThanOrEqualToThreshold",
            "notBreaching",
            [true, true, false, false],
        ),
    ] {
        let alarm = alarm(comparison, missing);
        let values = [Some(9.0), Some(10.0), Some(11.0), None];
        assert_eq!(
            values.map(|value| alarm.rings_at(value)),
            rings,
            "{comparison}"
        );
    }
    let [before, now] = [
        "lp_reporting_view_age_seconds 1",
        "lp_reporting_view_age_seconds 7",
    ]
    .map(|page| Figures::read(page.to_owned()));
    assert_eq!(
        alarm("GreaterThanThreshold", "ignore").value(&before, &now),
        Some(7.0)
    );
}
