//! `outrigger check`: what would go wrong at the start, all at once.

use crate::clock::Clock;
use crate::config::{self, Sources};
use crate::document::diagnostics::Diagnostic;

use super::exit;
use super::terminal::{Paint, complain, print};

/// Loads everything and says what was found; returns the exit code.
pub(super) fn check(sources: &Sources) -> u8 {
    let paint = Paint::stdout(sources.no_color);
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
                "{} {file}: {}{}, {} in {}, {}, {}\n",
                paint.good("ok:"),
                count(config.scrape.jobs.len(), "job"),
                if config.collects_host {
                    " and the host"
                } else {
                    ""
                },
                count(rules, "rule"),
                count(config.rules.len(), "group"),
                count(config.routing.routes.len(), "route"),
                count(config.receivers.receivers.len(), "receiver"),
            ));
            exit::OK
        }
        Err(mistakes) => {
            complain_of(&mistakes, Paint::stderr(sources.no_color));
            exit::MISTAKES
        }
    }
}

/// Writes mistakes to standard error, and how many there are.
pub(super) fn complain_of(mistakes: &[Diagnostic], paint: Paint) {
    for mistake in mistakes {
        complain(&format!("{} {mistake}\n", paint.bad("error:")));
    }
    let count = count(mistakes.len(), "mistake");
    complain(&format!(
        "{}\n",
        paint.dim(&format!("{count}; nothing was started"))
    ));
}

/// `1 job`, `2 jobs`.
fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
