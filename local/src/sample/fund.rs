//! A fund: its terms, and the notices that it sends to all its limited partners.

use chrono::NaiveDate;

use super::calendar::{business_day, day, plus_days};
use super::names;
use super::pacing::{self, Notice, Step};
use super::random::{Random, Subject};

/// Currencies of ten funds.
const CURRENCIES: [&str; 10] = [
    "USD", "USD", "EUR", "USD", "USD", "GBP", "USD", "EUR", "USD", "USD",
];

/// A fund with everything that is the same for all its limited partners.
#[derive(Debug, Clone)]
pub struct Fund {
    /// Its number, from 1.
    pub fund_id: i64,
    /// What it is called.
    pub name: String,
    /// The year of its first closing.
    pub vintage_year: i32,
    /// The currency of all its amounts.
    pub currency: &'static str,
    /// The days on which it took in limited partners.
    pub closings: [NaiveDate; 3],
    /// The day by which it means to have sold everything, some weeks before it pays out its last.
    pub sold_out_by: NaiveDate,
    /// What its commitments earn in the middle, a year.
    pub typical_rate: f64,
    /// Its notices by date.
    pub notices: Vec<Notice>,
}

impl Fund {
    /// The fund of that number, from 1, and vintage.
    pub fn new(fund_id: i64, vintage_year: i32) -> Self {
        let mut random = Random::of(Subject::Fund, fund_id);
        let first_closing = business_day(plus_days(day(vintage_year, 1, 10), random.whole(0, 120)));
        let closings = [0, 110, 230].map(|days| business_day(plus_days(first_closing, days)));
        let term_years = random.whole(12, 14);
        Self {
            fund_id,
            name: names::fund(fund_id),
            vintage_year,
            currency: CURRENCIES[(fund_id as usize - 1) % CURRENCIES.len()],
            closings,
            sold_out_by: plus_days(first_closing, term_years * 365 - 100),
            typical_rate: random.between(0.09, 0.17),
            notices: pacing::notices(first_closing, term_years, &mut random),
        }
    }

    /// The day on which it paid out its last, if it has.
    pub fn liquidated_on(&self) -> Option<NaiveDate> {
        self.notices
            .last()
            .filter(|notice| notice.step == Step::Liquidate)
            .map(|notice| notice.date)
    }

    /// What the fund's row says.
    pub fn status(&self) -> &'static str {
        if self.liquidated_on().is_some() {
            "liquidated"
        } else {
            "active"
        }
    }
}
