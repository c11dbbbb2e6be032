//! What every report has in common, whatever it says: who is let in, what the headers tell, what comes from the cache, and
//! what happens when a part is away. The report here is a stand-in; the real ones have tests of their own.

use std::io::Read;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use flate2::read::GzDecoder;
use lambda_http::http::HeaderMap;
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::access::{Claim, Scope, Scoped, load_grant};
use shared::answer::{Report, answer};
use shared::app::App;
use shared::cache::{Closure, ReportName, Tag, TagSet};
use shared::config::Environment;
use shared::error::Error;
use shared::grant::Funds;
use shared::ids::LpId;
use tests::builders::{grant, insert_lp};
use tests::database::Database;
use tests::redis::{Keyspace, PATIENT};

/// For how long a grant may be believed here.
const TTL: Duration = Duration::from_secs(60);

/// The LP's name, repeated, and a cursor to a next page.
struct Echo {
    lp_id: LpId,
    limit: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    names: Vec<String>,
    next_cursor: Option<String>,
}

impl Report for Echo {
    const NAME: &'static str = "echo";
    type Answer = Answer;

    fn scope(&self) -> Scope {
        Scope::Lp(self.lp_id, Funds::All)
    }

    fn cached_as(&self) -> Option<(ReportName, String)> {
        Some((ReportName::Summary, format!("limit={}", self.limit)))
    }

    async fn load(&self, db: &Scoped<'_>) -> Result<Option<Answer>, Error> {
        let sql =
            "select name from limited_partners, generate_series(1, $2::bigint) where lp_id = $1";
        let rows = db.query(sql, &[&self.lp_id, &self.limit]).await?;
        let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
        let next_cursor = Some("next".to_owned());
        Ok((!names.is_empty()).then_some(Answer { names, next_cursor }))
    }

    fn next_cursor(answer: &Answer) -> Option<&str> {
        answer.next_cursor.as_deref()
    }
}

async fn handle(app: &App, request: Request) -> Response<Body> {
    answer(app, request, &["limit"], |parameters| {
        let (lp_id, limit) = (parameters.lp_id(), parameters.limit());
        Ok(Echo {
            lp_id: lp_id?,
            limit: limit?,
        })
    })
    .await
}

/// An app on a database and a corner of Redis of its own, with one LP that `ada` may see.
struct World {
    database: Database,
    keyspace: Keyspace,
    app: App,
    lp_id: i64,
}

impl World {
    async fn new() -> Self {
        let (database, keyspace) = (Database::empty().await, Keyspace::default());
        let client = database.connect().await;
        let lp_id = insert_lp(&client, "An LP").await;
        grant(&client, "ada", lp_id).await;
        let app = app(&database.reader_url(), &keyspace.url(), keyspace.prefix());
        Self {
            database,
            keyspace,
            app,
            lp_id,
        }
    }

    async fn get(&self, query: &str) -> Response<Body> {
        handle(
            &self.app,
            request("ada", &self.lp_id.to_string(), query, &[]),
        )
        .await
    }

    async fn get_with(&self, headers: &[(&'static str, &str)]) -> Response<Body> {
        handle(
            &self.app,
            request("ada", &self.lp_id.to_string(), "limit=500", headers),
        )
        .await
    }
}

fn app(database_url: &str, redis_url: &str, prefix: &str) -> App {
    let variables = [
        ("DATABASE_URL", database_url),
        ("REDIS_URL", redis_url),
        ("REDIS_PREFIX", prefix),
        PATIENT,
    ];
    App::from_environment(&Environment::of(&variables)).expect("the variables are right")
}

fn request(subject: &str, lp_id: &str, query: &str, headers: &[(&'static str, &str)]) -> Request {
    let subject = Some(subject).filter(|subject| !subject.is_empty());
    tests::http::request(
        &format!("/api/lp/{lp_id}/summary?{query}"),
        subject,
        headers,
    )
}

fn x_cache(response: &Response<Body>) -> &str {
    assert_eq!(response.status(), 200);
    header(response.headers(), "x-cache")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

fn body(response: &Response<Body>) -> &[u8] {
    response.body()
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

#[tokio::test]
async fn the_second_request_is_answered_from_the_cache_with_the_same_bytes() {
    let world = World::new().await;
    let (first, second) = (world.get("limit=3").await, world.get("limit=3").await);
    assert_eq!((x_cache(&first), x_cache(&second)), ("miss", "hit"));
    assert_eq!(body(&first), body(&second));
    for name in ["etag", "link", "content-type", "cache-control", "vary"] {
        assert_eq!(
            header(first.headers(), name),
            header(second.headers(), name),
            "{name}"
        );
    }
    let link = format!(
        "</api/lp/{}/summary?limit=3&cursor=next>; rel=\"next\"",
        world.lp_id
    );
    assert_eq!(header(first.headers(), "link"), link);
    assert_eq!(
        header(first.headers(), "cache-control"),
        "private, no-cache"
    );
    assert_eq!(x_cache(&world.get("limit=4").await), "miss");
}

#[tokio::test]
async fn a_change_is_seen_in_the_next_answer() {
    let world = World::new().await;
    world.get("").await;
    let client = world.database.connect().await;
    client
        .execute("update limited_partners set name = 'Renamed'", &[])
        .await
        .expect("an update");
    let lp_id = LpId::try_from(world.lp_id).expect("an id");
    world
        .app
        .cache
        .open(&Closure::new([(lp_id, TagSet::of(&[Tag::Ledger]))]))
        .await
        .expect("Redis answers");
    let answered = world.get("limit=1").await;
    assert_eq!(x_cache(&answered), "miss");
    assert!(String::from_utf8_lossy(body(&answered)).contains("Renamed"));
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_yours_are_the_same() {
    let world = World::new().await;
    world.get("").await;
    let stranger = handle(
        &world.app,
        request("bob", &world.lp_id.to_string(), "", &[]),
    )
    .await;
    let nowhere = handle(&world.app, request("ada", "999999", "", &[])).await;
    assert_eq!(stranger.status(), 404);
    assert_eq!(stranger.status(), nowhere.status());
    assert_eq!(stranger.headers(), nowhere.headers());
    assert_eq!(body(&stranger), body(&nowhere));
    assert_eq!(
        header(stranger.headers(), "content-type"),
        "application/problem+json"
    );
}

#[tokio::test]
async fn an_answer_cached_for_one_is_checked_for_the_next() {
    let world = World::new().await;
    world.get("").await;
    grant(&world.database.connect().await, "eve", world.lp_id).await;
    let eve = async || {
        handle(
            &world.app,
            request("eve", &world.lp_id.to_string(), "", &[]),
        )
        .await
    };
    assert_eq!(x_cache(&eve().await), "hit");
}

#[tokio::test]
async fn an_entitlement_outside_its_time_is_none() {
    let world = World::new().await;
    let client = world.database.connect().await;
    let sql = "update lp_access set valid_from = now() - interval '2 days', valid_to = now() - interval '1 day'";
    client.execute(sql, &[]).await.expect("an update");
    assert_eq!(world.get("").await.status(), 404);
    let sql = "update lp_access set valid_from = now() + interval '1 day', valid_to = null";
    client.execute(sql, &[]).await.expect("an update");
    assert_eq!(world.get("").await.status(), 404);
    let sql = "update lp_access set valid_from = now(), valid_to = 'infinity'";
    client.execute(sql, &[]).await.expect("an update");
    assert_eq!(world.get("").await.status(), 200);
}

/// A grant in the cache outlives neither its time to live nor the entitlement itself.
#[tokio::test]
async fn a_grant_is_believed_for_a_while_and_never_beyond_the_entitlement() {
    let world = World::new().await;
    let client = world.database.connect().await;
    let connection = world.app.db.connection().await.expect("a connection");
    let lp_id = LpId::try_from(world.lp_id).expect("an id");
    let scope = Scope::Lp(lp_id, Funds::All);
    let believed_until = async || {
        let claim = Claim {
            subject: "ada",
            scope: &scope,
            ttl: TTL,
        };
        let grant = load_grant(&connection, claim).await;
        let grant = grant.expect("the database answers").expect("a grant");
        grant.believed_until
    };
    let is_believed_for_its_ttl = async || {
        // The database tells microseconds.
        let before = Utc::now().trunc_subsecs(6);
        let asked = believed_until().await - TTL;
        before <= asked && asked <= Utc::now()
    };
    assert!(is_believed_for_its_ttl().await);
    let sql = "update lp_access set valid_to = now() + interval '30 seconds' returning valid_to";
    let row = client.query_one(sql, &[]).await.expect("an update");
    let valid_to: DateTime<Utc> = row.get(0);
    assert_eq!(believed_until().await, valid_to);
    // Of two entitlements the longer one counts.
    grant(&client, "ada", world.lp_id).await;
    assert!(is_believed_for_its_ttl().await);
}

#[tokio::test]
async fn without_a_subject_there_is_no_answer() {
    let world = World::new().await;
    let response = handle(&world.app, request("", "not even an id", "", &[])).await;
    assert_eq!(response.status(), 401);
    assert_eq!(
        header(response.headers(), "content-type"),
        "application/problem+json"
    );
}

#[tokio::test]
async fn a_wrong_request_is_told_all_that_is_wrong() {
    let world = World::new().await;
    let response = handle(&world.app, request("ada", "x", "limit=0&color=red", &[])).await;
    assert_eq!(response.status(), 400);
    let problem: serde_json::Value = serde_json::from_slice(body(&response)).expect("JSON");
    let named: Vec<_> = problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| &error["parameter"])
        .collect();
    assert_eq!(named, ["lpId", "limit", "color"]);
}

#[tokio::test]
async fn gzip_is_for_those_who_ask_from_the_database_and_from_the_cache() {
    let world = World::new().await;
    for expected in ["miss", "hit"] {
        let (plain, packed) = (
            world.get_with(&[]).await,
            world.get_with(&[("accept-encoding", "gzip")]).await,
        );
        assert_eq!(x_cache(&plain), expected);
        assert_eq!(header(packed.headers(), "content-encoding"), "gzip");
        assert_eq!(inflate(body(&packed)), body(&plain));
        assert_ne!(
            header(packed.headers(), "etag"),
            header(plain.headers(), "etag")
        );
        assert!(body(&packed).len() < body(&plain).len() / 4);
    }
    assert_eq!(
        header(world.get("limit=1").await.headers(), "content-encoding"),
        ""
    );
}

#[tokio::test]
async fn a_client_that_has_the_answer_is_told_so() {
    let world = World::new().await;
    let gzip = ("accept-encoding", "gzip");
    let etag = header(world.get_with(&[gzip]).await.headers(), "etag").to_owned();
    let same = world
        .get_with(&[gzip, ("if-none-match", &format!("W/{etag}"))])
        .await;
    assert_eq!(
        (same.status().as_u16(), header(same.headers(), "x-cache")),
        (304, "hit")
    );
    assert!(body(&same).is_empty());
    let other_coding = world.get_with(&[("if-none-match", &etag)]).await;
    assert_eq!(other_coding.status(), 200);
}

#[tokio::test]
async fn without_redis_the_answers_are_the_same() {
    let world = World::new().await;
    let cached = world.get("limit=3").await;
    let app = app(
        &world.database.reader_url(),
        "redis://127.0.0.1:1",
        world.keyspace.prefix(),
    );
    for _ in 0..5 {
        let answered = handle(
            &app,
            request("ada", &world.lp_id.to_string(), "limit=3", &[]),
        )
        .await;
        assert_eq!(x_cache(&answered), "bypass");
        assert_eq!(body(&answered), body(&cached));
    }
}

#[tokio::test]
async fn without_the_database_the_client_is_asked_to_retry() {
    let world = World::new().await;
    let app = app(
        "postgres://127.0.0.1:1/none",
        &world.keyspace.url(),
        world.keyspace.prefix(),
    );
    let response = handle(&app, request("ada", &world.lp_id.to_string(), "", &[])).await;
    assert_eq!(response.status(), 503);
    assert_eq!(header(response.headers(), "retry-after"), "1");
    assert!(
        world
            .keyspace
            .keys()
            .await
            .iter()
            .all(|key| !key.contains("lease"))
    );
}

#[tokio::test]
async fn a_connection_that_the_server_closed_in_between_costs_no_answer() {
    let world = World::new().await;
    world.get("limit=1").await;
    let client = world.database.connect().await;
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()";
    client.execute(sql, &[]).await.expect("backends are ended");
    assert_eq!(x_cache(&world.get("limit=2").await), "miss");
}
