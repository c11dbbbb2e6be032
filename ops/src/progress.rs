//! How far a long task is, on standard error if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Turns while something is waited for; gone when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// Begins to turn.
    pub fn start(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// So many LPs are done, and so many are left.
    pub fn tell(&self, done: u64, left: u64) {
        let template = "{msg} {bar:30} {pos} of {len} LPs, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(done + left);
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
