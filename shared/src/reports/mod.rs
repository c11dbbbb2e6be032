//! The reports. Each is two files side by side: the parsed question with its answer, whose JSON is the contract, and
//! the one SQL statement that it is loaded by. Nothing here writes.

mod access_log;
mod capital_activity;
mod fund_performance;
mod fund_summary;
mod gross;
mod holdings;
mod performance;
mod performance_history;
mod position;
mod summary;
mod views;

use chrono::NaiveDate;

pub use access_log::AccessLog;
pub use capital_activity::{CapitalActivity, Filter};
pub use fund_performance::FundPerformance;
pub use fund_summary::FundSummary;
pub use holdings::Holdings;
pub use performance::Performance;
pub use performance_history::{PerformanceHistory, Scope};
pub use position::Position;
pub use summary::Summary;

/// Nothing in the database is dated before this day or after the other; both are within what Postgres and cursors take.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1900, 1, 1).expect("a date");
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a date");
