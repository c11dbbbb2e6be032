//! What is derived from the ledger, row by row: for telling whether a rebuild makes the same of it.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use crate::oracle::read::Extent;

/// What is derived for LPs: each table.
const OF_LPS: [&str; 3] = [
    "lp_capital_accounts",
    "lp_performance_snapshots",
    "lp_pooled_performance",
];
/// What is derived for funds: a table, and a column of one that is truth otherwise.
const OF_FUNDS: [&str; 2] = [
    "fund_performance",
    "(select fund_id, commitments_in_force_cents from funds)",
];

/// The derived rows of some LPs and funds, or of all, each as text behind what it is a row of. They are in no order, so it makes no
/// difference how they were written; and no two are the same, since each is of one day, or of one fund.
pub async fn derived(client: &Client, extent: Extent<'_>) -> BTreeSet<String> {
    let of_lps = OF_LPS.map(|rows| (rows, "lp_id", extent.lp_ids));
    let of_funds = OF_FUNDS.map(|rows| (rows, "fund_id", extent.fund_ids));
    let mut found = BTreeSet::new();
    for (rows, owner, wanted) in of_lps.into_iter().chain(of_funds) {
        let sql = format!(
            "select t::text from {rows} t where $1::bigint[] is null or t.{owner} = any ($1)"
        );
        let read = client.query(&sql, &[&wanted]).await;
        let read = read.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let texts = read.iter().map(|row| row.get::<_, String>(0));
        found.extend(texts.map(|text| format!("{rows} {text}")));
    }
    found
}
