//! The stack's database: created, migrated by the function that does so in the cloud, filled with the sample, and
//! brought up to date by the function that rebuilds everything derived.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::body::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, NoTls};

use super::rebuild::rebuild;
use super::{Options, Variable};
use crate::directory::StateDirectory;
use crate::host::{Host, Invoke};
use crate::sample::{self, Loaded};
use crate::servers::Home;
use crate::servers::postgres::{Postgres, Role, SET_UP_DATABASE};

const DATABASE: &str = "lp_reporting";

/// Where the database is.
#[derive(Clone)]
pub struct Database {
    /// A libpq URL of it but for the scheme and the role.
    address: String,
}

impl Database {
    /// Creates the database unless it is there, and what an administrator puts into it.
    pub async fn create(postgres: &Postgres) -> Result<Self> {
        let client = connect(&postgres.url(Role::Administrator, "postgres")).await?;
        let found = client
            .query_opt("select from pg_database where datname = $1", &[&DATABASE])
            .await?;
        if found.is_none() {
            let owner = Role::Migrator.name();
            client
                .batch_execute(&format!("create database {DATABASE} owner {owner}"))
                .await?;
        }
        let client = connect(&postgres.url(Role::Administrator, DATABASE)).await?;
        client.batch_execute(SET_UP_DATABASE).await?;
        Self::existing(&postgres.url(Role::Migrator, DATABASE))
    }

    /// A database that is there already, by the URL of any of its roles.
    pub(super) fn existing(url: &str) -> Result<Self> {
        let (_, address) = url
            .split_once('@')
            .context("a database's URL has to name a role")?;
        Ok(Self {
            address: address.to_owned(),
        })
    }

    /// The libpq URL of a role.
    #[must_use]
    pub fn url(&self, role: Role) -> String {
        format!("postgres://{}@{}", role.name(), self.address)
    }

    /// What the environment file says of the database: for people, who may do everything there, and for each role of a function.
    pub(super) fn environment(&self) -> Vec<Variable> {
        [
            ("DATABASE_URL", Role::Migrator),
            ("RECORDER_DATABASE_URL", Role::Recorder),
            ("REFRESHER_DATABASE_URL", Role::Refresher),
            ("READER_DATABASE_URL", Role::Reader),
            ("GRANTOR_DATABASE_URL", Role::Grantor),
        ]
        .map(|(name, role)| (name, self.url(role)))
        .into()
    }
}

/// Which rows of the sample to point a newcomer, or a test, at.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pointers {
    pub(super) lp_id: i64,
    pub(super) fund_id: i64,
    pub(super) commitment_id: i64,
    pub(super) other_lp_id: i64,
}

/// The servers' home: emptied first, unless data that were wholly loaded are to be kept.
pub fn open_home(directory: &StateDirectory, keep: bool) -> Result<Home> {
    let home = Home::open(directory.path())?;
    if keep && directory.sample_file().exists() {
        return Ok(home);
    }
    if directory.sample_file().exists() {
        fs::remove_file(directory.sample_file())?;
    }
    home.remove()?;
    Home::open(directory.path())
}

/// Migrates; loads the sample and rebuilds what derives from it, unless it was kept.
pub(super) async fn fill(
    database: &Database,
    host: &Host,
    directory: &StateDirectory,
    options: &Options,
    step: &impl Fn(&str),
) -> Result<Pointers> {
    migrate(host, step).await?;
    let file = directory.sample_file();
    if file.exists() {
        step("The data of the last run are kept");
        return Ok(serde_json::from_slice(&fs::read(file)?)?);
    }
    let pointers = fill_fresh(database, host, options, step).await?;
    fs::write(file, serde_json::to_vec(&pointers)?)?;
    Ok(pointers)
}

/// Loads the sample into a migrated, empty database and rebuilds what derives from it.
pub(super) async fn fill_fresh(
    database: &Database,
    host: &Host,
    options: &Options,
    step: &impl Fn(&str),
) -> Result<Pointers> {
    let started = Instant::now();
    let loaded = load_sample(database, options).await?;
    step(&loading_line(loaded.rows, started.elapsed()));
    let progress = progress(options, "derived")?;
    rebuild(host, loaded.last_lp_id, &progress).await?;
    step("Everything derived is computed");
    Ok(Pointers {
        lp_id: loaded.lp_id,
        fund_id: loaded.fund_id,
        commitment_id: loaded.commitment_id,
        other_lp_id: loaded.other_lp_id,
    })
}

fn loading_line(rows: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rows_per_second = rows as f64 / seconds;
    format!("The sample is loaded: {rows} rows in {seconds:.1} s, {rows_per_second:.0} a second")
}

/// Brings the schema up to date.
pub(super) async fn migrate(host: &Host, step: &impl Fn(&str)) -> Result<()> {
    let answer = host
        .invoke("migrate", Bytes::from_static(b"{}"))
        .await
        .context("cannot migrate")?;
    step(&format!("Migrated: {}", String::from_utf8_lossy(&answer)));
    Ok(())
}

async fn load_sample(database: &Database, options: &Options) -> Result<Loaded> {
    // Below row-level security only a superuser can copy, which is how so many rows come in.
    let url = database.url(Role::Administrator);
    let mut clients = [connect(&url).await?, connect(&url).await?];
    let progress = progress(options, "sample")?;
    let loaded = sample::load(&mut clients, options.size, &progress)
        .await
        .context("cannot load the sample")?;
    progress.finish_and_clear();
    Ok(loaded)
}

fn progress(options: &Options, what: &str) -> Result<ProgressBar> {
    let progress = if options.quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let template = format!("          {what} {{bar:40}} {{percent:>3}} %");
    progress.set_style(ProgressStyle::with_template(&template)?);
    Ok(progress)
}

/// Connects to Postgres.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("cannot connect to Postgres")?;
    // The connection ends with its client; what went wrong with it, the client's own calls report.
    tokio::spawn(connection);
    Ok(client)
}
