//! LPs rebuilt in the order of their ids, a bounded number of them a transaction, until the time is up.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::NaiveDate;
use tokio_postgres::Row;

use super::Settled;
use super::performance::settle_lps;
use super::rebuild::Rebuilt;
use super::step::{LPS_AT_ONCE, Step};
use crate::cache::{Cache, TagSet};
use crate::db::{self, Connection, Database};
use crate::error::Error;
use crate::ledger::{
    ChangedAccount, LpRange, commit_and_forget, lock_lps, note_unforgotten, refresh_accounts,
};
use crate::queue::Queue;

/// Rebuilds the LPs of the range in steps until the time is up, where there is such a time; what is left of the range then is
/// returned, and it may be all of it. Cached answers that Redis did not forget are noted after each step, so that no later failure loses them.
pub(super) async fn rebuild_range(
    db: &Database,
    cache: &Cache,
    queue: &Queue,
    range: LpRange,
    until: Option<Instant>,
) -> Result<Rebuilt, Error> {
    let mut settled = Settled::default();
    let mut left = range;
    let step = Step::Rebuild {
        fund_id: range.fund_id,
    };
    let mut connection = db.connection().await?;
    loop {
        if until.is_some_and(|until| Instant::now() >= until) {
            let rest = Some(left);
            return Ok(Rebuilt { settled, rest });
        }
        let lp_ids = next_lps(&connection, left).await?;
        let Some(&last) = lp_ids.last() else { break };
        let done = step.take(&mut connection, cache, &lp_ids).await?;
        note_unforgotten(queue, &done.unforgotten).await?;
        settled.add(done);
        tracing::info!(
            from_lp_id = range.from_lp_id,
            to_lp_id = range.to_lp_id,
            fund_id = range.fund_id,
            last_lp_id = last,
            lps = settled.lps,
            "rebuilding LPs"
        );
        if lp_ids.len() < LPS_AT_ONCE || last >= left.to_lp_id {
            break;
        }
        left.from_lp_id = last + 1;
    }
    Ok(Rebuilt {
        settled,
        rest: None,
    })
}

/// The next LPs of the range in the order of their ids.
async fn next_lps(connection: &Connection, range: LpRange) -> Result<Vec<i64>, Error> {
    let LpRange {
        from_lp_id,
        to_lp_id,
        fund_id,
    } = range;
    let limit = i64::try_from(LPS_AT_ONCE).unwrap_or(1);
    let rows = match fund_id {
        None => {
            let sql = include_str!("next_lps.sql");
            db::query(connection, sql, &[&from_lp_id, &to_lp_id, &limit]).await?
        }
        Some(fund_id) => {
            let sql = include_str!("next_lps_of_fund.sql");
            db::query(connection, sql, &[&from_lp_id, &to_lp_id, &limit, &fund_id]).await?
        }
    };
    Ok(rows.iter().map(|row| row.get("lp_id")).collect())
}

/// First the accounts, with marks and with everything owed, in a transaction; then what is owed is settled as always. In
/// between answers say that their rates are pending.
pub(super) async fn rebuild_lps(
    connection: &mut Connection,
    cache: &Cache,
    lp_ids: &[i64],
    fund_id: Option<i64>,
) -> Result<Settled, Error> {
    let mut unforgotten = rebuild_accounts(connection, cache, lp_ids, fund_id).await?;
    let settled = settle_lps(connection, cache, lp_ids).await?;
    unforgotten.extend(settled.unforgotten);
    Ok(Settled {
        lps: lp_ids.len(),
        unforgotten,
        ..Settled::default()
    })
}

async fn rebuild_accounts(
    connection: &mut Connection,
    cache: &Cache,
    lp_ids: &[i64],
    fund_id: Option<i64>,
) -> Result<BTreeSet<i64>, Error> {
    let transaction = db::begin(connection).await?;
    let lps = lock_lps(&transaction, lp_ids, &[]).await?;
    let rows = db::query(&transaction, include_str!("commitments.sql"), &[&lp_ids]).await?;
    let changed: Vec<ChangedAccount> = rows
        .iter()
        .map(from_the_beginning)
        .filter(|account| fund_id.is_none_or(|fund_id| account.fund_id == fund_id))
        .collect();
    let commitment_ids: Vec<i64> = changed
        .iter()
        .map(|account| account.commitment_id)
        .collect();
    let prune = include_str!("prune_accounts.sql");
    db::execute(&transaction, prune, &[&lp_ids, &commitment_ids]).await?;
    refresh_accounts(&transaction, &changed).await?;
    let owe = include_str!("owe.sql");
    db::execute(&transaction, owe, &[&lp_ids, &commitment_ids]).await?;
    // Without a commitment there is nothing to settle, and nothing that could be pooled.
    let sql = "delete from lp_pooled_performance p where p.lp_id = any ($1::bigint[])
               and not exists (select from lp_fund_commitments c where c.lp_id = p.lp_id)";
    db::execute(&transaction, sql, &[&lp_ids]).await?;
    let changes: Vec<_> = lps.iter().map(|&lp_id| (lp_id, TagSet::ALL)).collect();
    commit_and_forget(transaction, cache, &changes).await
}

/// A commitment whose whole account is computed.
pub(super) fn from_the_beginning(row: &Row) -> ChangedAccount {
    ChangedAccount {
        lp_id: row.get("lp_id"),
        fund_id: row.get("fund_id"),
        commitment_id: row.get("commitment_id"),
        from_date: NaiveDate::from_yo_opt(1, 1).unwrap_or_default(),
    }
}
