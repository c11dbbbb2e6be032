//! What ships: a function out of its package serves as the one that was built for tests does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::StatusCode;
use tests::stack::{Stack, binary};
use tests::teardown::unique_name;

/// The function that is served out of its package.
const PACKAGED: &str = "summary";

/// The folder of a stack's functions, one of them out of its package; removed in the end.
struct Functions(PathBuf);

impl Functions {
    fn with_package(zip: &Path) -> Self {
        let functions = Self(std::env::temp_dir().join(unique_name("lp-reporting-package")));
        fs::create_dir(&functions.0).expect("a folder is created");
        let sources = local::project_directory().join("functions");
        for entry in fs::read_dir(sources).expect("the functions") {
            let name = entry.expect("a function").file_name();
            let name = name.to_str().expect("a function's name is text");
            if name != PACKAGED {
                symlink(binary(name), functions.0.join(name)).expect("a link");
            }
        }
        let unpacked = Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .args([zip, &functions.0])
            .status();
        assert!(unpacked.expect("python3 starts").success(), "{zip:?}");
        let packaged = functions.0.join(PACKAGED);
        fs::rename(functions.0.join("bootstrap"), &packaged).expect("a bootstrap in the package");
        // Lambda keeps the mode of the file in the package, which the unpacker here does not.
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(packaged, executable).expect("a mode is set");
        functions
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
#[ignore = "the package takes minutes to build: make test-package"]
async fn a_function_out_of_its_package_answers() {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let zip = format!("target/lambda/{architecture}/{PACKAGED}/bootstrap.zip");
    let functions = Functions::with_package(&local::project_directory().join(zip));
    let folder = functions.0.to_str().expect("a path is text");
    let stack = Stack::start_with(&["--bin-dir", folder]).await;
    let path = format!("/api/lp/{}/summary", stack.id("LP_ID"));
    for origin in ["miss", "hit"] {
        let answer = stack.get(&path, stack.setting("TOKEN")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.headers["x-cache"], origin);
        assert_eq!(answer.body["lpId"], stack.id("LP_ID"));
    }
}

/// Says why a deployment cannot begin, with so much of the environment.
fn refusal(variables: &[(&str, &str)]) -> String {
    let output = Command::new("/bin/bash")
        .arg(local::project_directory().join("infra/deploy.sh"))
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("bash starts");
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).expect("it says it in words")
}

#[test]
fn a_deployment_stops_before_anything_is_built_and_says_what_is_missing() {
    let tools = std::env::temp_dir().join(unique_name("lp-reporting-tools"));
    fs::create_dir(&tools).expect("a folder is created");
    for tool in ["sam", "curl"] {
        // Found, and never run.
        symlink("/bin/false", tools.join(tool)).expect("a link");
    }
    let [nothing, tools_only] = [
        "/bin:/usr/bin".to_owned(),
        format!("{}:/bin:/usr/bin", tools.display()),
    ];
    let home = ("HOME", "/nonexistent");
    let without_tools = refusal(&[("PATH", &nothing), home]);
    let without_region = refusal(&[("PATH", &tools_only), home]);
    let without_credentials = refusal(&[("PATH", &tools_only), home, ("AWS_REGION", "eu-west-1")]);
    fs::remove_dir_all(&tools).expect("the folder is removed");
    assert!(without_tools.contains("sam"), "{without_tools}");
    assert!(without_region.contains("AWS_REGION"), "{without_region}");
    assert!(
        without_credentials.contains("AWS_PROFILE"),
        "{without_credentials}"
    );
}
