//! Which series have to be computed for what is owed, from when on, and their rows: pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;

use super::history::Commitment;
use super::rows::{PooledRow, SnapshotRow};
use crate::finance::money::Overflow;
use crate::finance::performance::{
    History, commitment_snapshots, pooled_dates, pooled_snapshots, snapshot_dates,
};

/// A row of `pending_performance`: performance of a commitment, and of its LP's pools, that is owed from a date on.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) pending_id: i64,
    pub(super) lp_id: i64,
    pub(super) fund_id: i64,
    pub(super) commitment_id: i64,
    pub(super) from_date: NaiveDate,
}

/// What is to be written: rows from the earliest changed dates on, and for each series all dates on which it has a row.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) snapshots: Vec<SnapshotRow>,
    pub(super) snapshot_dates: Vec<CommitmentDates>,
    pub(super) pooled: Vec<PooledRow>,
    pub(super) pooled_dates: Vec<PoolDates>,
    pub(super) marks: Vec<Mark>,
}

/// On which dates a commitment has snapshots.
#[derive(Debug, Serialize)]
pub(super) struct CommitmentDates {
    lp_id: i64,
    commitment_id: i64,
    dates: Vec<NaiveDate>,
}

/// On which dates a pool has performance: of a currency, or of a fund.
#[derive(Debug, Serialize)]
pub(super) struct PoolDates {
    lp_id: i64,
    currency: Option<String>,
    fund_id: Option<i64>,
    dates: Vec<NaiveDate>,
}

/// What the views have not seen. Dated as its last snapshot is, so that the mark of one dated ahead stays until then.
#[derive(Debug, Serialize)]
pub(super) struct Mark {
    commitment_id: i64,
    lp_id: i64,
    fund_id: i64,
    latest_date: NaiveDate,
}

/// Computes what is owed to one LP. `commitments` are all that it has.
pub(super) fn compute_lp(
    series: &mut Series,
    pending: &[Pending],
    commitments: &[Commitment],
) -> Result<(), Overflow> {
    let Some(earliest) = pending.iter().map(|owed| owed.from_date).min() else {
        return Ok(());
    };
    compute_commitments(series, pending, commitments)?;
    let currencies: BTreeSet<&str> = commitments
        .iter()
        .map(|commitment| commitment.currency.as_str())
        .collect();
    for currency in currencies {
        let is_member = |commitment: &&Commitment| commitment.currency == currency;
        let members: Vec<&Commitment> = commitments.iter().filter(is_member).collect();
        compute_pool(series, &members, None, earliest)?;
    }
    let funds: BTreeSet<i64> = pending.iter().map(|owed| owed.fund_id).collect();
    for fund_id in funds {
        compute_fund_pool(series, pending[0].lp_id, fund_id, commitments)?;
    }
    Ok(())
}

/// The snapshots of each commitment that is owed any. One that is gone since has no rows, but is marked as well: the views
/// may still show it.
fn compute_commitments(
    series: &mut Series,
    pending: &[Pending],
    commitments: &[Commitment],
) -> Result<(), Overflow> {
    let mut owed_from: BTreeMap<(i64, i64), NaiveDate> = BTreeMap::new();
    for owed in pending {
        let from = owed_from
            .entry((owed.commitment_id, owed.fund_id))
            .or_insert(owed.from_date);
        *from = owed.from_date.min(*from);
    }
    for ((commitment_id, fund_id), from) in owed_from {
        let found = commitments
            .iter()
            .find(|commitment| commitment.commitment_id == commitment_id);
        let dates = found.map_or_else(Vec::new, |found| snapshot_dates(&found.history));
        series.marks.push(Mark {
            commitment_id,
            lp_id: pending[0].lp_id,
            fund_id,
            latest_date: dates.last().map_or(from, |&last| last.max(from)),
        });
        let Some(found) = found else { continue };
        for at in commitment_snapshots(&found.history, from)? {
            series.snapshots.push(SnapshotRow {
                lp_id: found.lp_id,
                fund_id: found.fund_id,
                commitment_id,
                snapshot_date: at.date,
                figures: at.into(),
            });
        }
        series.snapshot_dates.push(CommitmentDates {
            lp_id: found.lp_id,
            commitment_id,
            dates,
        });
    }
    Ok(())
}

/// The pool of a fund, which exists while the LP holds several commitments in it. It may exist since just now, so it is
/// computed from its beginning: its members are few.
fn compute_fund_pool(
    series: &mut Series,
    lp_id: i64,
    fund_id: i64,
    commitments: &[Commitment],
) -> Result<(), Overflow> {
    let is_member = |commitment: &&Commitment| commitment.fund_id == fund_id;
    let members: Vec<&Commitment> = commitments.iter().filter(is_member).collect();
    if members.len() >= 2 {
        return compute_pool(series, &members, Some(fund_id), NaiveDate::MIN);
    }
    series.pooled_dates.push(PoolDates {
        lp_id,
        currency: None,
        fund_id: Some(fund_id),
        dates: Vec::new(),
    });
    Ok(())
}

fn compute_pool(
    series: &mut Series,
    members: &[&Commitment],
    fund_id: Option<i64>,
    from: NaiveDate,
) -> Result<(), Overflow> {
    let Some(first) = members.first() else {
        return Ok(());
    };
    let histories: Vec<&History> = members.iter().map(|member| &member.history).collect();
    for at in pooled_snapshots(&histories, from)? {
        series.pooled.push(PooledRow {
            lp_id: first.lp_id,
            currency: first.currency.clone(),
            fund_id,
            performance_date: at.date,
            figures: at.into(),
        });
    }
    series.pooled_dates.push(PoolDates {
        lp_id: first.lp_id,
        currency: Some(first.currency.clone()),
        fund_id,
        dates: pooled_dates(&histories),
    });
    Ok(())
}
