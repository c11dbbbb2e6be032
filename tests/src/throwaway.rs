//! Servers of a test's own, which it may take away.

use std::path::{Path, PathBuf};

use local::process::ProcessDirectory;
use local::servers::Home;

use crate::teardown::{finish, unique_name};

/// A folder for such servers. Dropping the value ends them and removes what they have written.
#[derive(Debug)]
pub struct Throwaway {
    /// Where their data lie.
    pub home: Home,
    /// Where they leave their process ids and logs.
    pub processes: ProcessDirectory,
    folder: PathBuf,
}

impl Throwaway {
    /// A new, empty folder.
    #[must_use]
    pub fn create() -> Self {
        let folder = std::env::temp_dir().join(unique_name("lp-reporting-throwaway"));
        std::fs::create_dir(&folder).expect("a folder is created");
        Self {
            home: Home::open(&folder).expect("a home"),
            processes: ProcessDirectory::open(&folder).expect("a folder for processes"),
            folder,
        }
    }

    /// The folder itself, for files that go with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let (home, processes, folder) = (
            self.home.clone(),
            self.processes.clone(),
            self.folder.clone(),
        );
        finish("a throwaway server", async move {
            processes.end_leftovers().await?;
            home.remove()?;
            Ok(std::fs::remove_dir_all(folder)?)
        });
    }
}
