//! Postgres on loopback: finds the newest installed one, creates its data directory, starts it, and makes the role that owns
//! what the migrations make.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio_postgres::NoTls;

use super::server::Probe;
use super::tls::Certificates;
use super::{Home, Server, ports::free_port, run_tool};
use crate::process::ProcessDirectory;

/// Who logs in as in the cloud. RDS gives a role tokens by this membership, and takes them over TLS alone; here a token is
/// the role's password.
const TOKEN_RULES: &str = "\
    hostssl all +rds_iam 127.0.0.1/32 password\n\
    host all +rds_iam 127.0.0.1/32 reject\n";
/// Materialised views refreshed concurrently and `merge` need 15.
const OLDEST_VERSION: u32 = 15;
/// Where Debian and Homebrew keep one folder a version, which they leave out of the search path.
const VERSIONED_FOLDERS: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

/// What an administrator runs once on a new server. The other roles come with the migrations, hence `createrole`; statistics of
/// everybody's statements and indexes are the owner's to tell of.
const SET_UP: &str = "
    do $$ begin
        create role migrator login createrole;
    exception when duplicate_object then null;
    end $$;
    grant pg_read_all_stats, pg_stat_scan_tables to migrator";
/// And once in each database. A schema of their own keeps what the extensions make from standing among this project's tables, open
/// to every role.
pub const SET_UP_DATABASE: &str = "
    create schema if not exists monitoring;
    create extension if not exists pg_stat_statements schema monitoring;
    create extension if not exists pgstattuple schema monitoring;
    grant usage on schema monitoring to migrator";

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The superuser, who creates databases and measures; for what `migrate` cannot do as their owner.
    Administrator,
    /// Owns the database; for migrations.
    Migrator,
    /// Adds to the truth.
    Recorder,
    /// Works at night.
    Refresher,
    /// Answers.
    Reader,
    /// Grants and revokes.
    Grantor,
}

impl Role {
    const ALL: [Self; 6] = [
        Self::Administrator,
        Self::Migrator,
        Self::Recorder,
        Self::Refresher,
        Self::Reader,
        Self::Grantor,
    ];

    /// The role of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it is called in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Migrator => "migrator",
            Self::Recorder => "recorder",
            Self::Refresher => "refresher",
            Self::Reader => "reader",
            Self::Grantor => "grantor",
        }
    }
}

/// What the server is for, which decides what it may take and what it must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Tests, whose data dies with them: nothing is flushed.
    Tests,
    /// Trying things out beside everything else that runs on a machine. Every commit is flushed, as in production.
    Development,
    /// Measuring, as the only server of its machine: a quarter of the memory is its buffers, as Postgres' manual advises.
    Measurement,
}

/// A running Postgres.
pub struct Postgres {
    /// The process.
    pub server: Arc<Server>,
    /// The loopback port.
    pub port: u16,
    /// The authority of its certificate, in PEM: it answers in plain and over TLS alike.
    pub authority: PathBuf,
}

impl Postgres {
    /// Starts Postgres on `<home>/postgres`, which is created first unless it is there.
    pub async fn start(
        home: &Home,
        processes: &ProcessDirectory,
        purpose: Purpose,
    ) -> Result<Self> {
        let binaries = find_binaries()?;
        let data = home.path.join("postgres");
        if !data.join("PG_VERSION").exists() {
            create_data_directory(home, &binaries, &data).await?;
        }
        let port = free_port()?;
        let home = home.clone();
        let certificates = Certificates::open(&home)?;
        let authority = certificates.authority.clone();
        let command = move || {
            let mut command = home.command(binaries.join("postgres"));
            command.arg("-D").arg(&data);
            for setting in settings(port, purpose, &certificates) {
                command.arg("-c").arg(setting);
            }
            command
        };
        let maintenance_url = database_url(Role::Administrator, port, "postgres");
        let probe = Probe::Postgres(maintenance_url.clone());
        // On this signal Postgres ends open sessions instead of waiting for them.
        let server = Server::launch("postgres", processes, command, probe, Signal::SIGINT).await?;
        set_up(&maintenance_url).await?;
        Ok(Self {
            server: Arc::new(server),
            port,
            authority,
        })
    }

    /// The libpq address of a database, for a role.
    pub fn url(&self, role: Role, database: &str) -> String {
        database_url(role, self.port, database)
    }
}

fn database_url(role: Role, port: u16, database: &str) -> String {
    let role = role.name();
    format!(
        "postgres://{role}@{}:{port}/{database}",
        Ipv4Addr::LOCALHOST
    )
}

async fn set_up(url: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let made = client.batch_execute(SET_UP).await;
    made.context("cannot make the role that migrates")
}

/// The C locale sorts the same everywhere; loopback connections are trusted, as no other machine can make them, but for roles
/// that log in with tokens.
async fn create_data_directory(home: &Home, binaries: &Path, data: &Path) -> Result<()> {
    home.create_folder(data)?;
    let mut command = home.command(binaries.join("initdb"));
    command.arg("-D").arg(data).args([
        "--username",
        Role::Administrator.name(),
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        "--no-sync",
    ]);
    run_tool(&mut command).await?;
    let rules = data.join("pg_hba.conf");
    let trusting = fs::read_to_string(&rules)?;
    Ok(fs::write(&rules, format!("{TOKEN_RULES}{trusting}"))?)
}

fn settings(port: u16, purpose: Purpose, certificates: &Certificates) -> Vec<String> {
    let mut settings: Vec<String> = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "max_wal_size=2GB",
        "timezone=UTC",
        "log_timezone=UTC",
        // Without the details that show a refused row: a log tells no names and no amounts.
        "log_error_verbosity=terse",
        // A machine with two cores: parallel workers would only take them from the functions.
        "max_parallel_workers_per_gather=0",
        "jit=off",
        "ssl=on",
        // What each statement cost, for whoever asks.
        "shared_preload_libraries=pg_stat_statements",
    ]
    .map(str::to_owned)
    .to_vec();
    settings.push(format!("port={port}"));
    settings.push(format!(
        "ssl_cert_file={}",
        certificates.certificate.display()
    ));
    settings.push(format!("ssl_key_file={}", certificates.key.display()));
    settings.push(format!("shared_buffers={}MB", buffers_mib(purpose)));
    if purpose == Purpose::Tests {
        settings.extend(
            [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
            ]
            .map(str::to_owned),
        );
    }
    settings
}

fn buffers_mib(purpose: Purpose) -> u64 {
    const MODEST_MIB: u64 = 256;
    match purpose {
        Purpose::Tests | Purpose::Development => MODEST_MIB,
        Purpose::Measurement => memory_kib().map_or(MODEST_MIB, |kib| kib / 1024 / 4),
    }
}

/// The machine's memory, where Linux tells it.
#[must_use]
pub fn memory_kib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.split_whitespace().next()?.parse().ok()
}

/// The folder with `initdb` and `postgres` of the newest version.
fn find_binaries() -> Result<PathBuf> {
    let versioned = VERSIONED_FOLDERS
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let newest = versioned
        .filter_map(|entry| {
            Some((
                version_of(&entry.file_name().to_string_lossy())?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(version, folder)| *version >= OLDEST_VERSION && folder.join("initdb").exists())
        .max();
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        std::env::split_paths(&searched)
            .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    };
    match newest.map(|(_, folder)| folder).or_else(on_path) {
        Some(folder) => Ok(folder),
        None => {
            bail!("Postgres {OLDEST_VERSION} or newer is not installed; `make setup` installs it")
        }
    }
}

/// `15` of Debian's folder `15`, `16` of Homebrew's `postgresql@16`.
fn version_of(folder: &str) -> Option<u32> {
    folder.rsplit('@').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_debian_and_homebrew_folders() {
        assert_eq!(version_of("15"), Some(15));
        assert_eq!(version_of("postgresql@16"), Some(16));
        assert_eq!(version_of("openssl@3"), Some(3));
        assert_eq!(version_of("node"), None);
    }
}
