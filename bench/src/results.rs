//! Everything that a run has found, as target/bench/latest.json keeps it.

use anyhow::{Context, Result};
use local::sample::Size;
use local::servers::postgres::memory_kib;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

use crate::answers::Found;
use crate::facts::{Facts, HeapFetches};
use crate::ingest::Ingest;
use crate::mix::Mix;
use crate::nightly::Night;
use crate::refresh::Beside;
use crate::rig::Rig;
use crate::start::Start;
use crate::wall::Wall;

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Where it ran.
    pub machine: Machine,
    /// How much data there was.
    pub size: String,
    /// LPs, commitments, ledger entries and NAVs.
    pub counts: Counts,
    /// The reports.
    pub found: Found,
    /// Row-level security.
    #[serde(default)]
    pub wall: Wall,
    /// Starting.
    pub start: Start,
    /// The hit rate.
    pub mix: Mix,
    /// What is stored.
    pub facts: Facts,
    /// Recording.
    pub ingest: Ingest,
    /// Rows looked up after what was recorded.
    pub heap_fetches_after_ingest: Vec<HeapFetches>,
    /// Readers beside refreshes.
    pub beside: Beside,
    /// The night.
    pub night: Night,
}

/// What the figures were measured on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's own name.
    pub processor: String,
    /// How many of them.
    pub cores: usize,
    /// Its memory.
    pub memory_gib: f64,
    /// The servers, as they name themselves.
    pub postgres: String,
    /// The day.
    pub date: chrono::NaiveDate,
}

/// How much data there is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Counts {
    /// Limited partners.
    pub limited_partners: i64,
    /// Commitments.
    pub commitments: i64,
    /// Ledger entries.
    pub activities: i64,
    /// NAV reports.
    pub navs: i64,
}

impl Results {
    /// Reads a file that [`Results::write`] left.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file)
            .with_context(|| format!("cannot read {}; `make bench` writes it", file.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Writes all figures.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The name of a size.
pub fn size_name(size: Size) -> String {
    format!("{size:?}")
}

/// What the machine says of itself.
pub async fn machine(rig: &Rig) -> Result<Machine> {
    const KIB_PER_GIB: f64 = 1024.0 * 1024.0;
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim());
    let sql = "select current_setting('server_version') || ' with ' || current_setting('shared_buffers') || ' of buffers'";
    let row = rig.administrator.query_one(sql, &[]).await?;
    Ok(Machine {
        processor: processor.to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        memory_gib: memory_kib().unwrap_or_default() as f64 / KIB_PER_GIB,
        postgres: row.get(0),
        date: chrono::Utc::now().date_naive(),
    })
}

/// Counts the rows.
pub async fn counts(rig: &Rig) -> Result<Counts> {
    let row = rig
        .administrator
        .query_one(
            "select (select count(*) from limited_partners), (select count(*) from lp_fund_commitments),
                    (select count(*) from capital_activities), (select count(*) from commitment_navs)",
            &[],
        )
        .await?;
    Ok(Counts {
        limited_partners: row.get(0),
        commitments: row.get(1),
        activities: row.get(2),
        navs: row.get(3),
    })
}
