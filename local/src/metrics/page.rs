//! Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

/// A page of samples, each family under a line of its own.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &str, kind: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
    }

    /// Adds a sample of the family.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', r"\\")
                .replace('"', r#"\""#)
                .replace('\n', r"\n");
            let separator = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, r#"{separator}{label}="{text}""#);
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// Adds a line for people.
    pub(super) fn comment(&mut self, text: &str) {
        let _ = writeln!(self.0, "# {text}");
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}
