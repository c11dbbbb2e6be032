//! Access tokens of the local stack: a signing key of its own, the key set that publishes it, and the check that the
//! gateway's JWT authorizer makes (RS256 only; issuer, audience, validity, a known key, a bounded length).

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use clap::ValueEnum;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

/// No header of the platform is longer, all of them together.
const LONGEST_TOKEN_BYTES: usize = 10 * 1024;

/// Who signs, and for whom.
#[derive(Debug, Clone)]
pub struct TokenScope {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` of every token.
    pub audience: String,
}

/// What is wrong with a token that must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flaw {
    /// It expired an hour ago.
    Expired,
    /// It is valid in an hour.
    NotYetValid,
    /// Somebody else issued it.
    WrongIssuer,
    /// It is meant for somebody else.
    WrongAudience,
    /// Another key signed it.
    WrongKey,
    /// It names a key that is not in the set.
    UnknownKey,
    /// It is not signed, and says so.
    Unsigned,
    /// It is signed with the public key as a shared secret.
    SharedSecret,
    /// Its signature has lost its end.
    Truncated,
    /// It is longer than any that is issued.
    Oversized,
}

impl Flaw {
    /// Every flaw.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }
}

/// The stack's signing key.
#[derive(Clone)]
pub struct SigningKey {
    pem: String,
    modulus: String,
    exponent: String,
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).context("cannot generate a signing key")?;
        Self::from_pkcs8(AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)?.as_ref())
    }

    /// The key that [`SigningKey::write`] left.
    pub fn read(path: &Path) -> Result<Self> {
        let pem = fs::read_to_string(path)
            .with_context(|| format!("cannot read the signing key {}", path.display()))?;
        let encoded: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        Self::from_pkcs8(&STANDARD.decode(encoded)?)
    }

    /// Leaves the key in a file that nobody else may read.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(std::io::Write::write_all(&mut file, self.pem.as_bytes())?)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let pair = KeyPair::from_pkcs8(der).context("this is no RSA key")?;
        let public = pair.public_key();
        let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (modulus, exponent) = (
            public.modulus().big_endian_without_leading_zero(),
            public.exponent().big_endian_without_leading_zero(),
        );
        Ok(Self {
            pem: pem_of(der),
            modulus: base64url(modulus),
            exponent: base64url(exponent),
        })
    }

    /// What the key is called in a set: its thumbprint after RFC 7638, so that keys which follow each other never share a name.
    fn id(&self) -> String {
        let members = format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            self.exponent, self.modulus
        );
        URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
    }

    /// A token by which a subject is let in.
    pub fn token(&self, scope: &TokenScope, subject: &str, ttl_seconds: i64) -> Result<String> {
        self.sign_claims(&claims(scope, subject, 0, ttl_seconds))
    }

    /// A token with any claims at all.
    pub fn sign_claims(&self, claims: &Value) -> Result<String> {
        self.sign(&self.id(), claims)
    }

    /// A token that is fine but for one flaw.
    pub fn flawed_token(&self, scope: &TokenScope, subject: &str, flaw: Flaw) -> Result<String> {
        const HOUR: i64 = 3600;
        let other = "https://somebody-else.example".to_owned();
        let good = claims(scope, subject, 0, HOUR);
        match flaw {
            Flaw::Expired => self.sign_claims(&claims(scope, subject, -2 * HOUR, HOUR)),
            Flaw::NotYetValid => self.sign_claims(&claims(scope, subject, HOUR, HOUR)),
            Flaw::WrongIssuer => self.sign_claims(&claims(
                &TokenScope {
                    issuer: other,
                    ..scope.clone()
                },
                subject,
                0,
                HOUR,
            )),
            Flaw::WrongAudience => self.sign_claims(&claims(
                &TokenScope {
                    audience: other,
                    ..scope.clone()
                },
                subject,
                0,
                HOUR,
            )),
            Flaw::WrongKey => Self::generate()?.sign(&self.id(), &good),
            Flaw::UnknownKey => self.sign("unknown", &good),
            Flaw::Unsigned => Ok(format!(
                "{}.{}.",
                encoded(&json!({"alg": "none", "typ": "JWT", "kid": self.id()})),
                encoded(&good)
            )),
            Flaw::SharedSecret => {
                let header = Header {
                    kid: Some(self.id()),
                    ..Header::new(Algorithm::HS256)
                };
                Ok(jsonwebtoken::encode(
                    &header,
                    &good,
                    &EncodingKey::from_secret(self.modulus.as_bytes()),
                )?)
            }
            Flaw::Truncated => {
                let mut token = self.sign_claims(&good)?;
                token.truncate(token.len() - 8);
                Ok(token)
            }
            Flaw::Oversized => {
                let mut padded = good;
                padded["padding"] = "x".repeat(LONGEST_TOKEN_BYTES).into();
                self.sign_claims(&padded)
            }
        }
    }

    fn sign(&self, key_id: &str, claims: &Value) -> Result<String> {
        let header = Header {
            kid: Some(key_id.to_owned()),
            ..Header::new(Algorithm::RS256)
        };
        Ok(jsonwebtoken::encode(
            &header,
            claims,
            &EncodingKey::from_rsa_pem(self.pem.as_bytes())?,
        )?)
    }
}

/// What an issuer publishes: the key that signs, and while tokens of the one before are still valid, that one as well.
pub fn key_set(keys: &[&SigningKey]) -> Value {
    let published = |key: &&SigningKey| json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key.id(), "n": key.modulus, "e": key.exponent});
    json!({"keys": keys.iter().map(published).collect::<Vec<_>>()})
}

/// The gateway's token check.
pub struct Authorizer {
    keys: JwkSet,
    issuer: String,
    audiences: Vec<String>,
}

impl Authorizer {
    /// Accepts tokens of one issuer, signed by a key of its set, for any of the audiences.
    pub fn new(key_set: &Value, issuer: String, audiences: Vec<String>) -> Result<Self> {
        Ok(Self {
            keys: serde_json::from_value(key_set.clone())?,
            issuer,
            audiences,
        })
    }

    /// The claims of a good token, given the whole `Authorization` header.
    pub fn check(&self, authorization: Option<&str>) -> Result<Map<String, Value>> {
        let (scheme, token) = authorization
            .and_then(|value| value.split_once(' '))
            .context("no bearer token")?;
        ensure!(scheme.eq_ignore_ascii_case("bearer"), "no bearer token");
        ensure!(token.len() <= LONGEST_TOKEN_BYTES, "the token is too long");
        let header = jsonwebtoken::decode_header(token)?;
        ensure!(header.alg == Algorithm::RS256, "only RS256 is accepted");
        let key = self
            .keys
            .find(header.kid.as_deref().context("the token names no key")?)
            .context("the key is not in the set")?;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(
            token,
            &DecodingKey::from_jwk(key)?,
            &self.validation(),
        )?
        .claims;
        // Not left to the library, which passes over a time that it cannot read.
        let now = Utc::now().timestamp() as f64;
        for name in ["iat", "nbf"] {
            let is_past = |time: &Value| time.as_f64().is_some_and(|time| time <= now);
            ensure!(
                claims.get(name).is_none_or(is_past),
                "{name} lies ahead, or is no time"
            );
        }
        Ok(claims)
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&self.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }
}

fn claims(scope: &TokenScope, subject: &str, starts_in_seconds: i64, ttl_seconds: i64) -> Value {
    let from = Utc::now().timestamp() + starts_in_seconds;
    // Issued when asked for: only `nbf` says that a token is not valid yet.
    let issued = from.min(Utc::now().timestamp());
    json!({"iss": scope.issuer, "aud": scope.audience, "sub": subject, "iat": issued, "nbf": from, "exp": from + ttl_seconds})
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn pem_of(der: &[u8]) -> String {
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> TokenScope {
        TokenScope {
            issuer: "https://issuer.example".to_owned(),
            audience: "api".to_owned(),
        }
    }

    fn authorizer(keys: &[&SigningKey]) -> Authorizer {
        Authorizer::new(
            &key_set(keys),
            scope().issuer,
            vec!["another".to_owned(), scope().audience],
        )
        .unwrap()
    }

    #[test]
    fn a_good_token_yields_its_claims() {
        let key = SigningKey::generate().unwrap();
        let token = key.token(&scope(), "alice", 60).unwrap();
        let claims = authorizer(&[&key])
            .check(Some(&format!("Bearer {token}")))
            .unwrap();
        assert_eq!(claims["sub"], "alice");
    }

    #[test]
    fn every_flaw_is_refused() {
        let key = SigningKey::generate().unwrap();
        for flaw in Flaw::all() {
            let token = key.flawed_token(&scope(), "alice", *flaw).unwrap();
            assert!(
                authorizer(&[&key])
                    .check(Some(&format!("Bearer {token}")))
                    .is_err(),
                "{flaw:?} was let in"
            );
        }
    }

    #[test]
    fn keys_follow_each_other_and_the_old_one_ends() {
        let (old, new) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let header = |key: &SigningKey| {
            let token = key.token(&scope(), "alice", 60).unwrap();
            format!("Bearer {token}")
        };
        for (published, is_old_let_in, is_new_let_in) in [
            (vec![&old], true, false),
            (vec![&old, &new], true, true),
            (vec![&new], false, true),
        ] {
            let authorizer = authorizer(&published);
            assert_eq!(authorizer.check(Some(&header(&old))).is_ok(), is_old_let_in);
            assert_eq!(authorizer.check(Some(&header(&new))).is_ok(), is_new_let_in);
        }
    }

    #[test]
    fn a_missing_or_foreign_credential_is_refused() {
        let authorizer = authorizer(&[&SigningKey::generate().unwrap()]);
        for header in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic YTpi"),
            Some("Bearer a.b.c"),
        ] {
            assert!(authorizer.check(header).is_err(), "{header:?} was let in");
        }
    }

    #[test]
    fn a_written_key_is_read_back() {
        let path = std::env::temp_dir().join(format!("signing-key-{}.pem", std::process::id()));
        let key = SigningKey::generate().unwrap();
        key.write(&path).unwrap();
        let read = SigningKey::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let token = read.token(&scope(), "alice", 60).unwrap();
        authorizer(&[&key])
            .check(Some(&format!("Bearer {token}")))
            .unwrap();
    }
}
