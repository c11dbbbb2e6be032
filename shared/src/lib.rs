//! What the functions have in common: finance, SQL, caching and the two edges, HTTP and SQS.

pub mod access;
pub mod access_log;
pub mod answer;
pub mod app;
pub mod batch;
pub mod cache;
pub mod calendar;
pub mod config;
pub mod db;
pub mod entitlements;
pub mod error;
pub mod finance;
pub mod grant;
pub mod http;
pub mod iam;
pub mod ids;
pub mod ledger;
pub mod metrics;
pub mod operations;
pub mod queue;
pub mod refresh;
pub mod refusal;
pub mod reports;
pub mod telemetry;
pub mod trace;
