//! Where a client is stopped: before the server gets the bytes by which a step is known, or before the client gets the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Gates;

/// Far beyond what anything takes that a test waits for; only one that fails waits so long.
const LIMIT: Duration = Duration::from_secs(30);

/// Whether the server has got the bytes when the client is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It has not.
    Before,
    /// It has, and has answered, but the client is not told.
    After,
}

/// How far a gate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Reached,
    Released,
}

#[derive(Debug)]
pub(super) struct Gate {
    pattern: &'static [u8],
    when: When,
    /// How many times it has to come until it is the one.
    left: Mutex<usize>,
    phase: watch::Sender<Phase>,
}

impl Gate {
    pub(super) fn new(pattern: &'static [u8], occurrence: usize, when: When) -> Self {
        assert!(!pattern.is_empty() && occurrence > 0);
        Self {
            pattern,
            when,
            left: Mutex::new(occurrence),
            phase: watch::Sender::new(Phase::Waiting),
        }
    }

    fn is_released(&self) -> bool {
        *self.phase.borrow() == Phase::Released
    }

    /// Counts one more and tells whether it is the one.
    fn comes(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.wrapping_sub(1);
        *left == 0
    }

    /// Says that it is reached, and waits until it is released.
    async fn stop(&self) {
        self.phase.send_if_modified(|phase| {
            let is_first = *phase == Phase::Waiting;
            if is_first {
                *phase = Phase::Reached;
            }
            is_first
        });
        let mut phase = self.phase.subscribe();
        let _ = phase.wait_for(|phase| *phase == Phase::Released).await;
    }
}

/// A client that is, or is to be, stopped at a step. Dropping the value lets it go on.
#[derive(Debug)]
#[must_use = "dropping it lets the client go on"]
pub struct Held(Arc<Gate>);

impl Held {
    pub(super) fn of(gate: Arc<Gate>) -> Self {
        Self(gate)
    }

    /// Waits until the client is there.
    pub async fn reached(&self) {
        let mut phase = self.0.phase.subscribe();
        let reached = timeout(LIMIT, phase.wait_for(|phase| *phase != Phase::Waiting)).await;
        let pattern = String::from_utf8_lossy(self.0.pattern);
        assert!(reached.is_ok(), "nobody came to {pattern:?}");
    }

    /// Whether the client is there, or was.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        *self.0.phase.borrow() != Phase::Waiting
    }

    /// Lets the client go on, now and whenever it comes again.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.phase.send_replace(Phase::Released);
    }
}

/// A place in some bytes, and who is to be stopped there.
pub(super) struct Step {
    pub(super) at: usize,
    pub(super) gate: Arc<Gate>,
}

/// One connection: what its client has sent last, and whose answer is held.
pub(super) struct Link {
    gates: Gates,
    /// The end of what was sent before, for patterns that come in two parts.
    sent: Mutex<Vec<u8>>,
    holding: Mutex<Option<Arc<Gate>>>,
}

impl Link {
    pub(super) fn new(gates: Gates) -> Self {
        Self {
            gates,
            sent: Mutex::default(),
            holding: Mutex::default(),
        }
    }

    /// Where in these bytes, which follow those before, the client is to be stopped.
    pub(super) fn steps(&self, bytes: &[u8]) -> Vec<Step> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|gate| !gate.is_released());
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let seen_before = sent.len();
        sent.extend_from_slice(bytes);
        let mut steps = Vec::new();
        for gate in gates.iter() {
            let length = gate.pattern.len();
            for (start, window) in sent.windows(length).enumerate() {
                let is_new = start + length > seen_before;
                if is_new && window == gate.pattern && gate.comes() {
                    let at = match gate.when {
                        When::Before => start.saturating_sub(seen_before),
                        // The answer may need all of the command.
                        When::After => start + length - seen_before,
                    };
                    let gate = Arc::clone(gate);
                    steps.push(Step { at, gate });
                }
            }
        }
        steps.sort_by_key(|step| step.at);
        let longest = gates.iter().map(|gate| gate.pattern.len()).max();
        let kept = sent.len().min(longest.unwrap_or_default());
        let forgotten = sent.len() - kept;
        sent.drain(..forgotten);
        steps
    }

    /// The client is at a step: it waits here, or for the answer.
    pub(super) async fn stop_at(&self, gate: Arc<Gate>) {
        match gate.when {
            When::Before => gate.stop().await,
            When::After => *self.holding() = Some(gate),
        }
    }

    /// The server has answered something; if it is what is held, the client does not get it before it may.
    pub(super) async fn answer_arrived(&self) {
        let gate = self.holding().take();
        if let Some(gate) = gate {
            gate.stop().await;
        }
    }

    fn holding(&self) -> std::sync::MutexGuard<'_, Option<Arc<Gate>>> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
