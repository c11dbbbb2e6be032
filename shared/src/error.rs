//! What can go wrong below the edges, and the distinctions that the edges act on: whether a part of the infrastructure is
//! away, so that trying again later helps; whether the data themselves are refused, so that it never does; and the rest,
//! where somebody has to mend the program or the deployment first.

use std::error::Error as StdError;
use std::fmt;

use thiserror::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::config::ConfigError;

/// A failure, with its source; the texts do not repeat the source's.
#[derive(Debug, Error)]
pub enum Error {
    /// The environment keeps the process from starting.
    #[error("the configuration is not usable")]
    Config(#[from] ConfigError),
    /// The TLS certificates to trust could not be read.
    #[error("the certificates to trust could not be read")]
    Certificates(#[source] Box<dyn StdError + Send + Sync>),
    /// No connection to the database could be had in time.
    #[error("the database cannot be reached")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// A statement failed, or the connection under it.
    #[error("a statement failed")]
    Database(#[from] tokio_postgres::Error),
    /// The database did not answer within the client's own bound.
    #[error("the database did not answer in time")]
    DatabaseTimeout,
    /// The database was not even asked, because it did not answer a moment ago.
    #[error("the database is left alone for a moment, because it did not answer in time")]
    DatabaseLeftAlone,
    /// Redis is away or refused. Readers never see this: they go to the database.
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
    /// Redis did not answer in time.
    #[error("Redis did not answer in time")]
    RedisTimeout,
    /// The queue is away or refused.
    #[error("the queue failed")]
    Queue(#[source] Box<dyn StdError + Send + Sync>),
    /// An answer or a message could not be written as JSON.
    #[error("JSON could not be written")]
    Json(#[from] serde_json::Error),
    /// An operator asked for what is not there or cannot be done; the sentence says which.
    #[error("{0}")]
    Refused(String),
    /// Stored data contradict what the schema promises.
    #[error("stored data are inconsistent: {0}")]
    Inconsistent(String),
}

impl Error {
    /// Whether a part of the infrastructure is away or overloaded, so that the same thing may succeed later: a reader is
    /// told to retry, and a message stays on the queue.
    pub fn is_infrastructure(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::DatabaseTimeout
            | Self::DatabaseLeftAlone
            | Self::Redis(_)
            | Self::RedisTimeout
            | Self::Queue(_) => true,
            Self::Database(error) => is_transport(error) || error.code().is_some_and(may_pass),
            Self::Config(_)
            | Self::Certificates(_)
            | Self::Json(_)
            | Self::Refused(_)
            | Self::Inconsistent(_) => false,
        }
    }

    /// Whether the data themselves are refused, so that trying again never helps. Only what is known to mean that counts: a
    /// missing table or grant, say, refuses every message until it is mended, and none of them is at fault.
    pub fn is_of_data(&self) -> bool {
        match self {
            Self::Database(error) => error.code().is_some_and(refuses_data),
            Self::Inconsistent(_) => true,
            _ => false,
        }
    }

    /// Whether the database said that it refuses, so that it is certain that nothing was done. Its last words on a connection
    /// say nothing about the statement before them.
    pub fn is_refusal_of_database(&self) -> bool {
        matches!(self, Self::Database(error) if error.as_db_error().is_some())
            && !self.is_dead_connection()
    }

    /// Whether the connection itself is of no more use: dead, as after a freeze, so that the statement may not have been run
    /// at all, or with plans that a migration has made wrong.
    pub fn is_dead_connection(&self) -> bool {
        matches!(self, Self::Database(error) if is_transport(error) || error.code().is_some_and(ends_connection))
    }

    /// This error and its sources on one line, for the log.
    pub fn chain(&self) -> impl fmt::Display {
        let mut line = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&told(cause));
            source = cause.source();
        }
        line
    }
}

/// What a cause says. The database's own words are left at the rule that was broken: its details show the row, with names
/// and amounts, and those have no place in a log.
fn told(cause: &(dyn StdError + 'static)) -> String {
    match cause.downcast_ref::<DbError>() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => cause.to_string(),
    }
}

/// The socket failed; nothing was said by the server.
fn is_transport(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.is::<std::io::Error>())
}

/// The server's last words on a connection, an operator's, a crash's, or to a client that was idle for too long: a statement sent
/// just before they were read gets them as its own answer, instead of a closed socket. A standby's refusal to write: the primary is
/// elsewhere. And `cached plan must not change result type` (a feature not supported), which a prepared statement answers for good
/// once a migration has changed what it returns.
fn ends_connection(code: &SqlState) -> bool {
    [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        &SqlState::IDLE_SESSION_TIMEOUT,
        &SqlState::READ_ONLY_SQL_TRANSACTION,
        &SqlState::FEATURE_NOT_SUPPORTED,
    ]
    .contains(&code)
}

/// The server's refusals of the data themselves: class 22 (a number out of range, say), and the checks, foreign keys and
/// append-only guards of the schema.
fn refuses_data(code: &SqlState) -> bool {
    code.code().starts_with("22")
        || [
            &SqlState::CHECK_VIOLATION,
            &SqlState::FOREIGN_KEY_VIOLATION,
            &SqlState::RESTRICT_VIOLATION,
        ]
        .contains(&code)
}

/// The server's refusals that pass by themselves, by SQLSTATE class: 08 connection, 25006 a standby after failover, 25P03 a session
/// that was idle for too long, 40 serialization and deadlock, 53 resources, 55P03 a lock timeout, 57 shutdown and cancelled
/// statements, 58 the system.
fn may_pass(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "40", "53", "57", "58"]
        .iter()
        .any(|class| code.starts_with(class))
        || ["25006", "25P03", "55P03"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_names_every_cause_once() {
        let error = Error::Config(ConfigError::Missing {
            variable: "QUEUE_URL",
        });
        let expected =
            "the configuration is not usable: the environment variable QUEUE_URL is not set";
        assert_eq!(error.chain().to_string(), expected);
    }

    #[test]
    fn the_servers_last_words_mean_a_dead_connection_and_a_cancelled_statement_does_not() {
        assert!(ends_connection(&SqlState::ADMIN_SHUTDOWN));
        assert!(ends_connection(&SqlState::CRASH_SHUTDOWN));
        assert!(ends_connection(&SqlState::IDLE_SESSION_TIMEOUT));
        let idle = SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        assert!(ends_connection(&idle) && may_pass(&idle));
        let of_a_standby = SqlState::READ_ONLY_SQL_TRANSACTION;
        assert!(ends_connection(&of_a_standby) && may_pass(&of_a_standby));
        assert!(!ends_connection(&SqlState::QUERY_CANCELED));
    }

    #[test]
    fn overload_and_shutdown_pass_but_a_wrong_statement_does_not() {
        for code in [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::QUERY_CANCELED,
            SqlState::TOO_MANY_CONNECTIONS,
        ] {
            assert!(may_pass(&code), "{code:?}");
        }
        for code in [
            SqlState::UNDEFINED_TABLE,
            SqlState::CHECK_VIOLATION,
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        ] {
            assert!(!may_pass(&code), "{code:?}");
        }
    }

    #[test]
    fn only_what_is_known_to_refuse_the_data_is_held_against_them() {
        for code in [
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            SqlState::CHECK_VIOLATION,
            SqlState::FOREIGN_KEY_VIOLATION,
            SqlState::RESTRICT_VIOLATION,
        ] {
            assert!(refuses_data(&code), "{code:?}");
        }
        for code in [
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_COLUMN,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::UNIQUE_VIOLATION,
            SqlState::ADMIN_SHUTDOWN,
        ] {
            assert!(!refuses_data(&code), "{code:?}");
        }
    }
}
