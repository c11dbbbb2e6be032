//! Whether the views still say what their definitions say. They always should: a difference is a defect, and is reported.

use tokio_postgres::IsolationLevel;

use crate::app::Clock;
use crate::db::Database;
use crate::error::Error;

/// The materialized views; the definition of each stands beside it.
const VIEWS: [&str; 3] = [
    "lp_dashboard_summary",
    "fund_lp_summary",
    "lp_performance_latest",
];

/// How many rows differ between the views and their definitions as of today, among those that readers would take from a
/// view. A row that changed counts twice; a view that is not there, or empty as created, has no readers and counts nothing.
pub async fn count_drift(db: &Database, clock: Clock) -> Result<i64, Error> {
    let mut connection = db.connection().await?;
    let transaction = connection
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    // Of the whole night's work only the comparison reads all there is, so it alone may take longer than a report.
    let settings = format!(
        "set local statement_timeout = '300s'; set local lp_reporting.clock_offset_seconds = {}",
        clock.offset().num_seconds()
    );
    transaction.batch_execute(&settings).await?;
    let mut total = 0;
    for view in VIEWS {
        let sql = "select count(*) from pg_matviews m
                   where m.matviewname = $1::text and m.schemaname = current_schema() and m.ispopulated";
        if transaction.query_one(sql, &[&view]).await?.get::<_, i64>(0) == 0 {
            continue;
        }
        let rows: i64 = transaction.query_one(&comparison(view), &[]).await?.get(0);
        if rows > 0 {
            tracing::error!(view, rows, "a view differs from its definition");
        }
        total += rows;
    }
    Ok(total)
}

/// Compares whole rows, both ways. Where there is a mark, readers use the definition anyway.
fn comparison(view: &str) -> String {
    let key = if view == "fund_lp_summary" {
        "fund_id"
    } else {
        "lp_id"
    };
    format!(
        "select count(*)
         from ((table {view} except table {view}_definition) union all (table {view}_definition except table {view})) d
         where not exists (select from touched_commitments t where t.{key} = d.{key})"
    )
}
