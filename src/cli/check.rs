//! `outrigger check`: what would go wrong at the start, all at once.

use crate::clock::Clock;
use crate::config::{self, Sources};
use crate::document::diagnostics::Diagnostic;

use super::exit;
use super::terminal::{Paint, complain, print};

/// Loads everything and says what was found; returns the exit code.
pub(super) fn check(sources: &Sources) -> u8 {
    let paint = Paint::stdout();
    match config::load(sources, Clock::system().now()) {
        Ok(config) => {
            for warning in &config.warnings {
                print(&format!("{} {warning}\n", paint.warn("warning:")));
            }
            let file = sources
                .file
                .as_ref()
                .map_or("embedded defaults".to_owned(), |path| {
                    path.display().to_string()
                });
            let rules: usize = config.rules.iter().map(|group| group.rules.len()).sum();
            print(&format!(
                "{} {file}: {} jobs, {rules} rules in {} groups, {} routes, {} receivers\n",
                paint.good("ok:"),
                config.scrape.jobs.len(),
                config.rules.len(),
                config.routing.routes.len(),
                config.receivers.receivers.len(),
            ));
            exit::OK
        }
        Err(mistakes) => {
            complain_of(&mistakes);
            exit::MISTAKES
        }
    }
}

/// Writes mistakes to standard error, and how many there are.
pub(super) fn complain_of(mistakes: &[Diagnostic]) {
    let paint = Paint::stderr();
    for mistake in mistakes {
        complain(&format!("{} {mistake}\n", paint.bad("error:")));
    }
    let noun = if mistakes.len() == 1 {
        "mistake"
    } else {
        "mistakes"
    };
    complain(&format!(
        "{}\n",
        paint.dim(&format!("{} {noun}; nothing was started", mistakes.len()))
    ));
}
