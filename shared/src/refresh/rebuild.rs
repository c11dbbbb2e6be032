//! Everything derived, made again from the truth, to the same bytes as recording and settling make it bit by bit.

use chrono::NaiveDate;
use tokio_postgres::Row;

use super::Settled;
use super::fund_performance::{lock_fund, settle_fund_performance};
use super::performance::settle_performance;
use crate::cache::{Cache, TagSet};
use crate::db::{self, Connection, Database};
use crate::error::Error;
use crate::ledger::{ChangedAccount, commit_and_forget, lock_lps, refresh_accounts};

/// LPs whose accounts are made again in one transaction.
const LPS_AT_ONCE: i64 = 20;

/// Whose derived rows are made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everyone's.
    All,
    /// An LP's.
    Lp(i64),
    /// A fund's, and those of every LP that has committed to it.
    Fund(i64),
}

/// Rebuilds capital accounts, performance, gross performance and commitments in force of the scope, a bounded part of it a
/// transaction, and forgets what the cache has of it. The views see it at their next refresh, and the marks say so. `None`
/// when there is no such LP or fund.
pub async fn rebuild(db: &Database, cache: &Cache, scope: Scope) -> Result<Option<Settled>, Error> {
    let mut rebuilt = Settled::default();
    let mut after = 0;
    loop {
        let lp_ids = next_lps(db, scope, after).await?;
        let Some(&last) = lp_ids.last() else { break };
        rebuilt.add(rebuild_lps(db, cache, &lp_ids).await?);
        tracing::info!(lps = rebuilt.lps, "rebuilding");
        after = last;
    }
    for fund_id in funds(db, scope).await? {
        rebuilt.add(rebuild_fund(db, cache, fund_id).await?);
    }
    let found = scope == Scope::All || rebuilt.lps > 0 || rebuilt.funds > 0;
    Ok(found.then_some(rebuilt))
}

/// The next LPs of the scope in the order of their ids.
async fn next_lps(db: &Database, scope: Scope, after: i64) -> Result<Vec<i64>, Error> {
    let connection = db.connection().await?;
    let (condition, id) = match scope {
        Scope::All => ("$2 = 0", 0),
        Scope::Lp(lp_id) => ("l.lp_id = $2", lp_id),
        Scope::Fund(fund_id) => (
            "exists (select from lp_fund_commitments c where c.lp_id = l.lp_id and c.fund_id = $2)",
            fund_id,
        ),
    };
    let sql = format!(
        "select l.lp_id from limited_partners l where l.lp_id > $1::bigint and {} order by l.lp_id limit $3::bigint",
        condition.replace("$2", "$2::bigint")
    );
    let rows = db::query(&connection, &sql, &[&after, &id, &LPS_AT_ONCE]).await?;
    Ok(rows.iter().map(|row| row.get("lp_id")).collect())
}

async fn funds(db: &Database, scope: Scope) -> Result<Vec<i64>, Error> {
    let fund_id = match scope {
        Scope::All => None,
        Scope::Fund(fund_id) => Some(fund_id),
        Scope::Lp(_) => return Ok(Vec::new()),
    };
    let connection = db.connection().await?;
    let sql = "select f.fund_id from funds f where f.fund_id = coalesce($1::bigint, f.fund_id) order by f.fund_id";
    let rows = db::query(&connection, sql, &[&fund_id]).await?;
    Ok(rows.iter().map(|row| row.get("fund_id")).collect())
}

/// First the accounts, with marks and with everything owed, in a transaction; then what is owed is settled as always. In
/// between answers say that their rates are pending.
async fn rebuild_lps(db: &Database, cache: &Cache, lp_ids: &[i64]) -> Result<Settled, Error> {
    let mut connection = db.connection().await?;
    let transaction = connection.transaction().await?;
    let lps = lock_lps(&transaction, lp_ids, &[]).await?;
    let rows = db::query(&transaction, include_str!("commitments.sql"), &[&lp_ids]).await?;
    let changed: Vec<ChangedAccount> = rows.iter().map(from_the_beginning).collect();
    db::execute(&transaction, include_str!("prune_accounts.sql"), &[&lp_ids]).await?;
    refresh_accounts(&transaction, &changed).await?;
    db::execute(&transaction, include_str!("owe_lps.sql"), &[&lp_ids]).await?;
    // Without a commitment there is nothing to settle, and nothing that could be pooled.
    let sql = "delete from lp_pooled_performance p where p.lp_id = any ($1::bigint[])
               and not exists (select from lp_fund_commitments c where c.lp_id = p.lp_id)";
    db::execute(&transaction, sql, &[&lp_ids]).await?;
    let changes: Vec<_> = lps.iter().map(|&lp_id| (lp_id, TagSet::ALL)).collect();
    let unforgotten = commit_and_forget(transaction, cache, &changes).await?;
    drop(connection);
    let mut rebuilt = settle_performance(db, cache, lp_ids).await?;
    rebuilt.lps = lp_ids.len();
    rebuilt.unforgotten.extend(unforgotten);
    Ok(rebuilt)
}

fn from_the_beginning(row: &Row) -> ChangedAccount {
    ChangedAccount {
        lp_id: row.get("lp_id"),
        fund_id: row.get("fund_id"),
        commitment_id: row.get("commitment_id"),
        from_date: NaiveDate::from_yo_opt(1, 1).unwrap_or_default(),
    }
}

/// The fund's commitments in force, and its whole gross performance as owed and settled. LPs are locked first, as always.
async fn rebuild_fund(db: &Database, cache: &Cache, fund_id: i64) -> Result<Settled, Error> {
    let mut connection = db.connection().await?;
    owe_fund(&mut connection, fund_id).await?;
    drop(connection);
    settle_fund_performance(db, cache, &[fund_id]).await
}

/// Settling follows at once and forgets the holdings, of which the commitments in force are the denominator.
async fn owe_fund(connection: &mut Connection, fund_id: i64) -> Result<(), Error> {
    let transaction = connection.transaction().await?;
    lock_lps(&transaction, &[], &[fund_id]).await?;
    lock_fund(&transaction, fund_id).await?;
    db::execute(
        &transaction,
        include_str!("commitments_in_force.sql"),
        &[&fund_id],
    )
    .await?;
    let sql = "insert into pending_performance (fund_id, from_date) values ($1, '0001-01-01')";
    db::execute(&transaction, sql, &[&fund_id]).await?;
    transaction.commit().await?;
    Ok(())
}
