//! What happened to every commitment of some LPs, read in a number of statements that does not grow with the LPs.

use std::collections::HashMap;

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use futures_util::future::try_join4;
use tokio_postgres::Row;

use crate::db::{self, Values};
use crate::error::Error;
use crate::finance::performance::{FlowDay, History, NavReport};

/// A commitment and what happened to it.
#[derive(Debug)]
pub(super) struct Commitment {
    pub(super) lp_id: i64,
    pub(super) fund_id: i64,
    pub(super) commitment_id: i64,
    pub(super) currency: String,
    pub(super) history: History,
}

/// The commitments of the LPs in the order of LP and id. The statements share a round trip.
pub(super) async fn load_commitments(
    transaction: &Transaction<'_>,
    lp_ids: &[i64],
) -> Result<Vec<Commitment>, Error> {
    let of_lps: Values<'_> = &[&lp_ids];
    let (commitments, flows, changes, navs) = try_join4(
        db::query(transaction, include_str!("commitments.sql"), of_lps),
        db::query(transaction, include_str!("flows.sql"), of_lps),
        db::query(transaction, include_str!("changes.sql"), of_lps),
        db::query(transaction, include_str!("navs.sql"), of_lps),
    )
    .await?;
    let mut flows = by_commitment(&flows, flow_day);
    let mut changes = by_commitment(&changes, change);
    let mut navs = by_commitment(&navs, nav_report);
    let commitment = |row: &Row| {
        let commitment_id = row.get("commitment_id");
        Commitment {
            lp_id: row.get("lp_id"),
            fund_id: row.get("fund_id"),
            commitment_id,
            currency: row.get("currency"),
            history: History {
                commitment_date: row.get("commitment_date"),
                commitment_cents: row.get("commitment_amount_cents"),
                changes: changes.remove(&commitment_id).unwrap_or_default(),
                flows: flows.remove(&commitment_id).unwrap_or_default(),
                navs: navs.remove(&commitment_id).unwrap_or_default(),
            },
        }
    };
    Ok(commitments.iter().map(commitment).collect())
}

/// Rows by commitment, each in the order in which they were read.
fn by_commitment<T>(rows: &[Row], read: fn(&Row) -> T) -> HashMap<i64, Vec<T>> {
    let mut grouped: HashMap<i64, Vec<T>> = HashMap::new();
    for row in rows {
        grouped
            .entry(row.get("commitment_id"))
            .or_default()
            .push(read(row));
    }
    grouped
}

fn flow_day(row: &Row) -> FlowDay {
    FlowDay {
        date: row.get("effective_date"),
        cash_cents: row.get("cash_cents"),
        paid_in_cents: row.get("paid_in_cents"),
        distributed_cents: row.get("distributed_cents"),
    }
}

fn change(row: &Row) -> (NaiveDate, i64) {
    (row.get("effective_date"), row.get("change_cents"))
}

fn nav_report(row: &Row) -> NavReport {
    NavReport {
        date: row.get("as_of_date"),
        nav_cents: row.get("nav_cents"),
    }
}
