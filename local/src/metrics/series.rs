//! What the functions have told so far, a series for each metric and set of dimensions: counters added up, of gauges the last value,
//! and of what is spread the number, the sum and the percentiles of the last five minutes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::page::Page;

/// Which metrics are states: the last value holds until the next.
pub const GAUGES: [&str; 9] = [
    "BreakerOpen",
    "DriftRows",
    "IndexBloatPercent",
    "IndexBytes",
    "MarksOutstanding",
    "PerformancePending",
    "RetriedMessageAge",
    "TableBytes",
    "ViewAge",
];

const PREFIX: &str = "lp_reporting";
/// A stack has some hundred.
const SERIES_LIMIT: usize = 2_000;
/// What percentiles are of.
const WINDOW: TimeDelta = TimeDelta::minutes(5);
const VALUES_LIMIT: usize = 1_024;
/// The last is the greatest value.
const QUANTILES: [(&str, f64); 4] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99), ("1", 1.0)];

/// What a series is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) unit: String,
    /// The dimensions, in their order.
    pub(super) labels: Vec<(String, String)>,
}

/// All series; beyond the limit no further ones begin.
#[derive(Debug, Default)]
pub struct Series {
    kept: BTreeMap<Key, Values>,
    passed_over: u64,
}

#[derive(Debug)]
enum Values {
    Counter(f64),
    Gauge(DateTime<Utc>, f64),
    Spread(Spread),
}

#[derive(Debug, Default)]
struct Spread {
    count: u64,
    sum: f64,
    last: VecDeque<(DateTime<Utc>, f64)>,
}

impl Series {
    pub(super) fn add(&mut self, key: Key, at: DateTime<Utc>, value: f64) {
        let is_full = self.kept.len() >= SERIES_LIMIT;
        match self.kept.entry(key) {
            Entry::Occupied(mut entry) => entry.get_mut().add(at, value),
            Entry::Vacant(_) if is_full => self.passed_over += 1,
            Entry::Vacant(entry) => {
                let values = Values::of(entry.key());
                entry.insert(values).add(at, value);
            }
        }
    }

    /// Writes them as of now.
    pub(super) fn write(&self, page: &mut Page, now: DateTime<Utc>) {
        let mut family = "";
        for (key, values) in &self.kept {
            let name = key.prometheus_name(values);
            if family != key.name {
                family = &key.name;
                page.family(&name, values.kind());
            }
            let labels: Vec<(String, &str)> = key
                .labels
                .iter()
                .map(|(label, text)| (label.to_lowercase(), text.as_str()))
                .collect();
            let labels: Vec<(&str, &str)> = labels
                .iter()
                .map(|(label, text)| (label.as_str(), *text))
                .collect();
            match values {
                Values::Counter(value) => page.sample(&name, &labels, *value),
                Values::Gauge(_, value) => {
                    page.sample(&name, &labels, self.highest(key).unwrap_or(*value))
                }
                Values::Spread(spread) => spread.write(page, &name, &labels, now),
            }
        }
        if self.passed_over > 0 {
            let passed_over = self.passed_over;
            page.comment(&format!(
                "{passed_over} values of further series are not shown"
            ));
        }
    }

    /// A state over everything is the highest of those that it is over.
    fn highest(&self, overall: &Key) -> Option<f64> {
        if !overall.labels.is_empty() {
            return None;
        }
        let parts = self
            .kept
            .range(overall..)
            .take_while(|(key, _)| key.name == overall.name);
        parts
            .filter(|(key, _)| !key.labels.is_empty())
            .filter_map(|(_, values)| match values {
                Values::Gauge(_, value) => Some(*value),
                _ => None,
            })
            .reduce(f64::max)
    }
}

impl Key {
    /// `AnswerDuration` in `Milliseconds` is `lp_reporting_answer_duration_milliseconds`; what is merely counted has no unit.
    fn prometheus_name(&self, values: &Values) -> String {
        let mut name = PREFIX.to_owned();
        for c in self.name.chars() {
            if c.is_uppercase() {
                name.push('_');
            }
            name.extend(c.to_lowercase());
        }
        let unit = format!("_{}", self.unit.to_lowercase());
        if matches!(values, Values::Counter(_)) {
            name.push_str("_total");
        } else if self.unit != "Count" && !name.ends_with(&unit) {
            name.push_str(&unit);
        }
        name
    }
}

impl Values {
    fn of(key: &Key) -> Self {
        if GAUGES.contains(&key.name.as_str()) {
            Self::Gauge(DateTime::UNIX_EPOCH, 0.0)
        } else if key.unit == "Count" {
            Self::Counter(0.0)
        } else {
            Self::Spread(Spread::default())
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(..) => "gauge",
            Self::Spread(_) => "summary",
        }
    }

    fn add(&mut self, at: DateTime<Utc>, value: f64) {
        match self {
            Self::Counter(sum) => *sum += value,
            // Logs are read one after another, so what comes later need not be newer.
            Self::Gauge(last_at, last) if *last_at <= at => (*last_at, *last) = (at, value),
            Self::Gauge(..) => {}
            Self::Spread(spread) => {
                spread.count += 1;
                spread.sum += value;
                if spread.last.len() >= VALUES_LIMIT {
                    spread.last.pop_front();
                }
                spread.last.push_back((at, value));
            }
        }
    }
}

impl Spread {
    fn write(&self, page: &mut Page, name: &str, labels: &[(&str, &str)], now: DateTime<Utc>) {
        let last = self.last.iter().filter(|(at, _)| now - *at <= WINDOW);
        let mut values: Vec<f64> = last.map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        for (text, quantile) in QUANTILES {
            let labels = [labels, &[("quantile", text)]].concat();
            page.sample(name, &labels, at_rank(&values, quantile));
        }
        page.sample(&format!("{name}_sum"), labels, self.sum);
        page.sample(&format!("{name}_count"), labels, self.count as f64);
    }
}

/// The smallest value that so large a share does not exceed; NaN of none, as Prometheus has it.
fn at_rank(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::emf;

    fn line(at_ms: i64, metric: &str, unit: &str, sets: &str, rest: &str) -> String {
        format!(
            r#"{{"_aws":{{"Timestamp":{at_ms},"CloudWatchMetrics":[{{"Namespace":"LpReporting","Metrics":[{{"Name":"{metric}","Unit":"{unit}"}}],"Dimensions":{sets}}}]}},{rest}}}"#
        )
    }

    fn page_of(lines: &[String], now_ms: i64) -> String {
        let mut series = Series::default();
        lines
            .iter()
            .for_each(|line| emf::read(line.as_bytes(), &mut series));
        let mut page = Page::default();
        series.write(
            &mut page,
            DateTime::from_timestamp_millis(now_ms).expect("a time"),
        );
        page.text()
    }

    fn duration(at_ms: i64, value: f64) -> String {
        let rest = format!(r#""Route":"summary","AnswerDuration":{value}"#);
        let sets = r#"[["Route"]]"#;
        line(at_ms, "AnswerDuration", "Milliseconds", sets, &rest)
    }

    #[test]
    fn percentiles_are_of_the_last_minutes_and_sums_of_all() {
        let old = duration(0, 1_000.0);
        let new = (1..=100).map(|value| duration(400_000, f64::from(value)));
        let lines: Vec<String> = [old].into_iter().chain(new).collect();
        let page = page_of(&lines, 500_000);
        let expected = "\
# TYPE lp_reporting_answer_duration_milliseconds summary
lp_reporting_answer_duration_milliseconds{route=\"summary\",quantile=\"0.5\"} 50
lp_reporting_answer_duration_milliseconds{route=\"summary\",quantile=\"0.95\"} 95
lp_reporting_answer_duration_milliseconds{route=\"summary\",quantile=\"0.99\"} 99
lp_reporting_answer_duration_milliseconds{route=\"summary\",quantile=\"1\"} 100
lp_reporting_answer_duration_milliseconds_sum{route=\"summary\"} 6050
lp_reporting_answer_duration_milliseconds_count{route=\"summary\"} 101
";
        assert_eq!(page, expected);
        let later = page_of(&lines, 5_000_000);
        assert!(later.contains("quantile=\"0.95\"} NaN"), "{later}");
    }

    #[test]
    fn counts_add_up_and_states_are_the_last_and_over_everything_the_highest() {
        let counts = [1, 0, 2].map(|count| {
            let rest = format!(r#""CacheHits":{count}"#);
            line(0, "CacheHits", "Count", "[[]]", &rest)
        });
        let open = [
            (1, "summary", 1),
            (1, "holdings", 1),
            (3, "holdings", 0),
            (2, "holdings", 1),
        ];
        let open = open.map(|(at_ms, function, open)| {
            let rest = format!(r#""Function":"{function}","BreakerOpen":{open}"#);
            line(at_ms, "BreakerOpen", "Count", r#"[[],["Function"]]"#, &rest)
        });
        let bloat = line(
            0,
            "IndexBloatPercent",
            "Percent",
            "[[]]",
            r#""IndexBloatPercent":12.5"#,
        );
        let lines: Vec<String> = counts.into_iter().chain(open).chain([bloat]).collect();
        let expected = "\
# TYPE lp_reporting_breaker_open gauge
lp_reporting_breaker_open 1
lp_reporting_breaker_open{function=\"holdings\"} 0
lp_reporting_breaker_open{function=\"summary\"} 1
# TYPE lp_reporting_cache_hits_total counter
lp_reporting_cache_hits_total 3
# TYPE lp_reporting_index_bloat_percent gauge
lp_reporting_index_bloat_percent 12.5
";
        assert_eq!(page_of(&lines, 0), expected);
    }

    #[test]
    fn what_is_no_metric_is_passed_over() {
        let whole = duration(0, 1.0);
        let no_dimension = line(0, "A", "Count", r#"[["Route"]]"#, r#""A":1"#);
        let no_value = line(0, "B", "Count", "[[]]", r#""C":1"#);
        for odd in [
            "",
            "recorded",
            r#"{"message":"recorded"}"#,
            r#"{"_aws":{}}"#,
            r#"{"_aws":7}"#,
            &whole[..whole.len() - 1],
            &no_dimension,
            &no_value,
        ] {
            assert_eq!(page_of(&[odd.to_owned()], 0), "", "{odd}");
        }
    }

    #[test]
    fn no_more_series_begin_than_the_limit() {
        let lines: Vec<String> = (0..SERIES_LIMIT + 3)
            .map(|n| {
                let rest = format!(r#""Table":"t{n}","TableBytes":1"#);
                line(0, "TableBytes", "Bytes", r#"[["Table"]]"#, &rest)
            })
            .collect();
        let page = page_of(&lines, 0);
        assert_eq!(page.lines().count(), 1 + SERIES_LIMIT + 1);
        assert!(page.ends_with("# 3 values of further series are not shown\n"));
    }
}
