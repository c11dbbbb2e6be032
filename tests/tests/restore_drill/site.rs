//! A database with a corner of Redis, as functions find them, and all that can be compared of two of them.

use std::collections::BTreeMap;

use lambda_http::{Body, Response};
use local::servers::postgres::Role;
use serde_json::Value;
use shared::app::App;
use shared::config::Environment;
use shared::ledger::{Event, Recorded, record};
use shared::refresh::settle_performance;
use tests::database;
use tests::desk::event;
use tests::http::request;
use tests::redis::{Keyspace, PATIENT};
use tokio_postgres::Client;

/// Who asks. It is granted all that is asked for.
pub const SUBJECT: &str = "drill";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub body: String,
    pub is_hit: bool,
}

pub struct Site {
    /// Host, port and name.
    address: String,
    redis_url: String,
    redis_prefix: String,
    reader: App,
}

impl Site {
    /// At any role's URL of the database, with what Redis has under the prefix.
    pub fn at(url: &str, keyspace: &Keyspace) -> Self {
        let (_, address) = url.split_once('@').expect("a URL with a role");
        let address = address.to_owned();
        let (redis_url, redis_prefix) = (keyspace.url(), keyspace.prefix().to_owned());
        let reader = app(Role::Reader, &address, &redis_url, &redis_prefix);
        Self {
            address,
            redis_url,
            redis_prefix,
            reader,
        }
    }

    /// The database's URL for a role.
    pub fn url(&self, role: Role) -> String {
        format!("postgres://{}@{}", role.name(), self.address)
    }

    /// A connection as the administrator, who sees everything.
    pub async fn connect(&self) -> Client {
        database::connect(&self.url(Role::Administrator)).await
    }

    /// What a function needs to know of the database and of Redis.
    pub fn variables(&self, role: Role) -> Vec<(String, String)> {
        vec![
            ("DATABASE_URL".to_owned(), self.url(role)),
            ("REDIS_URL".to_owned(), self.redis_url.clone()),
            ("REDIS_PREFIX".to_owned(), self.redis_prefix.clone()),
        ]
    }

    /// Asks as the gateway would, and records that it was looked at.
    pub async fn look(&self, path: &str) -> Reply {
        let reply = self.ask(path).await;
        self.reader.access_log.record().await;
        reply
    }

    /// Asks as the gateway would.
    pub async fn ask(&self, path: &str) -> Reply {
        let response = answer(&self.reader, path).await;
        let body = String::from_utf8(response.body().to_vec()).expect("an answer is text");
        // A fund that the LP is not in yet on the day asked about is not found, which is an answer too.
        let is_early = response.status() == 404 && path.contains("asOf=");
        assert!(response.status() == 200 || is_early, "{path}: {body}");
        let cache = response.headers().get("x-cache");
        let is_hit = cache.is_some_and(|cache| cache == "hit");
        Reply { body, is_hit }
    }

    /// The body of every answer.
    pub async fn answers(&self, paths: &[String]) -> BTreeMap<String, String> {
        let mut answers = BTreeMap::new();
        for path in paths {
            answers.insert(path.clone(), self.ask(path).await.body);
        }
        answers
    }

    /// Records messages as a batch, and settles the performance that they owe.
    pub async fn record(&self, messages: &[&Value]) -> Recorded {
        let recorder = app(
            Role::Recorder,
            &self.address,
            &self.redis_url,
            &self.redis_prefix,
        );
        let events: Vec<Event> = messages.iter().map(|message| event(message)).collect();
        let events: Vec<&Event> = events.iter().collect();
        let mut connection = recorder.db.connection().await.expect("a connection");
        let recorded = record(&mut connection, &recorder.cache, &events).await;
        let recorded = recorded.expect("the batch is recorded");
        let lp_ids: Vec<i64> = recorded.lp_ids.iter().copied().collect();
        let settled = settle_performance(&recorder.db, &recorder.cache, &lp_ids).await;
        settled.expect("performance is settled");
        recorded
    }

    /// How many rows each table has, and a digest of all that stands in them.
    pub async fn contents(&self) -> BTreeMap<String, (i64, String)> {
        let client = self.connect().await;
        let tables = "select c.relname::text from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition";
        let mut contents = BTreeMap::new();
        for table in client.query(tables, &[]).await.expect("the catalogue") {
            let table: String = table.get(0);
            let sql = format!(
                "select count(*), coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') from {table} t"
            );
            let row = client.query_one(&sql, &[]).await.expect("it is read");
            contents.insert(table, (row.get(0), row.get(1)));
        }
        contents
    }

    /// How far each sequence has come.
    pub async fn sequences(&self) -> Vec<String> {
        texts(
            &self.connect().await,
            "select concat_ws(' ', sequencename, last_value) from pg_sequences where schemaname = 'public' order by 1",
        )
        .await
    }

    /// What the server has of the roles, and which of them may create temporary tables here.
    pub async fn roles(&self) -> Vec<String> {
        texts(
            &self.connect().await,
            "select concat_ws(' ', rolname, rolcanlogin, rolsuper, rolcreaterole, rolbypassrls, rolconfig,
                              has_database_privilege(rolname, current_database(), 'temporary'))
             from pg_roles where rolname in ('migrator', 'reader', 'recorder', 'refresher', 'grantor') order by 1",
        )
        .await
    }

    /// The statements that make the schema, grants and policies included.
    pub async fn schema(&self) -> String {
        let mut dump = tokio::process::Command::new("pg_dump");
        dump.args([
            "--schema-only",
            "--exclude-schema",
            "monitoring",
            "--extension",
            "btree_gin",
            "--dbname",
        ])
        .arg(self.url(Role::Migrator));
        let output = dump.output().await.expect("pg_dump runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("statements are text");
        // Between these two psql restricts itself, under a word that is new each time.
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn app(role: Role, address: &str, redis_url: &str, redis_prefix: &str) -> App {
    let url = format!("postgres://{}@{address}", role.name());
    let environment = Environment::of(&[
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", redis_url),
        ("REDIS_PREFIX", redis_prefix),
        PATIENT,
    ]);
    App::from_environment(&environment).expect("the environment is usable")
}

/// The first column of a query.
pub async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.query(sql, &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

async fn answer(app: &App, path: &str) -> Response<Body> {
    let asked = request(path, Some(SUBJECT), &[]);
    let bare = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = bare.trim_start_matches("/api/").split('/').collect();
    match parts.as_slice() {
        ["lp", _, "summary"] => summary::handle(app, asked).await,
        ["lp", _, "capital-activity"] => capital_activity::handle(app, asked).await,
        ["lp", _, "fund", _, "performance"] => fund_performance::handle(app, asked).await,
        ["lp", _, "holdings"] => holdings::handle(app, asked).await,
        ["lp", _, "performance"] => performance::handle(app, asked).await,
        ["lp", _, "performance", "history"] => performance_history::handle(app, asked).await,
        ["lp", _, "access-log"] => access_log::handle(app, asked).await,
        ["fund", _, "summary"] => fund_summary::handle(app, asked).await,
        _ => panic!("nobody answers {path}"),
    }
}
