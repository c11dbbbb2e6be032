//! How Postgres runs a query: which indexes it went through and which tables it read from end to end.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

/// The plan of one execution. Branches that never ran, such as the unchosen side of a one-time filter, do not count.
#[derive(Debug)]
pub struct Plan {
    root: Value,
    indexes: BTreeSet<String>,
    scanned_tables: BTreeSet<String>,
}

impl Plan {
    /// Runs `sql` with its parameters and keeps the plan instead of the rows.
    pub async fn of(client: &Client, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Self {
        let explain =
            format!("explain (analyze, costs off, timing off, summary off, format json) {sql}");
        let row = client
            .query_one(&explain, parameters)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let root: Value = row.get(0);
        let mut plan = Self {
            root: Value::Null,
            indexes: BTreeSet::new(),
            scanned_tables: BTreeSet::new(),
        };
        plan.visit(&root[0]["Plan"]);
        plan.root = root;
        plan
    }

    fn visit(&mut self, node: &Value) {
        if node["Actual Loops"].as_f64() == Some(0.0) {
            return;
        }
        if let Some(index) = node["Index Name"].as_str() {
            self.indexes.insert(index.to_owned());
        }
        if node["Node Type"].as_str() == Some("Seq Scan") {
            self.scanned_tables.insert(
                node["Relation Name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.visit(child);
        }
    }

    /// Whether the query went through the index.
    #[must_use]
    pub fn uses(&self, index: &str) -> bool {
        self.indexes.contains(index)
    }

    /// Fails, showing the plan, unless the query went through the index.
    pub fn assert_uses(&self, index: &str) -> &Self {
        assert!(self.uses(index), "{index} is not used:\n{:#}", self.root);
        self
    }

    /// Fails, showing the plan, when the query read one of the tables from end to end.
    pub fn assert_no_full_scan_of(&self, tables: &[&str]) -> &Self {
        for table in tables {
            assert!(
                !self.scanned_tables.contains(*table),
                "{table} is read from end to end:\n{:#}",
                self.root
            );
        }
        self
    }
}
