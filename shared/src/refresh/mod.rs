//! Derived rows brought up to date: performance that is owed, the three views, and the rebuilding of everything from the
//! truth. Recording stands in `ledger`; nothing here answers a reader.

mod compare;
mod drift;
mod fund_performance;
mod gauges;
mod history;
mod nightly;
mod performance;
mod rebuild;
mod rebuild_lps;
mod requests;
mod rows;
mod series;
mod shares;
mod step;
mod verify;
mod views;

use std::collections::BTreeSet;

pub use drift::count_drift;
pub use fund_performance::settle_fund_performance;
pub use gauges::{Outstanding, measure};
pub use nightly::{Night, settle_owed, work_the_night};
pub use performance::settle_performance;
pub use rebuild::{Rebuilt, Scope, count_lps, hand_on, rebuild};
pub use requests::{refresh_requested_views, request_refresh};
pub use verify::{Extent, Verified, verify};
pub use views::{Cause, Refreshed, refresh_views};

/// What settling has done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Settled {
    /// How many LPs had owed performance that is computed now.
    pub lps: usize,
    /// How many funds had.
    pub funds: usize,
    /// LPs that could not be computed: it stays owed to them, their answers say so, and every night tries again.
    pub failed_lps: BTreeSet<i64>,
    /// Funds that could not be.
    pub failed_funds: BTreeSet<i64>,
    /// LPs whose cached answers could not be forgotten because Redis did not answer: the caller has to see to it.
    pub unforgotten: BTreeSet<i64>,
}

impl Settled {
    /// Takes in what a further step has done.
    pub fn add(&mut self, further: Self) {
        self.lps += further.lps;
        self.funds += further.funds;
        self.failed_lps.extend(further.failed_lps);
        self.failed_funds.extend(further.failed_funds);
        self.unforgotten.extend(further.unforgotten);
    }
}
