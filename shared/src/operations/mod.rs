//! What operators do by schedule and by hand, beside refreshing, rebuilding and verifying: the care of statistics, indexes and old
//! rows, and looks at what the database did. Each answers with what it found or did, as JSON for machines.

mod bloat;
mod explain;
mod find;
mod forget;
mod reindex;
mod statements;
mod statistics;
mod upkeep;
mod view_refreshes;

pub use bloat::{Bloat, measure_bloat};
pub use explain::{Asked, Explained, explain};
pub use find::{Found, Wanted, find};
pub use forget::{Forgotten, forget};
pub use reindex::{Reindexed, Which, reindex};
pub use statements::{SlowStatements, slow_statements};
pub use statistics::{Analyzed, analyze};
pub use upkeep::{Kept, keep_up};
pub use view_refreshes::{RefreshHistory, refresh_history};
