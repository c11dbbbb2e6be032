//! Gross performance that is owed: of a whole fund, from the earliest changed date on.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use futures_util::future::try_join3;
use tokio_postgres::types::Json;

use super::Settled;
use super::rows::FundRow;
use crate::cache::{Cache, Tag, TagSet};
use crate::db::{self, Connection, Database, Values};
use crate::error::Error;
use crate::finance::gross::{
    FundHistory, Investment, InvestmentFlow, gross_dates, gross_snapshots,
};
use crate::finance::performance::NavReport;
use crate::ids::LpId;
use crate::ledger::{commit_and_forget, forget, joined_since, lock_funds, lock_lps};

/// Computes what is owed to the funds themselves and writes it, a fund a transaction. What its LPs' cached answers say of
/// its performance and its holdings is forgotten with it. One that cannot be computed keeps no other from being settled.
pub async fn settle_fund_performance(
    db: &Database,
    cache: &Cache,
    fund_ids: &[i64],
) -> Result<Settled, Error> {
    let mut settled = Settled::default();
    let mut connection = db.connection().await?;
    for &fund_id in fund_ids {
        match settle_fund(&mut connection, cache, fund_id).await {
            Err(error) if !error.is_infrastructure() => {
                tracing::error!(fund_id, error = %error.chain(), "the performance of a fund could not be settled");
                settled.failed_funds.insert(fund_id);
            }
            outcome => settled.add(outcome?),
        }
    }
    Ok(settled)
}

/// LPs are locked before the fund, as recording does. Their locks make the closing of their cache tags exclusive; the fund's
/// keeps two settlings of it apart when it has no LPs.
async fn settle_fund(
    connection: &mut Connection,
    cache: &Cache,
    fund_id: i64,
) -> Result<Settled, Error> {
    let transaction = db::begin(connection).await?;
    let locked = lock_lps(&transaction, &[], &[fund_id]).await?;
    lock_funds(&transaction, &[fund_id]).await?;
    let pending = db::query(&transaction, include_str!("fund_pending.sql"), &[&fund_id]).await?;
    let Some(from) = pending
        .iter()
        .map(|row| row.get::<_, NaiveDate>("from_date"))
        .min()
    else {
        return Ok(Settled::default());
    };
    let pending_ids: Vec<i64> = pending.iter().map(|row| row.get("pending_id")).collect();
    let history = load_fund(&transaction, fund_id).await?;
    write(&transaction, fund_id, &history, from).await?;
    let sql = "delete from pending_performance where pending_id = any ($1::bigint[])";
    db::execute(&transaction, sql, &[&pending_ids]).await?;
    let tags = TagSet::of(&[Tag::Performance, Tag::Holdings]);
    let joined = joined_since(&transaction, &[fund_id], &locked).await?;
    let changes =
        |lp_ids: Vec<LpId>| -> Vec<_> { lp_ids.into_iter().map(|lp_id| (lp_id, tags)).collect() };
    let mut unforgotten = commit_and_forget(transaction, cache, &changes(locked)).await?;
    unforgotten.extend(forget(cache, &changes(joined)).await);
    Ok(Settled {
        funds: 1,
        unforgotten,
        ..Settled::default()
    })
}

/// What happened to the fund. The statements share a round trip.
pub(super) async fn load_fund(
    transaction: &Transaction<'_>,
    fund_id: i64,
) -> Result<FundHistory, Error> {
    let of_fund: Values<'_> = &[&fund_id];
    let (flows, valuations, navs) = try_join3(
        db::query(transaction, include_str!("fund_flows.sql"), of_fund),
        db::query(transaction, include_str!("fund_valuations.sql"), of_fund),
        db::query(transaction, include_str!("fund_navs.sql"), of_fund),
    )
    .await?;
    let mut investments: BTreeMap<i64, Investment> = BTreeMap::new();
    for row in &flows {
        let investment = investments.entry(row.get("investment_id")).or_default();
        investment.flows.push(InvestmentFlow {
            date: row.get("flow_date"),
            invested_cents: row.get("invested_cents"),
            proceeds_cents: row.get("proceeds_cents"),
        });
    }
    for row in &valuations {
        let investment = investments.entry(row.get("investment_id")).or_default();
        investment.valuations.push(NavReport {
            date: row.get("valuation_date"),
            nav_cents: row.get("fair_value_cents"),
        });
    }
    let nav = |row: &tokio_postgres::Row| NavReport {
        date: row.get("as_of_date"),
        nav_cents: row.get("gross_nav_cents"),
    };
    Ok(FundHistory {
        investments: investments.into_values().collect(),
        navs: navs.iter().map(nav).collect(),
    })
}

async fn write(
    transaction: &Transaction<'_>,
    fund_id: i64,
    history: &FundHistory,
    from: NaiveDate,
) -> Result<(), Error> {
    let rows: Vec<FundRow> = gross_snapshots(history, from)
        .map_err(|overflow| Error::Inconsistent(format!("of fund {fund_id} {overflow}")))?
        .into_iter()
        .map(|at| FundRow::new(fund_id, at))
        .collect();
    let sql =
        "delete from fund_performance where fund_id = $1 and performance_date <> all ($2::date[])";
    db::execute(transaction, sql, &[&fund_id, &gross_dates(history)]).await?;
    db::execute(transaction, include_str!("write_fund.sql"), &[&Json(rows)]).await?;
    Ok(())
}
