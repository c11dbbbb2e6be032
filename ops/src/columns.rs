//! Which properties of an answer people are shown, and how.

use crate::show::{Field, Format};

/// What a rebuild and the night's work came to.
pub const DONE: [Field; 10] = [
    ("LPs rebuilt", "rebuiltLps", Format::Count),
    ("funds rebuilt", "rebuiltFunds", Format::Count),
    ("messages with the rest", "handedOn", Format::Count),
    ("LPs settled", "settledLps", Format::Count),
    ("funds settled", "settledFunds", Format::Count),
    ("LPs not computable", "failedLps", Format::Count),
    ("funds not computable", "failedFunds", Format::Count),
    ("drift, rows", "driftRows", Format::Count),
    ("marks cleared", "marksCleared", Format::Count),
    ("views as of", "asOf", Format::Text),
];
/// What was looked at, and found, altogether.
pub const VERIFIED: [Field; 6] = [
    ("LPs looked at", "lps", Format::Count),
    ("of these owed performance", "owedLps", Format::Count),
    ("funds looked at", "funds", Format::Count),
    ("of these owed performance", "owedFunds", Format::Count),
    ("not computable", "failures", Format::Count),
    ("drift, rows", "totalDriftRows", Format::Count),
];
/// What is to be done yet.
pub const OUTSTANDING: [Field; 3] = [
    ("age of the views, s", "viewAgeSeconds", Format::Decimal),
    ("marks", "marks", Format::Count),
    (
        "performance pending, rows",
        "performancePending",
        Format::Count,
    ),
];
/// Indexes that were rebuilt.
pub const REBUILT_INDEXES: [Field; 3] = [
    ("index", "name", Format::Text),
    ("before", "bytesBefore", Format::Bytes),
    ("after", "bytesAfter", Format::Bytes),
];
/// Indexes that were measured.
pub const INDEXES: [Field; 3] = [
    ("index", "name", Format::Text),
    ("size", "bytes", Format::Bytes),
    ("bloat, %", "bloatPercent", Format::Decimal),
];
/// Tables and views that were measured.
pub const TABLES: [Field; 3] = [
    ("table", "name", Format::Text),
    ("rows", "tableBytes", Format::Bytes),
    ("indexes", "indexBytes", Format::Bytes),
];
/// Statements by their time.
pub const STATEMENTS: [Field; 7] = [
    ("total, ms", "totalMs", Format::Decimal),
    ("mean, ms", "meanMs", Format::Decimal),
    ("calls", "calls", Format::Count),
    ("rows", "rows", Format::Count),
    ("hits", "sharedBlocksHit", Format::Count),
    ("role", "role", Format::Text),
    ("statement", "statement", Format::Line(100)),
];
/// What upkeep did.
pub const KEPT: [Field; 3] = [
    ("partitions made", "partitionsMade", Format::Count),
    ("access log busy", "isLogBusy", Format::Text),
    ("refreshes forgotten", "refreshesForgotten", Format::Count),
];
/// LPs that were found.
pub const LPS: [Field; 2] = [
    ("LP", "lpId", Format::Count),
    ("name", "name", Format::Text),
];
/// Funds that were found.
pub const FUNDS: [Field; 5] = [
    ("fund", "fundId", Format::Count),
    ("name", "name", Format::Text),
    ("vintage", "vintageYear", Format::Text),
    ("currency", "currency", Format::Text),
    ("status", "status", Format::Text),
];
/// Refreshes of the views.
pub const REFRESHES: [Field; 8] = [
    ("refresh", "refreshId", Format::Count),
    ("cause", "cause", Format::Text),
    ("started", "startedAt", Format::Moment),
    ("seconds", "seconds", Format::Decimal),
    ("as of", "asOf", Format::Text),
    ("marks cleared", "marksCleared", Format::Count),
    ("drift", "driftRows", Format::Count),
    ("error", "error", Format::Line(80)),
];
