//! Statistics for the planner, taken anew: autovacuum does so as rows change, and what hardly changes still ages.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::db::{self, Database};
use crate::error::Error;

/// A table is sampled, so that its size hardly counts; what takes longer waits for something.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);
const RELATIONS: &str = "select c.relname::text from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm') and not c.relispartition
    order by c.relname";

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analyzed {
    /// The tables and materialized views that have new statistics; a table stands for its partitions.
    pub analyzed: Vec<String>,
    /// Those that time was too short for.
    pub left: Vec<String>,
}

/// Takes the statistics of every table and materialized view, one after the other; once `until` has come, of no further one.
pub async fn analyze(db: &Database, until: Instant) -> Result<Analyzed, Error> {
    let mut connection = db.connection().await?;
    let rows = db::query(&connection, RELATIONS, &[]).await?;
    let mut done = Analyzed::default();
    for row in &rows {
        let name: String = row.get(0);
        if Instant::now() >= until {
            done.left.push(name);
            continue;
        }
        let transaction = db::begin(&mut connection).await?;
        let timeout = format!(
            "set local statement_timeout = {}",
            STATEMENT_TIMEOUT.as_millis()
        );
        transaction.batch_execute(&timeout).await?;
        db::query_one(&transaction, "select analyze_relation($1)", &[&name]).await?;
        db::commit(transaction).await?;
        done.analyzed.push(name);
    }
    Ok(done)
}
