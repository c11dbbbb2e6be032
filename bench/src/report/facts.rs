//! What the database holds and what a report reads of it.

use std::fmt::Write;

use super::{grouped, heading};
use crate::facts::{Facts, HeapFetches};
use crate::goals::short;
use crate::results::Results;

pub(super) fn write(text: &mut String, results: &Results) -> std::fmt::Result {
    let facts = &results.facts;
    write_reads(text, facts)?;
    write_covering(text, results)?;
    write_tables(text, facts)?;
    write_indexes(text, facts)?;
    let database_mib = short(facts.database_mib);
    writeln!(
        text,
        "\nThe whole database: {database_mib} MiB, {} rows.",
        grouped(facts.rows)
    )
}

fn write_reads(text: &mut String, facts: &Facts) -> std::fmt::Result {
    heading(
        text,
        "What one answer from the database reads",
        &["report", "statements", "rows", "buffers", "execution ms"],
    )?;
    for reads in &facts.reads {
        let figures = [
            reads.statements,
            reads.rows,
            reads.buffers,
            reads.execution_ms,
        ]
        .map(short);
        writeln!(text, "| {} | {} |", reads.function, figures.join(" | "))?;
    }
    Ok(())
}

fn write_covering(text: &mut String, results: &Results) -> std::fmt::Result {
    heading(
        text,
        "Covering indexes: entries read, rows looked up",
        &["index", "vacuumed", "after what was recorded"],
    )?;
    for (before, after) in results
        .facts
        .heap_fetches
        .iter()
        .zip(&results.heap_fetches_after_ingest)
    {
        let cell = |at: &HeapFetches| format!("{}, {}", grouped(at.entries), grouped(at.fetched));
        writeln!(
            text,
            "| {} | {} | {} |",
            before.index,
            cell(before),
            cell(after)
        )?;
    }
    Ok(())
}

fn write_tables(text: &mut String, facts: &Facts) -> std::fmt::Result {
    heading(
        text,
        "Tables and views",
        &["", "rows", "table MiB", "indexes MiB"],
    )?;
    for table in &facts.tables {
        let sizes = [table.heap_mib, table.indexes_mib].map(short);
        writeln!(
            text,
            "| {} | {} | {} |",
            table.name,
            grouped(table.rows),
            sizes.join(" | ")
        )?;
    }
    Ok(())
}

fn write_indexes(text: &mut String, facts: &Facts) -> std::fmt::Result {
    heading(text, "Indexes", &["", "MiB", "bytes a row"])?;
    for index in &facts.indexes {
        writeln!(
            text,
            "| {} | {} | {} |",
            index.name,
            short(index.mib),
            if index.mib < 1.0 {
                "–".to_owned()
            } else {
                short(index.bytes_per_row)
            }
        )?;
    }
    heading(text, "Partial indexes", &["", "KiB", "KiB over all rows"])?;
    for partial in &facts.partial {
        writeln!(
            text,
            "| {} | {} | {} |",
            partial.name,
            short(partial.kib),
            short(partial.whole_kib)
        )?;
    }
    Ok(())
}
