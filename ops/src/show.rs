//! Answers as people read them: a table of a list, a line a figure.

use serde_json::Value;

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// As it is.
    Text,
    /// A whole number, in groups of three digits.
    Count,
    /// A size.
    Bytes,
    /// With one decimal.
    Decimal,
    /// A time, to the second.
    Moment,
    /// The beginning of a text, so many characters of it.
    Line(usize),
}

/// A column, or a line: its title, the property, and how that is written.
pub type Field = (&'static str, &'static str, Format);

impl Format {
    /// The value as text; a dash for none.
    pub fn write(self, value: &Value) -> String {
        let text = match (self, value) {
            (_, Value::Null) => None,
            (Self::Text, Value::String(text)) => Some(text.clone()),
            (Self::Line(longest), Value::String(text)) => Some(shortened(text, longest)),
            (Self::Moment, Value::String(text)) => Some(
                text.get(..19)
                    .map_or(text.clone(), |to_second| format!("{to_second}Z")),
            ),
            (Self::Count, value) => value.as_i64().map(grouped),
            (Self::Bytes, value) => value.as_i64().map(size),
            (Self::Decimal, value) => value.as_f64().map(|number| format!("{number:.1}")),
            _ => None,
        };
        match text {
            Some(text) => text,
            None if value.is_null() => "-".to_owned(),
            None => value.to_string(),
        }
    }

    const fn is_right_aligned(self) -> bool {
        matches!(self, Self::Count | Self::Bytes | Self::Decimal)
    }
}

/// A table of a list of objects; a sentence when it is empty.
pub fn table(list: &Value, fields: &[Field], when_empty: &str) -> String {
    let rows: Vec<Vec<String>> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let cell = |&(_, name, format): &Field| format.write(&row[name]);
            fields.iter().map(cell).collect()
        })
        .collect();
    if rows.is_empty() {
        return format!("{when_empty}\n");
    }
    let titles: Vec<String> = fields
        .iter()
        .map(|(title, ..)| (*title).to_owned())
        .collect();
    let width = |at: usize| {
        let cells = rows
            .iter()
            .chain([&titles])
            .map(|row| row[at].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..fields.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(fields);
        let cells = cells.map(|((cell, &width), (.., format))| {
            if format.is_right_aligned() {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    [&titles].into_iter().chain(&rows).map(line).collect()
}

/// A line for each of an object's figures.
pub fn lines(object: &Value, fields: &[Field]) -> String {
    let width = fields.iter().map(|(title, ..)| title.chars().count()).max();
    let width = width.unwrap_or_default();
    let line = |&(title, name, format): &Field| {
        format!("{title:<width$}  {}\n", format.write(&object[name]))
    };
    fields.iter().map(line).collect()
}

/// A line with the names of a list; none when it is empty.
pub fn names(title: &str, list: &Value) -> String {
    let names: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| Format::Text.write(name))
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("{title}: {}\n", names.join(", "))
}

/// The beginning of a text, on one line.
pub fn shortened(text: &str, longest: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(longest + 1)
        .collect();
    if line.chars().count() > longest {
        line = line.chars().take(longest.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

fn size(bytes: i64) -> String {
    let mut number = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            let decimals = usize::from(unit != "B");
            return format!("{number:.decimals$} {unit}");
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_numbers_stand_at_the_right() {
        let list = json!([
            {"name": "a_long_index", "bytes": 1_572_864, "bloat": 41.04},
            {"name": "b", "bytes": 8192, "bloat": null},
        ]);
        let fields = [
            ("index", "name", Format::Text),
            ("size", "bytes", Format::Bytes),
            ("bloat %", "bloat", Format::Decimal),
        ];
        let expected = "\
index            size  bloat %\n\
a_long_index  1.5 MiB     41.0\n\
b             8.0 KiB        -\n";
        assert_eq!(table(&list, &fields, "none"), expected);
        assert_eq!(table(&json!([]), &fields, "No index."), "No index.\n");
    }

    #[test]
    fn figures_are_written_for_people() {
        let figures =
            json!({"count": -1_234_567, "at": "2026-11-27T16:00:00.123456Z", "small": 999});
        let fields = [
            ("count", "count", Format::Count),
            ("at", "at", Format::Moment),
            ("small", "small", Format::Count),
        ];
        let expected = "count  -1,234,567\nat     2026-11-27T16:00:00Z\nsmall  999\n";
        assert_eq!(lines(&figures, &fields), expected);
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(3 << 40), "3.0 TiB");
    }

    #[test]
    fn a_long_text_is_cut_and_has_no_control_characters() {
        assert_eq!(shortened("one\ntwo", 10), "one two");
        assert_eq!(shortened("0123456789", 5), "0123…");
    }
}
