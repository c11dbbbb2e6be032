//! `local seed`: a database given by its URL, migrated and filled as a stack's own is, by the same functions.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::data::{self, Database};
use super::functions::Deployment;
use super::{Options, say};
use crate::host::Host;
use crate::process::ProcessDirectory;
use crate::servers::Home;
use crate::servers::redis::Redis;
use crate::template::Template;

/// What it takes to fill a database.
const FUNCTIONS: [&str; 2] = ["migrate", "nightly-refresh"];

/// Fills the database. The functions get a Redis of their own for as long: nothing cached can belong to this database yet.
pub async fn seed(project: &Path, database_url: &str, options: Options) -> Result<i32> {
    let directory = &options.directory;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let home = Home::open(directory)?;
    let outcome = fill(project, database_url, &home, &options).await;
    home.remove()?;
    fs::remove_dir_all(directory)?;
    outcome.map(|()| 0)
}

async fn fill(project: &Path, database_url: &str, home: &Home, options: &Options) -> Result<()> {
    let processes = ProcessDirectory::open(&options.directory)?;
    let redis = Redis::start(home, &processes).await?;
    let template = Template::read(&project.join("infra/template.yaml"))?;
    let database = Database::existing(database_url)?;
    let deployment = Deployment::apart(&template, &database, &redis);
    let specs = FUNCTIONS
        .iter()
        .map(|name| deployment.spec(&template, template.function(name)?, options))
        .collect::<Result<_>>()?;
    let host = Host::start(specs, &processes).await?;
    let step = |what: &str| say(options.quiet, what);
    let outcome = async {
        data::migrate(&host, &step).await?;
        data::fill_fresh(&database, &host, options, &step).await
    }
    .await;
    host.stop().await;
    redis.server.stop().await;
    outcome.map(|_| ())
}
