//! Reading a materialized view that may not be there: the answer is then computed from its definition, so that dropping a
//! view costs speed and nothing else.

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::access::Scoped;
use crate::db::Values;
use crate::error::Error;

/// Runs a report's statement. When a view that it names is missing or was never populated, runs `live_sql` instead, which
/// is the same statement without views.
pub(super) async fn query_view(
    db: &Scoped<'_>,
    sql: &str,
    live_sql: &str,
    values: Values<'_>,
) -> Result<Vec<Row>, Error> {
    match db.query(sql, values).await {
        Err(error) if is_about_a_view(&error) => {
            tracing::warn!(error = %error.chain(), "a view cannot be read; its definition answers instead");
            db.query(live_sql, values).await
        }
        outcome => outcome,
    }
}

/// The statement with each view replaced by its definition as of `$2`. Reports pass their as-of date as the second
/// parameter, and name a view, as far as it is in their scope, in one place, after `from` and before the end of the line.
pub(super) fn without_views(sql: &str, views: &[&str]) -> String {
    views.iter().fold(sql.to_owned(), |sql, view| {
        without_view(&sql, view, &format!("{view}_at"))
    })
}

/// As [`without_views`], for one view whose definition readers have under a name of its own.
pub(super) fn without_view(sql: &str, view: &str, definition: &str) -> String {
    let named = format!("from {view}_in_scope\n");
    debug_assert!(sql.contains(&named), "{view} is not read");
    sql.replace(&named, &format!("from {definition}($2::date)\n"))
}

/// Only views are ever dropped while functions run, so a missing relation is one; a table that were missing would fail the
/// second statement, too.
fn is_about_a_view(error: &Error) -> bool {
    let Error::Database(error) = error else {
        return false;
    };
    error.code().is_some_and(|code| {
        *code == SqlState::UNDEFINED_TABLE || *code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE
    })
}
