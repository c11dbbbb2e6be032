//! How much of each index is empty, by pgstattuple's `pgstatindex`, which reads it: an estimate from statistics is off by more than
//! the threshold of an alarm. And how large tables and indexes are.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::db::{self, Connection, Database};
use crate::error::Error;
use crate::metrics::{INDEX, INDEX_BLOAT, INDEX_BYTES, Metrics, TABLE, TABLE_BYTES};

/// Of what is smaller, nothing is said.
const SMALLEST_BYTES: i64 = 1024 * 1024;
/// To read the largest index, at the full size.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

/// What was measured, the largest first.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bloat {
    /// B-trees of at least a mebibyte.
    pub indexes: Vec<IndexBloat>,
    /// Those that time was too short for.
    pub left: Vec<String>,
    /// Tables and materialized views of at least a mebibyte with their indexes.
    pub tables: Vec<TableSize>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexBloat {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: i64,
    /// The part of its leaf pages that a new index would not need, in per cent.
    pub bloat_percent: f64,
}

/// A table with all its partitions, or a materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Its size without its indexes.
    pub table_bytes: i64,
    /// That of all its indexes.
    pub index_bytes: i64,
}

/// Measures; once `until` has come, no further index. Needs the extension pgstattuple, and says so when it is not there.
pub async fn measure_bloat(db: &Database, until: Instant) -> Result<Bloat, Error> {
    let mut connection = db.connection().await?;
    let (indexes, left) = measure_indexes(&mut connection, until).await?;
    let rows = db::query(&connection, include_str!("tables.sql"), &[&SMALLEST_BYTES]).await?;
    let tables = rows.iter().map(|row| TableSize {
        name: row.get("name"),
        table_bytes: row.get("table_bytes"),
        index_bytes: row.get("index_bytes"),
    });
    Ok(Bloat {
        indexes,
        left,
        tables: tables.collect(),
    })
}

/// The bloat of each index, and those that time was too short for.
pub(super) async fn measure_indexes(
    connection: &mut Connection,
    until: Instant,
) -> Result<(Vec<IndexBloat>, Vec<String>), Error> {
    let rows = db::query(connection, include_str!("indexes.sql"), &[&SMALLEST_BYTES]).await?;
    let (mut measured, mut left) = (Vec::new(), Vec::new());
    for row in &rows {
        let name: String = row.get("name");
        if Instant::now() >= until {
            left.push(name);
            continue;
        }
        measured.push(IndexBloat {
            bloat_percent: measure_index(connection, &name).await?,
            bytes: row.get("bytes"),
            name,
        });
    }
    Ok((measured, left))
}

async fn measure_index(connection: &mut Connection, name: &str) -> Result<f64, Error> {
    let transaction = db::begin(connection).await?;
    let timeout = format!(
        "set local statement_timeout = {}",
        STATEMENT_TIMEOUT.as_millis()
    );
    transaction.batch_execute(&timeout).await?;
    let row = db::query_one(&transaction, "select index_bloat_percent($1)", &[&name]).await?;
    db::commit(transaction).await?;
    Ok(row.get(0))
}

impl Bloat {
    /// Tells the metrics. The worst index comes last: over all of them, it is the one that counts.
    pub fn write_metrics(&self) {
        for table in &self.tables {
            Metrics::new()
                .dimension(TABLE, &table.name)
                .bytes(TABLE_BYTES, table.table_bytes.unsigned_abs())
                .bytes(INDEX_BYTES, table.index_bytes.unsigned_abs())
                .write();
        }
        let mut indexes: Vec<&IndexBloat> = self.indexes.iter().collect();
        indexes.sort_by(|one, other| one.bloat_percent.total_cmp(&other.bloat_percent));
        for index in &indexes {
            Metrics::new()
                .dimension(INDEX, &index.name)
                .percent(INDEX_BLOAT, index.bloat_percent)
                .write();
        }
        if indexes.is_empty() {
            Metrics::new().percent(INDEX_BLOAT, 0.0).write();
        }
    }
}
