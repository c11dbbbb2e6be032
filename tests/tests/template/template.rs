//! The template as a deployment has it: translated by AWS's own translator.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tests::database::project;

/// The sizes that a deployment can have.
pub const SIZES: [&str; 3] = ["trial", "small", "large"];

/// A template to look at.
#[derive(Serialize)]
pub struct Case {
    /// As it is written.
    pub text: String,
    /// Whether to lint it, which takes longer than all else.
    pub lint: bool,
}

/// What came of it.
#[derive(Debug, Deserialize)]
pub struct Template {
    /// Translated; null, if that failed.
    template: Value,
    /// What lint says, and why it could not be translated.
    pub findings: Vec<String>,
}

/// The template as it is written.
pub fn text() -> String {
    let file = project().join("infra/template.yaml");
    std::fs::read_to_string(file).expect("the template is there")
}

/// Translates templates, all in one process.
pub fn translate(cases: &[Case]) -> Vec<Template> {
    let python = project().join("target/venv/bin/python");
    let mut child = Command::new(&python)
        .arg(project().join("tests/template/translate.py"))
        // It asks for nothing; if it did, it would get no answer.
        .envs([
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; `make setup` installs it", python.display()));
    let mut input = child.stdin.take().expect("its input");
    let written = input.write_all(&serde_json::to_vec(cases).expect("JSON"));
    written.expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "translate.py failed");
    serde_json::from_slice(&output.stdout).expect("it answers JSON")
}

impl Template {
    /// Every resource of a type, by its id.
    pub fn resources(&self, kind: &str) -> Vec<(&str, &Value)> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        let of_kind = resources.filter(|(_, resource)| resource["Type"] == kind);
        of_kind
            .map(|(id, resource)| (id.as_str(), resource))
            .collect()
    }

    /// As [`Template::resources`], their properties only.
    pub fn properties(&self, kind: &str) -> Vec<(&str, &Value)> {
        let resources = self.resources(kind).into_iter();
        resources
            .map(|(id, resource)| (id, &resource["Properties"]))
            .collect()
    }

    /// The properties of a resource; null, where there is none.
    pub fn resource(&self, id: &str) -> &Value {
        &self.template["Resources"][id]["Properties"]
    }

    /// The functions as resources, by their names.
    pub fn functions(&self) -> Vec<(&str, &Value)> {
        let functions = self.resources("AWS::Lambda::Function").into_iter();
        functions
            .map(|(_, function)| {
                let code = &function["Properties"]["Code"]["S3Key"];
                (code.as_str().unwrap_or_default(), function)
            })
            .collect()
    }

    /// A function's id by its name, and the properties.
    pub fn function(&self, name: &str) -> Option<(&str, &Value)> {
        let functions = self.properties("AWS::Lambda::Function").into_iter();
        functions
            .into_iter()
            .find(|(_, function)| function["Code"]["S3Key"] == name)
    }

    /// A value in a size: what the map has, if it is looked up there. Numbers are text in the map.
    pub fn in_size(&self, value: &Value, size: &str) -> Option<f64> {
        let value = match &value["Fn::FindInMap"] {
            Value::Array(path) => {
                &self.template["Mappings"]["Sizes"][size][path.last()?.as_str()?]
            }
            _ => value,
        };
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    }
}

/// The id of the resource that an attribute or a reference is of.
pub fn target(value: &Value) -> Option<&str> {
    let attribute = value["Fn::GetAtt"][0].as_str();
    attribute.or_else(|| value["Ref"].as_str())
}

/// What is in one set and not in the other, as sentences.
pub fn differences(found: &BTreeSet<String>, expected: &BTreeSet<String>) -> Vec<String> {
    let more = found
        .difference(expected)
        .map(|name| format!("too much: {name}"));
    let less = expected
        .difference(found)
        .map(|name| format!("missing: {name}"));
    more.chain(less).collect()
}

/// A list's members; of anything else, itself alone, as IAM reads it.
pub fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        single => vec![single],
    }
}
