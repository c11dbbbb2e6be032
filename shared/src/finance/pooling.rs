//! Pooling: the flows of several commitments or investments as one sequence.
//!
//! Rates of return don't add up and can't be averaged; flows do. So what is asked over several is computed from here.

use chrono::NaiveDate;

use super::money::{Overflow, to_cents};
use super::xirr::DatedFlow;

/// Merges flows in any order into one sequence sorted by date, with one sum a date. A sum of zero stays: something
/// happened on that date.
///
/// # Errors
/// [`Overflow`] when a date's sum does not fit into 64-bit cents.
pub fn pool_flows(flows: impl IntoIterator<Item = DatedFlow>) -> Result<Vec<DatedFlow>, Overflow> {
    let mut sorted: Vec<DatedFlow> = flows.into_iter().collect();
    sorted.sort_by_key(|flow| flow.date);
    sorted
        .chunk_by(|a, b| a.date == b.date)
        .map(|same_date| {
            let sum: i128 = same_date
                .iter()
                .map(|flow| i128::from(flow.amount_cents))
                .sum();
            Ok(DatedFlow {
                date: same_date[0].date,
                amount_cents: to_cents(sum)?,
            })
        })
        .collect()
}

/// Merges dates in any order into one ascending sequence without repetitions.
pub fn pool_dates(dates: impl IntoIterator<Item = NaiveDate>) -> Vec<NaiveDate> {
    let mut sorted: Vec<NaiveDate> = dates.into_iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(day: u32, amount_cents: i64) -> DatedFlow {
        DatedFlow {
            date: date(day),
            amount_cents,
        }
    }

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2024, 5, day).expect("a date")
    }

    #[test]
    fn flows_of_one_date_are_summed_and_a_sum_of_zero_stays() {
        let pooled = pool_flows([
            flow(3, 5),
            flow(1, -7),
            flow(3, -5),
            flow(2, 1),
            flow(1, -3),
        ]);
        assert_eq!(pooled, Ok(vec![flow(1, -10), flow(2, 1), flow(3, 0)]));
        assert_eq!(pool_flows([]), Ok(Vec::new()));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        assert_eq!(pool_flows([flow(1, i64::MAX), flow(1, 1)]), Err(Overflow));
        assert_eq!(
            pool_flows([flow(1, i64::MAX), flow(1, 1), flow(1, -1)]),
            Ok(vec![flow(1, i64::MAX)])
        );
    }

    #[test]
    fn dates_are_sorted_and_distinct() {
        assert_eq!(pool_dates([date(3), date(1), date(3)]), [date(1), date(3)]);
    }
}
