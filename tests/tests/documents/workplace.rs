//! Where the documents' commands are run: a folder that looks like the project's root while its stack runs, with the files of
//! the project and, under `target/`, what a test's own stack has told and the programs that were built.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tests::database::project;
use tests::stack::{Stack, binary};
use tests::teardown::unique_name;
use tokio::process::Command;
use tokio::time::timeout;

/// What no command of a document takes by far.
const LIMIT: Duration = Duration::from_secs(120);
/// Where `make run` has the programs.
const PROGRAMS: &str = "target/quick";
/// An answer that refuses ends a block, and so does a statement that fails, which curl and psql let pass by themselves.
const STRICT_CURL: &str = "fail-with-body\nmax-time = 60\n";
const STRICT_PSQL: &str = "\\set ON_ERROR_STOP on\n";

pub struct Workplace(PathBuf);

/// What a block said and how it ended.
pub struct Outcome {
    pub succeeded: bool,
    /// Both streams.
    pub said: String,
}

impl Workplace {
    pub fn beside(stack: &Stack) -> Self {
        let folder = std::env::temp_dir().join(unique_name("lp-reporting-documents"));
        fs::create_dir_all(folder.join(PROGRAMS)).expect("a folder is made");
        fs::create_dir(folder.join("curl")).expect("a folder is made");
        fs::write(folder.join("curl/.curlrc"), STRICT_CURL).expect("a file is written");
        fs::write(folder.join(".psqlrc"), STRICT_PSQL).expect("a file is written");
        for entry in fs::read_dir(project()).expect("the project is there") {
            let entry = entry.expect("an entry");
            if entry.file_name() != "target" && entry.file_name() != ".git" {
                symlink(entry.path(), folder.join(entry.file_name())).expect("a link is made");
            }
        }
        symlink(stack.folder(), folder.join("target/local")).expect("a link is made");
        let programs = folder.join(PROGRAMS);
        lend_local(&programs.join("local"), stack.folder());
        symlink(binary("lp-ops"), programs.join("lp-ops")).expect("a link is made");
        Self(folder)
    }

    /// Runs a block as a shell of a person would, but for the first failure, which ends it. Nothing of the test's own environment
    /// is there to make up for what a block forgets to say. Whether an answer that refuses is a failure is the caller's to say.
    pub async fn run(&self, commands: &str, refusal_is_failure: bool) -> Outcome {
        let mut command = Command::new("bash");
        command
            .args(["-eo", "pipefail", "-c", commands])
            .current_dir(&self.0);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.0.join(PROGRAMS).display());
        command.env_clear().env("PATH", path).env("HOME", &self.0);
        if refusal_is_failure {
            command.env("CURL_HOME", self.0.join("curl"));
        }
        let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let Ok(output) = timeout(LIMIT, running).await else {
            let said = format!("it went on for {LIMIT:?}");
            return Outcome {
                succeeded: false,
                said,
            };
        };
        let output = output.expect("a shell starts");
        let said = [output.stdout, output.stderr]
            .map(|stream| String::from_utf8_lossy(&stream).into_owned());
        Outcome {
            succeeded: output.status.success(),
            said: said.join(""),
        }
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Puts the program `local` where the documents have it, told which stack is meant.
fn lend_local(place: &Path, stack: &Path) {
    let (program, stack) = (binary("local"), stack.display());
    let script = format!(
        "#!/bin/sh\nexec '{}' \"$@\" --dir '{stack}'\n",
        program.display()
    );
    fs::write(place, script).expect("a script is written");
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).expect("it may be run");
}
