//! Logging in without a password: tokens that AWS's IAM takes in place of one. A token is the address of a signed request
//! that nobody sends. The server checks it when a connection logs in and never again, so every connection takes a new one.
//! Which function may log in as whom stands in the template.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::config::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use lambda_http::http::Request;

/// The longest that either service accepts. Connecting takes far less, and a clock may be off.
const LIFETIME: Duration = Duration::from_secs(900);

/// Who a function is to AWS, as Lambda tells it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Of the function, and so of what it may log in to.
    pub region: String,
    /// Those of the function's own role. They outlive the process: Lambda ends it before they expire.
    pub credentials: Credentials,
}

/// What kind of cache it is; the signed request says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// One that has no nodes to choose.
    Serverless,
    /// Nodes of chosen size, a cluster or not.
    ReplicationGroup,
}

/// A user's way into one server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// When a token is made; a test stops it.
    pub clock: fn() -> SystemTime,
    identity: Identity,
    service: &'static str,
    address: String,
}

impl Login {
    /// A database user's, to a Postgres of RDS under the name and port that the client connects to. None, if these cannot be
    /// written in an address.
    pub fn to_database(identity: Identity, host: &str, port: u16, user: &str) -> Option<Self> {
        let address = format!("https://{host}:{port}/?Action=connect&DBUser={user}");
        Self::new(identity, "rds-db", host, user, address)
    }

    /// A cache user's, to a cache of ElastiCache, which is known by its own name and not its host's. None, if these cannot be
    /// written in an address.
    pub fn to_cache(identity: Identity, kind: CacheKind, name: &str, user: &str) -> Option<Self> {
        let kind = match kind {
            CacheKind::Serverless => "&ResourceType=ServerlessCache",
            CacheKind::ReplicationGroup => "",
        };
        let address = format!("https://{name}/?Action=connect&User={user}{kind}");
        Self::new(identity, "elasticache", name, user, address)
    }

    /// Signs once, so that a token can fail at no other time than at start.
    fn new(
        identity: Identity,
        service: &'static str,
        server: &str,
        user: &str,
        address: String,
    ) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let are_plain = [server, user].iter().all(|name| name.chars().all(is_plain));
        let login = Self {
            user: user.to_owned(),
            clock: SystemTime::now,
            identity,
            service,
            address,
        };
        (are_plain && login.sign().is_ok()).then_some(login)
    }

    /// A new token, for one connection. It is a secret for the quarter of an hour that it is valid.
    pub fn token(&self) -> String {
        self.sign()
            .expect("only the time has changed since it was signed at start")
    }

    fn sign(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let identity = self.identity.credentials.clone().into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(LIFETIME);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.identity.region)
            .name(self.service)
            .time((self.clock)())
            .settings(settings)
            .build()?
            .into();
        let body = SignableBody::Bytes(&[]);
        let signable = SignableRequest::new("GET", &self.address, std::iter::empty(), body)?;
        let (instructions, _signature) = sign(signable, &parameters)?.into_parts();
        let mut request = Request::get(&self.address).body(())?;
        instructions.apply_to_request_http1x(&mut request);
        let signed = request.uri().to_string();
        // Of the address, the scheme is no part of the token.
        Ok(signed.trim_start_matches("https://").to_owned())
    }
}

#[cfg(test)]
mod tests;
