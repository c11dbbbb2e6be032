//! How a function logs in, read and checked: as its URL says, or with IAM's tokens. Neither a password nor a token is ever
//! sent in plain.

use aws_sdk_sqs::config::Credentials;
use tokio_postgres::config::{Host, SslMode};

use super::{ConfigError, Environment};
use crate::iam::{CacheKind, Identity, Login};

const POSTGRES_PORT: u16 = 5432;

/// The login with IAM of the user of a database URL, if that is how it logs in; `variable` is the one that holds the URL.
pub(super) fn database_login(
    environment: &Environment,
    variable: &'static str,
    server: &tokio_postgres::Config,
) -> Result<Option<Login>, ConfigError> {
    let refuse = refusing(variable);
    let with_iam = is_iam(environment, "DATABASE_AUTH")?;
    let has_password = server.get_password().is_some();
    if (with_iam || has_password) && server.get_ssl_mode() != SslMode::Require {
        return refuse("lacks sslmode=require, without which no password or token is sent");
    }
    if !with_iam {
        return Ok(None);
    }
    if has_password {
        return refuse("holds a password, although DATABASE_AUTH is iam");
    }
    let (Some(user), [Host::Tcp(host)]) = (server.get_user(), server.get_hosts()) else {
        return refuse("does not name one user and one host, although DATABASE_AUTH is iam");
    };
    let port = server.get_ports().first().copied().unwrap_or(POSTGRES_PORT);
    match Login::to_database(identity(environment)?, host, port, user) {
        Some(login) => Ok(Some(login)),
        None => refuse("has a user or a host that no token can name"),
    }
}

/// The cache user's login with IAM, if that is how it logs in.
pub(super) fn cache_login(
    environment: &Environment,
    server: &redis::ConnectionInfo,
) -> Result<Option<Login>, ConfigError> {
    let refuse = refusing("REDIS_URL");
    let with_iam = is_iam(environment, "REDIS_AUTH")?;
    let has_password = server.redis_settings().password().is_some();
    let is_tls = matches!(
        server.addr(),
        redis::ConnectionAddr::TcpTls {
            insecure: false,
            ..
        }
    );
    if (with_iam || has_password) && !is_tls {
        return refuse("is not rediss://, without which no password or token is sent");
    }
    if !with_iam {
        return Ok(None);
    }
    if has_password {
        return refuse("holds a password, although REDIS_AUTH is iam");
    }
    let Some(user) = server.redis_settings().username() else {
        return refuse("names no user, although REDIS_AUTH is iam");
    };
    let (kind, name) = cache_named(environment.required("REDIS_CACHE_ARN")?)?;
    match Login::to_cache(identity(environment)?, kind, name, user) {
        Some(login) => Ok(Some(login)),
        None => refuse("has a user that no token can name"),
    }
}

fn refusing<T>(variable: &'static str) -> impl Fn(&'static str) -> Result<T, ConfigError> {
    move |detail| Err(ConfigError::Malformed { variable, detail })
}

fn is_iam(environment: &Environment, variable: &'static str) -> Result<bool, ConfigError> {
    match environment.optional(variable) {
        None | Some("password") => Ok(false),
        Some("iam") => Ok(true),
        Some(_) => refusing(variable)("is neither password nor iam"),
    }
}

/// Who the function is: what Lambda sets, and never changes while the process lives.
fn identity(environment: &Environment) -> Result<Identity, ConfigError> {
    let session_token = environment.optional("AWS_SESSION_TOKEN");
    Ok(Identity {
        region: environment.required("AWS_REGION")?.to_owned(),
        credentials: Credentials::new(
            environment.required("AWS_ACCESS_KEY_ID")?,
            environment.required("AWS_SECRET_ACCESS_KEY")?,
            session_token.map(str::to_owned),
            None,
            "Lambda",
        ),
    })
}

/// `arn:<partition>:elasticache:<region>:<account>:<kind>:<name>`.
fn cache_named(arn: &str) -> Result<(CacheKind, &str), ConfigError> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "elasticache", _, _, "serverlesscache", name] => {
            Ok((CacheKind::Serverless, name))
        }
        ["arn", _, "elasticache", _, _, "replicationgroup", name] => {
            Ok((CacheKind::ReplicationGroup, name))
        }
        _ => refusing("REDIS_CACHE_ARN")(
            "is not the ARN of a serverless cache or of a replication group",
        ),
    }
}
