//! Brings the schema up to date, on each deployment. The migrations travel within the function; one that was applied is
//! known by its checksum, and two deployments at once wait for each other under a lock.

use std::collections::HashSet;

use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use shared::config::{ConfigError, DatabaseConfig, Environment};
use shared::metrics::{FUNCTION, Metrics, Wait, measure_waits};
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, SqlSafeStr};

mod administration;
mod deployment;
mod door;

use administration::Administration;
use deployment::Request;
use door::Door;

/// Each migration's name (`001_name`) and text, in order.
const MIGRATIONS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The database to migrate.
pub struct Target {
    owner: Door,
    /// There where the server's administrator lets the function in.
    administration: Option<Administration>,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    /// The migrations that this invocation applied; none when the schema was up to date.
    pub applied: Vec<String>,
}

impl Target {
    /// Reads the environment of the process and fails, naming the variable, when it is not usable.
    pub fn from_env() -> Result<Self, ConfigError> {
        let environment = Environment::of_process();
        let owner = Door::new(&DatabaseConfig::read(&environment)?, "DATABASE_URL")?;
        let administrator = DatabaseConfig::read_administrator(&environment)?
            .map(|config| Door::new(&config, "ADMINISTRATOR_DATABASE_URL"))
            .transpose()?;
        let administration = administrator.map(|door| Administration::new(door, &owner));
        Ok(Self {
            owner,
            administration,
        })
    }

    /// Applies what is not applied yet.
    async fn migrate(&self) -> Result<Done, Error> {
        let (done, waits) = measure_waits(self.apply()).await;
        Metrics::new()
            .dimension(FUNCTION, env!("CARGO_PKG_NAME"))
            .waits(waits)
            .write();
        let done = done?;
        tracing::info!(applied = ?done.applied, "the schema is up to date");
        Ok(done)
    }

    async fn apply(&self) -> Result<Done, Error> {
        let _wait = Wait::for_database();
        if let Some(administration) = &self.administration {
            administration.prepare().await?;
        }
        let mut connection = self.owner.connect().await?;
        let applied = migrate(&mut connection).await?;
        connection.close().await?;
        if let Some(administration) = &self.administration {
            administration.admit_roles().await?;
        }
        Ok(Done { applied })
    }
}

/// Applies what is not applied yet, whatever the event says; a deployment's event is answered as CloudFormation asks, too.
pub async fn handle(target: &Target, event: LambdaEvent<Value>) -> Result<Value, Error> {
    match Request::read(&event.payload)? {
        None => Ok(serde_json::to_value(target.migrate().await?)?),
        Some(request) => {
            let deadline = event.context.deadline();
            Ok(serde_json::to_value(
                deployment::answer(target, &request, deadline).await?,
            )?)
        }
    }
}

async fn migrate(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(name, sql)| parse(name, sql))
        .collect::<Result<Vec<_>, _>>()?;
    let mut migrator = Migrator::with_migrations(migrations);
    // A deployment that is rolled back finds the newer schema that it leaves: migrations go one way, and former code runs on it.
    migrator.set_ignore_missing(true);
    let before = applied(connection, &migrator).await?;
    migrator.run_direct(None, connection, false).await?;
    let is_new =
        |(name, _): &&(&str, &str)| number(name).is_some_and(|number| !before.contains(&number));
    let new = MIGRATIONS.iter().filter(is_new);
    Ok(new.map(|&(name, _)| name.to_owned()).collect())
}

/// The numbers of the migrations that the database already has.
async fn applied(
    connection: &mut PgConnection,
    migrator: &Migrator,
) -> Result<HashSet<i64>, Error> {
    connection
        .ensure_migrations_table(&migrator.table_name)
        .await?;
    let applied = connection
        .list_applied_migrations(&migrator.table_name)
        .await?;
    Ok(applied
        .into_iter()
        .map(|migration| migration.version)
        .collect())
}

fn parse(name: &'static str, sql: &'static str) -> Result<Migration, String> {
    let version = number(name).ok_or_else(|| format!("the migration {name} has no number"))?;
    let (_, description) = name.split_once('_').unwrap_or((name, name));
    let without_transaction = sql.starts_with("-- no-transaction");
    Ok(Migration::new(
        version,
        description.replace('_', " ").into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        without_transaction,
    ))
}

fn number(name: &str) -> Option<i64> {
    name.split_once('_')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_has_a_number_of_its_own_and_they_stand_in_order() {
        let numbers: Vec<_> = MIGRATIONS.iter().map(|(name, _)| number(name)).collect();
        let expected: Vec<_> = (1..).take(MIGRATIONS.len()).map(Some).collect();
        assert_eq!(numbers, expected);
    }
}
