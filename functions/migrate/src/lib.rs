//! Brings the schema up to date, on each deployment. The migrations travel within the function; one that was applied is
//! known by its checksum, and two deployments at once wait for each other under a lock.

use std::collections::HashSet;

use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use shared::config::{ConfigError, DatabaseConfig, Environment};
use shared::iam::Login;
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

/// Each migration's name (`001_name`) and text, in order.
const MIGRATIONS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The database to migrate.
pub struct Target {
    server: PgConnectOptions,
    login: Option<Login>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Done {
    /// The migrations that this invocation applied; none when the schema was up to date.
    pub applied: Vec<String>,
}

impl Target {
    /// Reads the environment of the process and fails, naming the variable, when it is not usable.
    pub fn from_env() -> Result<Self, Error> {
        Self::read(
            &Environment::of_process(),
            std::env::var("DATABASE_URL").ok(),
        )
    }

    /// The functions' configuration decides whether there is TLS and whom to trust, and so it does here.
    fn read(environment: &Environment, url: Option<String>) -> Result<Self, Error> {
        let config = DatabaseConfig::read(environment)?;
        let variable = "DATABASE_URL";
        let url = url.ok_or(ConfigError::Missing { variable })?;
        let mut options: PgConnectOptions = url.parse().map_err(|_| ConfigError::Malformed {
            variable,
            detail: "is not a Postgres connection URL",
        })?;
        options = options.ssl_mode(if config.requires_tls() {
            PgSslMode::VerifyFull
        } else {
            PgSslMode::Disable
        });
        if let Some(file) = &config.ca_file {
            options = options.ssl_root_cert(file);
        }
        Ok(Self {
            server: options,
            login: config.iam,
        })
    }

    /// Connects; with IAM, with a token made now.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        match &self.login {
            Some(login) => self.server.clone().password(&login.token()).connect().await,
            None => self.server.connect().await,
        }
    }
}

/// Applies what is not applied yet, whatever the event says.
pub async fn handle(target: &Target, _event: LambdaEvent<Value>) -> Result<Done, Error> {
    let mut connection = target.connect().await?;
    let applied = migrate(&mut connection).await?;
    connection.close().await?;
    tracing::info!(?applied, "the schema is up to date");
    Ok(Done { applied })
}

async fn migrate(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(name, sql)| parse(name, sql))
        .collect::<Result<Vec<_>, _>>()?;
    let migrator = Migrator::with_migrations(migrations);
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
