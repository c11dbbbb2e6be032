//! The figures of a running stack, as a monitor reads them.

use std::collections::BTreeSet;

/// A page in Prometheus' text format, as it was at one moment.
#[derive(Debug)]
pub struct Figures(String);

impl Figures {
    /// A page from its text.
    #[must_use]
    pub fn read(text: String) -> Self {
        Self(text)
    }

    /// A sample by its whole name, such as `lp_reporting_cache_hits_total{route="summary"}`; what was never told is 0.
    #[must_use]
    pub fn of(&self, sample: &str) -> f64 {
        self.find(sample).unwrap_or(0.0)
    }

    /// As [`Figures::of`]; none of what was never told, or not of late.
    #[must_use]
    pub fn find(&self, sample: &str) -> Option<f64> {
        let mut samples = self.samples();
        let value = samples.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        let value: f64 = value.parse().expect("a number");
        (!value.is_nan()).then_some(value)
    }

    /// The sets of labels that samples of a family have, by what their names begin with; the quantile is none.
    #[must_use]
    pub fn label_sets(&self, family: &str) -> BTreeSet<Vec<String>> {
        let labels = |line: &str| -> Option<Vec<String>> {
            let rest = line.strip_prefix(family)?;
            let name_goes_on = rest.starts_with(|c: char| c.is_alphabetic());
            let (_, labels) = rest.rsplit_once(' ')?.0.split_once('{').unwrap_or_default();
            let names = labels
                .split(',')
                .filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            (!name_goes_on).then(|| names.filter(|name| name != "quantile").collect())
        };
        self.samples().filter_map(labels).collect()
    }

    fn samples(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| !line.starts_with('#'))
    }
}

/// The family of one of our metrics, by the beginning of its name: `lp_reporting_view_age`.
#[must_use]
pub fn family(metric: &str) -> String {
    let mut family = "lp_reporting".to_owned();
    for c in metric.chars() {
        if c.is_uppercase() {
            family.push('_');
        }
        family.extend(c.to_lowercase());
    }
    family
}
