//! Connections as in a deployment: TLS to both servers, whose certificates must descend from the given authority.

use std::time::Duration;

use chrono::Utc;
use shared::access::{Claim, Scope, load_grant};
use shared::app::App;
use shared::cache::{Closure, Finding, ReportName, TagSet};
use shared::config::Environment;
use shared::error::Error;
use shared::grant::Funds;
use shared::ids::LpId;
use tests::builders::kept_grant;
use tests::database::{Database, project};
use tests::redis::{Keyspace, PATIENT};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set; run the tests with `make test`"))
}

fn lp() -> LpId {
    LpId::try_from(42).expect("an id")
}

fn app(database: &Database, keyspace: &Keyspace, authority: &str) -> App {
    let url = database.reader_url();
    let separator = if url.contains('?') { '&' } else { '?' };
    let environment = Environment::of(&[
        ("DATABASE_URL", &format!("{url}{separator}sslmode=require")),
        ("DATABASE_CA_FILE", authority),
        ("REDIS_URL", &variable("REDIS_TLS_URL")),
        ("REDIS_CA_FILE", authority),
        ("REDIS_PREFIX", keyspace.prefix()),
        PATIENT,
    ]);
    App::from_environment(&environment).expect("the environment is usable")
}

async fn ask_database(app: &App) -> Result<bool, Error> {
    let connection = app.db.connection().await?;
    let claim = Claim {
        subject: "ada",
        scope: &Scope::Lp(lp(), Funds::All),
        ttl: app.access.ttl,
    };
    load_grant(&connection, claim).await?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    Ok(connection.query_one(sql, &[]).await?.get(0))
}

#[tokio::test]
async fn both_servers_answer_over_tls_to_those_who_trust_their_authority() {
    let (database, keyspace) = (Database::empty().await, Keyspace::default());
    let app = app(&database, &keyspace, &variable("TLS_CA_FILE"));
    assert!(
        ask_database(&app).await.expect("the database answers"),
        "over TLS"
    );
    let place = app
        .cache
        .place(ReportName::Summary, lp(), "", "ada", Utc::now());
    let grant = kept_grant(Duration::from_secs(60));
    app.cache.keep_grant(&place, &grant).await;
    let find = || app.cache.find(&place, &Funds::All, Some);
    let Finding::Absent { turn } = find().await else {
        panic!("nothing was planted");
    };
    assert!(turn.cache_is_reachable());
    app.cache.settle(&place, turn, Some(b"answer")).await;
    assert!(matches!(find().await, Finding::Answer { answer } if answer == b"answer"));
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_spoken_to() {
    let (database, keyspace) = (Database::empty().await, Keyspace::default());
    let other = project().join("tests/fixtures/another-authority.pem");
    let app = app(&database, &keyspace, &other.display().to_string());
    let refused = ask_database(&app)
        .await
        .expect_err("the certificate is not trusted");
    let told = refused.chain().to_string();
    assert!(told.contains("certificate"), "{told}");
    let forgetting = Closure::new([(lp(), TagSet::ALL)]);
    let refused = app.cache.open(&forgetting).await;
    let told = refused.expect_err("the certificate is not trusted").error;
    assert!(
        told.chain().to_string().contains("certificate"),
        "{}",
        told.chain()
    );
}
