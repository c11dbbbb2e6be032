//! A fresh database for each test, copied from a template and dropped at the end.
//!
//! There are two templates: the bare schema, and the sample with everything derived from it. Whichever test comes first makes
//! them, under a lock, since tests run in parallel processes.

use std::path::{Path, PathBuf};

use tokio_postgres::{Client, NoTls};

use crate::stack::binary;
use crate::teardown::{finish, unique_name};

/// Held while a template is made.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A database of one test. Dropping the value drops the database.
#[derive(Debug)]
pub struct Database {
    name: String,
    /// A role of its own that owns it, if it has one; it goes with the database.
    owner: Option<String>,
}

impl Database {
    /// The schema, and nothing in it.
    pub async fn empty() -> Self {
        Self::copy_of("template_empty").await
    }

    /// Sample S, rebuilt: every derived row is there and no mark is left.
    pub async fn sample() -> Self {
        Self::copy_of("template_sample").await
    }

    /// The schema, and nothing in it, made by an owner who is no superuser, as in the cloud.
    pub async fn of_plain_owner() -> Self {
        // With it come the roles of the schema, of which the owner may change the reader, as whoever created it could.
        prepare("template_empty").await;
        let (name, owner) = (unique_name("t"), unique_name("owner"));
        let admin = connect(&server_url()).await;
        for sql in [
            format!("create role {owner} login createrole"),
            format!("grant reader to {owner} with admin option"),
            format!("create database {name} owner {owner} template template1 strategy file_copy"),
        ] {
            admin
                .batch_execute(&sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let database = Self {
            name,
            owner: Some(owner),
        };
        apply_migrations(&database.url()).await;
        database
    }

    async fn copy_of(template: &str) -> Self {
        prepare(template).await;
        let name = unique_name("t");
        let admin = connect(&server_url()).await;
        // Copying files is quicker than writing a whole sample through the log.
        let sql = format!("create database {name} template {template} strategy file_copy");
        admin
            .batch_execute(&sql)
            .await
            .expect("a database is created from its template");
        Self { name, owner: None }
    }

    /// A URL of this database, as its owner.
    #[must_use]
    pub fn url(&self) -> String {
        let url = url_of(&self.name);
        match &self.owner {
            Some(owner) => as_role(&url, owner),
            None => url,
        }
    }

    /// A URL of this database, as the HTTP functions have it.
    #[must_use]
    pub fn reader_url(&self) -> String {
        as_role(&self.url(), "reader")
    }

    /// A URL of this database, as the function that grants has it.
    #[must_use]
    pub fn grantor_url(&self) -> String {
        as_role(&self.url(), "grantor")
    }

    /// A new connection, as the owner.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await
    }

    /// A new connection as the HTTP functions have it, with that role's rights and settings, in no LP's scope.
    pub async fn connect_as_reader(&self) -> Client {
        connect(&self.reader_url()).await
    }

    /// As [`Database::connect_as_reader`], for good in the scope of an LP. Functions enter it for a transaction.
    pub async fn connect_in_scope(&self, lp_id: i64) -> Client {
        let reader = self.connect_as_reader().await;
        enter(&reader, &lp_id.to_string()).await;
        reader
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let database = format!("drop database {} with (force)", self.name);
        let role = self.owner.iter().map(|owner| format!("drop role {owner}"));
        let statements: Vec<String> = [database].into_iter().chain(role).collect();
        finish("a database", async move {
            let admin = connect(&server_url()).await;
            for statement in statements {
                admin.batch_execute(&statement).await?;
            }
            Ok(())
        });
    }
}

/// Makes a template where it is not there yet. It is built under another name, so that it never exists half-built.
async fn prepare(template: &str) {
    let admin = connect(&server_url()).await;
    admin
        .execute("select pg_advisory_lock($1)", &[&TEMPLATE_LOCK])
        .await
        .expect("the lock is granted");
    if !exists(&admin, "template_empty").await {
        build(&admin, "template_empty", "template1", apply_migrations).await;
    }
    if template == "template_sample" && !exists(&admin, template).await {
        build(&admin, template, "template1", prepare_sample).await;
    }
    // The lock goes with the connection.
}

async fn exists(admin: &Client, name: &str) -> bool {
    let row = admin
        .query_one(
            "select exists (select from pg_database where datname = $1)",
            &[&name],
        )
        .await;
    row.expect("the catalogue answers").get(0)
}

async fn build(admin: &Client, name: &str, template: &str, fill: impl AsyncFn(&str)) {
    let unfinished = format!("{name}_unfinished");
    let run = async |sql: String| {
        admin
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    };
    run(format!("drop database if exists {unfinished} with (force)")).await;
    run(format!(
        "create database {unfinished} template {template} strategy file_copy"
    ))
    .await;
    fill(&url_of(&unfinished)).await;
    run(format!("alter database {unfinished} rename to {name}")).await;
}

/// Applies every migration in the order of its number, as psql would.
async fn apply_migrations(url: &str) {
    let client = connect(url).await;
    let folder = project().join("migrations");
    let entries = std::fs::read_dir(&folder).expect("migrations are readable");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry is readable").path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "sql"))
    {
        let sql = std::fs::read_to_string(file).expect("a migration is readable");
        client
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
    }
}

/// Loads the sample and has everything derived from it computed, by the project's own programs.
async fn prepare_sample(url: &str) {
    let mut seed = tokio::process::Command::new(binary("local"));
    seed.args(["seed", "--size", "S", "--database-url", url]);
    let status = seed.status().await.expect("the program `local` starts");
    assert!(status.success(), "loading the sample failed: {status}");
}

/// A connection to a database by its URL. It lives as long as the client.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    tokio::spawn(connection);
    client
}

/// Puts a session into an LP's scope; into none, if that is empty.
pub async fn enter(client: &Client, lp_id: &str) {
    set(client, "lp_reporting.lp_id", lp_id).await;
}

/// Puts a session into a fund's scope; into none, if that is empty.
pub async fn enter_fund(client: &Client, fund_id: &str) {
    set(client, "lp_reporting.fund_id", fund_id).await;
}

async fn set(client: &Client, setting: &str, value: &str) {
    let sql = "select set_config($1, $2, false)";
    let entered = client.query_one(sql, &[&setting, &value]).await;
    entered.expect("the scope is entered");
}

/// The root folder of the project.
#[must_use]
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the project")
}

fn server_url() -> String {
    std::env::var("DATABASE_URL").expect("DATABASE_URL is set; run the tests with `make test`")
}

/// The server's URL with another database in its path.
fn url_of(database: &str) -> String {
    let url = server_url();
    let (address, options) = url
        .split_once('?')
        .map_or((url.as_str(), String::new()), |(a, o)| (a, format!("?{o}")));
    let after_scheme = address.find("://").expect("DATABASE_URL is a URL") + 3;
    let host_end = address[after_scheme..]
        .find('/')
        .map_or(address.len(), |slash| after_scheme + slash);
    format!("{}/{database}{options}", &address[..host_end])
}

/// A URL with another role in it.
fn as_role(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let address = rest.split_once('@').map_or(rest, |(_, address)| address);
    format!("{scheme}://{role}@{address}")
}
