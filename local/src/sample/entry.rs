//! The two kinds of fact about a commitment: an entry in the ledger and a reported NAV.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::random::Random;

/// The types of entry that the sample uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call inside the commitment.
    CapitalCall,
    /// A call outside the commitment.
    CapitalCallOutside,
    /// An excess call paid back.
    ReturnOfUnusedCapital,
    /// A distribution that is the LP's to keep.
    Distribution,
    /// A distribution that may be called again.
    RecallableDistribution,
    /// A commitment raised.
    CommitmentIncrease,
    /// A commitment partly released.
    CommitmentRelease,
}

/// The components of an amount: shares of it between bounds, and what takes the rest.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    /// The component that takes what the others leave.
    pub rest: &'static str,
    /// The others, each with its least and its greatest share.
    pub parts: &'static [(&'static str, f64, f64)],
}

/// What one unit of an entry does: the generator's own copy of the table `activity_types`, compared with it before loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// To the LP's cash.
    pub cash: i16,
    /// To paid-in capital.
    pub paid_in: i16,
    /// To distributed capital.
    pub distributed: i16,
    /// To what is unfunded.
    pub unfunded: i16,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CapitalCall,
        Self::CapitalCallOutside,
        Self::ReturnOfUnusedCapital,
        Self::Distribution,
        Self::RecallableDistribution,
        Self::CommitmentIncrease,
        Self::CommitmentRelease,
    ];

    /// Its name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::CapitalCall => "capital_call",
            Self::CapitalCallOutside => "capital_call_outside",
            Self::ReturnOfUnusedCapital => "return_of_unused_capital",
            Self::Distribution => "distribution",
            Self::RecallableDistribution => "recallable_distribution",
            Self::CommitmentIncrease => "commitment_increase",
            Self::CommitmentRelease => "commitment_release",
        }
    }

    /// What a person would call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::CapitalCall => "Capital call",
            Self::CapitalCallOutside => "Fee call outside the commitment",
            Self::ReturnOfUnusedCapital => "Return of unused capital",
            Self::Distribution => "Distribution",
            Self::RecallableDistribution => "Recallable distribution",
            Self::CommitmentIncrease => "Increase of the commitment",
            Self::CommitmentRelease => "Release of unfunded commitment",
        }
    }

    /// How its amount is split up, if it is.
    pub fn split(self) -> Option<Split> {
        match self {
            Self::CapitalCall => Some(Split {
                rest: "investments",
                parts: &[
                    ("management_fee", 0.04, 0.2),
                    ("partnership_expense", 0.002, 0.03),
                ],
            }),
            Self::CapitalCallOutside => Some(Split {
                rest: "management_fee",
                parts: &[("partnership_expense", 0.05, 0.3)],
            }),
            Self::Distribution | Self::RecallableDistribution => Some(Split {
                rest: "return_of_capital",
                parts: &[("realised_gain", 0.1, 0.6), ("income", 0.0, 0.1)],
            }),
            Self::ReturnOfUnusedCapital | Self::CommitmentIncrease | Self::CommitmentRelease => {
                None
            }
        }
    }

    /// The names of its components.
    pub fn components(self) -> impl Iterator<Item = &'static str> {
        let of_split = |split: Split| {
            let others = split.parts.iter().map(|&(name, _, _)| name);
            std::iter::once(split.rest).chain(others)
        };
        self.split().into_iter().flat_map(of_split)
    }

    /// What it does.
    pub fn signs(self) -> Signs {
        let (cash, paid_in, distributed, unfunded) = match self {
            Self::CapitalCall => (-1, 1, 0, -1),
            Self::CapitalCallOutside => (-1, 1, 0, 0),
            Self::ReturnOfUnusedCapital => (1, -1, 0, 1),
            Self::Distribution => (1, 0, 1, 0),
            Self::RecallableDistribution => (1, 0, 1, 1),
            Self::CommitmentIncrease => (0, 0, 0, 1),
            Self::CommitmentRelease => (0, 0, 0, -1),
        };
        Signs {
            cash,
            paid_in,
            distributed,
            unfunded,
        }
    }
}

/// An entry in the ledger.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its type.
    pub kind: Kind,
    /// Its amount; negative on a reversal.
    pub amount_cents: i64,
    /// The day on which it counts.
    pub effective_date: NaiveDate,
    /// When it was learned, in UTC.
    pub recorded_at: NaiveDateTime,
    /// The fund's notice behind it; 0 for a change of this commitment alone.
    pub notice_number: usize,
    /// Its split; empty for types that have none. The parts sum to the amount.
    pub components: Vec<(&'static str, i64)>,
    /// Whether it carries the notice's id as metadata.
    pub has_metadata: bool,
    /// The place, in its commitment's list, of the entry that it reverses.
    pub reverses: Option<usize>,
}

impl Entry {
    /// The entry that takes this one back: everything but the sign is the same.
    pub fn reversed(&self, place: usize, recorded_at: NaiveDateTime) -> Self {
        Self {
            amount_cents: -self.amount_cents,
            components: self
                .components
                .iter()
                .map(|&(name, cents)| (name, -cents))
                .collect(),
            recorded_at,
            reverses: Some(place),
            ..self.clone()
        }
    }
}

/// A NAV as reported.
#[derive(Debug, Clone, Copy)]
pub struct NavReport {
    /// The end of day that it is of.
    pub as_of_date: NaiveDate,
    /// The value in cents.
    pub nav_cents: i64,
    /// The source's time, in UTC.
    pub reported_at: NaiveDateTime,
    /// When it was learned, in UTC.
    pub recorded_at: NaiveDateTime,
}

impl NavReport {
    /// A report that was learned some minutes after it was made.
    pub fn new(
        as_of_date: NaiveDate,
        nav_cents: i64,
        reported_at: NaiveDateTime,
        minutes_later: i64,
    ) -> Self {
        Self {
            as_of_date,
            nav_cents,
            reported_at,
            recorded_at: reported_at + TimeDelta::minutes(minutes_later),
        }
    }
}

/// A plausible split of an amount; its first part takes what the others leave, so the sum is exact.
pub fn components_of(
    kind: Kind,
    amount_cents: i64,
    random: &mut Random,
) -> Vec<(&'static str, i64)> {
    let Some(split) = kind.split() else {
        return Vec::new();
    };
    let mut parts: Vec<_> = split
        .parts
        .iter()
        .map(|&(name, low, high)| {
            let cents = (amount_cents as f64 * random.between(low, high)) as i64;
            (name, cents)
        })
        .collect();
    let named: i64 = parts.iter().map(|&(_, cents)| cents).sum();
    parts.insert(0, (split.rest, amount_cents - named));
    parts.retain(|&(_, cents)| cents != 0);
    parts
}
