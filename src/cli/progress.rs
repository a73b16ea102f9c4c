//! How far a long job is, on a terminal: a bar on stderr that is gone before words come.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

use super::voice::Voice;

/// What takes less is not shown.
const LONG: Duration = Duration::from_secs(1);

/// A bar, if anybody sees it; it goes with the value.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// One for so many of something, or for a number that is not known. Nobody sees it with `--json` and `--quiet`, and
    /// where stderr is no terminal.
    pub fn new(voice: Voice, total: Option<usize>, what: &'static str) -> Self {
        if voice.json || voice.quiet || !io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let total = total.map(|total| total as u64);
        let template = if total.is_some() { "[{bar:30}] {pos} of {len} {msg}" } else { "{pos} {msg}" };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        Self { bar: Some(bar.with_style(style.progress_chars("=> ")).with_message(what)) }
    }

    /// None, for what is bounded to a short time anyway.
    pub fn none() -> Self {
        Self { bar: None }
    }

    /// So many more are done.
    pub fn step(&self, done: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(done as u64);
            if bar.elapsed() >= LONG {
                self.show();
            }
        }
    }

    /// Drives what waits, and shows the bar after a while, though nothing is done by then.
    pub async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        match timeout(LONG, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                self.show();
                work.await
            }
        }
    }

    fn show(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| bar.is_hidden()) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
