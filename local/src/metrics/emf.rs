//! Reads a line in CloudWatch's embedded metric format, as CloudWatch does: what is not one, or not whole, makes no metric.

use chrono::DateTime;
use serde_json::Value;

use super::series::{Key, Series};

/// How such lines begin, as the functions write them; all others are not even parsed.
const BEGINNING: &[u8] = br#"{"_aws":"#;

/// Adds what a line of a log tells.
pub(super) fn read(line: &[u8], series: &mut Series) {
    if line.starts_with(BEGINNING)
        && let Ok(told) = serde_json::from_slice(line)
    {
        add(&told, series);
    }
}

fn add(told: &Value, series: &mut Series) -> Option<()> {
    let header = &told["_aws"];
    let at = DateTime::from_timestamp_millis(header["Timestamp"].as_i64()?)?;
    for directive in header["CloudWatchMetrics"].as_array()? {
        for metric in directive["Metrics"].as_array()? {
            let (name, unit) = (metric["Name"].as_str()?, metric["Unit"].as_str()?);
            let Some(value) = told[name].as_f64() else {
                continue;
            };
            for set in directive["Dimensions"].as_array()? {
                if let Some(labels) = labels(told, set) {
                    let (name, unit) = (name.to_owned(), unit.to_owned());
                    series.add(Key { name, unit, labels }, at, value);
                }
            }
        }
    }
    Some(())
}

fn labels(told: &Value, set: &Value) -> Option<Vec<(String, String)>> {
    let names = set.as_array()?.iter();
    names
        .map(|name| {
            let name = name.as_str()?;
            Some((name.to_owned(), told[name].as_str()?.to_owned()))
        })
        .collect()
}
