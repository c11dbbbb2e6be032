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
    /// Whether its LP's pool of its fund was there before.
    pub(super) is_pooled: bool,
}

impl Pending {
    /// All that there is to compute of a commitment and of the pools that it enters, as if nothing were there.
    pub(super) fn everything(commitment: &Commitment) -> Self {
        Self {
            pending_id: 0,
            lp_id: commitment.lp_id,
            fund_id: commitment.fund_id,
            commitment_id: commitment.commitment_id,
            from_date: NaiveDate::MIN,
            is_pooled: false,
        }
    }
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

/// On which dates a pool has performance: of a currency, or of a fund. None where it was not computed.
#[derive(Debug, Serialize)]
pub(super) struct PoolDates {
    lp_id: i64,
    currency: String,
    fund_id: Option<i64>,
    dates: Option<Vec<NaiveDate>>,
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
    compute_fund_pools(series, pending, commitments)
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

/// The pools of funds, each of which exists while the LP holds several commitments in the fund. Those of funds in which
/// something is owed are computed, the others only listed.
fn compute_fund_pools(
    series: &mut Series,
    pending: &[Pending],
    commitments: &[Commitment],
) -> Result<(), Overflow> {
    let mut funds: BTreeMap<i64, Vec<&Commitment>> = BTreeMap::new();
    for commitment in commitments {
        funds
            .entry(commitment.fund_id)
            .or_default()
            .push(commitment);
    }
    for (fund_id, members) in funds {
        if members.len() < 2 {
            continue;
        }
        match owed_to_pool(pending, fund_id) {
            Some(from) => compute_pool(series, &members, Some(fund_id), from)?,
            None => series.pooled_dates.push(PoolDates {
                lp_id: members[0].lp_id,
                currency: members[0].currency.clone(),
                fund_id: Some(fund_id),
                dates: None,
            }),
        }
    }
    Ok(())
}

/// From when on the pool of a fund is owed: from its beginning when it was not there before.
fn owed_to_pool(pending: &[Pending], fund_id: i64) -> Option<NaiveDate> {
    let of_fund = pending.iter().filter(|owed| owed.fund_id == fund_id);
    of_fund
        .map(|owed| {
            if owed.is_pooled {
                owed.from_date
            } else {
                NaiveDate::MIN
            }
        })
        .min()
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
        currency: first.currency.clone(),
        fund_id,
        dates: Some(pooled_dates(&histories)),
    });
    Ok(())
}
