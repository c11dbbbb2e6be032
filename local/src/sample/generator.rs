//! Makes the sample fund by fund, always in the same order, so that numbers are the same whoever loads a fund.

use super::account::{Life, live};
use super::awkward;
use super::commitment::Commitment;
use super::fund::Fund;
use super::portfolio::{Portfolio, portfolio};
use super::size::Shape;

/// A commitment and what became of it.
#[derive(Debug)]
pub struct Told {
    /// The commitment.
    pub commitment: Commitment,
    /// Its entries and NAVs.
    pub life: Life,
    /// The number of its first entry; the others follow on.
    pub first_activity_id: i64,
}

/// A fund with all that belongs to it.
#[derive(Debug)]
pub struct Chapter {
    /// The fund.
    pub fund: Fund,
    /// What it owns.
    pub portfolio: Portfolio,
    /// Who has committed to it.
    pub told: Vec<Told>,
}

/// Holds one fund at a time, at every size.
#[derive(Debug)]
pub struct Generator {
    shape: Shape,
    next_fund_id: i64,
    next_activity_id: i64,
}

impl Generator {
    /// At the first fund.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            next_fund_id: 1,
            next_activity_id: 1,
        }
    }

    /// The awkward commitments; asked for after the last fund, so that their numbers follow on.
    pub fn awkward(&mut self) -> Vec<Told> {
        awkward::partners(self.shape)
            .into_iter()
            .flat_map(|partner| partner.commitments)
            .map(|commitment| self.tell(commitment))
            .collect()
    }

    fn tell(&mut self, commitment: Commitment) -> Told {
        let life = live(&commitment);
        let first_activity_id = self.next_activity_id;
        self.next_activity_id += life.entries.len() as i64;
        Told {
            commitment,
            life,
            first_activity_id,
        }
    }
}

impl Iterator for Generator {
    type Item = Chapter;

    fn next(&mut self) -> Option<Chapter> {
        if self.next_fund_id > self.shape.funds {
            return None;
        }
        let fund = self.shape.fund(self.next_fund_id);
        self.next_fund_id += 1;
        let told: Vec<Told> = self
            .shape
            .commitments_of(&fund)
            .map(|commitment| self.tell(commitment))
            .collect();
        let committed_cents = told.iter().map(|told| told.commitment.amount_cents).sum();
        Some(Chapter {
            portfolio: portfolio(&fund, committed_cents),
            fund,
            told,
        })
    }
}
