//! Limited partners beside the ordinary ones, each with one case that a dashboard easily gets wrong.

use chrono::NaiveDate;

use super::calendar::{LAST_QUARTER_END, day};
use super::commitment::{Commitment, Rate, Reports};
use super::pacing::{Notice, Step};
use super::size::Shape;

/// A case, and the commitments that make it.
struct Case {
    name: &'static str,
    commitments: Vec<Story>,
}

/// A commitment told step by step. Funds are among the first twenty, which every size has.
struct Story {
    fund_id: i64,
    amount_cents: i64,
    date: NaiveDate,
    status: &'static str,
    rate: Rate,
    reports: Reports,
    steps: Vec<(NaiveDate, Step)>,
}

/// An awkward limited partner.
pub struct AwkwardPartner {
    /// Its number; they follow the ordinary ones.
    pub lp_id: i64,
    /// What is awkward about it.
    pub case: &'static str,
    /// Its commitments, numbered after all ordinary ones.
    pub commitments: Vec<Commitment>,
}

/// All of them.
pub fn partners(shape: Shape) -> Vec<AwkwardPartner> {
    let mut commitment_id = shape.commitments;
    (shape.limited_partners + 1..)
        .zip(cases())
        .map(|(lp_id, case)| {
            let commitments = case.commitments.into_iter().map(|story| {
                commitment_id += 1;
                story.into_commitment(commitment_id, lp_id, case.name)
            });
            AwkwardPartner {
                lp_id,
                case: case.name,
                commitments: commitments.collect(),
            }
        })
        .collect()
}

impl Story {
    fn into_commitment(self, commitment_id: i64, lp_id: i64, case: &'static str) -> Commitment {
        let notices = self
            .steps
            .into_iter()
            .map(|(date, step)| Notice {
                date,
                number: 0,
                step,
            })
            .collect();
        Commitment {
            commitment_id,
            lp_id,
            fund_id: self.fund_id,
            amount_cents: self.amount_cents,
            date: self.date,
            status: self.status,
            rate: self.rate,
            case: Some(case),
            notices,
            reports: self.reports,
        }
    }
}

/// The cases, from nothing at all to too much.
fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "no commitments",
            commitments: vec![],
        },
        Case {
            name: "a commitment to which nothing has happened yet",
            commitments: vec![untouched(day(2026, 6, 15))],
        },
        Case {
            name: "calls but no NAV",
            commitments: vec![unreported()],
        },
        Case {
            name: "paid in more than promised, by recycling",
            commitments: vec![recycled()],
        },
        Case {
            name: "liquidated, with a NAV of zero",
            commitments: vec![liquidated()],
        },
        Case {
            name: "a total loss",
            commitments: vec![lost()],
        },
        Case {
            name: "less than a year old",
            commitments: vec![young()],
        },
        Case {
            name: "a call and an increase dated ahead",
            commitments: vec![dated_ahead()],
        },
        Case {
            name: "two commitments in one fund, one of them unreported",
            commitments: vec![half_called(), unreported()],
        },
        Case {
            name: "called by mistake, so nothing paid in",
            commitments: vec![mistaken()],
        },
        Case {
            name: "called before the commitment's own date",
            commitments: vec![called_early()],
        },
        Case {
            name: "one fund of each currency, one of them unreported",
            commitments: each_currency(),
        },
    ]
}

const TEN_MILLION_CENTS: i64 = 1_000_000_000;

/// A commitment of ten million in fund 19 without any step; the stories below start from it.
fn untouched(date: NaiveDate) -> Story {
    Story {
        fund_id: 19,
        amount_cents: TEN_MILLION_CENTS,
        date,
        status: "active",
        rate: Rate(110_000),
        reports: Reports::None,
        steps: vec![],
    }
}

fn unreported() -> Story {
    Story {
        steps: vec![
            (day(2025, 11, 17), Step::Call(0.12)),
            (day(2026, 4, 13), Step::Call(0.08)),
            (day(2026, 8, 24), Step::Call(0.05)),
        ],
        ..untouched(day(2025, 10, 1))
    }
}

fn half_called() -> Story {
    Story {
        rate: Rate(87_500),
        reports: Reports::Until(LAST_QUARTER_END),
        steps: vec![
            (day(2022, 9, 12), Step::Call(0.20)),
            (day(2023, 5, 15), Step::Call(0.18)),
            (day(2024, 6, 17), Step::Call(0.12)),
            (day(2025, 12, 15), Step::Distribute(0.05)),
        ],
        ..untouched(day(2022, 6, 30))
    }
}

fn recycled() -> Story {
    Story {
        fund_id: 9,
        rate: Rate(142_300),
        reports: Reports::Until(LAST_QUARTER_END),
        steps: vec![
            (day(2015, 9, 14), Step::Call(0.40)),
            (day(2016, 6, 13), Step::Call(0.35)),
            (day(2017, 5, 15), Step::Call(0.20)),
            (day(2018, 9, 17), Step::DistributeRecallable(0.10)),
            (day(2019, 3, 18), Step::Call(0.20)),
            (day(2020, 3, 16), Step::Distribute(0.20)),
            (day(2021, 3, 15), Step::Call(0.20)),
            (day(2023, 10, 16), Step::Distribute(0.35)),
        ],
        ..untouched(day(2015, 6, 30))
    }
}

fn liquidated() -> Story {
    Story {
        fund_id: 1,
        status: "closed",
        rate: Rate(63_100),
        reports: Reports::Until(day(2022, 9, 30)),
        steps: vec![
            (day(2012, 10, 15), Step::Call(0.45)),
            (day(2013, 11, 18), Step::Call(0.45)),
            (day(2017, 3, 13), Step::Distribute(0.40)),
            (day(2020, 2, 17), Step::Distribute(0.60)),
            (day(2022, 6, 30), Step::Liquidate),
        ],
        ..untouched(day(2012, 6, 29))
    }
}

fn lost() -> Story {
    Story {
        fund_id: 5,
        status: "closed",
        rate: Rate(-120_000),
        reports: Reports::Until(day(2019, 12, 31)),
        steps: vec![
            (day(2014, 10, 13), Step::Call(0.40)),
            (day(2015, 9, 14), Step::Call(0.30)),
            (day(2019, 5, 20), Step::WriteOff),
        ],
        ..untouched(day(2014, 6, 30))
    }
}

fn young() -> Story {
    Story {
        fund_id: 20,
        rate: Rate(95_000),
        reports: Reports::Until(LAST_QUARTER_END),
        steps: vec![
            (day(2026, 2, 16), Step::Call(0.15)),
            (day(2026, 5, 18), Step::Call(0.10)),
        ],
        ..untouched(day(2026, 1, 15))
    }
}

fn dated_ahead() -> Story {
    Story {
        fund_id: 18,
        rate: Rate(128_000),
        reports: Reports::Until(LAST_QUARTER_END),
        steps: vec![
            (day(2022, 3, 14), Step::Call(0.30)),
            (day(2023, 10, 16), Step::Call(0.25)),
            (day(2027, 3, 15), Step::Call(0.10)),
            (day(2027, 6, 30), Step::Increase(0.20)),
        ],
        ..untouched(day(2021, 12, 15))
    }
}

fn mistaken() -> Story {
    Story {
        steps: vec![(day(2026, 7, 13), Step::CallByMistake(0.10))],
        ..untouched(day(2026, 5, 4))
    }
}

fn called_early() -> Story {
    Story {
        rate: Rate(74_900),
        reports: Reports::Until(LAST_QUARTER_END),
        steps: vec![
            (day(2023, 3, 20), Step::Call(0.10)),
            (day(2024, 3, 18), Step::Call(0.25)),
        ],
        ..untouched(day(2023, 7, 3))
    }
}

fn each_currency() -> Vec<Story> {
    vec![
        Story {
            fund_id: 19,
            ..half_called()
        },
        Story {
            fund_id: 18,
            ..unreported()
        },
        Story {
            fund_id: 16,
            ..half_called()
        },
    ]
}
