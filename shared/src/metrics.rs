//! What is measured: every metric by name, how long an event waits for what, and the line by which a function tells of it, in CloudWatch's
//! embedded metric format. Lambda collects the line with the log and CloudWatch makes metrics of it: no call is made.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod names;
mod waits;

pub use names::*;
pub use waits::{Wait, Waits, measure_waits};

/// CloudWatch refuses a longer value of a dimension.
const LONGEST_VALUE_BYTES: usize = 1024;
/// Lines are mostly shorter, so that one is written without growing.
const USUAL_LINE_BYTES: usize = 1024;

/// What one line tells: values, the dimensions that they are told apart by, and properties to find the line by. Left out are values
/// that are not finite, and a second one for the same metric. Metrics with the same dimensions are best told one after another, which
/// keeps the line short.
#[derive(Debug, Default)]
#[must_use = "nothing is told before `write`"]
pub struct Metrics {
    dimensions: Vec<(&'static str, String)>,
    properties: Vec<(&'static str, String)>,
    values: Vec<(Metric, Value)>,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(u64),
    Real(f64),
}

impl Metrics {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dimension, one of this module's. What CloudWatch refuses in a value (other than printable ASCII, or more than
    /// 1,024 bytes) is replaced or cut off; a blank one is no dimension.
    pub fn dimension(mut self, name: &'static str, value: &str) -> Self {
        let value = printable(value);
        if !value.trim().is_empty() {
            self.dimensions.push((name, value));
        }
        self
    }

    /// Adds a property, such as the id of a request: it stands in the line and makes no metric.
    pub fn property(mut self, name: &'static str, value: &str) -> Self {
        self.properties.push((name, printable(value)));
        self
    }

    /// How long the event has waited for what; what it did not wait for has no value.
    pub fn waits(mut self, waits: Waits) -> Self {
        for (metric, time) in [
            (DATABASE_DURATION, waits.database),
            (REDIS_DURATION, waits.redis),
        ] {
            if !time.is_zero() {
                self = self.milliseconds(metric, in_milliseconds(time));
            }
        }
        self
    }

    /// How many there are.
    pub fn count(self, metric: Metric, value: u64) -> Self {
        self.put(metric, Unit::Count, Value::Whole(value))
    }

    /// A time in milliseconds.
    pub fn milliseconds(self, metric: Metric, value: f64) -> Self {
        self.put(metric, Unit::Milliseconds, Value::Real(value))
    }

    /// A time in seconds.
    pub fn seconds(self, metric: Metric, value: f64) -> Self {
        self.put(metric, Unit::Seconds, Value::Real(value))
    }

    /// A size in bytes.
    pub fn bytes(self, metric: Metric, value: u64) -> Self {
        self.put(metric, Unit::Bytes, Value::Whole(value))
    }

    /// A share in hundredths.
    pub fn percent(self, metric: Metric, value: f64) -> Self {
        self.put(metric, Unit::Percent, Value::Real(value))
    }

    fn put(mut self, metric: Metric, unit: Unit, value: Value) -> Self {
        debug_assert_eq!(metric.unit, unit, "{}", metric.name);
        let is_finite = !matches!(value, Value::Real(value) if !value.is_finite());
        let is_new = self
            .values
            .iter()
            .all(|(present, _)| present.name != metric.name);
        if is_finite && is_new {
            self.values.push((metric, value));
        }
        self
    }

    /// Writes the line on standard output; nothing when it has no values. A log that cannot be written to is nobody's concern here.
    pub fn write(&self) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        if let Some(line) = self.line(since_1970.unwrap_or(Duration::ZERO)) {
            let _ = std::io::stdout().write_all(line.as_bytes());
        }
    }

    /// The line, its end included, as of a time since 1970.
    fn line(&self, time: Duration) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        let mut line = String::with_capacity(USUAL_LINE_BYTES);
        let millis = time.as_millis();
        let _ = write!(
            line,
            r#"{{"_aws":{{"Timestamp":{millis},"CloudWatchMetrics":["#
        );
        let groups = self
            .values
            .chunk_by(|(one, _), (next, _)| one.dimensions == next.dimensions)
            .filter(|group| self.given_sets(group).next().is_some());
        for (at, group) in groups.enumerate() {
            separate(&mut line, at);
            self.declare(&mut line, group);
        }
        line.push_str("]}");
        for (name, text) in self.dimensions.iter().chain(&self.properties) {
            let _ = write!(line, r#","{name}":""#);
            // Printable ASCII: of what JSON escapes only these two are left.
            for c in text.chars() {
                line.extend(matches!(c, '"' | '\\').then_some('\\'));
                line.push(c);
            }
            line.push('"');
        }
        for (metric, value) in &self.values {
            let name = metric.name;
            let _ = match value {
                Value::Whole(value) => write!(line, r#","{name}":{value}"#),
                Value::Real(value) => write!(line, r#","{name}":{value}"#),
            };
        }
        line.push_str("}\n");
        Some(line)
    }

    /// Says of metrics that are told apart alike in which sets of dimensions they are given.
    fn declare(&self, line: &mut String, group: &[(Metric, Value)]) {
        let _ = write!(line, r#"{{"Namespace":"{NAMESPACE}","Metrics":["#);
        for (at, (metric, _)) in group.iter().enumerate() {
            separate(line, at);
            let (name, unit) = (metric.name, metric.unit.name());
            let _ = write!(line, r#"{{"Name":"{name}","Unit":"{unit}"}}"#);
        }
        line.push_str(r#"],"Dimensions":["#);
        for (at, set) in self.given_sets(group).enumerate() {
            separate(line, at);
            line.push('[');
            for (at, name) in set.iter().enumerate() {
                separate(line, at);
                let _ = write!(line, r#""{name}""#);
            }
            line.push(']');
        }
        line.push_str("]}");
    }

    /// What a route tells apart needs no function beside it: each would say the same, and each costs.
    fn given_sets(
        &self,
        group: &[(Metric, Value)],
    ) -> impl Iterator<Item = &'static [&'static str]> {
        let has = |name: &str| self.dimensions.iter().any(|(present, _)| *present == name);
        let sets = group
            .first()
            .map_or(OVERALL, |(metric, _)| metric.dimensions);
        let is_by_route = has(ROUTE) && sets.contains(&[ROUTE].as_slice());
        let is_given = move |set: &&[&str]| {
            set.iter().all(|name| has(name)) && !(is_by_route && set.contains(&FUNCTION))
        };
        sets.iter().copied().filter(is_given)
    }
}

/// The line of the event at work, kept until the answer is sent.
#[derive(Debug, Clone, Default)]
pub struct Pending(Arc<Mutex<Option<Metrics>>>);

impl Pending {
    /// Keeps a line.
    pub fn keep(&self, metrics: Metrics) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(metrics);
    }

    /// Writes the line that is kept, if one is.
    pub fn write(&self) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(metrics) = kept {
            metrics.write();
        }
    }
}

/// A time as [`Metrics::milliseconds`] takes it, to the microsecond.
#[must_use]
pub fn in_milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

fn separate(line: &mut String, at: usize) {
    if at > 0 {
        line.push(',');
    }
}

/// As CloudWatch takes it.
fn printable(text: &str) -> String {
    let replaced = text
        .chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' });
    replaced.take(LONGEST_VALUE_BYTES).collect()
}

#[cfg(test)]
mod tests;
