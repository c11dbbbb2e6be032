//! A history: what happens in a small world, and in which order the world learns of it. Everything is named by its position, so that
//! whatever is left of a history when parts are taken out is a history still.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::{Deserialize, Serialize};

use crate::messages::DESCRIPTIONS;
use crate::world::{COMMITMENTS, FUNDS, LPS};

/// The days on which things happen: ends of periods, the leap day, the day of the clock and those after it, and far ahead.
pub const DATES: [&str; 14] = [
    "2019-11-15",
    "2020-02-29",
    "2021-02-01",
    "2022-06-30",
    "2022-12-31",
    "2023-03-31",
    "2023-06-30",
    "2023-12-31",
    "2024-02-27",
    "2024-02-28",
    "2024-02-29",
    "2024-03-01",
    "2024-03-31",
    "2031-12-31",
];
/// How often midnight may pass.
pub const MIDNIGHTS: usize = 2;

/// What happens, and when who hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// What upstream systems have to tell, each in a message of its own.
    pub events: Vec<Event>,
    /// What the system goes through meanwhile. Events that no step delivers are delivered at the end.
    pub steps: Vec<Step>,
}

/// An event. Positions are those of [`crate::world`], of [`DATES`], and of the history's events; they wrap around.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Activity {
        commitment: usize,
        kind: usize,
        amount_cents: i64,
        date: usize,
        /// Into how many components it falls, as far as its kind has names for them; 0 for an activity that names none.
        #[serde(default)]
        components: usize,
        /// One of [`crate::messages::DESCRIPTIONS`], counted from 1; 0 for an activity without.
        #[serde(default)]
        description: usize,
    },
    /// Takes back the event at a position, if that is an activity.
    Reversal { of: usize },
    CommitmentNav {
        commitment: usize,
        nav_cents: i64,
        date: usize,
        reported_days_later: u16,
    },
    FundNav {
        fund: usize,
        gross_nav_cents: i64,
        date: usize,
        reported_days_later: u16,
    },
    /// Says of the NAV at a position, or the next after it, that it is so much more or less, in a report of its own.
    Restatement {
        of: usize,
        change_cents: i64,
        reported_days_later: u16,
    },
    /// Has the id of the event at a position and says something else.
    SameId { of: usize, amount_cents: i64 },
    /// Names a commitment that there is not.
    Stray { amount_cents: i64 },
    /// Is in a currency that is not the fund's.
    Foreign {
        commitment: usize,
        amount_cents: i64,
    },
}

/// A step. What batches hold are positions of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Deliver(Vec<usize>),
    /// Batches that different recorders work on at the same time.
    DeliverTogether(Vec<Vec<usize>>),
    /// Somebody asks, and finds it cached the next time.
    Ask {
        lp: usize,
        question: usize,
    },
    RefreshViews,
    Night,
    /// The next day begins.
    Midnight,
    Rebuild {
        fund: usize,
    },
    /// A system writes to the database itself, and tells so.
    Write(Written),
    /// Redis loses an LP's tags.
    LoseTags {
        lp: usize,
    },
}

/// What systems write themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Written {
    Valuation {
        fund: usize,
        cents: i64,
        date: usize,
    },
    CashFlow {
        fund: usize,
        cents: i64,
        date: usize,
    },
    Exit {
        fund: usize,
        date: usize,
    },
    Commitment {
        lp: usize,
        fund: usize,
        cents: i64,
        date: usize,
    },
    Closed {
        commitment: usize,
    },
}

impl History {
    /// The NAV at a position, or the next after it, from the last event on to the first.
    pub fn nav_from(&self, position: usize) -> Option<usize> {
        let events = self.events.len();
        (0..events)
            .map(|after| (position + after) % events)
            .find(|position| {
                let event = &self.events[*position];
                matches!(event, Event::CommitmentNav { .. } | Event::FundNav { .. })
            })
    }
}

/// Any history, from nothing to about as much as a small LP sees in a year. Two in three are short: they are played sooner, and what they
/// find is easier to see.
pub fn histories() -> impl Strategy<Value = History> {
    let sized = |events, steps| {
        (vec(event(), 0..=events), vec(step(), 0..=steps))
            .prop_map(|(events, steps)| History { events, steps })
    };
    prop_oneof![2 => sized(12, 10), 1 => sized(27, 21)]
}

fn amount_cents() -> impl Strategy<Value = i64> {
    prop_oneof![
        1 => 1..5_i64,
        3 => prop::sample::select(vec![100_000_i64, 2_500_000, 10_000_000]),
        3 => 1..60_000_000_i64,
    ]
}

fn nav_cents() -> impl Strategy<Value = i64> {
    prop_oneof![
        1 => Just(0_i64),
        1 => -1_000_000..0_i64,
        6 => 1..120_000_000_i64,
    ]
}

fn date() -> impl Strategy<Value = usize> {
    0..DATES.len()
}

fn position() -> impl Strategy<Value = usize> {
    any::<Index>().prop_map(|index| index.index(64))
}

fn event() -> impl Strategy<Value = Event> {
    let later = || prop::sample::select(vec![0_u16, 45, 45, 90]);
    prop_oneof![
        14 => activity(),
        3 => position().prop_map(|of| Event::Reversal { of }),
        6 => (0..COMMITMENTS, nav_cents(), date(), later())
            .prop_map(|(commitment, nav_cents, date, reported_days_later)| Event::CommitmentNav { commitment, nav_cents, date, reported_days_later }),
        2 => (0..FUNDS, nav_cents(), date(), later())
            .prop_map(|(fund, gross_nav_cents, date, reported_days_later)| Event::FundNav { fund, gross_nav_cents, date, reported_days_later }),
        3 => restatement(),
        1 => (position(), amount_cents()).prop_map(|(of, amount_cents)| Event::SameId { of, amount_cents }),
        1 => amount_cents().prop_map(|amount_cents| Event::Stray { amount_cents }),
        1 => (0..COMMITMENTS, amount_cents()).prop_map(|(commitment, amount_cents)| Event::Foreign { commitment, amount_cents }),
    ]
}

fn activity() -> impl Strategy<Value = Event> {
    let components = prop_oneof![2 => Just(0_usize), 1 => 1..5_usize];
    let description = prop_oneof![2 => Just(0), 1 => 1..=DESCRIPTIONS.len()];
    let what = (0..COMMITMENTS, 0..7_usize, amount_cents(), date());
    (what, components, description).prop_map(|(what, components, description)| {
        let (commitment, kind, amount_cents, date) = what;
        Event::Activity {
            commitment,
            kind,
            amount_cents,
            date,
            components,
            description,
        }
    })
}

/// Reported before the NAV that it restates, at the same moment, or after it.
fn restatement() -> impl Strategy<Value = Event> {
    let change_cents = prop_oneof![-900_000..0_i64, 1..900_000_i64];
    let later = prop::sample::select(vec![0_u16, 20, 45, 60, 90, 120]);
    (position(), change_cents, later).prop_map(|(of, change_cents, reported_days_later)| {
        Event::Restatement {
            of,
            change_cents,
            reported_days_later,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let batch = || vec(position(), 1..6);
    prop_oneof![
        6 => batch().prop_map(Step::Deliver),
        3 => vec(batch(), 2..4).prop_map(Step::DeliverTogether),
        6 => (0..LPS, position()).prop_map(|(lp, question)| Step::Ask { lp, question }),
        2 => Just(Step::RefreshViews),
        1 => Just(Step::Night),
        1 => Just(Step::Midnight),
        1 => (0..FUNDS).prop_map(|fund| Step::Rebuild { fund }),
        2 => written().prop_map(Step::Write),
        1 => (0..LPS).prop_map(|lp| Step::LoseTags { lp }),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        (0..FUNDS, 0..90_000_000_i64, date()).prop_map(|(fund, cents, date)| Written::Valuation {
            fund,
            cents,
            date
        }),
        (
            0..FUNDS,
            prop_oneof![-9_000_000..0_i64, 1..9_000_000_i64],
            date()
        )
            .prop_map(|(fund, cents, date)| Written::CashFlow { fund, cents, date }),
        (0..FUNDS, date()).prop_map(|(fund, date)| Written::Exit { fund, date }),
        (0..LPS, 0..FUNDS, amount_cents(), date()).prop_map(|(lp, fund, cents, date)| {
            Written::Commitment {
                lp,
                fund,
                cents,
                date,
            }
        }),
        (0..COMMITMENTS).prop_map(|commitment| Written::Closed { commitment }),
    ]
}
