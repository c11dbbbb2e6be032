//! Tokens at the gateway, and the claims that it hands on to a function.

use std::sync::LazyLock;

use chrono::Utc;
use local::gateway::tokens::{Authorizer, SigningKey, TokenScope, key_set};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::http::subject;
use tests::http::request_with_claims;

use crate::{slipped, slips, try_on};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().expect("a key"));

fn scope() -> TokenScope {
    TokenScope {
        issuer: "https://issuer.example".to_owned(),
        audience: "api".to_owned(),
    }
}

fn authorizer() -> Authorizer {
    let scope = scope();
    Authorizer::new(&key_set(&[&KEY]), scope.issuer, vec![scope.audience])
        .expect("the keys are right")
}

#[test]
fn a_token_with_a_slip_is_refused() {
    let (authorizer, good) = (
        authorizer(),
        KEY.token(&scope(), "alice", 600).expect("a token"),
    );
    let header = format!("Bearer {good}");
    authorizer.check(Some(&header)).expect("the token is good");
    try_on("tokens with slips", slips(), |slips| {
        let changed = slipped(&header, &slips);
        let is_same = changed
            .strip_prefix("Bearer ")
            .is_some_and(|token| token == good)
            || changed.eq_ignore_ascii_case(&header) && changed.ends_with(&good);
        prop_assert_eq!(
            authorizer.check(Some(&changed)).is_ok(),
            is_same,
            "{}",
            changed
        );
        Ok(())
    });
}

#[test]
fn no_other_header_is_a_token() {
    let authorizer = authorizer();
    let part = "[A-Za-z0-9_-]{0,40}";
    let three = (part, part, part).prop_map(|(a, b, c)| format!("Bearer {a}.{b}.{c}"));
    let headers = prop_oneof![
        any::<String>(),
        any::<String>().prop_map(|text| format!("Bearer {text}")),
        three
    ];
    try_on("headers as tokens", headers, |header| {
        prop_assert!(authorizer.check(Some(&header)).is_err());
        Ok(())
    });
}

/// A value of a claim: what it should be, and what it should not.
fn claim(right: Value) -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => Just(right),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => prop::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
    ]
}

/// Well signed claims of every kind: let in are only those whose every word is right.
#[test]
fn well_signed_claims_are_let_in_only_if_each_is_right() {
    let (authorizer, scope) = (authorizer(), scope());
    let now = Utc::now().timestamp();
    let (issuer, audience) = (json!(scope.issuer), json!(scope.audience));
    let cases = (
        claim(issuer.clone()),
        claim(audience.clone()),
        claim(json!(now + 3600)),
        claim(json!(now - 60)),
        claim(json!("alice")),
    );
    try_on("well signed claims", cases, |(iss, aud, exp, nbf, sub)| {
        let claims = json!({"iss": iss, "aud": aud, "exp": exp, "nbf": nbf, "sub": sub});
        let token = KEY.sign_claims(&claims).expect("any claims can be signed");
        if authorizer.check(Some(&format!("Bearer {token}"))).is_ok() {
            prop_assert_eq!(&claims["iss"], &issuer);
            prop_assert_eq!(&claims["aud"], &audience);
            prop_assert!(
                exp.as_f64().is_some_and(|exp| exp >= now as f64),
                "{}",
                claims
            );
            prop_assert!(
                nbf.as_f64().is_some_and(|nbf| nbf <= now as f64 + 60.0),
                "{}",
                claims
            );
        }
        Ok(())
    });
}

#[test]
fn a_subject_is_plain_text_within_bounds_or_nobody() {
    let subjects = prop_oneof![any::<String>(), "[ -~]{0,300}", "[a-z]{0,8}\0?[a-z]{0,8}"];
    try_on("subjects", subjects, |named| {
        let request = request_with_claims("/api/lp/1/summary", &json!({ "sub": named }), &[]);
        let is_plain =
            (1..=255).contains(&named.chars().count()) && !named.chars().any(char::is_control);
        prop_assert_eq!(subject(&request), Some(named.as_str()).filter(|_| is_plain));
        Ok(())
    });
}
