//! A fund's gross figures, before fees and carry, as three reports show them.

use serde::Serialize;
use tokio_postgres::Row;

use super::position::{read_flags, shown_rate};
use crate::finance::flags::{Flag, Flags};

/// Gross figures. Of several funds together there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gross {
    /// The rate of return over the fund's flows with its companies, as a fraction with six decimals.
    pub gross_irr: Option<f64>,
    /// Proceeds and fair value to cost.
    pub moic: Option<f64>,
}

impl Gross {
    /// What is said where a total goes over funds, and the reason.
    pub(super) fn not_poolable() -> (Self, Flags) {
        let none = Self {
            gross_irr: None,
            moic: None,
        };
        (none, Flag::NotPoolable.into())
    }

    /// Reads the columns of a fund's performance, with their flags. Before anything happened in a fund there is no row.
    pub(super) fn from_row(row: &Row) -> (Self, Flags) {
        let is_stored = row.get::<_, Option<Vec<&str>>>("gross_flags").is_some();
        let flags = if is_stored {
            read_flags(row, "gross_flags")
        } else {
            Flags::from_iter([Flag::GrossInsufficientFlows, Flag::ZeroCost])
        };
        let gross = Self {
            gross_irr: row.get::<_, Option<f64>>("gross_irr").map(shown_rate),
            moic: row.get("moic"),
        };
        (gross, flags)
    }
}
