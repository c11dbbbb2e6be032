//! Whether what readers were told can have been true: a judgement of a recorded history alone, without database or clock.
//!
//! The commits that concern one LP have one order, that of their locks. State `n` of the LP is what its first `n` commits made of
//! it. An answer is right when it is of a state that may have stood while it was asked for.

use std::time::Duration;

/// From when to when, on one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Before anything was done.
    pub begin: Duration,
    /// After the answer was there.
    pub end: Duration,
}

/// A commit that concerns the LP.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// When the first batch was delivered that may have made it.
    pub begun: Duration,
    /// When one of its messages was first acknowledged.
    pub acknowledged: Duration,
}

/// A request and what it was told.
#[derive(Debug)]
pub struct Asked<A> {
    /// When.
    pub span: Span,
    /// What.
    pub answer: A,
}

/// Why an answer cannot have been right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is of no state at all: it mixes several, or is wrong.
    OfNoState,
    /// It is of a state before one whose message had been acknowledged.
    Stale {
        /// The newest state that it can be of.
        shows: usize,
        /// The state that was acknowledged.
        acknowledged: usize,
    },
    /// It is of a state before one that an earlier request had been shown.
    Backwards {
        /// The newest state that it can be of.
        shows: usize,
        /// The state that was seen.
        seen: usize,
    },
    /// It is of a state of which no message had been delivered yet.
    Ahead {
        /// The oldest state that it can be of.
        shows: usize,
        /// The newest that may have stood.
        begun: usize,
    },
}

/// The faults of a history, with the positions of their requests. `is_of` says whether an answer is that of a state.
///
/// Requests are given the oldest state that they can be of, in the order in which they began: an older choice never forbids a
/// later request anything that a newer one would allow, so a fault is one whatever the others had been given.
pub fn check<A>(
    commits: &[Commit],
    requests: &[Asked<A>],
    mut is_of: impl FnMut(&A, usize) -> bool,
) -> Vec<(usize, Fault)> {
    let mut in_order: Vec<usize> = (0..requests.len()).collect();
    in_order.sort_by_key(|&position| requests[position].span.begin);
    let mut seen: Vec<(Duration, usize)> = Vec::new();
    let mut faults = Vec::new();
    for position in in_order {
        let Asked { span, answer } = &requests[position];
        let bounds = Bounds {
            acknowledged: last(commits, |commit| commit.acknowledged < span.begin),
            seen: seen
                .iter()
                .filter(|(end, _)| *end < span.begin)
                .map(|(_, state)| *state)
                .max()
                .unwrap_or_default(),
            begun: last(commits, |commit| commit.begun <= span.end),
            all: commits.len(),
        };
        match bounds.judge(|state| is_of(answer, state)) {
            Ok(state) => seen.push((span.end, state)),
            Err(fault) => faults.push((position, fault)),
        }
    }
    faults
}

/// The state after the last commit of which something holds.
fn last(commits: &[Commit], holds: impl Fn(&Commit) -> bool) -> usize {
    commits.iter().rposition(holds).map_or(0, |index| index + 1)
}

/// Between which states an answer has to be.
struct Bounds {
    acknowledged: usize,
    seen: usize,
    begun: usize,
    all: usize,
}

impl Bounds {
    fn judge(&self, mut is_of: impl FnMut(usize) -> bool) -> Result<usize, Fault> {
        let oldest = self.acknowledged.max(self.seen);
        if let Some(state) = (oldest..=self.begun).find(|&state| is_of(state)) {
            return Ok(state);
        }
        if let Some(shows) = (0..oldest).rev().find(|&state| is_of(state)) {
            return Err(if shows < self.acknowledged {
                Fault::Stale {
                    shows,
                    acknowledged: self.acknowledged,
                }
            } else {
                Fault::Backwards {
                    shows,
                    seen: self.seen,
                }
            });
        }
        Err(
            match (self.begun + 1..=self.all).find(|&state| is_of(state)) {
                Some(shows) => Fault::Ahead {
                    shows,
                    begun: self.begun,
                },
                None => Fault::OfNoState,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commit `n` adds 2ⁿ, so that a sum says which it is made of. The n-th is delivered at 10n ms and acknowledged 5 ms later.
    const COMMITS: u64 = 4;

    fn commits() -> Vec<Commit> {
        let at = |n: u64| Commit {
            begun: ms(10 * n),
            acknowledged: ms(10 * n + 5),
        };
        (0..COMMITS).map(at).collect()
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn faults_of(requests: &[(u64, u64, u64)]) -> Vec<(usize, Fault)> {
        let asked = |&(begin, end, sum)| Asked {
            span: Span {
                begin: ms(begin),
                end: ms(end),
            },
            answer: sum,
        };
        let requests: Vec<Asked<u64>> = requests.iter().map(asked).collect();
        check(&commits(), &requests, |sum, state| *sum == (1 << state) - 1)
    }

    #[test]
    fn an_answer_may_be_of_any_state_that_may_have_stood_while_it_was_asked_for() {
        let right = [
            (6, 9, 0b1),
            (6, 12, 0b1),
            (6, 12, 0b11),
            (12, 14, 0b1),
            (16, 90, 0b1111),
        ];
        assert_eq!(faults_of(&right), []);
    }

    #[test]
    fn an_answer_that_lacks_an_acknowledged_message_is_stale() {
        let fault = Fault::Stale {
            shows: 1,
            acknowledged: 2,
        };
        assert_eq!(faults_of(&[(16, 19, 0b1)]), [(0, fault)]);
        // Acknowledged while it was asked for is too late to be demanded.
        assert_eq!(faults_of(&[(15, 19, 0b1)]), []);
    }

    #[test]
    fn an_answer_that_skips_a_commit_is_of_no_state() {
        for mixed in [0b10, 0b101, 0b1011, 0b11111] {
            assert_eq!(faults_of(&[(0, 90, mixed)]), [(0, Fault::OfNoState)]);
        }
    }

    #[test]
    fn what_one_request_was_shown_the_next_is_shown_too() {
        let fault = Fault::Backwards { shows: 1, seen: 2 };
        assert_eq!(faults_of(&[(11, 12, 0b11), (13, 14, 0b1)]), [(1, fault)]);
        // In whatever order they are written down; and two at the same time may be told differently.
        assert_eq!(faults_of(&[(13, 14, 0b1), (11, 12, 0b11)]), [(0, fault)]);
        assert_eq!(faults_of(&[(11, 13, 0b11), (13, 14, 0b1)]), []);
    }

    #[test]
    fn what_was_not_delivered_yet_cannot_be_known() {
        let fault = Fault::Ahead { shows: 3, begun: 2 };
        assert_eq!(faults_of(&[(16, 19, 0b111)]), [(0, fault)]);
    }

    #[test]
    fn a_request_that_can_be_of_several_states_is_held_to_the_oldest() {
        // The first is right for the states 1 and 2, so the second, of state 1, is no step back.
        let asked = |begin, end, answer| Asked {
            span: Span {
                begin: ms(begin),
                end: ms(end),
            },
            answer,
        };
        let requests = [asked(11, 12, [1, 2]), asked(13, 14, [1, 1])];
        let faults = check(&commits(), &requests, |states, state| {
            states.contains(&state)
        });
        assert_eq!(faults, []);
    }
}
