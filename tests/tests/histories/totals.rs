//! How much there was to the histories that were played.

use std::fmt;

/// Added up over all of them.
#[derive(Debug, Default)]
pub struct Totals {
    pub events: usize,
    /// Of their messages, redeliveries included.
    pub deliveries: usize,
    /// Dead letters.
    pub letters: usize,
    /// Answers that were compared.
    pub questions: usize,
    pub midnights: usize,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.letters += other.letters;
        self.questions += other.questions;
        self.midnights += other.midnights;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            events,
            deliveries,
            letters,
            questions,
            midnights,
        } = self;
        write!(
            f,
            "{events} events, {deliveries} deliveries, {letters} dead letters, {questions} questions, {midnights} midnights"
        )
    }
}
