//! Tokens against signatures worked out here, from the text of AWS's Signature Version 4 and nothing else.

use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::*;

/// A request to be signed in its query. `now` is what the specification calls an ISO 8601 basic time.
struct Presigned<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: Option<&'a str>,
    region: &'a str,
    service: &'a str,
    host: &'a str,
    path: &'a str,
    own_parameters: &'a [(&'a str, &'a str)],
    expires_seconds: &'a str,
    payload_hash: &'a str,
    now: &'a str,
}

impl Presigned<'_> {
    /// Every parameter but the signature, sorted and encoded: the canonical query.
    fn query(&self) -> String {
        let credential = format!("{}/{}", self.access_key_id, self.scope());
        let mut parameters: Vec<(&str, &str)> = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", self.now),
            ("X-Amz-Expires", self.expires_seconds),
            ("X-Amz-SignedHeaders", "host"),
        ];
        parameters.extend(self.own_parameters);
        parameters.extend(
            self.session_token
                .map(|token| ("X-Amz-Security-Token", token)),
        );
        parameters.sort_unstable();
        let encoded = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        encoded.collect::<Vec<_>>().join("&")
    }

    fn scope(&self) -> String {
        let date = &self.now[..8];
        format!("{date}/{}/{}/aws4_request", self.region, self.service)
    }

    fn signature(&self) -> String {
        let canonical = format!(
            "GET\n{}\n{}\nhost:{}\n\nhost\n{}",
            self.path,
            self.query(),
            self.host,
            self.payload_hash
        );
        let hashed = hex(&Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hashed}", self.now, self.scope());
        let first = format!("AWS4{}", self.secret_access_key).into_bytes();
        let date = &self.now[..8];
        let key = [date, self.region, self.service, "aws4_request"]
            .iter()
            .fold(first, |key, part| hmac(&key, part.as_bytes()));
        hex(&hmac(&key, to_sign.as_bytes()))
    }
}

/// RFC 2104 with SHA-256; no key here is longer than a block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 3986, with everything encoded that is not unreserved.
fn encode(value: &str) -> String {
    let encoded = value.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}

const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Of AWS's documentation, where it opens nothing.
const EXAMPLE_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// With what base64 has and an address has to encode.
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjE+a/b==";

fn identity() -> Identity {
    Identity {
        region: "eu-west-1".to_owned(),
        credentials: Credentials::new(
            EXAMPLE_KEY_ID,
            EXAMPLE_SECRET,
            Some(SESSION_TOKEN.to_owned()),
            None,
            "test",
        ),
    }
}

/// 2026-11-25 21:43:07 UTC.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_642_987)
}

fn expected<'a>(
    service: &'a str,
    host: &'a str,
    own_parameters: &'a [(&'a str, &'a str)],
) -> Presigned<'a> {
    Presigned {
        access_key_id: EXAMPLE_KEY_ID,
        secret_access_key: EXAMPLE_SECRET,
        session_token: Some(SESSION_TOKEN),
        region: "eu-west-1",
        service,
        host,
        path: "/",
        own_parameters,
        expires_seconds: "900",
        payload_hash: HASH_OF_NOTHING,
        now: "20261125T214307Z",
    }
}

/// That a token is the expected address with the expected signature. The order of its parameters does not count.
fn assert_is(token: &str, expected: &Presigned<'_>) {
    let (address, query) = token.split_once("/?").expect("a query");
    assert_eq!(address, expected.host);
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    let signature = format!("X-Amz-Signature={}", expected.signature());
    let whole = format!("{}&{signature}", expected.query());
    let mut wanted: Vec<&str> = whole.split('&').collect();
    wanted.sort_unstable();
    assert_eq!(parameters, wanted);
}

#[test]
fn signatures_are_worked_out_here_as_in_the_example_of_the_documentation() {
    // "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", in the reference of S3.
    let example = Presigned {
        access_key_id: EXAMPLE_KEY_ID,
        secret_access_key: EXAMPLE_SECRET,
        session_token: None,
        region: "us-east-1",
        service: "s3",
        host: "examplebucket.s3.amazonaws.com",
        path: "/test.txt",
        own_parameters: &[],
        expires_seconds: "86400",
        payload_hash: "UNSIGNED-PAYLOAD",
        now: "20130524T000000Z",
    };
    assert_eq!(
        example.signature(),
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}

#[test]
fn a_token_for_the_database_is_signed_for_its_host_port_and_user() {
    let host = "lp.cluster-abc.eu-west-1.rds.amazonaws.com";
    let mut login = Login::to_database(identity(), host, 5432, "reader").unwrap();
    login.clock = then;
    let authority = format!("{host}:5432");
    let own = [("Action", "connect"), ("DBUser", "reader")];
    assert_is(&login.token(), &expected("rds-db", &authority, &own));
}

#[test]
fn a_token_for_the_cache_is_signed_for_its_name_kind_and_user() {
    let own = [
        ("Action", "connect"),
        ("ResourceType", "ServerlessCache"),
        ("User", "lp-reporting"),
    ];
    for (kind, own) in [
        (CacheKind::Serverless, own.to_vec()),
        (CacheKind::ReplicationGroup, vec![own[0], own[2]]),
    ] {
        let mut login = Login::to_cache(identity(), kind, "lp-cache", "lp-reporting").unwrap();
        login.clock = then;
        assert_is(&login.token(), &expected("elasticache", "lp-cache", &own));
    }
}

#[test]
fn what_would_be_read_as_another_request_is_not_signed() {
    for (host, user) in [
        ("host", "reader&DBUser=owner"),
        ("host", "rea der"),
        ("host", "reader#"),
        ("a host", "reader"),
        ("host/?DBUser=owner&", "reader"),
    ] {
        let login = Login::to_database(identity(), host, 5432, user);
        assert!(login.is_none(), "{host} {user}");
    }
}

#[test]
fn neither_key_nor_token_prints() {
    let login = Login::to_database(identity(), "host", 5432, "reader").unwrap();
    let printed = format!("{login:?}");
    for secret in [EXAMPLE_SECRET, SESSION_TOKEN] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
