//! Recording: from a message to rows in the ledger and the reported NAVs, and the capital accounts that follow from them.
//! What is computed of them later (performance, views) stands in `refresh`.

mod accounts;
mod claims;
mod fields;
mod forgetting;
mod lock;
mod message;
mod note;
mod object;
mod owners;
mod record;
mod reversals;
mod rows;

pub(crate) use accounts::compare_accounts;
pub use accounts::{ChangedAccount, refresh_accounts};
pub(crate) use fields::{Fields, malformed};
pub use forgetting::note_unforgotten;
pub(crate) use forgetting::{commit_and_forget, forget};
pub(crate) use lock::{joined_since, lock_funds, lock_lps, members_of};
pub use message::{Activity, Event, Fact, Message, NavReport, Rewritten, parse_message};
pub use note::{LpRange, OwedForgetting, VIEWS_SCHEMA};
pub use record::{Outcome, Recorded, record};
