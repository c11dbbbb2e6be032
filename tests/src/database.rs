//! A fresh database for each test, copied from a template and dropped at the end.
//!
//! There are two templates: the bare schema, and the sample with everything derived from it. Whichever test comes first makes
//! them, under a lock, since tests run in parallel processes.

use std::path::{Path, PathBuf};

use local::servers::postgres::{Role, SET_UP_DATABASE};
use tokio_postgres::{Client, NoTls};

use crate::stack::binary;
use crate::teardown::{finish, unique_name};

/// Held while a template is made.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A database of one test, owned by the role that migrates. Dropping the value drops the database.
#[derive(Debug)]
pub struct Database {
    name: String,
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

    /// Nothing at all, as before the first migration.
    pub async fn blank() -> Self {
        Self::create("template1").await
    }

    async fn copy_of(template: &str) -> Self {
        prepare(template).await;
        Self::create(template).await
    }

    async fn create(template: &str) -> Self {
        let name = unique_name("t");
        let admin = connect(&server_url()).await;
        admin
            .batch_execute(&creation(&name, template))
            .await
            .expect("a database is created from its template");
        Self { name }
    }

    /// A URL of this database for a role, as a function has it.
    #[must_use]
    pub fn url(&self, role: Role) -> String {
        url_of(role, &self.name)
    }

    /// A URL of this database, as the HTTP functions have it.
    #[must_use]
    pub fn reader_url(&self) -> String {
        self.url(Role::Reader)
    }

    /// A URL of this database, as the function that grants has it.
    #[must_use]
    pub fn grantor_url(&self) -> String {
        self.url(Role::Grantor)
    }

    /// A new connection to set up and to look, as the administrator: no grant and no policy binds it.
    pub async fn connect(&self) -> Client {
        self.connect_as(Role::Administrator).await
    }

    /// A new connection with a role's rights and settings.
    pub async fn connect_as(&self, role: Role) -> Client {
        connect(&self.url(role)).await
    }

    /// A new connection as the HTTP functions have it, with that role's rights and settings, in no LP's scope.
    pub async fn connect_as_reader(&self) -> Client {
        self.connect_as(Role::Reader).await
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
        let drop = format!("drop database {} with (force)", self.name);
        finish("a database", async move {
            Ok(connect(&server_url()).await.batch_execute(&drop).await?)
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
    run(creation(&unfinished, template)).await;
    let administrator = connect(&url_of(Role::Administrator, &unfinished)).await;
    let set_up = administrator.batch_execute(SET_UP_DATABASE).await;
    set_up.expect("the database is set up");
    drop(administrator);
    fill(&url_of(Role::Migrator, &unfinished)).await;
    run(format!("alter database {unfinished} rename to {name}")).await;
}

/// The statement that copies a database. It belongs to the role that migrates, as in a deployment. Copying files is quicker than
/// writing a whole sample through the log.
fn creation(name: &str, template: &str) -> String {
    let owner = Role::Migrator.name();
    format!("create database {name} owner {owner} template {template} strategy file_copy")
}

/// Applies every migration in the order of its number, as psql would.
pub async fn apply_migrations(url: &str) {
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

/// The server's URL with another role and another database in it.
fn url_of(role: Role, database: &str) -> String {
    let url = server_url();
    let (url, options) = url
        .split_once('?')
        .map_or((url.as_str(), String::new()), |(a, o)| (a, format!("?{o}")));
    let (scheme, rest) = url.split_once("://").expect("DATABASE_URL is a URL");
    let address = rest.split_once('@').map_or(rest, |(_, address)| address);
    let server = address
        .split_once('/')
        .map_or(address, |(server, _)| server);
    format!("{scheme}://{}@{server}/{database}{options}", role.name())
}
