//! Why a message cannot be recorded: a stable code for machines and a sentence for people.

use std::fmt;

/// The code that a dead letter carries as its attribute `reason`. `docs/messages.md` says what to do about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not JSON, or a property is missing, unknown, there twice, or of the wrong type or length.
    Malformed,
    /// The body or its metadata is larger than allowed.
    TooLarge,
    /// A kind or version of message that is not known here.
    UnknownSchema,
    /// Not one of the activity types.
    UnknownType,
    /// Zero, negative or out of bounds.
    InvalidAmount,
    /// No such day, or out of bounds, or a time without its offset, or a NAV dated after its report.
    InvalidDate,
    /// The parts are not those of the type, or not the whole.
    ComponentsDoNotSum,
    /// Not the fund's currency.
    CurrencyMismatch,
    /// The id belongs to an event with other content.
    EventIdReused,
    /// Not there yet.
    CommitmentNotFound,
    /// Not there yet.
    FundNotFound,
    /// Not there yet.
    LpNotFound,
    /// Not there yet.
    ReversedEventNotFound,
    /// The reversal does not repeat what it reverses.
    ReversalMismatch,
    /// Somebody was first.
    AlreadyReversed,
    /// A reversal stands; it is not taken back.
    ReversesAReversal,
    /// The database refuses it for a reason that no other code names.
    NotRecordable,
}

impl Reason {
    /// The code as it is sent.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::TooLarge => "TOO_LARGE",
            Self::UnknownSchema => "UNKNOWN_SCHEMA",
            Self::UnknownType => "UNKNOWN_TYPE",
            Self::InvalidAmount => "INVALID_AMOUNT",
            Self::InvalidDate => "INVALID_DATE",
            Self::ComponentsDoNotSum => "COMPONENTS_DO_NOT_SUM",
            Self::CurrencyMismatch => "CURRENCY_MISMATCH",
            Self::EventIdReused => "EVENT_ID_REUSED",
            Self::CommitmentNotFound => "COMMITMENT_NOT_FOUND",
            Self::FundNotFound => "FUND_NOT_FOUND",
            Self::LpNotFound => "LP_NOT_FOUND",
            Self::ReversedEventNotFound => "REVERSED_EVENT_NOT_FOUND",
            Self::ReversalMismatch => "REVERSAL_MISMATCH",
            Self::AlreadyReversed => "ALREADY_REVERSED",
            Self::ReversesAReversal => "REVERSES_A_REVERSAL",
            Self::NotRecordable => "NOT_RECORDABLE",
        }
    }

    /// Whether what is missing may still arrive, so that trying again later can help.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::CommitmentNotFound
                | Self::FundNotFound
                | Self::LpNotFound
                | Self::ReversedEventNotFound
        )
    }
}

/// A message that is not recorded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub reason: Reason,
    /// The sentence; it names the property or the id, and repeats no other content.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}
