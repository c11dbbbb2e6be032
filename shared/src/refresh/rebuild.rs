//! Everything derived, made again from the truth, to the same bytes as recording and settling make it bit by bit. It goes on
//! in steps that are committed one by one: whoever dies or runs out of time loses one step, and names what is left.

use std::time::{Duration, Instant};

use super::Settled;
use super::fund_performance::settle_fund_performance;
use super::rebuild_lps::rebuild_range;
use super::shares::forget_shares;
use crate::cache::Cache;
use crate::db::{self, Connection, Database};
use crate::error::Error;
use crate::ledger::{LpRange, lock_funds, lock_lps, note_unforgotten};
use crate::queue::Queue;

/// LPs that one message hands on: minutes of work at the full size, a part of which each message does.
const LPS_A_MESSAGE: i64 = 100;

/// Whose derived rows are made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everyone's: first every fund's, then every LP's.
    All,
    /// Every fund's own: gross performance and commitments in force.
    Funds,
    /// An LP's.
    Lp(i64),
    /// A fund's own, and what its LPs have in it, with the pools that it enters.
    Fund(i64),
    /// Those of some LPs.
    Lps(LpRange),
}

/// What a rebuild has done, and what it left.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// What was made again. Cached answers that Redis did not forget are noted on the queue already.
    pub settled: Settled,
    /// The LPs that were not reached in time.
    pub rest: Option<LpRange>,
}

/// Rebuilds capital accounts, performance, gross performance and commitments in force of the scope, and forgets what the cache
/// has of it. Once `until` has come no further LPs are begun. The views see it at their next refresh, and the marks say so.
/// `None` when there is no such LP or fund.
pub async fn rebuild(
    db: &Database,
    cache: &Cache,
    queue: &Queue,
    scope: Scope,
    until: Instant,
) -> Result<Option<Rebuilt>, Error> {
    if let Scope::Lp(lp_id) = scope {
        let connection = db.connection().await?;
        let fund_ids = funds_of(&connection, lp_id).await?;
        let unforgotten = forget_shares(&connection, cache, &fund_ids).await?;
        note_unforgotten(queue, &unforgotten).await?;
    }
    let funds = fund_ids(db, scope).await?;
    let mut settled = Settled::default();
    for &fund_id in &funds {
        let step = rebuild_fund(db, cache, fund_id).await?;
        note_unforgotten(queue, &step.unforgotten).await?;
        settled.add(step);
    }
    // A single LP takes no longer than a step.
    let until = (!matches!(scope, Scope::Lp(_))).then_some(until);
    let mut rebuilt = match lps(scope) {
        Some(range) => rebuild_range(db, cache, queue, range, until).await?,
        None => Rebuilt::default(),
    };
    rebuilt.settled.add(settled);
    let is_found = match scope {
        Scope::All | Scope::Funds | Scope::Lps(_) => true,
        Scope::Fund(_) => !funds.is_empty(),
        Scope::Lp(_) => rebuilt.settled.lps > 0 || !rebuilt.settled.failed_lps.is_empty(),
    };
    Ok(is_found.then_some(rebuilt))
}

/// Asks for the rest of a rebuild by messages, which any number of invocations may work on. Returns how many.
pub async fn hand_on(db: &Database, queue: &Queue, rest: LpRange) -> Result<usize, Error> {
    let connection = db.connection().await?;
    let LpRange {
        from_lp_id,
        to_lp_id,
        fund_id,
    } = rest;
    let bounds: db::Values<'_> = &[&from_lp_id, &to_lp_id, &LPS_A_MESSAGE];
    let parts = db::query(&connection, include_str!("parts.sql"), bounds).await?;
    for part in &parts {
        let part = LpRange {
            from_lp_id: part.get("from_lp_id"),
            to_lp_id: part.get("to_lp_id"),
            fund_id,
        };
        queue.send(&part.to_message(), Duration::ZERO).await?;
    }
    Ok(parts.len())
}

/// How many LPs there are in a range, whatever they have.
pub async fn count_lps(db: &Database, range: LpRange) -> Result<i64, Error> {
    let connection = db.connection().await?;
    let sql = "select count(*) from limited_partners l where l.lp_id between $1 and $2";
    let row = db::query_one(&connection, sql, &[&range.from_lp_id, &range.to_lp_id]).await?;
    Ok(row.get(0))
}

/// The LPs of a scope.
fn lps(scope: Scope) -> Option<LpRange> {
    match scope {
        Scope::All => Some(LpRange::ALL),
        Scope::Funds => None,
        Scope::Lp(lp_id) => Some(LpRange {
            from_lp_id: lp_id,
            to_lp_id: lp_id,
            fund_id: None,
        }),
        Scope::Fund(fund_id) => Some(LpRange {
            fund_id: Some(fund_id),
            ..LpRange::ALL
        }),
        Scope::Lps(range) => Some(range),
    }
}

/// The funds of a scope whose own figures are rebuilt.
async fn fund_ids(db: &Database, scope: Scope) -> Result<Vec<i64>, Error> {
    let fund_id = match scope {
        Scope::All | Scope::Funds => None,
        Scope::Fund(fund_id) => Some(fund_id),
        Scope::Lp(_) | Scope::Lps(_) => return Ok(Vec::new()),
    };
    let connection = db.connection().await?;
    let sql = "select f.fund_id from funds f where f.fund_id = coalesce($1::bigint, f.fund_id) order by f.fund_id";
    let rows = db::query(&connection, sql, &[&fund_id]).await?;
    Ok(rows.iter().map(|row| row.get("fund_id")).collect())
}

/// The funds in which an LP has commitments. Those that it has left are told by what is owed for them, and seen to when that is settled.
async fn funds_of(connection: &Connection, lp_id: i64) -> Result<Vec<i64>, Error> {
    let sql = "select distinct c.fund_id from lp_fund_commitments c where c.lp_id = $1";
    let rows = db::query(connection, sql, &[&lp_id]).await?;
    Ok(rows.iter().map(|row| row.get("fund_id")).collect())
}

/// The fund's commitments in force, and its whole gross performance as owed and settled. LPs are locked first, as always.
async fn rebuild_fund(db: &Database, cache: &Cache, fund_id: i64) -> Result<Settled, Error> {
    let mut connection = db.connection().await?;
    let owed = owe_fund(&mut connection, fund_id).await;
    drop(connection);
    match owed {
        Err(error) if !error.is_infrastructure() => {
            tracing::error!(fund_id, error = %error.chain(), "a fund could not be rebuilt");
            Ok(Settled {
                failed_funds: [fund_id].into(),
                ..Settled::default()
            })
        }
        owed => {
            owed?;
            settle_fund_performance(db, cache, &[fund_id]).await
        }
    }
}

/// Settling follows at once and forgets the holdings, of which the commitments in force are the denominator.
async fn owe_fund(connection: &mut Connection, fund_id: i64) -> Result<(), Error> {
    let transaction = db::begin(connection).await?;
    lock_lps(&transaction, &[], &[fund_id]).await?;
    lock_funds(&transaction, &[fund_id]).await?;
    let in_force = include_str!("commitments_in_force.sql");
    db::execute(&transaction, in_force, &[&fund_id]).await?;
    let sql = "insert into pending_performance (fund_id, from_date) values ($1, '0001-01-01')";
    db::execute(&transaction, sql, &[&fund_id]).await?;
    db::commit(transaction).await
}
