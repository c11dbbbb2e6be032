//! What the documents tell people to run, for tests to run.

use crate::database::project;

/// The first fenced block of a kind (`sql`, `sh …`) below a heading of a page, without its indentation.
#[must_use]
pub fn block(page: &str, heading: &str, kind: &str) -> String {
    let path = project().join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut lines = text.lines().skip_while(|line| *line != heading);
    let fence = format!("```{kind}");
    let begin = lines.find(|line| line.trim_start().starts_with(&fence));
    let begin = begin.unwrap_or_else(|| panic!("{page}: no {kind} below {heading}"));
    let indentation = begin.len() - begin.trim_start().len();
    let inside = lines.take_while(|line| line.trim() != "```");
    inside.fold(String::new(), |block, line| {
        block + line.get(indentation..).unwrap_or_default() + "\n"
    })
}
