//! The quick reference leaves nothing out: what it lists is compared with what the code, the contract and the template have.

use std::collections::BTreeSet;
use std::fs;

use local::servers::postgres::Role;
use serde_norway::Value;
use shared::metrics;
use tests::database::project;

use super::page::{pages, targets};

/// Whom functions log in as.
const ROLES: [Role; 5] = [
    Role::Reader,
    Role::Recorder,
    Role::Refresher,
    Role::Grantor,
    Role::Migrator,
];

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_norway::from_str(&read(path)).expect("it is YAML")
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(project().join(folder)).expect("the folder is there");
    let stem = |entry: fs::DirEntry| {
        entry
            .path()
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    entries
        .filter_map(|entry| stem(entry.expect("an entry")))
        .collect()
}

/// What stands between two marks, wherever in the text the first occurs.
fn between(text: &str, start: &str, end: &str) -> Vec<String> {
    let pieces = text.split(start).skip(1);
    pieces
        .filter_map(|piece| Some(piece.split_once(end)?.0.to_owned()))
        .collect()
}

/// The variables that a function reads, from the documentation of the fields that hold them.
fn variables() -> Vec<String> {
    let documented = between(&read("shared/src/config.rs"), "    /// `", "`");
    let is_variable = |word: &String| word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    documented.into_iter().filter(is_variable).collect()
}

/// The routes of the contract and the parameters of their queries.
fn routes_and_parameters() -> Vec<String> {
    let contract = yaml("docs/openapi.yaml");
    let shared = &contract["components"]["parameters"];
    let mut words = Vec::new();
    for (path, item) in contract["paths"].as_mapping().expect("paths") {
        words.push(path.as_str().expect("a path").to_owned());
        for parameter in item["get"]["parameters"].as_sequence().expect("parameters") {
            let name = parameter["$ref"]
                .as_str()
                .and_then(|name| name.rsplit('/').next());
            let parameter = name.map_or(parameter, |name| &shared[name]);
            if parameter["in"].as_str() == Some("query") {
                words.push(parameter["name"].as_str().expect("a name").to_owned());
            }
        }
    }
    words
}

/// The alarms of the template.
fn alarms() -> Vec<String> {
    let template = yaml("infra/template.yaml");
    let resources = template["Resources"]
        .as_mapping()
        .expect("resources")
        .iter();
    let alarms = resources
        .filter(|(_, resource)| resource["Type"].as_str() == Some("AWS::CloudWatch::Alarm"));
    alarms
        .filter_map(|(id, _)| id.as_str().map(str::to_owned))
        .collect()
}

#[test]
fn the_quick_reference_names_everything_that_there_is() {
    let page = pages()
        .into_iter()
        .find(|page| page.path.ends_with("quick-reference.md"));
    let page = page.expect("there is a quick reference");
    let written: BTreeSet<&str> = page.words.iter().map(String::as_str).collect();
    let mut missing = Vec::new();
    for (what, names) in [
        ("functions", names_in("functions")),
        ("variables", variables()),
        ("routes and parameters", routes_and_parameters()),
        (
            "problems",
            between(
                &read("shared/src/http/problem.rs"),
                "\"urn:lp-reporting:problem:",
                "\"",
            ),
        ),
        (
            "reasons",
            between(&read("shared/src/refusal.rs"), "=> \"", "\""),
        ),
        (
            "messages",
            names_in("events/schemas")
                .iter()
                .map(|kind| format!("{kind}/1"))
                .collect(),
        ),
        ("roles", ROLES.map(|role| role.name().to_owned()).to_vec()),
        (
            "targets",
            targets()
                .iter()
                .map(|target| format!("make {target}"))
                .collect(),
        ),
        ("alarms", alarms()),
        (
            "metrics",
            metrics::ALL.map(|metric| metric.name.to_owned()).to_vec(),
        ),
    ] {
        assert!(!names.is_empty(), "no {what} were found");
        let unwritten = names
            .iter()
            .filter(|name| !written.iter().any(|word| word.contains(name.as_str())));
        missing.extend(unwritten.map(|name| format!("{what}: {name}")));
    }
    assert!(
        missing.is_empty(),
        "docs/quick-reference.md lacks:\n{}",
        missing.join("\n")
    );
}
