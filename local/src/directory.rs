//! The state directory of a stack: which files stand where, and the claim by which only one stack runs in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Identity, ProcessDirectory};

/// How long a stack may take to stop everything it started.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A state directory.
#[derive(Debug, Clone)]
pub struct StateDirectory(PathBuf);

impl StateDirectory {
    /// Opens (and creates) the directory.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path.canonicalize()?))
    }

    /// The directory itself, absolute.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The addresses and tokens of the running stack, in shell syntax. It is there while the stack serves.
    pub fn environment_file(&self) -> PathBuf {
        self.0.join("env")
    }

    /// The key that signs the stack's tokens.
    pub fn signing_key(&self) -> PathBuf {
        self.0.join("signing-key.pem")
    }

    /// Which LPs and funds of the loaded sample to point at. It is there when the data are wholly loaded.
    pub fn sample_file(&self) -> PathBuf {
        self.0.join("sample.json")
    }

    /// Under which ids the sample messages were sent.
    pub fn sent_events_file(&self) -> PathBuf {
        self.0.join("sent-events.json")
    }

    fn claim_file(&self) -> PathBuf {
        self.0.join("stack.pid")
    }

    fn holder(&self) -> Option<Identity> {
        Identity::read(&self.claim_file()).filter(Identity::is_alive)
    }

    /// Claims the directory for this process, after ending what a crashed stack left running in it.
    pub async fn claim(&self) -> Result<ProcessDirectory> {
        if let Some(holder) = self.holder() {
            bail!(
                "a stack already runs in {} (pid {}); `make stop` ends it",
                self.0.display(),
                holder.pid()
            );
        }
        let own = Identity::of(i32::try_from(std::process::id())?)
            .context("this process cannot be identified")?;
        own.write(&self.claim_file())?;
        let processes = ProcessDirectory::open(&self.0)?;
        let ended = processes.end_leftovers().await?;
        if ended > 0 {
            eprintln!("Ended {ended} processes that an earlier stack had left behind.");
        }
        self.forget_addresses()?;
        Ok(processes)
    }

    /// Gives the directory up; what is to be kept stays in it.
    pub fn release(&self) -> Result<()> {
        self.forget_addresses()?;
        Ok(fs::remove_file(self.claim_file())?)
    }

    /// Ends the stack that runs here, or what a crashed one left. Returns whether there was anything to end.
    pub async fn stop(&self) -> Result<bool> {
        let holder = self.holder();
        if let Some(holder) = &holder {
            holder.end(STOP_LIMIT).await?;
        }
        let leftovers = ProcessDirectory::open(&self.0)?.end_leftovers().await?;
        self.forget_addresses()?;
        Ok(holder.is_some() || leftovers > 0)
    }

    fn forget_addresses(&self) -> Result<()> {
        match fs::remove_file(self.environment_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
