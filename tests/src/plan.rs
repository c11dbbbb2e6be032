//! How Postgres runs a query: which indexes it went through and which tables it read from end to end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

/// A parameter as text that Postgres reads as a value of its type; none is null.
pub type Parameter = Option<String>;

fn literal(parameter: &Parameter) -> String {
    match parameter {
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => "null".to_owned(),
    }
}

/// The plan of one execution. Branches that never ran, such as the unchosen side of a one-time filter, do not count.
#[derive(Debug)]
pub struct Plan {
    root: Value,
    indexes: BTreeSet<String>,
    scanned_tables: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// Of each table, how many whole rows were read; rows of which an index told enough do not count.
    rows_fetched: BTreeMap<String, f64>,
}

impl Plan {
    /// Prepares `sql`, runs it with its parameters and keeps the plan instead of the rows. It is the plan of the session's
    /// `plan_cache_mode`: an `explain` over bound parameters would always show one made for their values.
    pub async fn of(client: &Client, sql: &str, parameters: &[Parameter]) -> Self {
        let parameters = match parameters {
            [] => String::new(),
            some => format!(
                "({})",
                some.iter().map(literal).collect::<Vec<_>>().join(", ")
            ),
        };
        let statements = format!(
            "prepare explained as {sql};
             explain (analyze, costs off, timing off, summary off, format json) execute explained{parameters};
             deallocate explained"
        );
        let messages = client.simple_query(&statements).await;
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let text = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let root: Value = serde_json::from_str(text.expect("a plan")).expect("a plan is JSON");
        let mut plan = Self {
            root: Value::Null,
            indexes: BTreeSet::new(),
            scanned_tables: BTreeSet::new(),
            functions: BTreeSet::new(),
            rows_fetched: BTreeMap::new(),
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
        if let Some(function) = node["Function Name"].as_str() {
            self.functions.insert(function.to_owned());
        }
        if let Some(table) = node["Relation Name"].as_str() {
            *self.rows_fetched.entry(table.to_owned()).or_default() += rows_fetched(node);
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.visit(child);
        }
    }

    /// How many whole rows of a table the query read.
    #[must_use]
    pub fn rows_fetched_from(&self, table: &str) -> f64 {
        self.rows_fetched.get(table).copied().unwrap_or_default()
    }

    /// How many whole rows it read of all tables together.
    #[must_use]
    pub fn rows_fetched(&self) -> f64 {
        self.rows_fetched.values().sum()
    }

    /// How many indexes it went through whose names end like this: those of a partitioned table's partitions do.
    #[must_use]
    pub fn count_of_indexes(&self, suffix: &str) -> usize {
        let names = self.indexes.iter();
        names.filter(|name| name.ends_with(suffix)).count()
    }

    /// Whether the query went through the index.
    #[must_use]
    pub fn uses(&self, index: &str) -> bool {
        self.indexes.contains(index)
    }

    /// Whether the query took rows from a function that is not inlined.
    #[must_use]
    pub fn has_run_function(&self, function: &str) -> bool {
        self.functions.contains(function)
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

/// Rows are told per loop. An index-only scan reads whole rows only where the visibility map does not vouch for them.
fn rows_fetched(node: &Value) -> f64 {
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    if node["Node Type"].as_str() == Some("Index Only Scan") {
        return number("Heap Fetches");
    }
    let filtered = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    (number("Actual Rows") + filtered) * number("Actual Loops")
}
