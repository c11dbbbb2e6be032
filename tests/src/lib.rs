//! What the tests over real servers have in common: a fresh database, a queue and a Redis prefix each, a whole running
//! stack, and an independent opinion on every number.
//!
//! It expects the servers that `local services` starts and names in the environment, as `make test` does.

pub mod asking;
pub mod builders;
pub mod contract;
pub mod database;
pub mod derived;
pub mod desk;
pub mod document;
pub mod figures;
pub mod http;
pub mod office;
pub mod oracle;
pub mod plan;
pub mod platform;
pub mod poller;
pub mod proxy;
pub mod queue;
pub mod redis;
pub mod refusing_redis;
pub mod reporting;
pub mod stack;
pub mod teardown;
pub mod throwaway;
