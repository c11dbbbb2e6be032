//! How much of everything a sample holds.

use clap::ValueEnum;

use super::commitment::{self, Commitment};
use super::fund::Fund;

/// The sizes on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Size {
    /// 100 LPs in 20 funds: 1,500 commitments with some 75,000 activities and 60,000 NAVs. Loads in seconds.
    S,
    /// 1,000 LPs in 200 funds: 40,000 commitments with some 2,000,000 activities and 1,600,000 NAVs. Minutes.
    M,
    /// 10,000 LPs in 2,000 funds: 1,000,000 commitments with some 12,500,000 activities and 9,000,000 NAVs, cut to one
    /// machine by the funds' youth. Loads in minutes; everything derived takes longer.
    L,
}

/// The counts that a size stands for, before the awkward cases.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Limited partners.
    pub limited_partners: i64,
    /// Funds; even, so that the larger and the smaller ones pair up.
    pub funds: i64,
    /// Commitments.
    pub commitments: i64,
    /// The vintages that the funds after the first twenty take in turns.
    vintages: &'static [i32],
}

/// Vintages of twenty funds: mostly old enough to show a whole life, some still young. The first twenty have them at every
/// size, as the awkward cases are among those.
const VINTAGES: [i32; 20] = [
    2012, 2012, 2013, 2013, 2014, 2014, 2014, 2015, 2015, 2015, 2016, 2016, 2017, 2017, 2018, 2019,
    2020, 2021, 2022, 2024,
];
/// Vintages of which a commitment has some ten entries and ten NAVs so far: what makes a million commitments fit. Seven,
/// so that they meet all of the ten currencies.
const YOUNG_VINTAGES: [i32; 7] = [2024, 2025, 2024, 2024, 2024, 2025, 2024];

impl Size {
    /// What the size stands for.
    pub fn shape(self) -> Shape {
        match self {
            Self::S => Shape {
                limited_partners: 100,
                funds: 20,
                commitments: 1_500,
                vintages: &VINTAGES,
            },
            Self::M => Shape {
                limited_partners: 1_000,
                funds: 200,
                commitments: 40_000,
                vintages: &VINTAGES,
            },
            Self::L => Shape {
                limited_partners: 10_000,
                funds: 2_000,
                commitments: 1_000_000,
                vintages: &YOUNG_VINTAGES,
            },
        }
    }
}

impl Shape {
    /// The fund of that number, from 1.
    pub fn fund(self, fund_id: i64) -> Fund {
        let index = fund_id as usize - 1;
        let vintage_year = VINTAGES
            .get(index)
            .unwrap_or(&self.vintages[index % self.vintages.len()]);
        Fund::new(fund_id, *vintage_year)
    }

    /// How many commitments a fund has. Each odd one gives the next one up to a fifth of its own, so the total stays.
    pub fn commitments_in(self, fund_id: i64) -> i64 {
        let average = self.commitments / self.funds;
        let pair = (fund_id - 1) / 2;
        let given = average * (pair % 5) / 20;
        if fund_id % 2 == 1 {
            average - given
        } else {
            average + given
        }
    }

    /// The commitments of a fund; the first one's number follows on that of the funds before it.
    pub fn commitments_of(self, fund: &Fund) -> impl Iterator<Item = Commitment> {
        let before: i64 = (1..fund.fund_id)
            .map(|earlier| self.commitments_in(earlier))
            .sum();
        (0..self.commitments_in(fund.fund_id)).map(move |index| {
            commitment::ordinary(
                before + 1 + index,
                self.limited_partner_of(fund.fund_id, index),
                fund,
            )
        })
    }

    /// Who holds a fund's commitment of that index. Walking around the LPs in large steps meets each once before any
    /// twice; the fund's last three commitments go to its first three LPs again, who so hold two.
    fn limited_partner_of(self, fund_id: i64, index: i64) -> i64 {
        /// Without a divisor in common with the counts of LPs, all powers of ten.
        const STEP: i64 = 37;
        const SECOND_COMMITMENTS: i64 = 3;
        let distinct = self.commitments_in(fund_id) - SECOND_COMMITMENTS;
        (fund_id * 13 + (index % distinct) * STEP) % self.limited_partners + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn the_funds_commitments_add_up_to_the_size() {
        for size in [Size::S, Size::M, Size::L] {
            let shape = size.shape();
            assert_eq!(
                (1..=shape.funds)
                    .map(|fund_id| shape.commitments_in(fund_id))
                    .sum::<i64>(),
                shape.commitments
            );
        }
    }
}
