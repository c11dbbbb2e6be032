//! Chance that is the same on every machine: a generator whose stream is fixed by its seed, one stream for each thing
//! generated, so that what one commitment draws does not depend on which others were generated before it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Another seed would be another sample.
const SEED: [u8; 32] = *b"lp reporting: the sample's seed.";

/// What kind of thing draws; together with its id it names a stream.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// A limited partner's size.
    LimitedPartner = 1,
    /// A fund's dates and notices.
    Fund = 2,
    /// A commitment's terms.
    Commitment = 3,
    /// What happens to a commitment.
    Account = 4,
    /// A fund's investments.
    Portfolio = 5,
}

/// One stream of chance.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of one thing.
    pub fn of(subject: Subject, id: i64) -> Self {
        let mut generator = ChaCha8Rng::from_seed(SEED);
        generator.set_stream(((subject as u64) << 48) | id.unsigned_abs());
        Self(generator)
    }

    /// Evenly in [0, 1), in steps that a double holds exactly.
    pub fn unit(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        (self.0.next_u64() % STEPS) as f64 / STEPS as f64
    }

    /// Evenly between two numbers.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` up to and including `high`.
    pub fn whole(&mut self, low: i64, high: i64) -> i64 {
        low + (self.unit() * (high - low + 1) as f64) as i64
    }

    /// True in the given share of cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Bell-shaped around 0 with a standard deviation of 1 and nothing beyond 6: twelve even draws, less their mean.
    pub fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}
