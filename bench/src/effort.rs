//! How much is measured: enough for figures, or just enough to see that the bench still runs.

use std::time::Duration;

/// Repetitions and spans.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds whose median counts.
    pub rounds: usize,
    /// Invocations of a function in a round, of each kind.
    pub invocations: usize,
    /// Starts of a process.
    pub starts: usize,
    /// Sessions of the mix.
    pub sessions: usize,
    /// Single activities that are followed to the answer.
    pub singles: usize,
    /// Messages for each record of an event, up to so many.
    pub messages: u64,
    /// How long readers read beside refreshes.
    pub span: Duration,
    /// How long the steady stream flows: several refreshes.
    pub stream: Duration,
}

impl Effort {
    /// For figures.
    pub const FULL: Self = Self {
        rounds: 5,
        invocations: 400,
        starts: 20,
        sessions: 300,
        singles: 60,
        messages: 4_000,
        span: Duration::from_secs(20),
        stream: Duration::from_secs(120),
    };
    /// For a look.
    pub const SMOKE: Self = Self {
        rounds: 1,
        invocations: 10,
        starts: 2,
        sessions: 5,
        singles: 2,
        messages: 50,
        span: Duration::from_secs(1),
        stream: Duration::from_secs(1),
    };
}
