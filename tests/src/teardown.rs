//! Cleaning up behind a test, also behind one that panicked: `drop` cannot wait for a future, so another thread does.

use std::future::Future;

/// Runs `work` to its end on a thread and runtime of its own. A failure is printed, never panicked over: the test's own
/// outcome matters more.
pub fn finish<F>(what: &str, work: F)
where
    F: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let outcome = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work)
    });
    match outcome.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("{what} could not be cleaned up: {error}"),
        Err(_) => eprintln!("{what} could not be cleaned up: the thread panicked"),
    }
}

/// A name that no other test has, on any thread of any process.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}_{:016x}", rand::random::<u64>())
}
