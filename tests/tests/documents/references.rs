//! Links, and the files that are named in passing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::page::{files, pages};

/// What is named like a file but is one that a reader makes: the endpoint that docs/adding-a-function.md adds, and the
/// certificates that docs/deploying.md fetches.
const MADE_BY_READERS: [&str; 3] = ["fund-fees", "fund_fees", "rds-authorities"];
/// What a word ends in that names a file.
const ENDINGS: [&str; 9] = [
    ".rs", ".sql", ".lua", ".yaml", ".json", ".toml", ".md", ".sh", ".py",
];

/// Takes `.` and `..` out of a path without asking the disk.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(plain.pop(), "{} leaves the project", path.display());
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let (pages, files) = (pages(), files());
    let anchors: BTreeMap<&Path, &BTreeSet<String>> = pages
        .iter()
        .map(|page| (page.path.as_path(), &page.anchors))
        .collect();
    let mut broken = Vec::new();
    for page in &pages {
        let folder = page.path.parent().expect("a folder");
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.path.clone()
            } else {
                plain(&folder.join(file))
            };
            let is_there = files.iter().any(|path| path.starts_with(&target));
            let has_heading = heading.is_empty()
                || anchors
                    .get(target.as_path())
                    .is_some_and(|anchors| anchors.contains(heading));
            if !is_there || !has_heading {
                broken.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "these lead nowhere:\n{}",
        broken.join("\n")
    );
}

/// Whether a file or folder matches a name with `*` in it; `<…>` stands for any one name.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.starts_with('<') {
        return true;
    }
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

/// Whether the parts of a path begin with, or end in, what the pattern names.
fn has(path: &Path, pattern: &[&str], from_root: bool) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let is_match = |parts: &[&str]| {
        parts
            .iter()
            .zip(pattern)
            .all(|(name, pattern)| matches(pattern, name))
    };
    if from_root {
        parts.len() >= pattern.len() && is_match(&parts)
    } else {
        parts.windows(pattern.len()).any(is_match)
    }
}

/// What a word in backticks says of the project's files: nothing, or that there is such a one.
fn named(word: &str, roots: &BTreeSet<String>) -> Option<bool> {
    let is_path = !word.contains(|c: char| c.is_whitespace() || "$(){}'\"=:|,;…".contains(c))
        && !word.starts_with(['/', '.', '-']);
    let first = word.split('/').next().unwrap_or_default();
    if !is_path || first == "target" || MADE_BY_READERS.iter().any(|made| word.contains(made)) {
        return None;
    }
    let from_root = word.contains('/') && roots.contains(first);
    let is_file = ENDINGS
        .iter()
        .any(|ending| word.ends_with(ending) && word.len() > ending.len());
    (from_root || is_file || (word.ends_with('/') && word.matches('/').count() == 1))
        .then_some(from_root)
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let (pages, files) = (pages(), files());
    let folders = files.iter().filter(|path| path.components().count() > 1);
    let first = |path: &PathBuf| Some(path.iter().next()?.to_str()?.to_owned());
    let roots: BTreeSet<String> = folders.filter_map(first).collect();
    let mut missing = Vec::new();
    let mut found = 0;
    for page in &pages {
        for word in &page.words {
            let Some(from_root) = named(word, &roots) else {
                continue;
            };
            let pattern: Vec<&str> = word.split('/').filter(|part| !part.is_empty()).collect();
            if files.iter().any(|path| has(path, &pattern, from_root)) {
                found += 1;
            } else {
                missing.push(format!("{}: {word}", page.path.display()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "these are not there:\n{}",
        missing.join("\n")
    );
    assert!(found > 100, "only {found} names were understood");
}
