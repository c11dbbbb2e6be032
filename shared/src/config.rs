//! The environment, read once into one small struct per concern. What is missing or malformed fails at start and is
//! named; what is secret never prints.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::IntoConnectionInfo;
use thiserror::Error;
use tokio_postgres::config::SslMode;

use crate::iam::Login;

mod iam;

/// A variable that keeps a function from starting. The value is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A variable without a default is absent or empty.
    #[error("the environment variable {variable} is not set")]
    Missing {
        /// The variable's name.
        variable: &'static str,
    },
    /// A variable is there but cannot be read.
    #[error("the environment variable {variable} {detail}")]
    Malformed {
        /// The variable's name.
        variable: &'static str,
        /// What it should have been.
        detail: &'static str,
    },
}

/// The variables a process was started with; an empty one counts as absent.
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The variables of this process. Those that are not UTF-8 count as absent.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// The given variables, as a test names them.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(
            variables
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn optional(&self, variable: &str) -> Option<&str> {
        self.0
            .get(variable)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn required(&self, variable: &'static str) -> Result<&str, ConfigError> {
        self.optional(variable)
            .ok_or(ConfigError::Missing { variable })
    }

    /// A whole number within `bounds`, or `default` when the variable is absent.
    fn number(
        &self,
        variable: &'static str,
        default: i64,
        bounds: std::ops::RangeInclusive<i64>,
        detail: &'static str,
    ) -> Result<i64, ConfigError> {
        let Some(text) = self.optional(variable) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or(ConfigError::Malformed { variable, detail })
    }

    /// `true` or `false`, which it also is when the variable is absent.
    fn flag(&self, variable: &'static str) -> Result<bool, ConfigError> {
        match self.optional(variable) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                let detail = "is neither true nor false";
                Err(ConfigError::Malformed { variable, detail })
            }
        }
    }

    fn duration(
        &self,
        variable: &'static str,
        default: i64,
        bounds: std::ops::RangeInclusive<i64>,
        detail: &'static str,
        unit: fn(u64) -> Duration,
    ) -> Result<Duration, ConfigError> {
        let number = self.number(variable, default, bounds, detail)?;
        Ok(unit(number.unsigned_abs()))
    }
}

/// Where the database is and how far one process may load it.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`, required: a libpq URL. With `sslmode=require` the connection is TLS and the server's certificate
    /// is verified; with any other mode it is plain, and there may be no password.
    pub server: tokio_postgres::Config,
    /// `DATABASE_AUTH`, `password` or `iam`, default `password`: whether the user of the URL logs in with what else the URL
    /// holds, or with a token for each connection, signed as Lambda's `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` allow. The latter needs TLS.
    pub iam: Option<Login>,
    /// `DATABASE_CA_FILE`: PEM certificates that the server's must descend from; absent: the public roots.
    pub ca_file: Option<PathBuf>,
    /// `DATABASE_PROXY`, `true` or `false`, default `false`: whether RDS Proxy stands in between. It refuses settings that a session
    /// begins with, so the statement timeout is then its own to set, to the same value.
    pub through_proxy: bool,
    /// `DATABASE_MAX_CONNECTIONS`, 1 to 100, default 4: a function serves one event at a time and pipelines.
    pub max_connections: usize,
    /// `DATABASE_STATEMENT_TIMEOUT_MS`, 1 to 900000, default 10000: what no statement may exceed. Of an HTTP function it lies
    /// below the function's own limit, so that a slow database is answered with 503. Refreshes set their own. Thrice as long, but
    /// not longer than 45 s, may a batch take to record, and a session that comes without a proxy be idle in a transaction.
    pub statement_timeout: Duration,
    /// `AWS_LAMBDA_FUNCTION_NAME`, set by Lambda: how the connection shows in `pg_stat_activity`.
    pub application_name: String,
}

impl DatabaseConfig {
    /// Reads the variables named beside the fields.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Self::read_url(environment, "DATABASE_URL")
    }

    /// As the server's administrator reaches it, for what the owner may not do: `ADMINISTRATOR_DATABASE_URL`, optional, in the
    /// place of `DATABASE_URL`.
    pub fn read_administrator(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        Self::read_optional_url(environment, "ADMINISTRATOR_DATABASE_URL")
    }

    /// As the tables' owner reaches the database, for the one task that needs it: `OWNER_DATABASE_URL`, optional, in the place of
    /// `DATABASE_URL`.
    pub fn read_owner(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        Self::read_optional_url(environment, "OWNER_DATABASE_URL")
    }

    /// As the functions that answer reach it, for a look at how they do: `READER_DATABASE_URL`, optional.
    pub fn read_reader(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        Self::read_optional_url(environment, "READER_DATABASE_URL")
    }

    fn read_optional_url(
        environment: &Environment,
        variable: &'static str,
    ) -> Result<Option<Self>, ConfigError> {
        let is_set = environment.optional(variable).is_some();
        is_set
            .then(|| Self::read_url(environment, variable))
            .transpose()
    }

    fn read_url(environment: &Environment, variable: &'static str) -> Result<Self, ConfigError> {
        let server = environment.required(variable)?.parse().map_err(|_| ConfigError::Malformed {
            variable,
            detail: "is not a Postgres connection URL (sslmode may be disable, prefer or require)",
        })?;
        let iam = iam::database_login(environment, variable, &server)?;
        let max_connections = environment.number(
            "DATABASE_MAX_CONNECTIONS",
            4,
            1..=100,
            "is not a number from 1 to 100",
        )?;
        Ok(Self {
            server,
            iam,
            ca_file: environment.optional("DATABASE_CA_FILE").map(PathBuf::from),
            through_proxy: environment.flag("DATABASE_PROXY")?,
            max_connections: usize::try_from(max_connections).unwrap_or(1),
            statement_timeout: environment.duration(
                "DATABASE_STATEMENT_TIMEOUT_MS",
                10_000,
                1..=900_000,
                "is not a number of milliseconds from 1 to 900000",
                Duration::from_millis,
            )?,
            application_name: environment
                .optional("AWS_LAMBDA_FUNCTION_NAME")
                .unwrap_or("lp-reporting")
                .to_owned(),
        })
    }

    /// Whether the connection must be TLS.
    pub fn requires_tls(&self) -> bool {
        self.server.get_ssl_mode() == SslMode::Require
    }
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DatabaseConfig")
            .field("hosts", &self.server.get_hosts())
            .field("database", &self.server.get_dbname())
            .field("ca_file", &self.ca_file)
            .field("through_proxy", &self.through_proxy)
            .field("max_connections", &self.max_connections)
            .field("statement_timeout", &self.statement_timeout)
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// Where the cache is.
#[derive(Clone)]
pub struct RedisConfig {
    /// `REDIS_URL`, required: `redis://` or, with TLS, `rediss://`; of a cluster, any of its nodes. May hold
    /// a password if it is the latter.
    pub url: String,
    /// `REDIS_AUTH`, `password` or `iam`, default `password`: as `DATABASE_AUTH`. With `iam`, `REDIS_CACHE_ARN` is required:
    /// the ARN of the serverless cache or of the replication group.
    pub iam: Option<Login>,
    /// `REDIS_CA_FILE`: PEM certificates that the server's must descend from; absent: the public roots.
    pub ca_file: Option<PathBuf>,
    /// `REDIS_CLUSTER`, `true` or `false`, default `false`: whether the server is a cluster.
    pub cluster: bool,
    /// `REDIS_PREFIX`, default empty: put in front of every key, so that several stacks can share a server. It may not
    /// hold braces: they would move the slot of all keys of the stack to one node.
    pub prefix: String,
    /// `REDIS_TIMEOUT_MS`, 1 to 1000, default 80: how long whoever answers waits for a command; the database answers about as fast.
    /// See also [`RedisConfig::write_timeout`] and [`RedisConfig::connect_timeout`]. The template's limits are reckoned with 80: beyond
    /// some 100 a report that waits for a silent Redis and then for a slow database may be cut off by the platform.
    pub timeout: Duration,
}

impl RedisConfig {
    /// How long whoever records waits for a command, on a connection that may be new: what it does not reach stays stale.
    pub fn write_timeout(&self) -> Duration {
        self.timeout * 5 / 2
    }

    /// How long connecting may take: name resolution, TCP, TLS and greeting together.
    pub fn connect_timeout(&self) -> Duration {
        self.timeout * 15 / 4
    }

    /// Reads the variables named beside the fields.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let url = environment.required("REDIS_URL")?;
        let server = url
            .into_connection_info()
            .map_err(|_| ConfigError::Malformed {
                variable: "REDIS_URL",
                detail: "is not a redis:// or rediss:// URL",
            })?;
        let iam = iam::cache_login(environment, &server)?;
        let cluster = environment.flag("REDIS_CLUSTER")?;
        let prefix = environment.optional("REDIS_PREFIX").unwrap_or_default();
        if prefix.contains(['{', '}']) {
            return Err(ConfigError::Malformed {
                variable: "REDIS_PREFIX",
                detail: "holds a brace",
            });
        }
        Ok(Self {
            url: url.to_owned(),
            iam,
            ca_file: environment.optional("REDIS_CA_FILE").map(PathBuf::from),
            cluster,
            prefix: prefix.to_owned(),
            timeout: environment.duration(
                "REDIS_TIMEOUT_MS",
                80,
                1..=1_000,
                "is not a number of milliseconds from 1 to 1000",
                Duration::from_millis,
            )?,
        })
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisConfig")
            .field("cluster", &self.cluster)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// How long an entitlement may be believed without asking the database again.
#[derive(Debug, Clone, Copy)]
pub struct AccessConfig {
    /// `ACCESS_TTL_SECONDS`, 1 to 60, default 60: a withdrawn entitlement ends after this at the latest.
    pub ttl: Duration,
}

impl AccessConfig {
    /// Reads the variable named beside the field.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let detail = "is not a number of seconds from 1 to 60";
        let ttl = environment.duration(
            "ACCESS_TTL_SECONDS",
            60,
            1..=60,
            detail,
            Duration::from_secs,
        )?;
        Ok(Self { ttl })
    }
}

/// The queues of the activity refresh and its patience with messages that cannot be recorded yet.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// `QUEUE_URL`, required: where messages come from and refresh requests go.
    pub queue_url: String,
    /// `DEAD_LETTER_QUEUE_URL`, required: where messages go that can never succeed.
    pub dead_letter_queue_url: String,
    /// `RETRY_DELAYS_SECONDS`, 1 to 10 numbers from 0 to 43200 (the queue's longest delay), default `5,25,125`: how long a
    /// message waits for what it names; after the last it is a dead letter.
    pub retry_delays: Vec<Duration>,
}

impl QueueConfig {
    /// Reads the variables named beside the fields.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            queue_url: environment.required("QUEUE_URL")?.to_owned(),
            dead_letter_queue_url: environment.required("DEAD_LETTER_QUEUE_URL")?.to_owned(),
            retry_delays: parse_delays(environment.optional("RETRY_DELAYS_SECONDS").unwrap_or("5,25,125")).ok_or(
                ConfigError::Malformed {
                    variable: "RETRY_DELAYS_SECONDS",
                    detail: "is not a list of 1 to 10 numbers of seconds from 0 to 43200, with commas in between",
                },
            )?,
        })
    }
}

fn parse_delays(text: &str) -> Option<Vec<Duration>> {
    let seconds = |part: &str| {
        part.trim()
            .parse()
            .ok()
            .filter(|&seconds: &u64| seconds <= 43_200)
    };
    let delays: Vec<Duration> = text
        .split(',')
        .map(|part| seconds(part).map(Duration::from_secs))
        .collect::<Option<_>>()?;
    (delays.len() <= 10).then_some(delays)
}

/// How eagerly the views are refreshed after activity.
#[derive(Debug, Clone, Copy)]
pub struct RefreshConfig {
    /// `REFRESH_DEBOUNCE_MS`, 0 to 10000, default 100: how long it must have been quiet before a refresh starts.
    pub debounce: Duration,
    /// `REFRESH_DATABASE_SHARE_PERCENT`, 1 to 100, default 5: the part of the database's time that refreshing may take.
    pub database_share_percent: u32,
}

impl RefreshConfig {
    /// Reads the variables named beside the fields.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let detail = "is not a number of milliseconds from 0 to 10000";
        let debounce = environment.duration(
            "REFRESH_DEBOUNCE_MS",
            100,
            0..=10_000,
            detail,
            Duration::from_millis,
        )?;
        let detail = "is not a number from 1 to 100";
        let share = environment.number("REFRESH_DATABASE_SHARE_PERCENT", 5, 1..=100, detail)?;
        Ok(Self {
            debounce,
            database_share_percent: u32::try_from(share).unwrap_or(1),
        })
    }
}

/// How far the clock of the functions is set off from the machine's.
#[derive(Debug, Clone, Copy)]
pub struct ClockConfig {
    /// `CLOCK_OFFSET_SECONDS`, within ten years either way, default 0: set in the local stack only, to test midnight.
    pub offset: chrono::TimeDelta,
}

impl ClockConfig {
    /// Reads the variable named beside the field.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let ten_years = 3_652 * 86_400;
        let detail = "is not a number of seconds within ten years";
        let seconds =
            environment.number("CLOCK_OFFSET_SECONDS", 0, -ten_years..=ten_years, detail)?;
        Ok(Self {
            offset: chrono::TimeDelta::seconds(seconds),
        })
    }
}

#[cfg(test)]
mod tests;
