//! The recorder's side: close the tags of what is about to change, open them for new tokens afterwards; close a grant that was
//! taken back. A recorder asks whatever the breaker says: what it does not reach here stays stale.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use redis::{Cmd, Value};
use tokio::time::timeout;

use super::connection::blames_link;
use super::keys::{Keys, TagSet};
use super::token::Token;
use super::{Cache, scripts};
use crate::error::Error;
use crate::ids::LpId;

/// A link that died in silence takes one try to be found out.
const GRANT_TRIES: u32 = 3;
/// All commands of a closure; closing happens while LPs are locked.
const CLOSURE_TIMEOUT: Duration = Duration::from_secs(3);
/// Commands under way at once: they share round trips, and a fund with thousands of LPs floods no buffer.
const COMMANDS_AT_ONCE: usize = 64;

/// What one recorder changes, and the mark it closes with. Dropping it does nothing: the tags expire.
#[derive(Debug, Clone)]
pub struct Closure {
    recorder: Token,
    changes: BTreeMap<LpId, TagSet>,
}

impl Closure {
    /// A recorder's changes, tags by LP. Nothing is closed yet.
    pub fn new(changes: impl IntoIterator<Item = (LpId, TagSet)>) -> Self {
        let mut all = BTreeMap::<LpId, TagSet>::new();
        for (lp_id, tags) in changes {
            let of_lp = all.entry(lp_id).or_default();
            *of_lp = of_lp.union(tags);
        }
        Self {
            recorder: Token::random(),
            changes: all,
        }
    }
}

/// What could not be done, and for whom.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not do what was asked for {} LPs", lp_ids.len())]
pub struct Unreached {
    /// The LPs for whom it was not done.
    pub lp_ids: BTreeSet<LpId>,
    /// Why not: the first reason of possibly several.
    #[source]
    pub error: Error,
}

impl Cache {
    /// Before the commit, holding the locks of all its LPs: from here on readers plant nothing. An error means that Redis
    /// is out of reach or refuses; the tags of other LPs are closed. Commit anyway, and call [`Cache::open`] until it
    /// succeeds.
    pub async fn close(&self, closure: &Closure) -> Result<(), Unreached> {
        self.send_all(closure, scripts::close).await
    }

    /// After the commit or the rollback, and as often as needed: takes every tag away, so that the next reader makes a new
    /// token, unless another recorder has closed it since. For a closure that was never closed this simply forgets.
    pub async fn open(&self, closure: &Closure) -> Result<(), Unreached> {
        self.send_all(closure, scripts::open).await
    }

    /// After a subject's grant for an LP was taken back: closes what is kept of it. From here on, for as long as a closed tag is,
    /// readers ask the database, and whoever asked before the grant ended comes too late to keep it. An error means that Redis is
    /// out of reach or refuses: what is kept there is believed to its end.
    pub async fn forget_grant(&self, lp_id: LpId, subject: &str) -> Result<(), Error> {
        let Self(inner) = self;
        let grant = Keys::new(&inner.prefix, lp_id).access(subject);
        let close = scripts::close(&[grant], Token::random());
        let mut tries_left = GRANT_TRIES;
        loop {
            tries_left -= 1;
            let closed = inner
                .connection
                .run::<Value>(&close, inner.write_timeout)
                .await;
            if closed.is_ok() || tries_left == 0 {
                return closed.map(drop);
            }
        }
    }

    /// Sends the script for every LP, also after it has failed for some: of a cluster only a part may be away. While the
    /// client finds out which, commands to the other parts run out of time too; so what failed is sent again for as long
    /// as that reaches someone. A lost connection to a single node is the end for all, and not waited for again while LPs
    /// are locked.
    async fn send_all(
        &self,
        closure: &Closure,
        script: fn(&[String], Token) -> Cmd,
    ) -> Result<(), Unreached> {
        let mut left = closure.changes.clone();
        let mut first_failure = None;
        let sent = timeout(CLOSURE_TIMEOUT, async {
            loop {
                let left_before = left.len();
                let commands = self.commands(closure.recorder, &left, script);
                if let Err(error) = self.send_once(commands, &mut left).await {
                    first_failure.get_or_insert(error);
                }
                let reached_some = left.len() < left_before;
                if left.is_empty() || !reached_some || !self.0.connection.is_cluster() {
                    break;
                }
            }
        });
        // What the time did not suffice for is left still.
        let _ = sent.await;
        if left.is_empty() {
            return Ok(());
        }
        Err(Unreached {
            lp_ids: left.into_keys().collect(),
            error: first_failure.unwrap_or(Error::RedisTimeout),
        })
    }

    fn commands(
        &self,
        recorder: Token,
        changes: &BTreeMap<LpId, TagSet>,
        script: fn(&[String], Token) -> Cmd,
    ) -> Vec<(LpId, Cmd)> {
        let Self(inner) = self;
        let commands = changes.iter().map(|(&lp_id, tags)| {
            let keys = Keys::new(&inner.prefix, lp_id);
            let tags: Vec<String> = tags.iter().map(|tag| keys.tag(tag)).collect();
            (lp_id, script(&tags, recorder))
        });
        commands.collect()
    }

    /// Sends each command once and takes the LPs it reached off those that are left; the first failure of possibly several.
    async fn send_once(
        &self,
        commands: Vec<(LpId, Cmd)>,
        left: &mut BTreeMap<LpId, TagSet>,
    ) -> Result<(), Error> {
        let Self(inner) = self;
        let mut outcomes = stream::iter(commands)
            .map(|(lp_id, command)| async move {
                let ran = inner.connection.run::<Value>(&command, inner.write_timeout);
                (lp_id, ran.await)
            })
            .buffer_unordered(COMMANDS_AT_ONCE);
        let mut first_failure = Ok(());
        while let Some((lp_id, outcome)) = outcomes.next().await {
            let Err(error) = outcome else {
                left.remove(&lp_id);
                continue;
            };
            let is_the_end = !inner.connection.is_cluster() && blames_link(&error);
            first_failure = first_failure.and(Err(error));
            if is_the_end {
                break;
            }
        }
        first_failure
    }
}
