//! What the database holds and what a report reads of it.

use anyhow::Result;
use local::host::Invoke;
use serde::{Deserialize, Serialize};

use crate::answers::{lps, touch, untouch};
use crate::questions::Questions;
use crate::rig::{Cast, Rig, Way, say};

/// Sizes, and what is read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Rows of all tables.
    pub rows: i64,
    /// The whole database.
    pub database_mib: f64,
    /// Indexes of all tables, by all their rows.
    pub index_bytes_per_row: f64,
    /// Tables and materialized views, the largest first.
    pub tables: Vec<Table>,
    /// Indexes, the largest first.
    pub indexes: Vec<Index>,
    /// Partial indexes and what they would be without their condition.
    pub partial: Vec<Partial>,
    /// What one answer of each report reads.
    pub reads: Vec<Reads>,
    /// Rows that scans of the covering indexes had to look up in their tables, by rows read.
    pub heap_fetches: Vec<HeapFetches>,
}

/// A table or materialized view.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its rows, as of the last analysis.
    pub rows: i64,
    /// Its own size.
    pub heap_mib: f64,
    /// That of its indexes.
    pub indexes_mib: f64,
}

/// An index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its size.
    pub mib: f64,
    /// Bytes for each row of its table.
    pub bytes_per_row: f64,
}

/// A partial index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Partial {
    /// Its name.
    pub name: String,
    /// Its size.
    pub kib: f64,
    /// The size of the same index over all rows.
    pub whole_kib: f64,
}

/// What one answer reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reads {
    /// The function.
    pub function: String,
    /// Statements, of which the grant is one.
    pub statements: f64,
    /// Rows that come back.
    pub rows: f64,
    /// Pages of 8 KiB that are looked at.
    pub buffers: f64,
    /// Time in the executor.
    pub execution_ms: f64,
}

/// How far an index is from being enough by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeapFetches {
    /// The index.
    pub index: String,
    /// Entries read of it.
    pub entries: i64,
    /// Of those, rows looked up.
    pub fetched: i64,
}

/// The indexes that the design calls covering.
const COVERING: [&str; 2] = [
    "lp_capital_accounts_latest_idx",
    "fund_performance_date_idx",
];
/// Partial indexes with what they leave out.
const PARTIAL: [(&str, &str); 3] = [
    (
        "capital_activities_commitment_changes_idx",
        "capital_activities (fund_id, effective_date) include (unfunded_effect_cents)",
    ),
    (
        "capital_activities_reverses_idx",
        "capital_activities (reverses_activity_id)",
    ),
    (
        "lp_commitments_active_idx",
        "lp_fund_commitments (lp_id, fund_id)",
    ),
];
const MIB: f64 = 1024.0 * 1024.0;

/// Looks everything up.
pub async fn collect(rig: &Rig, questions: &[Questions]) -> Result<Facts> {
    say("What is stored, and what is read");
    let row = rig
        .administrator
        .query_one(include_str!("sql/totals.sql"), &[])
        .await?;
    let (rows, index_bytes, database_bytes): (i64, i64, i64) = (
        row.get("rows"),
        row.get("index_bytes"),
        row.get("database_bytes"),
    );
    Ok(Facts {
        rows,
        database_mib: database_bytes as f64 / MIB,
        index_bytes_per_row: index_bytes as f64 / rows as f64,
        tables: tables(rig).await?,
        indexes: indexes(rig).await?,
        partial: partial(rig).await?,
        reads: reads(rig, questions).await?,
        // Last: its marks leave traces.
        heap_fetches: heap_fetches(rig, questions).await?,
    })
}

async fn tables(rig: &Rig) -> Result<Vec<Table>> {
    let rows = rig
        .administrator
        .query(include_str!("sql/tables.sql"), &[])
        .await?;
    Ok(rows
        .iter()
        .map(|row| Table {
            name: row.get("name"),
            rows: row.get("rows"),
            heap_mib: row.get::<_, i64>("heap_bytes") as f64 / MIB,
            indexes_mib: row.get::<_, i64>("index_bytes") as f64 / MIB,
        })
        .collect())
}

async fn indexes(rig: &Rig) -> Result<Vec<Index>> {
    let rows = rig
        .administrator
        .query(include_str!("sql/indexes.sql"), &[])
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let bytes = row.get::<_, i64>("bytes") as f64;
            Index {
                name: row.get("name"),
                mib: bytes / MIB,
                bytes_per_row: bytes / (row.get::<_, i64>("rows") as f64).max(1.0),
            }
        })
        .collect())
}

/// Builds each whole index within a transaction that is taken back.
async fn partial(rig: &Rig) -> Result<Vec<Partial>> {
    const KIB: f64 = 1024.0;
    let mut partial = Vec::new();
    for (name, whole) in PARTIAL {
        let sql =
            format!("begin; create index whole_for_comparison on {whole}; reindex index {name}");
        rig.administrator.batch_execute(&sql).await?;
        let sizes = rig
            .administrator
            .query_one(
                "select pg_relation_size($1::text::regclass), pg_relation_size('whole_for_comparison')",
                &[&name],
            )
            .await;
        rig.administrator.batch_execute("rollback").await?;
        let sizes = sizes?;
        partial.push(Partial {
            name: name.to_owned(),
            kib: sizes.get::<_, i64>(0) as f64 / KIB,
            whole_kib: sizes.get::<_, i64>(1) as f64 / KIB,
        });
    }
    Ok(partial)
}

/// Asks each report of the database alone, and divides what the server counted by the answers.
async fn reads(rig: &Rig, questions: &[Questions]) -> Result<Vec<Reads>> {
    let mut reads = Vec::new();
    for report in questions {
        rig.administrator
            .batch_execute("select monitoring.pg_stat_statements_reset()")
            .await?;
        ask(rig, report).await?;
        let row = rig
            .administrator
            .query_one(include_str!("sql/reads.sql"), &[])
            .await?;
        let answers = report.events.len() as f64;
        let per_answer = |name: &str| row.get::<_, f64>(name) / answers;
        reads.push(Reads {
            function: report.function.to_owned(),
            statements: per_answer("calls"),
            rows: per_answer("rows"),
            buffers: per_answer("buffers"),
            execution_ms: per_answer("execution_ms"),
        });
    }
    Ok(reads)
}

/// What the covering indexes could not answer by themselves, in a run of all reports for LPs that all bear marks.
pub async fn heap_fetches(rig: &Rig, questions: &[Questions]) -> Result<Vec<HeapFetches>> {
    for report in questions {
        touch(rig, &lps(report)).await?;
    }
    rig.administrator
        .batch_execute("select pg_stat_reset()")
        .await?;
    for report in questions {
        ask(rig, report).await?;
    }
    untouch(rig).await?;
    let rows = rig
        .administrator
        .query(
            include_str!("sql/heap_fetches.sql"),
            &[&COVERING.as_slice()],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| HeapFetches {
            index: row.get("name"),
            entries: row.get("entries"),
            fetched: row.get("fetched"),
        })
        .collect())
}

/// Has every question answered once. The server's counters are complete when the instance has ended.
async fn ask(rig: &Rig, report: &Questions) -> Result<()> {
    let host = rig
        .host(Cast {
            name: "facts",
            functions: &[report.function],
            instances: 1,
            way: Way::WithoutCache,
        })
        .await?;
    for (_, event) in &report.events {
        host.invoke(report.function, event.clone()).await?;
    }
    host.stop().await;
    Ok(())
}
