//! Which statements took the database's time, as pg_stat_statements counts them. Values are not told: neither parameters, which it
//! does not keep, nor what a statement has between quotes.

use serde::Serialize;
use tokio_postgres::Row;

use crate::db::{self, Database};
use crate::error::Error;

/// The statements, those first that took longest altogether.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowStatements {
    /// Since the counts were last reset.
    pub statements: Vec<SlowStatement>,
}

/// A statement, whatever its parameters were.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowStatement {
    /// By which the server tells it from others; text, as it is beyond what JSON numbers hold everywhere.
    pub query_id: String,
    /// Who ran it.
    pub role: String,
    /// Its text without comments, at most 2,000 characters.
    pub statement: String,
    /// How often.
    pub calls: i64,
    /// How long altogether.
    pub total_ms: f64,
    /// How long on average.
    pub mean_ms: f64,
    /// How many rows it gave or touched.
    pub rows: i64,
    /// Pages found in the server's own memory.
    pub shared_blocks_hit: i64,
    /// Pages that were not.
    pub shared_blocks_read: i64,
}

/// At most so many statements. Needs the extension pg_stat_statements, and says so when it is not there.
pub async fn slow_statements(db: &Database, most: i32) -> Result<SlowStatements, Error> {
    let sql = "select s.query_id, s.role, s.statement, s.calls, s.total_ms, s.mean_ms, s.row_count,
                      s.shared_blocks_hit, s.shared_blocks_read
               from slow_statements($1) s";
    let connection = db.connection().await?;
    let rows = db::query(&connection, sql, &[&most]).await?;
    Ok(SlowStatements {
        statements: rows.iter().map(SlowStatement::from_row).collect(),
    })
}

impl SlowStatement {
    fn from_row(row: &Row) -> Self {
        Self {
            query_id: row.get::<_, i64>("query_id").to_string(),
            role: row.get("role"),
            statement: row.get("statement"),
            calls: row.get("calls"),
            total_ms: row.get("total_ms"),
            mean_ms: row.get("mean_ms"),
            rows: row.get("row_count"),
            shared_blocks_hit: row.get("shared_blocks_hit"),
            shared_blocks_read: row.get("shared_blocks_read"),
        }
    }
}
