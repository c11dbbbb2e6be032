//! The user under which Postgres and Redis run, and the directory that user may write to.
//! Postgres refuses to run as root, so under root the servers run as an unprivileged user instead.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::{Uid, User, chown};
use tokio::process::Command;

/// Users that exist on most machines and own nothing that the servers could harm, in the order of preference.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The data directory of the servers and, under root, the user who owns it.
#[derive(Debug, Clone)]
pub struct Home {
    /// An absolute directory that the servers' user may enter and write.
    pub path: PathBuf,
    user: Option<User>,
}

impl Home {
    /// The home of the servers of a state directory, created if absent: `servers/` in it, or, when their user cannot
    /// enter that directory (a project under `/root`, say), a private one under the system's temporary directory.
    pub fn open(directory: &Path) -> Result<Self> {
        let user = servers_user()?;
        let path = match &user {
            Some(user) if !may_enter(user, directory) => temporary_home(directory),
            _ => directory.join("servers"),
        };
        let home = Self { path, user };
        home.create_folder(&home.path)?;
        Ok(home)
    }

    /// Whether the servers' data could not live in the state directory itself.
    pub fn is_elsewhere(&self, directory: &Path) -> bool {
        !self.path.starts_with(directory)
    }

    /// Creates a folder that only the servers' user may enter; an existing one must be theirs already.
    pub fn create_folder(&self, path: &Path) -> Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.give(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                self.check_owner(path)
            }
            Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
        }
    }

    /// Writes a file that only the servers' user may read.
    pub fn write_private(&self, path: &Path, content: &str) -> Result<()> {
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(content.as_bytes())?;
        self.give(path)
    }

    /// Removes the home with all data in it.
    pub fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot remove {}", self.path.display()))
    }

    /// A command that runs as the servers' user, in their home.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path);
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    fn give(&self, path: &Path) -> Result<()> {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give {} to {}", path.display(), user.name))?;
        }
        Ok(())
    }

    /// The name under the temporary directory is predictable: a folder that somebody else put there is refused.
    fn check_owner(&self, path: &Path) -> Result<()> {
        let found = fs::symlink_metadata(path)?;
        let expected = self
            .user
            .as_ref()
            .map_or_else(Uid::effective, |user| user.uid);
        ensure!(
            found.is_dir() && found.uid() == expected.as_raw(),
            "{} exists and belongs to somebody else",
            path.display()
        );
        Ok(())
    }
}

fn servers_user() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in UNPRIVILEGED {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    anyhow::bail!(
        "Postgres does not run as root, and there is no user named {}",
        UNPRIVILEGED.join(" or ")
    )
}

fn may_enter(user: &User, directory: &Path) -> bool {
    use std::os::unix::process::CommandExt;
    let mut test = std::process::Command::new("test");
    test.arg("-x")
        .arg(directory)
        .current_dir("/")
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw());
    test.status().is_ok_and(|status| status.success())
}

fn temporary_home(directory: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    directory.hash(&mut hasher);
    std::env::temp_dir().join(format!("lp-reporting-servers-{:016x}", hasher.finish()))
}
