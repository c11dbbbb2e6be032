//! Strangers at a running stack: whatever is wrong with what they send is refused, nothing of it is a failure, and the logs of
//! it all carry ids and codes, but no token, no name, no amount and no word of a message.

use std::time::{Duration, Instant};

use chrono::Utc;
use local::gateway::tokens::{Flaw, SigningKey, TokenScope};
use local::template::Template;
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::error::Error;
use tests::builders::activity_message;
use tests::database::{Database, project};
use tests::stack::{Answer, Stack};

/// Far beyond what anything here takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);
/// Stands for all that a sender or a caller may call people and things.
const NAME: &str = "Quillfeather";
/// An amount that nothing else here has.
const AMOUNT_CENTS: i64 = 987_654_321_012;

struct Run {
    stack: Stack,
    scope: TokenScope,
    path: String,
}

impl Run {
    async fn start() -> Self {
        let stack = Stack::start_with(&["--env", "RETRY_DELAYS_SECONDS=1"]).await;
        let setting = |name| stack.setting(name).to_owned();
        Self {
            scope: TokenScope {
                issuer: setting("JWT_ISSUER"),
                audience: setting("JWT_AUDIENCE"),
            },
            path: format!("/api/lp/{}/capital-activity", setting("LP_ID")),
            stack,
        }
    }

    async fn ask(&self, query: &str) -> Answer {
        let path = format!("{}?{query}", self.path);
        self.stack.get(&path, self.stack.setting("TOKEN")).await
    }

    /// Waits until every message sent so far is acknowledged.
    async fn acknowledged(&self) {
        let start = Instant::now();
        while self.stack.unacknowledged().await > 0 {
            assert!(start.elapsed() < LIMIT, "messages are still on the queue");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn call(&self) -> Value {
        let today = Utc::now().date_naive().to_string();
        let commitment_id = self.stack.id("COMMITMENT_ID");
        let mut call = activity_message(commitment_id, "capital_call", AMOUNT_CENTS, &today);
        call["description"] = json!(format!("For the {NAME} family office"));
        call["referenceNumber"] = json!(format!("{NAME}-7"));
        call["metadata"] = json!({ "contact": NAME });
        call
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_and_the_logs_tell_nothing_of_anybody() {
    let run = Run::start().await;
    every_flawed_token_is_refused_at_the_gateway(&run).await;
    no_claim_is_a_failure(&run).await;
    no_function_answers_without_an_authorizer(&run).await;
    what_is_too_long_is_refused_at_the_gateway(&run).await;
    wrong_parameters_are_told_in_plain_characters(&run).await;
    refused_messages_are_dead_letters(&run).await;
    what_is_away_is_no_failure(&run).await;
    the_logs_tell_nothing_of_anybody(&run).await;
}

async fn every_flawed_token_is_refused_at_the_gateway(run: &Run) {
    let key = run.stack.signing_key();
    let subject = format!("lp-{}", run.stack.id("LP_ID"));
    let good = key.token(&run.scope, &subject, 60).expect("a token");
    assert_eq!(run.stack.get(&run.path, &good).await.status, StatusCode::OK);
    for flaw in Flaw::all() {
        let token = key.flawed_token(&run.scope, &subject, *flaw);
        let answer = run.stack.get(&run.path, &token.expect("a token")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{flaw:?}");
        assert_eq!(answer.body, json!({"message": "Unauthorized"}), "{flaw:?}");
        let challenge = &answer.headers["www-authenticate"];
        assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{flaw:?}");
    }
}

/// The gateway hands on every claim as text. Whom it then names has no grant; what can be nobody's name is refused, here or there.
async fn no_claim_is_a_failure(run: &Run) {
    let expires = Utc::now().timestamp() + 60;
    for (subject, expected) in [
        (json!(7), StatusCode::NOT_FOUND),
        (json!(1.5e300), StatusCode::NOT_FOUND),
        (json!(true), StatusCode::NOT_FOUND),
        (json!(null), StatusCode::NOT_FOUND),
        (json!([NAME, 7]), StatusCode::UNAUTHORIZED),
        (json!({ NAME: {} }), StatusCode::UNAUTHORIZED),
        (json!("x".repeat(255)), StatusCode::NOT_FOUND),
        (json!("x".repeat(256)), StatusCode::UNAUTHORIZED),
        (json!("a\0b"), StatusCode::UNAUTHORIZED),
        (json!(""), StatusCode::UNAUTHORIZED),
    ] {
        let claims = json!({"iss": run.scope.issuer, "aud": run.scope.audience, "exp": expires, "sub": subject, "also": subject});
        let token = run.stack.signing_key().sign_claims(&claims);
        let answer = run.stack.get(&run.path, &token.expect("a token")).await;
        assert_eq!(answer.status, expected, "{subject}");
    }
}

async fn no_function_answers_without_an_authorizer(run: &Run) {
    let template = Template::read(&project().join("infra/template.yaml")).expect("the template");
    for (_, function) in template.routes() {
        for authorizer in [
            json!(null),
            json!({}),
            json!({"jwt": null}),
            json!({"iam": {}}),
        ] {
            let event = project().join(format!("events/{function}.json"));
            let event = std::fs::read_to_string(event).expect("an event");
            let mut event: Value = serde_json::from_str(&event).expect("it is JSON");
            event["requestContext"]["authorizer"] = authorizer.clone();
            let answer = run.stack.invoke(&function, &event).await;
            assert_eq!(answer["statusCode"], 401, "{function} {authorizer}");
            let media_type = &answer["headers"]["content-type"];
            assert_eq!(media_type, "application/problem+json", "{answer}");
        }
    }
}

async fn what_is_too_long_is_refused_at_the_gateway(run: &Run) {
    let (token, long) = (run.stack.setting("TOKEN"), "9".repeat(10_240));
    for answer in [
        run.stack
            .get(&format!("/api/lp/{long}/summary"), token)
            .await,
        run.ask(&format!("cursor={long}")).await,
        run.stack
            .get_with(&run.path, token, &[("if-none-match", &long)])
            .await,
    ] {
        assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}

async fn wrong_parameters_are_told_in_plain_characters(run: &Run) {
    assert_eq!(
        run.ask(&format!("metadata=contact:{NAME}")).await.status,
        StatusCode::OK
    );
    for query in [
        &format!("{NAME}=1") as &str,
        &format!("startDate={NAME}"),
        &format!("types={NAME}"),
        "types=%3Cscript%3Ealert(1)%3C/script%3E&%3Cb%3E=1",
        "cursor=%FF%00",
        "metadata=a:%00",
        "fundIds=1,2,%22,3",
        "=",
        "limit=99999999999999999999",
    ] {
        let answer = run.ask(query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        let told = answer.body.to_string();
        let is_plain = |c: char| c.is_ascii() && !c.is_control() && !"<>&".contains(c);
        assert!(told.chars().all(is_plain), "{told}");
    }
}

async fn refused_messages_are_dead_letters(run: &Run) {
    let call = run.call();
    run.stack.send(&call).await;
    run.acknowledged().await;
    let wrong = [
        (NAME, json!(1)),
        ("type", json!(NAME)),
        ("amountCents", json!(AMOUNT_CENTS + 1)),
        ("amountCents", json!(-AMOUNT_CENTS)),
        ("currency", json!("XXX")),
        ("effectiveDate", json!(NAME)),
        ("components", json!({ NAME: AMOUNT_CENTS })),
        ("metadata", json!({ "contact": NAME.repeat(1000) })),
        ("reversesEventId", json!(NAME)),
        ("commitmentId", json!(987_654_321)),
        ("schema", json!(NAME)),
    ];
    for (property, value) in &wrong {
        let mut message = call.clone();
        // The second amount is told under the id of the first: the event's content differs.
        if *value != json!(AMOUNT_CENTS + 1) {
            message["eventId"] = json!(format!("{property} {value}"));
        }
        message[*property] = value.clone();
        run.stack.send(&message).await;
    }
    run.stack
        .send(&json!(format!("{NAME} is no message")))
        .await;
    run.acknowledged().await;
    assert_eq!(run.stack.dead_letters().await.len(), wrong.len() + 1);
}

async fn what_is_away_is_no_failure(run: &Run) {
    run.stack.server("redis", "stop").await;
    let query = format!("metadata=contact:{NAME}&limit=1");
    assert_eq!(run.ask(&query).await.status, StatusCode::OK);
    run.stack.server("postgres", "stop").await;
    assert_eq!(
        run.ask(&query).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    run.stack.send(&run.call()).await;
    run.stack.server("postgres", "start").await;
    run.stack.server("redis", "start").await;
    run.acknowledged().await;
}

async fn the_logs_tell_nothing_of_anybody(run: &Run) {
    let logs = run.stack.logs();
    let has = |word: &str| logs.values().any(|log| log.contains(word));
    for expected in [
        "EVENT_ID_REUSED",
        "COMMITMENT_NOT_FOUND",
        "a request failed",
    ] {
        assert!(
            has(expected),
            "these are not the logs: {expected} is missing"
        );
    }
    let sql = "select name from limited_partners union select name from funds union select name from portfolio_companies";
    let names = run.stack.database().await.query(sql, &[]).await;
    let names = names.expect("names").into_iter().map(|row| row.get(0));
    let told = [NAME.to_owned(), AMOUNT_CENTS.to_string()];
    for secret in names.chain(told) {
        for (log, text) in &logs {
            let line = text.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{log} tells {secret}");
        }
    }
    for (log, text) in &logs {
        let line = text.lines().find(|line| holds_password(line));
        assert_eq!(line, None, "{log} tells a password");
        let line = text.lines().find(|line| holds_token(line));
        assert_eq!(line, None, "{log} tells a token");
    }
}

/// Whether there is a token. Every one begins with `{"typ":"`, or with another name of three letters, in base64; what is random has
/// some of that by chance, and not all of it.
fn holds_token(line: &str) -> bool {
    let mut begun = line.match_indices("eyJ");
    begun.any(|(at, _)| line.get(at + 7..at + 10) == Some("iOi"))
}

#[test]
fn a_token_is_noticed() {
    let key = SigningKey::generate().expect("a key");
    let scope = TokenScope {
        issuer: "https://issuer.example".to_owned(),
        audience: "api".to_owned(),
    };
    for flaw in Flaw::all() {
        let token = key.flawed_token(&scope, NAME, *flaw).expect("a token");
        assert!(
            holds_token(&format!(r#"{{"error":"not {token}"}}"#)),
            "{flaw:?}"
        );
    }
    assert!(!holds_token("a receipt 0eyJhbGqWxOiZ of nothing"));
}

/// Whether there is a URL with a password, as `redis://user:password@host`.
fn holds_password(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':')
    })
}

#[test]
fn a_password_in_a_url_is_noticed() {
    assert!(holds_password(
        r#"{"error":"redis://:secret@host:1/0 is away"}"#
    ));
    assert!(!holds_password(
        "postgres://reader@host:1/a?b=c:d@e and http://host:80/x"
    ));
}

/// The database shows the row that it refuses, with all that is in it.
#[tokio::test]
async fn what_the_log_says_of_a_refused_row_does_not_show_it() {
    let database = Database::empty().await;
    let client = database.connect().await;
    let sql = "insert into funds (name, vintage_year, currency) values ('Quillfeather I', 2020, 'dollars')";
    let refused = client.batch_execute(sql).await.expect_err("no currency");
    let shown = refused.as_db_error().and_then(|error| error.detail());
    assert!(
        shown.is_some_and(|detail| detail.contains(NAME)),
        "{shown:?}"
    );
    let told = Error::from(refused).chain().to_string();
    assert!(told.contains("violates check constraint"), "{told}");
    assert!(!told.contains(NAME), "{told}");
}
