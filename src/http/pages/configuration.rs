//! `/status/configuration`: what is loaded, what the last reload changed, and why the last one was refused.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::view::{self, Bounded};
use super::{Section, write};
use crate::document::diagnostics::Diagnostic;
use crate::document::diff::Line;
use crate::http::context::{Configuration, Context};
use crate::model::timestamp::Timestamp;

/// The most of a file that is shown, in bytes; `/api/v1/status/config` has all of it.
const MAX_TEXT: usize = 64 << 10;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct ConfigurationPage {
    /// The instant the page speaks of.
    pub now: Timestamp,
    /// Since the start.
    pub uptime: Duration,
    /// Where it listens.
    pub listen: String,
    /// Series held now.
    pub series: usize,
    /// What is loaded, and how reloads went.
    pub configuration: Arc<Configuration>,
}

/// The page now.
pub async fn serve(State(context): State<Arc<Context>>) -> Html<String> {
    let now = context.clock.now();
    let page = ConfigurationPage {
        now,
        uptime: now.since(context.started),
        listen: context.listen.to_string(),
        series: context.storage.stats().series,
        configuration: Arc::clone(&context.configuration.borrow()),
    };
    Html(render(&page))
}

/// The page.
pub fn render(page: &ConfigurationPage) -> String {
    let configuration = &page.configuration;
    let (settings, settings_cut) = beginning(&configuration.text);
    let (routing, routing_cut) = beginning(&configuration.routing.text);
    let last = configuration.last_reload.as_ref();
    write(&ConfigurationTemplate {
        page,
        mistakes: Bounded::map(
            last.into_iter().flat_map(|reload| &reload.mistakes),
            std::convert::identity,
        ),
        texts: [
            ("settings", "Settings", settings, settings_cut),
            ("routing", "Routing", routing, routing_cut),
        ],
    })
}

#[derive(Template)]
#[template(path = "configuration.html")]
struct ConfigurationTemplate<'a> {
    page: &'a ConfigurationPage,
    mistakes: Bounded<&'a Diagnostic>,
    /// Id, name, text, and whether there is more of it.
    texts: [(&'static str, &'static str, &'a str, bool); 2],
}

impl ConfigurationTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Status
    }

    fn place(&self, mistake: &Diagnostic) -> String {
        match mistake.position.line {
            0 => mistake.file.to_string(),
            line => format!("{}:{line}:{}", mistake.file, mistake.position.column),
        }
    }

    /// The sign, the class and the text of a line of a diff.
    fn line<'l>(&self, line: &'l Line) -> (&'static str, &'static str, std::borrow::Cow<'l, str>) {
        match line {
            Line::Same(text) => (" ", "", text.as_str().into()),
            Line::Removed(text) => ("−", "removed", text.as_str().into()),
            Line::Added(text) => ("+", "added", text.as_str().into()),
            Line::Skipped(1) => ("", "skipped", "1 line as before".into()),
            Line::Skipped(count) => ("", "skipped", format!("{count} lines as before").into()),
        }
    }
}

fn beginning(text: &str) -> (&str, bool) {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], end < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Position, diff};
    use crate::http::context::{Change, Reload};

    const HOSTILE: &str = "</pre><script>alert(1)</script>";

    fn page(configuration: Configuration) -> String {
        render(&ConfigurationPage {
            now: Timestamp::from_millis(1_795_165_200_000),
            uptime: Duration::from_secs(60),
            listen: "127.0.0.1:9797".to_owned(),
            series: 12,
            configuration: Arc::new(configuration),
        })
    }

    #[test]
    fn a_refused_reload_is_told_with_its_lines_and_what_called_for_it() {
        let mistake = Diagnostic::new(
            "outrigger.yml",
            Position { line: 3, column: 5 },
            "global",
            "unknown key",
        )
        .excerpt("  kay: …\n  ^")
        .remedy("write key");
        let html = page(Configuration {
            last_reload: Some(Reload {
                at: Timestamp::from_millis(1_795_165_100_000),
                reason: "POST /-/reload by alice".to_owned(),
                mistakes: vec![mistake; 250],
            }),
            ..Configuration::default()
        });
        for part in [
            "outrigger.yml:3:5",
            "unknown key",
            "  kay: …\n  ^</pre>",
            "write key",
            "POST /-/reload by alice",
            "and 150 more mistakes",
            "Nothing has changed since the start",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn what_changed_is_shown_by_signs_and_hostile_text_is_inert() {
        let (lines, more) = diff::lines(&format!("a\n{HOSTILE}"), "a\nb", 2);
        let html = page(Configuration {
            text: HOSTILE.repeat(10_000),
            last_change: Some(Arc::new(Change {
                at: Timestamp::from_millis(1_795_165_100_000),
                reason: format!("{HOSTILE} changed"),
                files: vec![("Settings".to_owned(), lines, more)],
            })),
            ..Configuration::default()
        });
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(
            html.contains("class=\"removed\"") && html.contains("−"),
            "{html}"
        );
        assert!(html.contains("and 1 more line<"), "{html}");
        assert!(html.contains("/api/v1/status/config"), "the rest of it");
        assert!(html.len() < 1 << 20);
    }
}
