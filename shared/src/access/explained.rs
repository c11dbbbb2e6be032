//! A report's statement explained in place of being answered: in its scope, with its values, and by the plan that the role keeps
//! for all values.

use deadpool_postgres::GenericClient;
use tokio_postgres::SimpleQueryMessage;

use super::Scope;
use crate::db::{Connection, Values};
use crate::error::Error;

/// The lines of the plan. It is asked for by a statement prepared in SQL: an `explain` with bound values would show a plan made for
/// these values, which readers do not have. Such a statement takes no bound values, so they travel in settings.
pub(super) async fn explain(
    db: &Connection,
    scope: &Scope,
    sql: &str,
    values: Values<'_>,
) -> Result<Vec<String>, Error> {
    let types: Vec<String> = db
        .prepare(sql)
        .await?
        .params()
        .iter()
        .map(|kind| kind.name().to_owned())
        .collect();
    db.batch_execute("begin read only").await?;
    let explained = explain_within(db, scope, sql, &types, values).await;
    db.batch_execute("rollback").await?;
    // It outlives the transaction, and is not there if that failed before.
    let _ = db.batch_execute("deallocate lp_explained").await;
    explained
}

async fn explain_within(
    db: &Connection,
    scope: &Scope,
    sql: &str,
    types: &[String],
    values: Values<'_>,
) -> Result<Vec<String>, Error> {
    let (setting, id) = match scope {
        Scope::Lp(lp_id, _) => ("lp_reporting.lp_id", lp_id.get()),
        Scope::Fund(fund_id) => ("lp_reporting.fund_id", fund_id.get()),
    };
    let enter = format!("select set_config('{setting}', '{id}', true)");
    db.batch_execute(&enter).await?;
    let mut arguments = Vec::new();
    for (at, (kind, value)) in types.iter().zip(values).enumerate() {
        let set = format!("select set_config('lp_explained.p{at}', $1::{kind}::text, true)");
        db.query_one(&set, &[*value]).await?;
        arguments.push(format!(
            "nullif(current_setting('lp_explained.p{at}'), '')::{kind}"
        ));
    }
    db.batch_execute(&format!("prepare lp_explained as {sql}"))
        .await?;
    let explain = format!(
        "explain (analyze, buffers) execute lp_explained({})",
        arguments.join(", ")
    );
    let messages = db.simple_query(&explain).await?;
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    Ok(messages.iter().filter_map(line).collect())
}
