//! A message as it was put on the queue: how it fares there, and the trace by which its dead letter is known.

use std::time::Duration;

/// Whoever buries a message tries again when the queue has been silent for so long, though the letter may have arrived.
const SILENCE: Duration = Duration::from_secs(2);
/// The span that all traces come from. Only the trace itself tells messages apart.
const SPAN: &str = "00f067aa0ba902b7";

/// Which message: an event's, and for which time it was sent, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sending {
    pub event: usize,
    pub time: usize,
}

/// How it fares.
#[derive(Debug, Clone, Default)]
pub struct Course {
    pub deliveries: usize,
    /// When it was delivered last. Moments are numbered; what is delivered in one may be worked on at the same time.
    pub moment: usize,
    /// Whether that was the end of it.
    pub is_acknowledged: bool,
    /// The longest that a delivery took.
    pub longest: Duration,
}

impl Sending {
    /// What is sent for the first time, the third and so on is laid out in another way than what is sent for the second: it says the
    /// same, and whoever writes it anew is found out.
    pub fn is_laid_out(self) -> bool {
        self.time % 2 == 1
    }

    /// The trace of a message, which its dead letter carries on. A world is a number that no other world of the queue has.
    pub fn traceparent(self, world: i64) -> String {
        format!(
            "00-{world:016x}{:08x}{:08x}-{SPAN}-01",
            self.event, self.time
        )
    }

    /// Of which world's message a trace is.
    pub fn of_traceparent(traceparent: &str) -> Option<(i64, Self)> {
        let number = |from: usize, to: usize| {
            let digits = traceparent.get(from..to)?;
            i64::from_str_radix(digits, 16).ok()
        };
        let position = |from| usize::try_from(number(from, from + 8)?).ok();
        let (event, time) = (position(19)?, position(27)?);
        Some((number(3, 19)?, Self { event, time }))
    }
}

impl Course {
    /// Whether its dead letter may have been sent twice.
    pub fn met_silence(&self) -> bool {
        self.longest >= SILENCE
    }
}
