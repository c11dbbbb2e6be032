//! A way into the database as one of its roles, with TLS and IAM as the functions' configuration has them.

use shared::config::{ConfigError, DatabaseConfig};
use shared::iam::Login;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

/// Who goes in, and where.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) server: PgConnectOptions,
    login: Option<Login>,
}

impl Door {
    /// By the URL of `variable`. The functions' configuration, read from there too, decides whether there is TLS, whom to trust,
    /// and how to log in.
    pub(crate) fn new(
        config: &DatabaseConfig,
        variable: &'static str,
    ) -> Result<Self, ConfigError> {
        let url = std::env::var(variable).map_err(|_| ConfigError::Missing { variable })?;
        let mut server: PgConnectOptions = url.parse().map_err(|_| ConfigError::Malformed {
            variable,
            detail: "is not a Postgres connection URL",
        })?;
        server = server.ssl_mode(if config.requires_tls() {
            PgSslMode::VerifyFull
        } else {
            PgSslMode::Disable
        });
        if let Some(file) = &config.ca_file {
            server = server.ssl_root_cert(file);
        }
        Ok(Self {
            server,
            login: config.iam.clone(),
        })
    }

    /// Whether it opens to tokens of IAM.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.login.is_some()
    }

    /// Connects; with IAM, with a token made now.
    pub(crate) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        match &self.login {
            Some(login) => self.server.clone().password(&login.token()).connect().await,
            None => self.server.connect().await,
        }
    }
}
