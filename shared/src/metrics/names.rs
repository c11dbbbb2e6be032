//! The metrics by name: what the template, the dashboard and the documents may speak of, and all that a function may tell.

/// The CloudWatch namespace of all of them.
pub const NAMESPACE: &str = "LpReporting";

/// The dimension that names a report: the function that answers it.
pub const ROUTE: &str = "Route";
/// The dimension that says what part the cache had in an answer: `hit`, `miss` or `bypass`.
pub const CACHE: &str = "Cache";
/// The dimension that names a function.
pub const FUNCTION: &str = "Function";
/// The dimension that says why the views were refreshed: `activity` or `nightly`.
pub const CAUSE: &str = "Cause";
/// The dimension that names a table or a materialized view of the database.
pub const TABLE: &str = "Table";
/// The dimension that names an index of the database.
pub const INDEX: &str = "Index";

/// What a metric counts in, as CloudWatch calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Hundredths.
    Percent,
}

impl Unit {
    /// CloudWatch's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Percent => "Percent",
        }
    }
}

/// What the values of a metric mean together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They add up.
    Counter,
    /// They are spread, and percentiles tell how.
    Distribution,
    /// The last one holds until the next.
    Gauge,
}

/// Sets of dimensions.
pub type Dimensions = &'static [&'static [&'static str]];

/// A metric, and the sets of dimensions by which it is told apart. A line gives it in each set whose dimensions the line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// What its values mean together.
    pub kind: Kind,
    /// The sets; the empty one is over everything.
    pub dimensions: Dimensions,
}

pub(super) const OVERALL: Dimensions = &[&[]];
const BY_ROUTE: Dimensions = &[&[], &[ROUTE]];
/// A function that answers a route is named by the route.
const BY_ROUTE_OR_FUNCTION: Dimensions = &[&[], &[ROUTE], &[FUNCTION]];

const fn metric(name: &'static str, unit: Unit, kind: Kind, dimensions: Dimensions) -> Metric {
    Metric {
        name,
        unit,
        kind,
        dimensions,
    }
}

/// From the event to its answer, in the function.
pub const ANSWER_DURATION: Metric = metric(
    "AnswerDuration",
    Unit::Milliseconds,
    Kind::Distribution,
    &[&[], &[ROUTE], &[ROUTE, CACHE]],
);
/// Answers that came from the cache.
pub const CACHE_HITS: Metric = metric("CacheHits", Unit::Count, Kind::Counter, BY_ROUTE);
/// Answers that might have; hits by lookups is the hit rate.
pub const CACHE_LOOKUPS: Metric = metric("CacheLookups", Unit::Count, Kind::Counter, BY_ROUTE);
/// How long an event waited for the database, connecting included; calls side by side count once.
pub const DATABASE_DURATION: Metric = metric(
    "DatabaseDuration",
    Unit::Milliseconds,
    Kind::Distribution,
    BY_ROUTE_OR_FUNCTION,
);
/// How long an event waited for Redis; calls side by side count once.
pub const REDIS_DURATION: Metric = metric(
    "RedisDuration",
    Unit::Milliseconds,
    Kind::Distribution,
    BY_ROUTE_OR_FUNCTION,
);
/// 1 while a process leaves Redis alone because it failed, otherwise 0.
pub const BREAKER_OPEN: Metric =
    metric("BreakerOpen", Unit::Count, Kind::Gauge, &[&[], &[FUNCTION]]);
/// Answers with a status of 500 or above.
pub const SERVER_ERRORS: Metric = metric("ServerErrors", Unit::Count, Kind::Counter, BY_ROUTE);
/// Messages whose events were recorded.
pub const MESSAGES_RECORDED: Metric =
    metric("MessagesRecorded", Unit::Count, Kind::Counter, OVERALL);
/// Messages that became dead letters.
pub const MESSAGES_REFUSED: Metric = metric("MessagesRefused", Unit::Count, Kind::Counter, OVERALL);
/// Messages whose events had been recorded before.
pub const MESSAGES_DUPLICATED: Metric =
    metric("MessagesDuplicated", Unit::Count, Kind::Counter, OVERALL);
/// Messages that will be delivered again.
pub const MESSAGES_RETRIED: Metric = metric("MessagesRetried", Unit::Count, Kind::Counter, OVERALL);
/// How long ago the oldest message of a batch was sent that will be delivered again. The queue's own figure leaves out what was
/// delivered three times.
pub const RETRIED_MESSAGE_AGE: Metric =
    metric("RetriedMessageAge", Unit::Seconds, Kind::Gauge, OVERALL);
/// How long a batch of messages took.
pub const BATCH_DURATION: Metric = metric(
    "BatchDuration",
    Unit::Milliseconds,
    Kind::Distribution,
    OVERALL,
);
/// How long a refresh of the views took.
pub const VIEW_REFRESH_DURATION: Metric = metric(
    "ViewRefreshDuration",
    Unit::Seconds,
    Kind::Distribution,
    &[&[], &[CAUSE]],
);
/// How long ago the last refresh of the views that succeeded began.
pub const VIEW_AGE: Metric = metric("ViewAge", Unit::Seconds, Kind::Gauge, OVERALL);
/// Marks of what was recorded since the views were refreshed.
pub const MARKS_OUTSTANDING: Metric = metric("MarksOutstanding", Unit::Count, Kind::Gauge, OVERALL);
/// Performance that is still to be computed, in rows.
pub const PERFORMANCE_PENDING: Metric =
    metric("PerformancePending", Unit::Count, Kind::Gauge, OVERALL);
/// Rows of the views that were not what they should be.
pub const DRIFT_ROWS: Metric = metric("DriftRows", Unit::Count, Kind::Gauge, OVERALL);
/// How much of an index is empty.
pub const INDEX_BLOAT: Metric = metric(
    "IndexBloatPercent",
    Unit::Percent,
    Kind::Gauge,
    &[&[], &[INDEX]],
);
/// The size of a table or a materialized view, without its indexes.
pub const TABLE_BYTES: Metric = metric("TableBytes", Unit::Bytes, Kind::Gauge, &[&[TABLE]]);
/// The size of all indexes of a table or a materialized view.
pub const INDEX_BYTES: Metric = metric("IndexBytes", Unit::Bytes, Kind::Gauge, &[&[TABLE]]);

/// All there are: what the template, the dashboard and the documents may name.
pub const ALL: [Metric; 21] = [
    ANSWER_DURATION,
    CACHE_HITS,
    CACHE_LOOKUPS,
    DATABASE_DURATION,
    REDIS_DURATION,
    BREAKER_OPEN,
    SERVER_ERRORS,
    MESSAGES_RECORDED,
    MESSAGES_REFUSED,
    MESSAGES_DUPLICATED,
    MESSAGES_RETRIED,
    RETRIED_MESSAGE_AGE,
    BATCH_DURATION,
    VIEW_REFRESH_DURATION,
    VIEW_AGE,
    MARKS_OUTSTANDING,
    PERFORMANCE_PENDING,
    DRIFT_ROWS,
    INDEX_BLOAT,
    TABLE_BYTES,
    INDEX_BYTES,
];
