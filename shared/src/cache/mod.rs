//! Finished answers in Redis, and the tags that make them stale.
//!
//! An answer carries the generation tokens of its tags, read before the database was, and is valid while they match. A
//! recorder closes the tags it changes before its commit and takes them away after it, so that the next reader makes new
//! tokens; while a tag is closed nothing is planted. So no answer is served that is older than the last commit, whoever is slow and whoever dies.
//! What is asked here may always fail: it is a miss then, and the database answers.

mod breaker;
mod connection;
mod frame;
mod keys;
mod reader;
mod recorder;
mod scripts;
mod token;

use std::sync::Arc;
use std::time::Duration;

pub use keys::{ReportName, Tag, TagSet};
pub use reader::{Finding, LONGEST_ANSWER_TTL, Place, Turn};
pub use recorder::{Closure, Unreached};

use crate::config::RedisConfig;
use crate::error::Error;

/// How long a tag stays closed when its recorder died: a recording transaction must be shorter.
pub const CLOSURE_TTL: Duration = scripts::CLOSURE_TTL;

/// The cache of one process.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    connection: connection::Connection,
    breaker: breaker::Breaker,
    prefix: String,
    read_timeout: Duration,
    write_timeout: Duration,
}

impl Cache {
    /// Prepares the cache; nothing is connected yet, so a function starts while Redis is away.
    pub fn new(config: &RedisConfig) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            connection: connection::Connection::new(config)?,
            breaker: breaker::Breaker::default(),
            prefix: config.prefix.clone(),
            read_timeout: config.timeout,
            write_timeout: config.write_timeout(),
        })))
    }

    /// Whether Redis failed so often that it is left alone for a while.
    pub fn is_left_alone(&self) -> bool {
        self.0.breaker.is_open()
    }

    /// Connects ahead of the first use. That it failed is for that use to find out.
    pub async fn connect(&self) {
        drop(self.0.connection.link().await);
    }
}
