//! Whether the views still say what their definitions say. They always should: a difference is a defect, and is reported.

use std::time::Duration;

use deadpool_postgres::Transaction;
use tokio_postgres::IsolationLevel;

use super::views::set_today;
use crate::app::Clock;
use crate::db::{Connection, Database};
use crate::error::Error;
use crate::metrics::{DRIFT_ROWS, Metrics, Wait};

/// What one view may take to be compared, and one step of verifying: of all that is done here only they read all there is.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

/// A materialized view; its definition stands beside it.
struct View {
    name: &'static str,
    /// Whose its rows are.
    key: &'static str,
}

const VIEWS: [View; 3] = [
    View {
        name: "lp_dashboard_summary",
        key: "lp_id",
    },
    View {
        name: "fund_lp_summary",
        key: "fund_id",
    },
    View {
        name: "lp_performance_latest",
        key: "lp_id",
    },
];

/// Whose rows of the views are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    /// Everyone's.
    All,
    /// Those of some LPs and some funds.
    Some {
        lp_ids: &'a [i64],
        fund_ids: &'a [i64],
    },
}

/// How many rows differ between the views and their definitions as of today, among those that readers would take from a
/// view. A row that changed counts twice; a view that is not there, or empty as created, has no readers and counts nothing.
pub async fn count_drift(db: &Database, clock: Clock) -> Result<i64, Error> {
    let by_view = drift_of_views(db, clock, Whose::All).await?;
    let total: i64 = by_view.iter().map(|(_, rows)| rows).sum();
    tell_drift(total);
    Ok(total)
}

/// Tells the metric.
pub(super) fn tell_drift(rows: i64) {
    Metrics::new()
        .count(DRIFT_ROWS, rows.unsigned_abs())
        .write();
}

/// As [`count_drift`], by the view's name.
pub(super) async fn drift_of_views(
    db: &Database,
    clock: Clock,
    whose: Whose<'_>,
) -> Result<Vec<(&'static str, i64)>, Error> {
    let _wait = Wait::for_database();
    let mut connection = db.connection().await?;
    let transaction = snapshot(&mut connection, clock).await?;
    let mut drift = Vec::new();
    for view in &VIEWS {
        let rows = drift_of_view(&transaction, view, whose).await?;
        if rows > 0 {
            tracing::error!(view = view.name, rows, "a view differs from its definition");
        }
        drift.push((view.name, rows));
    }
    Ok(drift)
}

/// A transaction that reads, all its statements as of one instant, and waits for nobody.
pub(super) async fn snapshot(
    connection: &mut Connection,
    clock: Clock,
) -> Result<Transaction<'_>, Error> {
    let transaction = connection
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let limit = format!(
        "set local statement_timeout = {}",
        STATEMENT_TIMEOUT.as_millis()
    );
    transaction.batch_execute(&limit).await?;
    set_today(&transaction, clock).await?;
    Ok(transaction)
}

async fn drift_of_view(
    transaction: &Transaction<'_>,
    view: &View,
    whose: Whose<'_>,
) -> Result<i64, Error> {
    let sql = "select count(*) from pg_matviews m
               where m.matviewname = $1::text and m.schemaname = current_schema() and m.ispopulated";
    let found = transaction.query_one(sql, &[&view.name]).await?;
    if found.get::<_, i64>(0) == 0 {
        return Ok(0);
    }
    let row = match whose {
        Whose::All => transaction.query_one(&comparison(view, ""), &[]).await?,
        Whose::Some { lp_ids, fund_ids } => {
            let ids = if view.key == "lp_id" {
                lp_ids
            } else {
                fund_ids
            };
            let filter = format!("where v.{} = any ($1::bigint[])", view.key);
            transaction
                .query_one(&comparison(view, &filter), &[&ids])
                .await?
        }
    };
    Ok(row.get(0))
}

/// Compares whole rows, both ways. Where there is a mark, readers use the definition anyway.
fn comparison(view: &View, filter: &str) -> String {
    let View { name, key } = view;
    let (view, definition) = (
        format!("select v.* from {name} v {filter}"),
        format!("select v.* from {name}_definition v {filter}"),
    );
    format!(
        "select count(*)
         from (({view} except {definition}) union all ({definition} except {view})) d
         where not exists (select from touched_commitments t where t.{key} = d.{key})"
    )
}
