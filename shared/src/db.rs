//! Connections to Postgres: a small pool whose every wait is bounded, TLS as the URL asks, statements prepared once a
//! connection. SQL itself stands with the code that needs it.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    ConfigConnectImpl, Connect, GenericClient, Manager, ManagerConfig, Pool, RecyclingMethod,
    Runtime, Timeouts, Transaction,
};
use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::DatabaseConfig;
use crate::error::Error;
use crate::iam::Login;
use crate::metrics::Wait;

/// A pooled connection; transactions are begun on it, and it returns to the pool when dropped.
pub type Connection = deadpool_postgres::Client;

/// Values for a statement's `$1`, `$2`, ….
pub type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Work that only reads, and so may be done twice. (A trait and not a closure: the compiler cannot yet tell that the future
/// of an async closure may move between threads, which the Lambda runtime asks for.)
pub trait Read: Sync {
    /// What was read.
    type Output: Send;

    /// Reads it. Queries that do not need each other's rows are polled together, and so share a round trip.
    fn read(&self, db: &Connection) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connecting and the session's set-up together.
const CREATE_TIMEOUT: Duration = Duration::from_secs(3);
/// The wait for a connection that others hold or are still making; a reader's own limit ends it sooner.
const WAIT_TIMEOUT: Duration = CREATE_TIMEOUT;
const RECYCLE_TIMEOUT: Duration = Duration::from_millis(500);
/// A peer that acknowledges nothing for so long is gone, as after a freeze; the kernel then fails the socket.
const SILENT_PEER_TIMEOUT: Duration = Duration::from_secs(2);
/// One that acknowledged a statement and then vanished is found out by the kernel's probes, while nothing else is sent.
const SILENCE_BEFORE_PROBES: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
/// What a transaction that writes may take with what follows it, in statement timeouts: some of its statements may each wait for a
/// lock. The server may vanish without a word, and then no statement timeout ends the wait for it. And as long may a session be
/// idle in a transaction, before the server ends it: it may be the function that has vanished, with locks on LPs.
const WRITE_STATEMENTS: u32 = 3;
/// However long statements may take: less than a closed cache tag lives, so that nothing is committed after one has expired.
const LONGEST_WRITE: Duration = Duration::from_secs(45);
/// What a reader allows the network beyond the statement timeout, which the server keeps. With the looks into the cache before and
/// after, it has to answer within the platform's own limit, so that the client is told 503 and not cut off.
const NETWORK_ALLOWANCE: Duration = Duration::from_millis(300);

/// The database, connected to when first asked, or ahead of that.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// For all that a request reads, waiting for a connection and a second try included.
    read_limit: Duration,
    /// For a transaction that writes, and what follows it.
    write_limit: Duration,
}

impl Database {
    /// Prepares the pool; nothing is connected yet, so a function starts while the database is away.
    pub fn new(config: &DatabaseConfig) -> Result<Self, Error> {
        let server = bounded(config);
        // `Fast` asks nothing of a pooled connection: a check would cost every reader a round trip. `read` copes with
        // those that died.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = if config.requires_tls() {
            let tls = MakeRustlsConnect::new(tls(config)?);
            let login = config.iam.clone();
            let connect = ConnectWithLogin {
                login,
                connect: ConfigConnectImpl { tls },
            };
            Manager::from_connect(server, connect, recycling)
        } else {
            Manager::from_config(server, NoTls, recycling)
        };
        let pool = Pool::builder(manager)
            .max_size(config.max_connections)
            .timeouts(Timeouts {
                wait: Some(WAIT_TIMEOUT),
                create: Some(CREATE_TIMEOUT),
                recycle: Some(RECYCLE_TIMEOUT),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Connect(error.into()))?;
        Ok(Self {
            pool,
            read_limit: config.statement_timeout + NETWORK_ALLOWANCE,
            write_limit: write_limit(config),
        })
    }

    /// Connects ahead of the first use. That it failed is for that use to say.
    pub async fn connect(&self) {
        drop(self.connection().await);
    }

    /// A connection to write on. It may have died since its last use: a recorder then fails with an infrastructure
    /// error and its message is delivered again, because only the queue can repeat a write safely.
    pub async fn connection(&self) -> Result<Connection, Error> {
        let _wait = Wait::for_database();
        self.pool
            .get()
            .await
            .map_err(|error| Error::Connect(error.into()))
    }

    /// Closes the connections that nobody uses: when one proved dead after a freeze, all are suspect.
    pub fn drop_idle_connections(&self) {
        self.pool.retain(|_, _| false);
    }

    /// By when a reader that begins now has to be done with the database, whatever it asks of it.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.read_limit
    }

    /// Does work that writes; an error when it takes too long, and nobody knows then how far it has come.
    pub async fn write<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let done = timeout(self.write_limit, work).await;
        done.map_err(|_elapsed| {
            // The connection it was at work on is among them by now.
            self.drop_idle_connections();
            Error::DatabaseTimeout
        })
    }

    /// Does work that only reads. When the connection proves dead (Lambda freezes a process between two events, and the
    /// server or the network gives up on it), every idle connection is suspect: all are dropped and the work is done once
    /// more on a new one. Both tries have to end by the deadline.
    pub async fn read<W: Read>(&self, work: &W, deadline: Instant) -> Result<W::Output, Error> {
        let _wait = Wait::for_database();
        match self.read_once(work, deadline).await {
            Err(error) if error.is_dead_connection() => {
                self.drop_idle_connections();
                self.read_once(work, deadline).await
            }
            outcome => outcome,
        }
    }

    async fn read_once<W: Read>(&self, work: &W, deadline: Instant) -> Result<W::Output, Error> {
        let connection = timeout_at(deadline, self.connection())
            .await
            .map_err(|_elapsed| Error::DatabaseTimeout)??;
        match timeout_at(deadline, work.read(&connection)).await {
            Ok(Err(error)) if error.is_dead_connection() => {
                drop(Connection::take(connection));
                Err(error)
            }
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                // An answer may still arrive on it.
                drop(Connection::take(connection));
                Err(Error::DatabaseTimeout)
            }
        }
    }
}

/// Connects over TLS; with IAM, each connection logs in with a token of its own, because a token soon expires.
struct ConnectWithLogin {
    login: Option<Login>,
    connect: ConfigConnectImpl<MakeRustlsConnect>,
}

impl Connect for ConnectWithLogin {
    fn connect(
        &self,
        server: &tokio_postgres::Config,
    ) -> BoxFuture<'_, Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>>
    {
        let mut server = server.clone();
        if let Some(login) = &self.login {
            server.password(login.token());
        }
        self.connect.connect(&server)
    }
}

/// Begins a transaction that writes.
pub async fn begin(connection: &mut Connection) -> Result<Transaction<'_>, Error> {
    let _wait = Wait::for_database();
    Ok(connection.transaction().await?)
}

/// Commits a transaction.
pub async fn commit(transaction: Transaction<'_>) -> Result<(), Error> {
    let _wait = Wait::for_database();
    Ok(transaction.commit().await?)
}

/// Runs a statement, prepared once a connection: one round trip when warm. `client` is a connection or a transaction.
pub async fn query(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<Vec<Row>, Error> {
    let _wait = Wait::for_database();
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

/// As [`query`], for at most one row.
pub async fn query_opt(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<Option<Row>, Error> {
    let _wait = Wait::for_database();
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, values).await?)
}

/// As [`query`], for exactly one row.
pub async fn query_one(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<Row, Error> {
    let _wait = Wait::for_database();
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, values).await?)
}

/// As [`query`], for a statement without rows; gives how many rows it touched.
pub async fn execute(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<u64, Error> {
    let _wait = Wait::for_database();
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}

fn write_limit(config: &DatabaseConfig) -> Duration {
    LONGEST_WRITE.min(config.statement_timeout * WRITE_STATEMENTS)
}

/// The server's address with this project's bounds and session settings put in.
fn bounded(config: &DatabaseConfig) -> tokio_postgres::Config {
    let mut server = config.server.clone();
    if !config.through_proxy {
        let session = format!(
            "-c statement_timeout={} -c idle_in_transaction_session_timeout={}",
            config.statement_timeout.as_millis(),
            write_limit(config).as_millis()
        );
        let options = match server.get_options() {
            Some(given) => format!("{session} {given}"),
            None => session,
        };
        server.options(options);
    }
    server
        .application_name(&config.application_name)
        // For readers too: after a failover the name may lead to the old primary for a while, which is a standby then and lags behind
        // what was acknowledged.
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(SILENT_PEER_TIMEOUT)
        .keepalives_idle(SILENCE_BEFORE_PROBES)
        .keepalives_interval(SILENT_PEER_TIMEOUT)
        .keepalives_retries(PROBES);
    server
}

fn tls(config: &DatabaseConfig) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file)
                .map_err(|error| Error::Certificates(error.into()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| Error::Certificates(error.into()))?;
                roots
                    .add(certificate)
                    .map_err(|error| Error::Certificates(error.into()))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Certificates(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(client)
}
