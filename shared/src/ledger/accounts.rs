//! Capital accounts, recomputed from the entries and NAV reports from the earliest changed day on. Recording and rebuilding
//! run the same statement, so both write the same bytes.

use chrono::NaiveDate;
use deadpool_postgres::Transaction;
use serde::Serialize;
use tokio_postgres::types::Json;

use crate::db;
use crate::error::Error;

/// A commitment whose account changes from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedAccount {
    /// The LP.
    pub lp_id: i64,
    /// The fund.
    pub fund_id: i64,
    /// The commitment; it may stand in the list more than once.
    pub commitment_id: i64,
    /// The first day that changes.
    pub from_date: NaiveDate,
}

/// Recomputes the accounts, in one statement however many they are. The LPs' rows must be locked.
pub async fn refresh_accounts(
    transaction: &Transaction<'_>,
    changed: &[ChangedAccount],
) -> Result<u64, Error> {
    if changed.is_empty() {
        return Ok(0);
    }
    db::execute(transaction, include_str!("accounts.sql"), &[&Json(changed)]).await
}
