//! Child processes that end when the stack ends: each leads its own process group, logs to a file and leaves a pid
//! file, so that a later `local stop` can find it after a crash and can tell it from a stranger with a recycled pid.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long a process may take to end once asked, before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How often the end of a process that is not our child is looked for.
const POLL: Duration = Duration::from_millis(20);

/// A pid together with when it started: the pair is never reused, a pid alone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pid: i32,
    started: String,
}

impl Identity {
    /// The identity of a running process; none when there is no such process or it has already ended.
    pub fn of(pid: i32) -> Option<Self> {
        let started = if Path::new("/proc/self/stat").exists() {
            started_from_proc(pid)
        } else {
            started_from_ps(pid)
        }?;
        Some(Self { pid, started })
    }

    /// Reads an identity that [`Identity::write`] left.
    pub fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, started) = text.trim_end().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            started: started.to_owned(),
        })
    }

    /// Leaves the identity in a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, format!("{} {}\n", self.pid, self.started))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether this very process still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Asks the process to end and waits; kills it and its group when it has not ended in time.
    pub async fn end(&self, grace: Duration) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        // Any other error means that the process ended by itself in between.
        if let Err(Errno::EPERM) = kill(Pid::from_raw(self.pid), Signal::SIGTERM) {
            bail!("the process {} belongs to another user", self.pid);
        }
        let gone = async {
            while self.is_alive() {
                sleep(POLL).await;
            }
        };
        if timeout(grace, gone).await.is_err() {
            let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL)
                .or_else(|_| kill(Pid::from_raw(self.pid), Signal::SIGKILL));
        }
        Ok(())
    }
}

/// Linux: the start time is field 22 of `/proc/<pid>/stat`, counted after the command name, which may hold anything.
fn started_from_proc(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ended = matches!(fields.first(), Some(&"Z" | &"X"));
    fields
        .get(19)
        .filter(|_| !ended)
        .map(|started| (*started).to_owned())
}

/// The processes that a process has started. Those of Postgres, one a connection, are in groups of their own.
fn children_of(pid: i32) -> Vec<i32> {
    let parents = if Path::new("/proc/self/stat").exists() {
        parents_from_proc()
    } else {
        parents_from_ps()
    };
    let children = parents.lines().filter_map(|line| {
        let (child, parent) = line.trim().split_once(char::is_whitespace)?;
        let is_its = parent.trim().parse() == Ok(pid);
        is_its.then(|| child.parse().ok())?
    });
    children.collect()
}

/// A line with the ids of each process and of its parent.
fn parents_from_proc() -> String {
    let mut parents = String::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the command's name stand the state and the parent.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if let Some(parent) = parent {
            parents += &format!("{name} {parent}\n");
        }
    }
    parents
}

fn parents_from_ps() -> String {
    let listed = std::process::Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed).into_owned()
}

/// Elsewhere (macOS) `ps` knows.
fn started_from_ps(pid: i32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let started = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !started.is_empty()).then_some(started)
}

/// Where the processes of one stack leave their pids and logs.
#[derive(Debug, Clone)]
pub struct ProcessDirectory {
    pids: PathBuf,
    logs: PathBuf,
}

impl ProcessDirectory {
    /// Opens (and creates) the two folders under a state directory.
    pub fn open(directory: &Path) -> Result<Self> {
        let opened = Self {
            pids: directory.join("pids"),
            logs: directory.join("logs"),
        };
        for folder in [&opened.pids, &opened.logs] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(opened)
    }

    /// Where all logs are.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The log file of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Starts a process that this stack owns. Output is appended to its log, so that a respawned one keeps its history.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<OwnedProcess> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))
            .with_context(|| format!("cannot open the log of {name}"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {name} ({})",
                    command.as_std().get_program().display()
                )
            })?;
        let pid_file = self.pids.join(name);
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        // A child that has already ended has no identity to keep, and whoever waits for it will say so.
        if let Some(identity) = pid.and_then(Identity::of) {
            identity.write(&pid_file)?;
        }
        Ok(OwnedProcess {
            name: name.to_owned(),
            child,
            pid,
            pid_file,
            log: self.log(name),
        })
    }

    /// Ends what an earlier, crashed stack left running here. Returns how many processes that were.
    pub async fn end_leftovers(&self) -> Result<usize> {
        let mut ended = 0;
        for entry in fs::read_dir(&self.pids)? {
            let path = entry?.path();
            if let Some(identity) = Identity::read(&path).filter(Identity::is_alive) {
                identity.end(STOP_GRACE).await?;
                ended += 1;
            }
            fs::remove_file(&path)?;
        }
        Ok(ended)
    }
}

/// A running child. Dropping it kills it; [`OwnedProcess::stop`] is the orderly way.
#[derive(Debug)]
pub struct OwnedProcess {
    name: String,
    child: Child,
    pid: Option<i32>,
    pid_file: PathBuf,
    log: PathBuf,
}

impl OwnedProcess {
    /// The process id, while one is known.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Waits for the process to end by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self
            .child
            .wait()
            .await
            .with_context(|| format!("cannot wait for {}", self.name))?;
        let _ = fs::remove_file(&self.pid_file);
        Ok(status)
    }

    /// Fails, with the end of its log, when the process has already ended.
    pub fn expect_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended with {status}:\n{}",
                self.name,
                log_tail(&self.log)
            ),
        }
    }

    /// Kills the process and its group at once.
    pub fn kill(&self) {
        if let Some(pid) = self.pid {
            // An error means that it has ended already.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// Sends a signal to the process, then to the processes that it has started by then.
    pub fn signal_all(&self, signal: Signal) {
        let Some(pid) = self.pid else { return };
        // An error means that it has ended already.
        let _ = kill(Pid::from_raw(pid), signal);
        for child in children_of(pid) {
            let _ = kill(Pid::from_raw(child), signal);
        }
    }

    /// Asks the process to end with its own signal, and kills its group when it has not ended in time.
    pub async fn stop(mut self, signal: Signal) {
        if let (Some(pid), Ok(None)) = (self.pid, self.child.try_wait()) {
            let _ = kill(Pid::from_raw(pid), signal);
            if timeout(STOP_GRACE, self.child.wait()).await.is_err() {
                self.kill();
                let _ = self.child.wait().await;
            }
        }
        let _ = fs::remove_file(&self.pid_file);
    }
}

/// The last lines of a log, for an error message.
pub fn log_tail(path: &Path) -> String {
    const LINES: usize = 15;
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The exit code by which a shell would report a status.
pub fn exit_code(status: ExitStatus) -> i32 {
    const KILLED_BY_SIGNAL: i32 = 128;
    status
        .code()
        .unwrap_or_else(|| KILLED_BY_SIGNAL + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_known_until_it_ends_and_not_after() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        assert!(identity.is_alive());
        child.kill().await.unwrap();
        assert!(!identity.is_alive());
    }

    #[tokio::test]
    async fn a_recycled_pid_is_not_mistaken_for_ours() {
        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let stranger = Identity {
            started: "another time".to_owned(),
            ..own
        };
        assert!(!stranger.is_alive());
        stranger.end(Duration::ZERO).await.unwrap();
    }
}
