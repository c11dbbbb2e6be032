//! One name everywhere: a function's folder, package, template block, event and, for those that answer HTTP, route. What is
//! missing is named, so that a new function needs no memory.

use std::collections::BTreeSet;
use std::path::Path;

use serde_norway::Value;
use tests::database::project;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Value {
    serde_norway::from_str(&read(&project().join(path))).expect("it is YAML")
}

fn functions() -> BTreeSet<String> {
    let entries = std::fs::read_dir(project().join("functions")).expect("functions/ is there");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// (function, method, path) of each route in the template, and every function it names.
fn template() -> (BTreeSet<(String, String)>, BTreeSet<String>) {
    let template = yaml("infra/template.yaml");
    let mut routes = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (_, resource) in template["Resources"].as_mapping().expect("resources") {
        if resource["Type"].as_str() != Some("AWS::Serverless::Function") {
            continue;
        }
        let folder = resource["Properties"]["CodeUri"]
            .as_str()
            .expect("a CodeUri");
        let name = folder.rsplit('/').next().expect("a folder").to_owned();
        if let Some(events) = resource["Properties"]["Events"].as_mapping() {
            for (_, event) in events {
                if event["Type"].as_str() == Some("HttpApi") {
                    let path = event["Properties"]["Path"].as_str().expect("a path");
                    let method = event["Properties"]["Method"].as_str().expect("a method");
                    routes.insert((method.to_lowercase(), path.to_owned()));
                }
            }
        }
        names.insert(name);
    }
    (routes, names)
}

#[test]
fn every_function_has_its_block_event_and_line_in_the_readme() {
    let (_, blocks) = template();
    let readme = read(&project().join("README.md"));
    let mut missing = Vec::new();
    for name in functions() {
        let folder = project().join("functions").join(&name);
        let manifest = read(&folder.join("Cargo.toml"));
        let mut need = |there: bool, what: String| {
            if !there {
                missing.push(what);
            }
        };
        need(
            manifest.contains(&format!("name = \"{name}\"")),
            format!("functions/{name}/Cargo.toml: the package is not called {name}"),
        );
        need(
            blocks.contains(&name),
            format!("infra/template.yaml: no block whose CodeUri is ../functions/{name}"),
        );
        need(
            project().join(format!("events/{name}.json")).exists(),
            format!("events/{name}.json"),
        );
        need(
            folder.join("src/lib.rs").exists(),
            format!("functions/{name}/src/lib.rs"),
        );
        need(
            readme.contains(&format!("`{name}`")),
            format!("README.md: no line for {name}"),
        );
    }
    let folders = functions();
    missing.extend(
        blocks
            .difference(&folders)
            .map(|name| format!("functions/{name}: the template names it")),
    );
    assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
}

#[test]
fn the_contract_the_template_and_the_gateway_have_the_same_routes() {
    let openapi = yaml("docs/openapi.yaml");
    let mut contract = BTreeSet::new();
    for (path, item) in openapi["paths"].as_mapping().expect("paths") {
        for (method, _) in item.as_mapping().expect("operations") {
            let method = method.as_str().expect("a method");
            if method != "parameters" {
                contract.insert((method.to_owned(), path.as_str().expect("a path").to_owned()));
            }
        }
    }
    assert_eq!(template().0, contract);
    let file = project().join("infra/template.yaml");
    let template =
        local::template::Template::read(&file).expect("the local stack reads the template");
    let gateway: BTreeSet<(String, String)> = template
        .routes()
        .iter()
        .map(|(route, _)| (route.method.to_lowercase(), route.path.clone()))
        .collect();
    assert_eq!(gateway, contract);
}

/// The crates that a manifest names, but for the workspace's own.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut is_dependency = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            is_dependency = section.ends_with("dependencies]");
        } else if is_dependency && !line.starts_with('#') && !line.contains("path = ") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            names.extend((!name.is_empty() && name != "shared").then(|| name.to_owned()));
        }
    }
    names
}

#[test]
fn every_dependency_has_its_reason_and_every_reason_its_dependency() {
    let folders = functions()
        .into_iter()
        .map(|name| format!("functions/{name}"));
    let folders =
        folders.chain(["shared", "ops", "local", "bench", "tests", "."].map(str::to_owned));
    let named: BTreeSet<String> = folders
        .flat_map(|folder| dependencies(&read(&project().join(folder).join("Cargo.toml"))))
        .collect();
    let list = read(&project().join("docs/dependencies.md"));
    let rows = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let explained: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(named, explained);
}

/// The floors of the common crate, from the ground up: a module uses only what stands on a lower one.
const FLOORS: [&[&str]; 11] = [
    &["iam"],
    &[
        "calendar",
        "config",
        "finance",
        "ids",
        "metrics",
        "refusal",
        "telemetry",
        "trace",
    ],
    &["grant"],
    &["error"],
    &["db", "http", "cache", "queue"],
    &["access_log", "access"],
    &["app"],
    &["ledger", "answer"],
    &["reports", "refresh", "entitlements"],
    &["batch", "operations"],
    &["lib"],
];

fn floor_of(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| panic!("{module} stands on no floor"))
}

#[test]
fn the_common_crate_runs_one_way() {
    let source = project().join("shared/src");
    for file in rust_files(&source) {
        let inside = file.strip_prefix(&source).expect("a file of the crate");
        let first = inside.iter().next().expect("a module").to_string_lossy();
        let module = first.trim_end_matches(".rs");
        for used in read(&file).split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            assert!(
                used == module || floor_of(&used) < floor_of(module),
                "{} uses {used}, which does not stand below {module}",
                file.display()
            );
        }
    }
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
