//! The reader's side: find an answer, or take a turn at loading it and plant what was loaded. A hit is one round trip.

use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveTime, Utc};
use redis::{Cmd, FromRedisValue};
use tokio::time::sleep;

use super::keys::{Keys, ReportName};
use super::token::Token;
use super::{Cache, frame, scripts};
use crate::grant::{Funds, Grant};
use crate::ids::LpId;

/// How long a reader waits for another's load of the same answer before it loads itself: 150 ms in all.
const WAITS_MS: [u64; 5] = [5, 10, 20, 40, 75];
/// How long an answer is kept that no tag makes stale: whoever comes back within the hour finds it, and so does who asks for the
/// same LP half a working day later. What no tag forgets, after Redis lost what it had said it kept, ends with this time.
const ANSWER_TTL: Duration = Duration::from_secs(4 * 3600);
/// Answers planted together shall not end together.
const JITTER: f64 = 0.1;
/// The longest that an answer is kept: one that could not be forgotten is gone after that.
pub const LONGEST_ANSWER_TTL: Duration =
    Duration::from_secs(ANSWER_TTL.as_secs() + ANSWER_TTL.as_secs() / 10);

/// Where one answer is kept for one subject: its keys, and the time that counts as now.
pub struct Place {
    access: String,
    tags: Vec<String>,
    answer: String,
    lease: String,
    now: DateTime<Utc>,
}

/// What the cache has for somebody.
pub enum Finding<T> {
    /// It does not know that the subject may see what it asks for, and so did not look: the caller asks the database, keeps the
    /// grant, and looks again. Who is refused then has cost the same whatever is kept here, and whether or not it is there.
    Unproven,
    /// A valid answer, for one who may see it.
    Answer {
        /// The answer.
        answer: T,
    },
    /// Nothing: the caller loads the answer and hands the turn back with it. While the cache is reachable, that the subject may
    /// see it is known.
    Absent {
        /// What the answer may be planted under.
        turn: Turn,
    },
}

/// A reader's turn at loading an answer, taken before the database is read.
#[must_use = "a turn is handed back with `Cache::settle`; others wait for it"]
pub struct Turn {
    /// Empty when nothing may be planted.
    tokens: Vec<Token>,
    lease: Option<Token>,
    reachable: bool,
}

impl Turn {
    const UNREACHABLE: Self = Self {
        tokens: Vec::new(),
        lease: None,
        reachable: false,
    };

    /// Whether the cache could be asked at all.
    pub fn cache_is_reachable(&self) -> bool {
        self.reachable
    }

    /// While another reader holds the lease, and what it loads may be planted, waiting is worth it.
    fn should_wait(&self) -> bool {
        self.lease.is_none() && !self.tokens.is_empty()
    }
}

impl Cache {
    /// The place of a report's answer, by its parameters' fingerprint, asked for by `subject` now.
    pub fn place(
        &self,
        report: ReportName,
        lp_id: LpId,
        fingerprint: &str,
        subject: &str,
        now: DateTime<Utc>,
    ) -> Place {
        let keys = Keys::new(&self.0.prefix, lp_id);
        Place {
            access: keys.access(subject),
            tags: report.tags().iter().map(|&tag| keys.tag(tag)).collect(),
            answer: keys.answer(report, fingerprint),
            lease: keys.lease(report, fingerprint),
            now,
        }
    }

    /// Looks for the answer about some of the LP's funds; when it is absent, takes a turn at loading it, after a short wait if another
    /// reader is at it. What `parse` refuses is absent.
    pub async fn find<T>(
        &self,
        place: &Place,
        asked: &Funds,
        parse: impl Fn(Vec<u8>) -> Option<T> + Send,
    ) -> Finding<T> {
        for wait_ms in WAITS_MS.into_iter().map(Some).chain([None]) {
            let Some(found) = self.look_up(place).await else {
                break;
            };
            if !found.granted.is_some_and(|granted| granted.covers(asked)) {
                return Finding::Unproven;
            }
            if let Some(answer) = found.answer.and_then(&parse) {
                return Finding::Answer { answer };
            }
            let Some(turn) = self.claim(place).await else {
                break;
            };
            match wait_ms {
                Some(wait_ms) if turn.should_wait() => sleep(Duration::from_millis(wait_ms)).await,
                _ => return Finding::Absent { turn },
            }
        }
        Finding::Absent {
            turn: Turn::UNREACHABLE,
        }
    }

    /// Hands a turn back: plants the answer, if it was loaded and may be planted.
    pub async fn settle(&self, place: &Place, turn: Turn, answer: Option<&[u8]>) {
        if !turn.reachable {
            return;
        }
        let plant = answer
            .filter(|_| !turn.tokens.is_empty())
            .map(|answer| plant(place, &turn.tokens, answer));
        let release = turn
            .lease
            .map(|holder| scripts::release(&place.lease, holder));
        // Sent together, in this order: who gets the lease next finds the answer.
        futures_util::future::join_all(
            [plant, release]
                .into_iter()
                .flatten()
                .map(|command| self.send(command)),
        )
        .await;
    }

    /// Keeps a grant that was resolved.
    pub async fn keep_grant(&self, place: &Place, grant: &Grant) {
        self.send(scripts::keep_grant(&place.access, grant)).await;
    }

    /// One round trip for grant, tags and answer: they share a slot.
    async fn look_up(&self, place: &Place) -> Option<Found> {
        let mut command = redis::cmd("MGET");
        command
            .arg(&place.access)
            .arg(&place.tags)
            .arg(&place.answer);
        let mut values: Vec<Option<Vec<u8>>> = self.ask(&command).await?;
        let frame = values.pop().flatten();
        let tokens: Option<Vec<Token>> = values
            .iter()
            .skip(1)
            .map(|tag| tag.as_deref().and_then(Token::of_tag))
            .collect();
        Some(Found {
            granted: values
                .first()
                .and_then(|stored| granted(stored.as_deref()?)),
            answer: frame
                .zip(tokens)
                .and_then(|(frame, tokens)| frame::unseal(frame, &tokens, place.now.timestamp())),
        })
    }

    async fn claim(&self, place: &Place) -> Option<Turn> {
        let holder = Token::random();
        let claim: Vec<Vec<u8>> = self
            .ask(&scripts::claim(&place.lease, &place.tags, holder))
            .await?;
        let Some((lease, tags)) = claim.split_first() else {
            return Some(Turn {
                tokens: Vec::new(),
                lease: None,
                reachable: true,
            });
        };
        let tokens: Option<Vec<Token>> = tags.iter().map(|tag| Token::of_tag(tag)).collect();
        let lease = (lease == b"leased").then_some(holder);
        Some(Turn {
            tokens: tokens.unwrap_or_default(),
            lease,
            reachable: true,
        })
    }

    /// Sends a command whose failure changes nothing: what was not planted is loaded again.
    async fn send(&self, command: Cmd) {
        self.ask::<redis::Value>(&command).await;
    }

    /// Asks through the breaker; `None` when Redis is away.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let Self(inner) = self;
        if !inner.breaker.allows(Instant::now()) {
            return None;
        }
        match inner.connection.run(command, inner.read_timeout).await {
            Ok(answer) => {
                inner.breaker.succeeded();
                Some(answer)
            }
            Err(error) => {
                if inner.breaker.failed(Instant::now()) {
                    tracing::warn!(error = %error.chain(), "the cache fails and is left alone for a while");
                }
                None
            }
        }
    }
}

struct Found {
    granted: Option<Funds>,
    answer: Option<Vec<u8>>,
}

fn plant(place: &Place, tokens: &[Token], answer: &[u8]) -> Cmd {
    let ttl = time_to_live(ANSWER_TTL, rand::random_range(-JITTER..=JITTER), place.now);
    let expires_at_s = place.now.timestamp().saturating_add_unsigned(ttl.as_secs());
    let mut command = redis::cmd("SET");
    command
        .arg(&place.answer)
        .arg(frame::seal(tokens, expires_at_s, answer))
        .arg("EX")
        .arg(ttl.as_secs().max(1));
    command
}

/// The grant that is stored; `None` for one that was taken back, and for anything else that may stand there.
fn granted(stored: &[u8]) -> Option<Funds> {
    str::from_utf8(stored).ok().and_then(Funds::parse)
}

/// At midnight the default as-of date moves on, so no answer outlives the day it was computed on.
fn time_to_live(base: Duration, jitter: f64, now: DateTime<Utc>) -> Duration {
    let tomorrow = (now.date_naive() + Days::new(1))
        .and_time(NaiveTime::MIN)
        .and_utc();
    let to_midnight = (tomorrow - now).to_std().unwrap_or_default();
    base.mul_f64(1.0 + jitter).min(to_midnight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_moves_the_end_and_midnight_bounds_it() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let base = Duration::from_secs(300);
        for (jitter, now, seconds) in [
            (0.0, "2024-02-29T12:00:00Z", 300),
            (0.1, "2024-02-29T12:00:00Z", 330),
            (-0.1, "2024-02-29T12:00:00Z", 270),
            (0.1, "2024-02-29T23:58:00Z", 120),
            (0.0, "2024-02-29T23:59:59Z", 1),
            (0.0, "2024-03-01T00:00:00Z", 300),
        ] {
            assert_eq!(
                time_to_live(base, jitter, at(now)).as_secs(),
                seconds,
                "{jitter} {now}"
            );
        }
    }
}
