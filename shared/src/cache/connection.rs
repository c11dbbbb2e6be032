//! The connection to Redis, one node or a cluster: made when first used, shared by all requests of the process, and given
//! up as soon as it fails. Commands sent at the same time share round trips, so nothing here is called a pipeline.

use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::auth::{BasicAuth, StreamingCredentialsProvider};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind,
    TlsCertificates,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::config::{ConfigError, RedisConfig};
use crate::error::Error;
use crate::iam::Login;
use crate::metrics::Wait;

/// Moves of slots are followed so often; the caller's limit ends the attempt anyway.
const CLUSTER_RETRIES: u32 = 2;

pub(super) struct Connection {
    server: Server,
    connect_timeout: Duration,
    current: Mutex<Current>,
    /// How many commands were answered: while some are, a link is not dead.
    answers: AtomicU64,
}

enum Server {
    Node(redis::Client, AsyncConnectionConfig),
    Cluster(ClusterClient),
}

#[derive(Clone)]
pub(super) enum Link {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The link in use and which it is, so that the late failure of an old link does not end its successor.
#[derive(Default)]
struct Current {
    link: Option<Link>,
    generation: u64,
}

impl Connection {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, Error> {
        // For `rediss://`: rustls has no provider of its own. Another library may have chosen one already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let malformed = |_| ConfigError::Malformed {
            variable: "REDIS_URL",
            detail: "is not a Redis URL",
        };
        let url = config.url.as_str();
        let connect_timeout = config.connect_timeout();
        let roots = trusted_roots(config)?;
        let login = config.iam.clone();
        let server = if config.cluster {
            let cluster = ClusterClient::builder([url])
                .connection_timeout(connect_timeout)
                .retries(CLUSTER_RETRIES);
            let cluster = match roots {
                Some(roots) => cluster.certs(roots),
                None => cluster,
            };
            let cluster = match login {
                Some(login) => cluster.set_credentials_provider(login),
                None => cluster,
            };
            Server::Cluster(cluster.build().map_err(malformed)?)
        } else {
            let client = match roots {
                Some(roots) => redis::Client::build_with_tls(url, roots),
                None => redis::Client::open(url),
            };
            // The caller's limit is the response timeout.
            let connecting = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(connect_timeout))
                .set_response_timeout(None);
            let connecting = match login {
                Some(login) => connecting.set_credentials_provider(login),
                None => connecting,
            };
            Server::Node(client.map_err(malformed)?, connecting)
        };
        Ok(Self {
            server,
            connect_timeout,
            current: Mutex::default(),
            answers: AtomicU64::default(),
        })
    }

    /// Whether some of the server may be away while the rest answers.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.server, Server::Cluster(_))
    }

    /// Runs a command that may be run twice. A link made earlier may have died in a freeze without anyone noticing: when
    /// it fails at once, a new one is tried. When the server is silent, waiting again would only double the wait.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Error> {
        let _wait = Wait::for_redis();
        let (link, generation, fresh) = self.link().await?;
        match self.run_on(link, generation, command, limit).await {
            Err(error @ Error::Redis(_)) if !fresh && blames_link(&error) => {
                let (link, generation, _) = self.link().await?;
                self.run_on(link, generation, command, limit).await
            }
            outcome => outcome,
        }
    }

    async fn run_on<T: FromRedisValue>(
        &self,
        mut link: Link,
        generation: u64,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Error> {
        let answers_before = self.answers.load(Ordering::Relaxed);
        let outcome = match timeout(limit, link.run(command)).await {
            Ok(answered) => answered.map_err(Error::Redis),
            Err(_elapsed) => Err(Error::RedisTimeout),
        };
        match &outcome {
            Err(error) if blames_link(error) => {
                // Of a cluster one node may be gone. The link copes with that itself, and the others need it.
                let others_answer = self.answers.load(Ordering::Relaxed) != answers_before;
                if !(self.is_cluster() && others_answer) {
                    self.give_up(generation).await;
                }
            }
            _ => {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
        outcome
    }

    /// The link in use, its generation, and whether it was made just now.
    pub(super) async fn link(&self) -> Result<(Link, u64, bool), Error> {
        // Another task may be at it: waiting for that and connecting oneself share one limit.
        match timeout(self.connect_timeout, self.find_or_connect()).await {
            Ok(found) => found,
            Err(_elapsed) => Err(Error::RedisTimeout),
        }
    }

    async fn find_or_connect(&self) -> Result<(Link, u64, bool), Error> {
        let mut current = self.current.lock().await;
        if let Some(link) = &current.link {
            return Ok((link.clone(), current.generation, false));
        }
        let link = self.server.connect().await?;
        current.generation += 1;
        current.link = Some(link.clone());
        Ok((link, current.generation, true))
    }

    async fn give_up(&self, generation: u64) {
        let mut current = self.current.lock().await;
        if current.generation == generation {
            current.link = None;
        }
    }
}

/// Whether a new link may do better. A server that refuses a command, because its memory is full or the user may not, has
/// answered on a sound one; but one that is only a replica now is reached by an address that has moved on.
pub(super) fn blames_link(error: &Error) -> bool {
    let Error::Redis(error) = error else {
        return true;
    };
    match error.kind() {
        ErrorKind::Server(refusal) => refusal == ServerErrorKind::ReadOnly,
        ErrorKind::Extension | ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

/// The certificates of the configured file; none stands for the public roots.
fn trusted_roots(config: &RedisConfig) -> Result<Option<TlsCertificates>, Error> {
    let Some(file) = &config.ca_file else {
        return Ok(None);
    };
    let pem = std::fs::read(file).map_err(|error| Error::Certificates(error.into()))?;
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    }))
}

/// A token for each connection, to a node of a cluster too. None follows it: a connection that the service ends, as it does
/// with all after twelve hours, is made anew as after any failure.
impl StreamingCredentialsProvider for Login {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let first = Ok(BasicAuth::new(self.user.clone(), self.token()));
        Box::pin(stream::once(ready(first)).chain(stream::once(pending())))
    }
}

impl Server {
    async fn connect(&self) -> RedisResult<Link> {
        match self {
            Self::Node(client, connecting) => client
                .get_multiplexed_async_connection_with_config(connecting)
                .await
                .map(Link::Node),
            Self::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
        }
    }
}

impl Link {
    async fn run<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        let value = match self {
            Self::Node(link) => link.req_packed_command(command).await,
            Self::Cluster(link) => link.req_packed_command(command).await,
        }?;
        // What the server refuses arrives as a value.
        Ok(T::from_redis_value(value.extract_error()?)?)
    }
}
