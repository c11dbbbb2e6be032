//! What is derived of some LPs or of a fund, computed again from the truth and compared with what is stored, in a transaction that
//! only reads.

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::drift::snapshot;
use super::fund_performance::load_fund;
use super::history::load_commitments;
use super::rebuild_lps::from_the_beginning;
use super::rows::FundRow;
use super::series::{Pending, Series, compute_lp};
use crate::app::Clock;
use crate::db::{self, Connection};
use crate::error::Error;
use crate::finance::gross::gross_snapshots;
use crate::ledger::{ChangedAccount, compare_accounts};

/// What was found of some LPs: by table, whose rows differ and how many.
pub(super) struct OfLps {
    /// To how many of them performance is owed.
    pub(super) owed: usize,
    pub(super) differing: [(&'static str, Vec<(i64, i64)>); 3],
}

pub(super) async fn compare_lps(
    connection: &mut Connection,
    clock: Clock,
    lp_ids: &[i64],
) -> Result<OfLps, Error> {
    let transaction = snapshot(connection, clock).await?;
    let rows = db::query(&transaction, include_str!("commitments.sql"), &[&lp_ids]).await?;
    let every: Vec<ChangedAccount> = rows.iter().map(from_the_beginning).collect();
    let accounts = compare_accounts(&transaction, lp_ids, &every).await?;
    let settled = settled(&transaction, lp_ids).await?;
    let series = compute(&transaction, &settled).await?;
    let sql = include_str!("compare_snapshots.sql");
    let snapshots = Json(&series.snapshots);
    let snapshots = differing(&transaction, sql, &[&settled, &snapshots]).await?;
    let sql = include_str!("compare_pooled.sql");
    let pooled = Json(&series.pooled);
    let pooled = differing(&transaction, sql, &[&settled, &pooled]).await?;
    Ok(OfLps {
        owed: lp_ids.len() - settled.len(),
        differing: [
            ("lp_capital_accounts", accounts),
            ("lp_performance_snapshots", snapshots),
            ("lp_pooled_performance", pooled),
        ],
    })
}

/// Those of the LPs to whom no performance is owed.
async fn settled(transaction: &Transaction<'_>, lp_ids: &[i64]) -> Result<Vec<i64>, Error> {
    let sql = "select l.lp_id from unnest($1::bigint[]) as l (lp_id)
               where not exists (select from pending_performance p where p.lp_id = l.lp_id) order by l.lp_id";
    let rows = db::query(transaction, sql, &[&lp_ids]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// All that the LPs' performance should be, from their accounts as they are: those are compared by themselves.
async fn compute(transaction: &Transaction<'_>, lp_ids: &[i64]) -> Result<Series, Error> {
    let commitments = load_commitments(transaction, lp_ids).await?;
    let mut series = Series::default();
    for of_lp in commitments.chunk_by(|one, next| one.lp_id == next.lp_id) {
        let owed: Vec<Pending> = of_lp.iter().map(Pending::everything).collect();
        compute_lp(&mut series, &owed, of_lp).map_err(|overflow| {
            Error::Inconsistent(format!("of LP {} {overflow}", of_lp[0].lp_id))
        })?;
    }
    Ok(series)
}

async fn differing(
    transaction: &Transaction<'_>,
    sql: &str,
    values: db::Values<'_>,
) -> Result<Vec<(i64, i64)>, Error> {
    let rows = db::query(transaction, sql, values).await?;
    let read = |row: &Row| (row.get("lp_id"), row.get("drift_rows"));
    Ok(rows.iter().map(read).collect())
}

/// What was found of a fund.
pub(super) struct OfFund {
    /// Whether performance is owed to it, which was then not looked at.
    pub(super) is_owed: bool,
    pub(super) in_force_rows: i64,
    pub(super) performance_rows: i64,
}

pub(super) async fn compare_fund(
    connection: &mut Connection,
    clock: Clock,
    fund_id: i64,
) -> Result<OfFund, Error> {
    let transaction = snapshot(connection, clock).await?;
    let in_force = include_str!("compare_in_force.sql");
    let in_force_rows = db::query_one(&transaction, in_force, &[&fund_id])
        .await?
        .get("drift_rows");
    let pending = db::query(&transaction, include_str!("fund_pending.sql"), &[&fund_id]).await?;
    let mut found = OfFund {
        is_owed: !pending.is_empty(),
        in_force_rows,
        performance_rows: 0,
    };
    if !found.is_owed {
        let history = load_fund(&transaction, fund_id).await?;
        let rows: Vec<FundRow> = gross_snapshots(&history, NaiveDate::MIN)
            .map_err(|overflow| Error::Inconsistent(format!("of fund {fund_id} {overflow}")))?
            .into_iter()
            .map(|at| FundRow::new(fund_id, at))
            .collect();
        let sql = include_str!("compare_fund.sql");
        let row = db::query_one(&transaction, sql, &[&fund_id, &Json(&rows)]).await?;
        found.performance_rows = row.get("drift_rows");
    }
    Ok(found)
}
