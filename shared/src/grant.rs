//! What somebody was granted: which of an LP's funds, and until when that may be believed. Who decides it is `access`'s concern, and
//! how long it is kept the cache's.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::ids::FundId;

/// Which of an LP's funds: those that a question is about, or those that a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Funds {
    /// The whole LP, whatever its funds are.
    All,
    /// These alone, of which there is at least one.
    Only(Vec<FundId>),
}

/// Proof that a subject may see an LP, or a fund, good for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How much of it.
    pub funds: Funds,
    /// Until when it may be believed without asking the database again: at most the time to live asked for, and never
    /// beyond the entitlement itself.
    pub believed_until: DateTime<Utc>,
}

impl Funds {
    /// Whether who may see these may see the others.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(granted), Self::Only(asked)) => {
                asked.iter().all(|fund_id| granted.contains(fund_id))
            }
        }
    }

    /// The funds by name; `None` is the whole LP, as SQL has it.
    #[must_use]
    pub fn named(&self) -> Option<&[FundId]> {
        match self {
            Self::All => None,
            Self::Only(fund_ids) => Some(fund_ids),
        }
    }

    /// Reads what `Display` wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let fund_ids = text.split(',').map(|fund_id| fund_id.parse().ok());
        fund_ids.collect::<Option<_>>().map(Self::Only)
    }
}

impl From<Option<FundId>> for Funds {
    /// A question that may name a fund is about that fund, or about the whole LP.
    fn from(fund_id: Option<FundId>) -> Self {
        Vec::from_iter(fund_id).into()
    }
}

impl From<Vec<FundId>> for Funds {
    /// A question that names no fund is about the whole LP.
    fn from(fund_ids: Vec<FundId>) -> Self {
        if fund_ids.is_empty() {
            Self::All
        } else {
            Self::Only(fund_ids)
        }
    }
}

impl fmt::Display for Funds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(fund_ids) = self else {
            return formatter.write_str("all");
        };
        let fund_ids: Vec<String> = fund_ids.iter().map(FundId::to_string).collect();
        formatter.write_str(&fund_ids.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn funds(ids: &[i64]) -> Funds {
        let ids = ids.iter().map(|&id| FundId::try_from(id).unwrap());
        ids.collect::<Vec<_>>().into()
    }

    #[test]
    fn a_grant_covers_what_lies_wholly_within_it() {
        for (granted, asked, expected) in [
            (&[][..], &[][..], true),
            (&[], &[7], true),
            (&[7], &[7], true),
            (&[7, 12], &[12], true),
            (&[7, 12], &[12, 7], true),
            (&[7], &[], false),
            (&[7], &[12], false),
            (&[7], &[7, 12], false),
        ] {
            let covers = funds(granted).covers(&funds(asked));
            assert_eq!(covers, expected, "{granted:?} {asked:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_anything_else_is_none() {
        for funds in [funds(&[]), funds(&[7]), funds(&[7, 12])] {
            assert_eq!(Funds::parse(&funds.to_string()), Some(funds));
        }
        for text in ["", "1,", "0", "-7", "ALL", "closed:00", "7;12"] {
            assert_eq!(Funds::parse(text), None, "{text}");
        }
    }
}
