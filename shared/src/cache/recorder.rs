//! The recorder's side: close the tags of what is about to change, open them with new tokens afterwards. A recorder asks
//! whatever the breaker says: what it does not reach here stays stale.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Cmd, Value};
use tokio::time::timeout;

use super::keys::{Keys, TagSet};
use super::token::Token;
use super::{Cache, scripts};
use crate::error::Error;
use crate::ids::LpId;

/// One command, on a connection that may be new.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(200);
/// All commands of a closure; closing happens while LPs are locked.
const CLOSURE_TIMEOUT: Duration = Duration::from_secs(3);
/// Commands under way at once: they share round trips, and a fund with thousands of LPs floods no buffer.
const COMMANDS_AT_ONCE: usize = 64;

/// What one recorder changes, and the mark it closes with. Dropping it does nothing: the tags expire.
#[derive(Debug, Clone)]
pub struct Closure {
    recorder: Token,
    changes: Vec<(LpId, TagSet)>,
}

impl Closure {
    /// A recorder's changes, tags by LP. Nothing is closed yet.
    pub fn new(changes: impl IntoIterator<Item = (LpId, TagSet)>) -> Self {
        Self {
            recorder: Token::random(),
            changes: changes.into_iter().collect(),
        }
    }
}

impl Cache {
    /// Before the commit, holding the locks of all its LPs: from here on readers plant nothing. An error means that Redis
    /// is out of reach; some tags may be closed. Commit anyway, and call [`Cache::open`] until it succeeds.
    pub async fn close(&self, closure: &Closure) -> Result<(), Error> {
        self.send_all(closure, scripts::close).await
    }

    /// After the commit or the rollback, and as often as needed: gives every tag a new token, unless another recorder has
    /// closed it since. For a closure that was never closed this simply forgets.
    pub async fn open(&self, closure: &Closure) -> Result<(), Error> {
        self.send_all(closure, scripts::open).await
    }

    async fn send_all(
        &self,
        closure: &Closure,
        script: fn(&[String], Token) -> Cmd,
    ) -> Result<(), Error> {
        let Self(inner) = self;
        let commands = closure.changes.iter().map(|&(lp_id, tags)| {
            let keys = Keys::new(&inner.prefix, lp_id);
            let tags: Vec<String> = tags.iter().map(|tag| keys.tag(tag)).collect();
            script(&tags, closure.recorder)
        });
        let sent = stream::iter(commands)
            .map(|command| async move {
                inner
                    .connection
                    .run::<Value>(&command, COMMAND_TIMEOUT)
                    .await
            })
            .buffer_unordered(COMMANDS_AT_ONCE)
            .try_for_each(async |_| Ok(()));
        timeout(CLOSURE_TIMEOUT, sent)
            .await
            .unwrap_or(Err(Error::RedisTimeout))
    }
}
