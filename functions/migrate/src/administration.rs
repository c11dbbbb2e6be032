//! What a new database needs and its owner may not do, done as the server's administrator. Each deployment does it again, and it
//! changes nothing then.

use lambda_runtime::Error;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::door::Door;

/// The roles that the migrations create, and functions log in as.
const ROLES: [&str; 4] = ["reader", "recorder", "refresher", "grantor"];
/// What operations read statistics with, and only an administrator may add. A schema of its own keeps what the extensions make from
/// standing among this project's tables, open to every role.
const ADD_EXTENSIONS: &str = "
    create schema if not exists monitoring;
    create extension if not exists pg_stat_statements schema monitoring;
    create extension if not exists pgstattuple schema monitoring";
/// On RDS, members of this role log in with tokens and in no other way.
const TOKEN_ROLE: &str = "rds_iam";

/// The administrator's part.
pub(crate) struct Administration {
    door: Door,
    owner: String,
    /// Whose members log in with tokens, where functions do.
    token_role: Option<&'static str>,
}

impl Administration {
    /// Through the administrator's door, for the one who goes in through the owner's.
    pub(crate) fn new(door: Door, owner: &Door) -> Self {
        Self {
            owner: owner.server.get_username().to_owned(),
            token_role: owner.takes_tokens().then_some(TOKEN_ROLE),
            door,
        }
    }

    /// Makes the owner, and makes it the database's; adds the extensions.
    pub(crate) async fn prepare(&self) -> Result<(), Error> {
        let mut connection = self.door.connect().await?;
        make_owner(&mut connection, &self.owner, self.token_role).await?;
        run(&mut connection, ADD_EXTENSIONS.to_owned()).await?;
        show_statistics(&mut connection, &self.owner).await?;
        Ok(connection.close().await?)
    }

    /// Lets the roles that the migrations created log in with tokens.
    pub(crate) async fn admit_roles(&self) -> Result<(), Error> {
        let Some(token_role) = self.token_role else {
            return Ok(());
        };
        let mut connection = self.door.connect().await?;
        admit(&mut connection, token_role, &ROLES).await?;
        Ok(connection.close().await?)
    }
}

async fn make_owner(
    connection: &mut PgConnection,
    owner: &str,
    token_role: Option<&str>,
) -> Result<(), Error> {
    let exists = "select exists (select from pg_roles where rolname = $1)";
    let exists = sqlx::query_scalar(exists).bind(owner);
    if !exists.fetch_one(&mut *connection).await? {
        // The other roles come with the migrations.
        run(
            connection,
            format!("create role {} login createrole", quoted(owner)),
        )
        .await?;
    }
    if let Some(token_role) = token_role {
        admit(connection, token_role, &[owner]).await?;
    }
    let database = "select datname::text, pg_get_userbyid(datdba)::text from pg_database where datname = current_database()";
    let database = sqlx::query_as(database);
    let (database, present): (String, String) = database.fetch_one(&mut *connection).await?;
    if present != owner {
        // To give it away one has to be a member of who gets it.
        let (database, owner) = (quoted(&database), quoted(owner));
        run(connection, format!("grant {owner} to current_user")).await?;
        run(
            connection,
            format!("alter database {database} owner to {owner}"),
        )
        .await?;
    }
    Ok(())
}

/// Statistics of everybody's statements and indexes are the owner's to tell of, by functions of its own.
async fn show_statistics(connection: &mut PgConnection, owner: &str) -> Result<(), Error> {
    let owner = quoted(owner);
    let sql = format!(
        "grant pg_read_all_stats, pg_stat_scan_tables to {owner}; grant usage on schema monitoring to {owner}"
    );
    run(connection, sql).await
}

async fn admit(
    connection: &mut PgConnection,
    token_role: &str,
    roles: &[&str],
) -> Result<(), Error> {
    let roles: Vec<String> = roles.iter().map(|role| quoted(role)).collect();
    let sql = format!("grant {} to {}", quoted(token_role), roles.join(", "));
    run(connection, sql).await
}

/// Runs a statement, in which every name is quoted or a constant.
async fn run(connection: &mut PgConnection, sql: String) -> Result<(), Error> {
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
