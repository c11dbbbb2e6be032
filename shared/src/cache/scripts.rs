//! The scripts of the tag protocol, and of grants, as commands. Each is sent whole: Redis compiles a text once, and a round trip is never
//! lost to a script it does not know.

use std::time::Duration;

use redis::Cmd;

use super::reader::LONGEST_ANSWER_TTL;
use super::token::Token;
use crate::grant::Grant;

/// From the last turn taken under them: tokens outlive every answer filled under them, the time to load it included. One that is lost
/// costs misses only.
const TOKEN_TTL: Duration = Duration::from_secs(LONGEST_ANSWER_TTL.as_secs() + 60);
/// How long a tag stays closed when nobody opens it: beyond the longest recording transaction.
pub(super) const CLOSURE_TTL: Duration = Duration::from_secs(60);
/// Beyond an ordinary load; a holder that dies delays no one for longer.
const LEASE_TTL: Duration = Duration::from_secs(2);

pub(super) fn claim(lease: &str, tags: &[String], holder: Token) -> Cmd {
    let mut command = eval(include_str!("scripts/claim.lua"), 1 + tags.len());
    command
        .arg(lease)
        .arg(tags)
        .arg(holder.to_string())
        .arg(ms(TOKEN_TTL))
        .arg(ms(LEASE_TTL));
    command
}

pub(super) fn release(lease: &str, holder: Token) -> Cmd {
    let mut command = eval(include_str!("scripts/release.lua"), 1);
    command.arg(lease).arg(holder.to_string());
    command
}

/// Redis lets a key go in the millisecond after the one it is told, and at its end a grant is over.
pub(super) fn keep_grant(access: &str, grant: &Grant) -> Cmd {
    let mut command = eval(include_str!("scripts/keep_grant.lua"), 1);
    command
        .arg(access)
        .arg(grant.funds.to_string())
        .arg(grant.believed_until.timestamp_millis() - 1);
    command
}

pub(super) fn close(tags: &[String], recorder: Token) -> Cmd {
    let mut command = eval(include_str!("scripts/close.lua"), tags.len());
    command
        .arg(tags)
        .arg(recorder.closing_mark())
        .arg(ms(CLOSURE_TTL));
    command
}

pub(super) fn open(tags: &[String], recorder: Token) -> Cmd {
    let mut command = eval(include_str!("scripts/open.lua"), tags.len());
    command.arg(tags).arg(recorder.closing_mark());
    command
}

fn eval(script: &str, number_of_keys: usize) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(number_of_keys);
    command
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
