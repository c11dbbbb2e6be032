//! Pollers as the platform has them: they hand what comes in a queue of a test to the function that the template has work on it.

use std::sync::Arc;

use local::metrics::InHand;
use local::poller::Poller;
use local::queue::Queue;
use local::template::Template;

/// A poller of a queue, with the batches of the template's trigger.
///
/// # Panics
/// When the template has no trigger.
#[must_use]
pub fn poller<Functions>(
    queue: Queue,
    template: &Template,
    functions: &Arc<Functions>,
) -> Poller<Functions> {
    let triggers = template.queue_sources();
    let (source, function) = triggers.into_iter().next().expect("a trigger");
    Poller {
        queue,
        source,
        function,
        functions: Arc::clone(functions),
        in_hand: InHand::default(),
    }
}
