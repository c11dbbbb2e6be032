//! Logging in as in a deployment: a token for each connection, taken over TLS and nowhere else. Here the servers know a token
//! as their user's password, under a clock that stands still.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::Utc;
use shared::cache::{Cache, Closure, Finding, ReportName, Tag, TagSet};
use shared::config::{DatabaseConfig, Environment, RedisConfig};
use shared::db::Database;
use shared::grant::Funds;
use shared::iam::Login;
use shared::ids::LpId;
use tests::builders::kept_grant;
use tests::database::{self, project};
use tests::redis::PATIENT;
use tests::teardown::{finish, unique_name};
use tokio_postgres::Client;

const IDENTITY: [(&str, &str); 4] = [
    ("AWS_REGION", "eu-west-1"),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_SESSION_TOKEN", "session"),
];

thread_local! {
    /// A test's clock, in seconds since 1970. All of a test runs on one thread.
    static NOW: Cell<u64> = const { Cell::new(1_795_642_987) };
}

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.get())
}

/// Later, so that the token is another.
fn time_passes() {
    NOW.set(NOW.get() + 1);
}

fn token(login: Option<&Login>) -> String {
    login.expect("it logs in with IAM").token()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set; run the tests with `make test`"))
}

/// A role that logs in with tokens. Dropping the value drops the role.
struct Role {
    name: String,
    admin: Client,
}

impl Role {
    async fn create() -> Self {
        let admin = database::connect(&variable("DATABASE_URL")).await;
        // RDS has this role; tests of other processes may be making it too.
        let sql = "do $$ begin create role rds_iam nologin; \
                   exception when duplicate_object or unique_violation then null; end $$";
        admin.batch_execute(sql).await.expect("the role is there");
        let name = unique_name("iam");
        let sql = format!("create role {name} login in role rds_iam");
        admin.batch_execute(&sql).await.expect("a role is created");
        Self { name, admin }
    }

    async fn set_password(&self, password: &str) {
        let sql = format!("alter role {} password '{password}'", self.name);
        let set = self.admin.batch_execute(&sql).await;
        set.expect("the password is set");
    }

    fn config(&self) -> DatabaseConfig {
        let port = variable("PGPORT");
        let url = format!(
            "postgres://{}@127.0.0.1:{port}/postgres?sslmode=require",
            self.name
        );
        let authority = variable("TLS_CA_FILE");
        let mut variables = IDENTITY.to_vec();
        variables.extend([
            ("DATABASE_URL", url.as_str()),
            ("DATABASE_AUTH", "iam"),
            ("DATABASE_CA_FILE", &authority),
        ]);
        let mut config =
            DatabaseConfig::read(&Environment::of(&variables)).expect("the environment is usable");
        config.iam.as_mut().expect("it logs in with IAM").clock = clock;
        config
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let sql = format!("drop role {}", self.name);
        finish("a role", async move {
            let admin = database::connect(&variable("DATABASE_URL")).await;
            Ok(admin.batch_execute(&sql).await?)
        });
    }
}

async fn user_of(database: &Database) -> Result<String, String> {
    let connection = database.connection().await;
    let connection = connection.map_err(|error| error.chain().to_string())?;
    let row = connection.query_one("select current_user::text", &[]).await;
    Ok(row.expect("the database answers").get(0))
}

#[tokio::test]
async fn every_connection_to_the_database_logs_in_with_a_token_of_its_own() {
    let role = Role::create().await;
    let config = role.config();
    let database = Database::new(&config).expect("a pool");
    for _ in 0..2 {
        role.set_password(&token(config.iam.as_ref())).await;
        assert_eq!(user_of(&database).await, Ok(role.name.clone()));
        time_passes();
        assert_eq!(
            user_of(&database).await,
            Ok(role.name.clone()),
            "still logged in"
        );
        database.drop_idle_connections();
        let refused = user_of(&database)
            .await
            .expect_err("the password is an old token");
        assert!(
            refused.contains("password authentication failed"),
            "{refused}"
        );
        assert!(!refused.contains("X-Amz"), "{refused}");
    }
}

#[tokio::test]
async fn without_iam_the_same_role_is_refused() {
    let role = Role::create().await;
    let mut config = role.config();
    role.set_password(&token(config.iam.as_ref())).await;
    config.iam = None;
    let database = Database::new(&config).expect("a pool");
    let refused = user_of(&database).await.expect_err("there is no password");
    assert!(refused.contains("password"), "{refused}");
}

/// RDS Proxy refuses what a session begins with, so there nothing is sent.
#[tokio::test]
async fn only_without_a_proxy_a_session_begins_with_its_settings() {
    let url = variable("DATABASE_URL");
    for (through_proxy, expected) in [("false", "1234ms"), ("true", "0")] {
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("DATABASE_STATEMENT_TIMEOUT_MS", "1234"),
            ("DATABASE_PROXY", through_proxy),
        ];
        let config = DatabaseConfig::read(&Environment::of(&variables));
        let database = Database::new(&config.expect("it is usable")).expect("a pool");
        let connection = database.connection().await.expect("it connects");
        let row = connection.query_one("show statement_timeout", &[]).await;
        let timeout: String = row.expect("the database answers").get(0);
        assert_eq!(timeout, expected, "through a proxy: {through_proxy}");
    }
}

/// A user of Redis that logs in with tokens. Nothing but its own keys is open to it.
struct User {
    name: String,
}

impl User {
    fn new() -> Self {
        Self {
            name: unique_name("iam"),
        }
    }

    async fn set_password(&self, password: &str) {
        let keys = format!("~{}*", self.name);
        self.set(password, &["on", &keys, "+@all"]).await;
    }

    /// Sets what it logs in with, and what it may.
    async fn set(&self, password: &str, rules: &[&str]) {
        let mut command = redis::cmd("acl");
        command.arg("setuser").arg(&self.name).arg("resetpass");
        command.arg(format!(">{password}")).arg(rules);
        let set = administer(command).await;
        set.expect("the user is set");
    }

    /// Ends its connections, as the service does after twelve hours.
    async fn cut_off(&self) {
        let mut command = redis::cmd("client");
        command.arg("kill").arg("user").arg(&self.name);
        let ended = administer(command).await;
        ended.expect("its connections end");
    }

    fn config(&self) -> RedisConfig {
        let address = variable("REDIS_TLS_URL");
        let url = address.replace("://", &format!("://{}@", self.name));
        let authority = variable("TLS_CA_FILE");
        let arn = "arn:aws:elasticache:eu-west-1:123456789012:serverlesscache:lp";
        let mut variables = IDENTITY.to_vec();
        variables.extend([
            ("REDIS_URL", url.as_str()),
            ("REDIS_AUTH", "iam"),
            ("REDIS_CACHE_ARN", arn),
            ("REDIS_CA_FILE", &authority),
            ("REDIS_PREFIX", &self.name),
            PATIENT,
        ]);
        let mut config =
            RedisConfig::read(&Environment::of(&variables)).expect("the environment is usable");
        config.iam.as_mut().expect("it logs in with IAM").clock = clock;
        config
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut command = redis::cmd("acl");
        command.arg("deluser").arg(&self.name);
        finish(
            "a Redis user",
            async move { Ok(administer(command).await?) },
        );
    }
}

/// Runs a command as the default user, who has no password here.
async fn administer(command: redis::Cmd) -> redis::RedisResult<()> {
    let server = redis::Client::open(variable("REDIS_URL"))?;
    let mut connection = server.get_multiplexed_async_connection().await?;
    command.exec_async(&mut connection).await
}

fn cache(config: &RedisConfig) -> Cache {
    Cache::new(config).expect("a cache")
}

async fn is_reached(cache: &Cache) -> bool {
    let lp = LpId::try_from(42).expect("an id");
    let place = cache.place(ReportName::Summary, lp, "", "ada", Utc::now());
    match cache.find(&place, &Funds::All, Some).await {
        Finding::Unproven => true,
        Finding::Absent { turn } => turn.cache_is_reachable(),
        Finding::Answer { .. } => panic!("nothing was planted"),
    }
}

#[tokio::test]
async fn a_connection_to_the_cache_logs_in_with_a_token_made_then() {
    let user = User::new();
    let config = user.config();
    for _ in 0..2 {
        user.set_password(&token(config.iam.as_ref())).await;
        assert!(is_reached(&cache(&config)).await);
        time_passes();
        let reached = is_reached(&cache(&config)).await;
        assert!(!reached, "the password is an old token");
    }
}

#[tokio::test]
async fn a_connection_that_the_cache_ends_is_followed_by_one_with_a_new_token() {
    let user = User::new();
    let config = user.config();
    user.set_password(&token(config.iam.as_ref())).await;
    let cache = cache(&config);
    assert!(is_reached(&cache).await);
    time_passes();
    user.set_password(&token(config.iam.as_ref())).await;
    user.cut_off().await;
    assert!(is_reached(&cache).await);
}

/// What the template's user of the cache may, as Redis takes it.
fn rules_of_the_template() -> Vec<String> {
    let text = std::fs::read_to_string(project().join("infra/template.yaml"));
    let template: serde_norway::Value =
        serde_norway::from_str(&text.expect("the template is there")).expect("it is YAML");
    let rules = &template["Resources"]["CacheUser"]["Properties"]["AccessString"];
    let rules = rules.as_str().expect("rules").split(' ');
    rules.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_templates_user_may_what_functions_ask_of_the_cache_and_not_administer_it() {
    let user = User::new();
    let config = user.config();
    let rules = rules_of_the_template();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let password = token(config.iam.as_ref());
    user.set(&password, &rules).await;
    let cache = cache(&config);
    let lp_id = LpId::try_from(42).expect("an id");
    let place = cache.place(ReportName::Summary, lp_id, "", "ada", Utc::now());
    let grant = kept_grant(Duration::from_secs(60));
    cache.keep_grant(&place, &grant).await;
    let Finding::Absent { turn } = cache.find(&place, &Funds::All, Some).await else {
        panic!("the grant is not kept");
    };
    cache.settle(&place, turn, Some(b"one")).await;
    let found = cache.find(&place, &Funds::All, Some).await;
    assert!(matches!(found, Finding::Answer { answer } if answer == b"one"));
    let closure = Closure::new([(lp_id, TagSet::of(&[Tag::Ledger]))]);
    cache.close(&closure).await.expect("it may close");
    cache.open(&closure).await.expect("it may open");
    let forgotten = cache.forget_grant(lp_id, "ada").await;
    forgotten.expect("it may take a grant back");
    for words in [
        &["flushall"][..],
        &["config", "get", "*"],
        &["acl", "list"],
        &["keys", "*"],
    ] {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let refused = run_as(&user.name, &password, command).await;
        let refused = refused.expect_err("it may not administer");
        assert_eq!(refused.code(), Some("NOPERM"), "{words:?}");
    }
    // The functions' client asks a cluster for its nodes; this server is none, and says so.
    let mut command = redis::cmd("cluster");
    command.arg("slots");
    let answered = run_as(&user.name, &password, command).await;
    let answered = answered.expect_err("it is no cluster");
    assert_ne!(answered.code(), Some("NOPERM"), "{answered}");
}

async fn run_as(user: &str, password: &str, command: redis::Cmd) -> redis::RedisResult<()> {
    use redis::IntoConnectionInfo;
    let server = variable("REDIS_URL").into_connection_info()?;
    let login = server
        .redis_settings()
        .clone()
        .set_username(user)
        .set_password(password);
    let client = redis::Client::open(server.set_redis_settings(login))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    command.exec_async(&mut connection).await
}
