//! The servers fail while messages come and callers ask. Meanwhile each answer is right or a clean 503; afterwards the ledger has
//! what was sent, once, and all answers are the oracle's.

mod cache;
mod crowd;
mod database;
mod database_server;
mod full_disk;
mod functions;
mod load;
mod old_copy;
mod redis_contents;
mod redis_server;
mod site;
mod watch;
