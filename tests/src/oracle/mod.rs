//! An independent opinion on every number: plain loops over the raw truth, written to be obvious and not to be fast.
//!
//! It shares nothing with the code under test but the database's truth tables, so that a mistake has to be made twice, in
//! two shapes, to pass unnoticed.

pub mod answers;
pub mod arithmetic;
pub mod compare;
pub mod fund;
pub mod gross;
pub mod history;
pub mod irr;
pub mod pending;
pub mod position;
pub mod questions;
pub mod read;
pub mod roots;
pub mod truth;
#[cfg(test)]
mod worked_examples;

use std::collections::BTreeMap;

use chrono::NaiveDate;

use gross::{Gross, gross_at, gross_dates};
use truth::Truth;

/// The truth, with each fund's gross performance worked out once, because every LP of the fund is shown the same.
#[derive(Debug)]
pub struct Oracle {
    truth: Truth,
    gross: BTreeMap<i64, BTreeMap<NaiveDate, Gross>>,
    today: NaiveDate,
}

impl Oracle {
    /// Works out what does not depend on an LP; `today` is the last date that an answer may speak of.
    #[must_use]
    pub fn new(truth: Truth, today: NaiveDate) -> Self {
        let gross = truth
            .funds
            .values()
            .map(|fund| {
                let dates = gross_dates(fund);
                (
                    fund.fund_id,
                    dates
                        .into_iter()
                        .map(|date| (date, gross_at(fund, date)))
                        .collect(),
                )
            })
            .collect();
        Self {
            truth,
            gross,
            today,
        }
    }

    /// The truth that the answers are computed from.
    #[must_use]
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// A fund's gross performance on the last day, not after `as_of`, on which something happened in it.
    fn gross(&self, fund_id: i64, as_of: NaiveDate) -> Gross {
        let dated = self
            .gross
            .get(&fund_id)
            .and_then(|days| days.range(..=as_of).next_back());
        dated.map_or_else(Gross::unknown, |(_, gross)| gross.clone())
    }
}
