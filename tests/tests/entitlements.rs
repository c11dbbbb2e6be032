//! Granting and revoking by command, and what a restriction to a fund leaves of each report.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::access::{Claim, Scope, load_grant};
use shared::app::App;
use shared::cache::{Finding, ReportName};
use shared::config::Environment;
use shared::entitlements::{Command, Done, Failure, carry_out};
use shared::grant::Funds;
use shared::ids::LpId;
use tests::builders::{World, grant};
use tests::desk::Desk;
use tests::http::{header, request};
use tests::redis::PATIENT;
use tests::reporting::Reporting;
use tokio_postgres::error::SqlState;

const NEW: Done = Done {
    changed: true,
    forgotten: None,
};
const ENDED: Done = Done {
    changed: true,
    forgotten: Some(true),
};
/// Far below a minute, for which a grant is believed unless told otherwise.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// An app like the function's, or, with variables changed, like one that does not reach everything.
fn app(desk: &Desk, database_url: &str, changed: &[(&str, &str)]) -> App {
    let redis_url = desk.keyspace.url();
    let mut variables = vec![
        ("DATABASE_URL", database_url),
        ("REDIS_URL", &redis_url),
        ("REDIS_PREFIX", desk.keyspace.prefix()),
        PATIENT,
    ];
    variables.extend_from_slice(changed);
    App::from_environment(&Environment::of(&variables)).expect("the environment is usable")
}

fn grantor(desk: &Desk) -> App {
    app(desk, &desk.database.grantor_url(), &[])
}

async fn give(app: &App, command: Value) -> Result<Done, Failure> {
    let command = Command::parse(command, Utc::now()).expect("it is a command");
    carry_out(app, &command).await
}

async fn done(app: &App, command: Value) -> Done {
    give(app, command).await.expect("it is carried out")
}

/// The words for `ada` and an LP, with more of them.
fn words(lp_id: i64, more: Value) -> Value {
    let mut words = json!({"subject": "ada", "role": "lp_viewer", "lpId": lp_id, "by": "grace"});
    for (name, value) in more.as_object().expect("an object") {
        words[name] = value.clone();
    }
    words
}

async fn get(app: &App, subject: &str, path: &str) -> Response<Body> {
    handle(app, request(path, Some(subject), &[])).await
}

/// Hands a request to the function that its path belongs to.
async fn handle(app: &App, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.rsplit('/').next() {
        Some("summary") => summary::handle(app, request).await,
        Some("capital-activity") => capital_activity::handle(app, request).await,
        Some("holdings") => holdings::handle(app, request).await,
        Some("history") => performance_history::handle(app, request).await,
        _ if path.contains("/fund/") => fund_performance::handle(app, request).await,
        _ => performance::handle(app, request).await,
    }
}

#[tokio::test]
async fn what_is_granted_is_seen_at_once_and_gone_at_once_when_it_is_revoked() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let (grantor, words) = (grantor(&desk), words(world.lp_id, json!({})));
    let path = format!("/api/lp/{}/summary", world.lp_id);
    for round in 0..2 {
        assert_eq!(get(&desk.reader, "ada", &path).await.status(), 404);
        assert_eq!(done(&grantor, json!({ "grant": words })).await, NEW);
        // For a while after a revocation no grant is kept, and the database answers.
        let expected = [["miss", "hit"], ["bypass", "bypass"]][round];
        for expected in expected {
            let answer = get(&desk.reader, "ada", &path).await;
            assert_eq!(header(&answer, "x-cache"), expected, "{round}");
        }
        assert_eq!(done(&grantor, json!({ "revoke": words })).await, ENDED);
    }
    assert_eq!(get(&desk.reader, "ada", &path).await.status(), 404);
}

#[tokio::test]
async fn a_command_given_twice_records_once_who_did_what() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let grantor = grantor(&desk);
    let to_come = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%dT%H:%M:%SZ");
    let words = words(world.lp_id, json!({"validTo": to_come.to_string()}));
    let mut revoked = words.clone();
    revoked
        .as_object_mut()
        .expect("an object")
        .remove("validTo");
    revoked["by"] = json!("hedy");
    for changed in [true, false] {
        let given = done(&grantor, json!({ "grant": words })).await;
        assert_eq!(given.changed, changed);
    }
    for changed in [true, false] {
        let given = done(&grantor, json!({ "revoke": revoked })).await;
        assert_eq!((given.changed, given.forgotten), (changed, Some(true)));
    }
    let record = desk
        .rows(
            "select subject, lp_id, fund_id, granted_by, valid_to > now() as lasting, revoked_by, revoked_at >= created_at as ended
             from lp_access",
        )
        .await;
    assert_eq!(record, [format!("(ada,{},,grace,t,hedy,t)", world.lp_id)]);
}

#[tokio::test]
async fn a_grant_to_come_is_none_yet() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let grantor = grantor(&desk);
    let tomorrow = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%dT%H:%M:%SZ");
    let words = words(world.lp_id, json!({"validFrom": tomorrow.to_string()}));
    assert_eq!(done(&grantor, json!({ "grant": words })).await, NEW);
    let path = format!("/api/lp/{}/summary", world.lp_id);
    assert_eq!(get(&desk.reader, "ada", &path).await.status(), 404);
}

#[tokio::test]
async fn a_command_about_what_is_not_there_names_the_field() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let grantor = grantor(&desk);
    let of_nobody = json!({"subject": "ada", "role": "gp", "fundId": 999_999, "by": "grace"});
    for (words, field) in [
        (words(999_999, json!({})), "lpId"),
        (words(world.lp_id, json!({"fundId": 999_999})), "fundId"),
        (of_nobody, "fundId"),
    ] {
        let refused = give(&grantor, json!({ "grant": words })).await;
        match refused {
            Err(Failure::Refused(refusal)) => assert!(refusal.detail.contains(field), "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(desk.number("select count(*) from lp_access").await, 0);
}

/// A reader that asked the database just before keeps what it learned after the revocation has closed the grant: or it would, for a minute.
#[tokio::test]
async fn who_looked_before_a_revocation_comes_too_late_to_keep_the_grant() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let words = words(world.lp_id, json!({}));
    let grantor = grantor(&desk);
    done(&grantor, json!({ "grant": words })).await;
    let lp_id = LpId::try_from(world.lp_id).expect("an id");
    let connection = desk.reader.db.connection().await.expect("a connection");
    let claim = Claim {
        subject: "ada",
        scope: &Scope::Lp(lp_id, Funds::All),
        ttl: Duration::from_secs(60),
    };
    let found = load_grant(&connection, claim).await.expect("it is decided");
    done(&grantor, json!({ "revoke": words })).await;
    let cache = &desk.reader.cache;
    let place = cache.place(ReportName::Summary, lp_id, "", "ada", Utc::now());
    cache.keep_grant(&place, &found.expect("a grant")).await;
    let seen = cache.find(&place, &Funds::All, Some).await;
    assert!(matches!(seen, Finding::Unproven));
}

#[tokio::test]
async fn out_of_reach_of_redis_a_revocation_holds_when_the_grant_is_believed_no_longer() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let words = words(world.lp_id, json!({}));
    let believing = app(
        &desk,
        &desk.database.reader_url(),
        &[("ACCESS_TTL_SECONDS", "1")],
    );
    let away = app(
        &desk,
        &desk.database.grantor_url(),
        &[("REDIS_URL", "redis://127.0.0.1:1")],
    );
    assert_eq!(done(&away, json!({ "grant": words })).await, NEW);
    let path = format!("/api/lp/{}/summary", world.lp_id);
    assert_eq!(get(&believing, "ada", &path).await.status(), 200);
    let ended = done(&away, json!({ "revoke": words })).await;
    assert_eq!(ended.forgotten, Some(false));
    let start = Instant::now();
    while get(&believing, "ada", &path).await.status() != 404 {
        assert!(start.elapsed() < LONGEST_WAIT, "it is still believed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Given again, it reaches Redis.
#[tokio::test]
async fn a_revocation_given_again_is_forgotten_though_nothing_is_left_to_record() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    let (grantor, words) = (grantor(&desk), words(world.lp_id, json!({})));
    done(&grantor, json!({ "grant": words })).await;
    let path = format!("/api/lp/{}/summary", world.lp_id);
    assert_eq!(get(&desk.reader, "ada", &path).await.status(), 200);
    desk.run("update lp_access set revoked_by = 'sql', revoked_at = now()")
        .await;
    assert_eq!(get(&desk.reader, "ada", &path).await.status(), 200);
    let again = done(&grantor, json!({ "revoke": words })).await;
    assert_eq!((again.changed, again.forgotten), (false, Some(true)));
    assert_eq!(get(&desk.reader, "ada", &path).await.status(), 404);
}

/// The awkward LP, `ada`, who may see all of it, and `eve`, who may see the single fund.
async fn restricted_world() -> Reporting {
    let world = Reporting::settled().await;
    grant(&world.desk.client, "ada", world.lp_id.get()).await;
    restrict(&world, "eve", world.single_fund.get()).await;
    world
}

async fn restrict(world: &Reporting, subject: &str, fund_id: i64) {
    let words = words(
        world.lp_id.get(),
        json!({"subject": subject, "fundId": fund_id}),
    );
    assert_eq!(
        done(&grantor(&world.desk), json!({ "grant": words })).await,
        NEW
    );
}

/// What is about one fund, by each report that can be.
fn within(world: &Reporting, fund_id: impl std::fmt::Display) -> Vec<String> {
    let lp = format!("/api/lp/{}", world.lp_id);
    vec![
        format!("{lp}/fund/{fund_id}/performance"),
        format!("{lp}/capital-activity?fundIds={fund_id}"),
        format!(
            "{lp}/capital-activity?fundIds={fund_id}&types=capital_call&metadata=wire:same-day"
        ),
        format!("{lp}/holdings?fundId={fund_id}"),
        format!("{lp}/performance/history?fundId={fund_id}"),
    ]
}

/// What is about more than the single fund.
fn wider(world: &Reporting) -> Vec<String> {
    let lp = format!("/api/lp/{}", world.lp_id);
    let (single, double) = (world.single_fund, world.double_fund);
    let mut paths = within(world, double);
    paths.extend([
        format!("{lp}/summary"),
        format!("{lp}/performance"),
        format!("{lp}/capital-activity"),
        format!("{lp}/capital-activity?types=capital_call"),
        format!("{lp}/capital-activity?metadata=wire:same-day"),
        format!("{lp}/capital-activity?fundIds={single},{double}"),
        format!("{lp}/holdings"),
        format!("{lp}/performance/history"),
        format!(
            "{lp}/performance/history?commitmentId={}",
            world.commitment_id
        ),
    ]);
    paths
}

/// Twice each, from a cache that is empty, one that knows the grant, and one that has the answer as well.
#[tokio::test]
async fn whoever_may_see_one_fund_sees_what_is_about_it_and_nothing_wider() {
    let world = restricted_world().await;
    let reader = &world.desk.reader;
    let nowhere = get(reader, "eve", "/api/lp/999999/summary").await;
    assert_eq!(nowhere.status(), 404);
    for _ in 0..2 {
        for path in within(&world, world.single_fund) {
            let hers = get(reader, "eve", &path).await;
            assert_eq!(hers.status(), 200, "{path}");
            let whole = get(reader, "ada", &path).await;
            assert_eq!(hers.body().as_ref(), whole.body().as_ref(), "{path}");
        }
        for path in wider(&world) {
            let refused = get(reader, "eve", &path).await;
            assert_eq!(refused.status(), 404, "{path}");
            assert_eq!(refused.headers(), nowhere.headers(), "{path}");
            assert_eq!(refused.body().as_ref(), nowhere.body().as_ref(), "{path}");
            // Now it is in the cache, with an ETag that she may have been told.
            let hers = get(reader, "ada", &path).await;
            assert_eq!(hers.status(), 200, "{path}");
            let etag = [("if-none-match", header(&hers, "etag"))];
            let told = handle(reader, request(&path, Some("eve"), &etag)).await;
            assert_eq!(told.status(), 404, "{path}");
            assert_eq!(told.body().as_ref(), nowhere.body().as_ref(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_question_about_two_funds_needs_both_and_a_wider_grant_is_seen_at_once() {
    let world = restricted_world().await;
    let reader = &world.desk.reader;
    let (single, double) = (world.single_fund, world.double_fund);
    let lp = format!("/api/lp/{}", world.lp_id);
    let both = format!("{lp}/capital-activity?fundIds={single},{double}");
    let whole = format!("{lp}/summary");
    let status = async |path: &str| get(reader, "eve", path).await.status().as_u16();
    assert_eq!((status(&both).await, status(&whole).await), (404, 404));
    restrict(&world, "eve", double.get()).await;
    assert_eq!((status(&both).await, status(&whole).await), (200, 404));
    let words = words(world.lp_id.get(), json!({"subject": "eve"}));
    done(&grantor(&world.desk), json!({ "grant": words })).await;
    assert_eq!((status(&both).await, status(&whole).await), (200, 200));
    // What is left after the wide one is taken back is what was granted before.
    done(&grantor(&world.desk), json!({ "revoke": words })).await;
    assert_eq!((status(&both).await, status(&whole).await), (200, 404));
}

#[tokio::test]
async fn the_grantor_adds_and_ends_grants_and_does_nothing_else() {
    let desk = Desk::empty().await;
    let world = World::insert(&desk.client).await;
    grant(&desk.client, "ada", world.lp_id).await;
    let grantor = tests::database::connect(&desk.database.grantor_url()).await;
    for forbidden in [
        "select from limited_partners",
        "select from capital_activities",
        "delete from lp_access",
        "update lp_access set subject = 'eve'",
        "update lp_access set valid_to = null",
        "insert into lp_access (subject, lp_id, created_at) values ('eve', 1, now())",
        "truncate lp_access",
        "create table mine (id int)",
    ] {
        let refused = grantor.batch_execute(forbidden).await.expect_err(forbidden);
        assert_eq!(
            refused.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{forbidden}"
        );
    }
}

#[tokio::test]
async fn a_grant_names_an_lp_or_as_gp_a_fund_and_ends_by_somebodys_hand() {
    let desk = Desk::empty().await;
    let World { lp_id, fund_id, .. } = World::insert(&desk.client).await;
    for wrong in [
        "(subject, role) values ('ada', 'lp_viewer')".to_owned(),
        format!("(subject, role, fund_id) values ('ada', 'auditor', {fund_id})"),
        "(subject, role) values ('ada', 'gp')".to_owned(),
        format!("(subject, role, lp_id) values ('ada', 'gp', {lp_id})"),
        format!("(subject, role, lp_id, fund_id) values ('ada', 'gp', {lp_id}, {fund_id})"),
        format!("(subject, lp_id, revoked_at) values ('ada', {lp_id}, now())"),
        format!("(subject, lp_id, revoked_by) values ('ada', {lp_id}, 'grace')"),
    ] {
        let sql = format!("insert into lp_access {wrong}");
        let refused = desk.client.batch_execute(&sql).await.expect_err(&wrong);
        assert_eq!(refused.code(), Some(&SqlState::CHECK_VIOLATION), "{wrong}");
    }
}
