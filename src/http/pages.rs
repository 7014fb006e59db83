//! What people look at: pure functions from plain structs to HTML.
//!
//! Nothing here reads the state of the product; handlers fill the structs. Every text is escaped by the template engine,
//! except a runbook's body, which was sanitised when it was loaded. The pages work without a script; [`assets`]
//! holds the one that adds to them. They ask no other host for anything, and [`SECURITY_HEADERS`] hold the browser to it.
//! What is around each of them is [`shell`]. Lists are bounded: see [`view::Bounded`].

pub mod alerts;
pub mod assets;
pub mod catalogue;
pub mod configuration;
pub mod dashboards;
pub mod error;
mod fill;
pub mod graph;
pub mod handlers;
pub mod ledger;
pub mod objective;
pub mod overview;
pub mod paged;
pub mod quiet;
pub mod rule;
pub mod rules;
pub mod runbook;
pub mod shell;
pub mod status;
pub mod targets;
#[cfg(test)]
mod tests;
pub mod view;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::model::words::turns;

/// Sent with every answer, names in lower case.
pub const SECURITY_HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
];

/// The pages of the bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// `/`.
    Overview,
    /// `/alerts` and what is below.
    Alerts,
    /// `/silences`, and what links in messages lead to.
    Silences,
    /// `/rules`, and each of them.
    Rules,
    /// `/targets`.
    Targets,
    /// `/graph`.
    Query,
    /// `/ledger`.
    Ledger,
    /// `/definitions` and what is below.
    Definitions,
    /// `/dashboards`.
    Dashboards,
    /// `/runbooks` and what is below.
    Runbooks,
    /// `/status`.
    Status,
    /// The same at `/`, in Alertmanager's place.
    Home,
    /// None of them: an error.
    Elsewhere,
}

impl Section {
    /// Those that are shown, in order.
    pub const ALL: &'static [Self] = &[
        Self::Overview,
        Self::Alerts,
        Self::Silences,
        Self::Rules,
        Self::Targets,
        Self::Query,
        Self::Ledger,
        Self::Definitions,
        Self::Dashboards,
        Self::Runbooks,
        Self::Status,
    ];

    /// Those that are shown in Alertmanager's place: it has no others.
    pub const UPSTREAM: &'static [Self] = &[Self::Home, Self::Silences];

    /// What the link says, where it leads, the key that goes there behind `g`, and whether a group of links begins with it.
    fn entry(self) -> (&'static str, &'static str, Option<char>, bool) {
        match self {
            Self::Overview => ("Overview", "/", Some('o'), false),
            Self::Alerts => ("Alerts", "/alerts", Some('a'), false),
            Self::Silences => ("Silences", "/silences", Some('s'), false),
            Self::Rules => ("Rules", "/rules", Some('r'), true),
            Self::Targets => ("Targets", "/targets", Some('t'), false),
            Self::Query => ("Query", "/graph", Some('q'), false),
            Self::Ledger => ("Ledger", "/ledger", Some('l'), false),
            Self::Definitions => ("Definitions", "/definitions", Some('d'), true),
            Self::Dashboards => ("Dashboards", "/dashboards", Some('h'), false),
            Self::Runbooks => ("Runbooks", "/runbooks", Some('b'), false),
            Self::Status => ("Status", "/status", Some('u'), true),
            Self::Home => ("Status", "/", Some('u'), false),
            Self::Elsewhere => ("", "/", None, false),
        }
    }

    /// What the link says.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// Where it leads.
    pub fn path(self) -> &'static str {
        self.entry().1
    }

    /// The key that goes there behind `g`; each has its own.
    pub fn key(self) -> Option<char> {
        self.entry().2
    }

    /// Whether a little room is left before it.
    pub fn begins_group(self) -> bool {
        self.entry().3
    }
}

/// An address of ours to go to; the first page where it is none.
pub(super) fn here(address: Option<&str>) -> &str {
    let plain = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    address.filter(plain).unwrap_or("/")
}

/// To a page that may be loaded again.
pub(super) fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// Writes a template. Writing to a string fails only where a value's own `Display` does, and ours do not.
///
/// What turns the direction of writing is made visible here, for all pages and whatever it comes from. The fields of forms,
/// which are sent back as they are, hold it as [`view::field`] writes it.
pub(super) fn write(template: &impl askama::Template) -> String {
    let html = template
        .render()
        .expect("writing plain values to a string cannot fail");
    match html.contains(turns) {
        true => html.replace(turns, "\u{fffd}"),
        false => html,
    }
}

#[cfg(test)]
mod sections {
    use super::{Section, here};

    #[test]
    fn every_section_has_a_key_of_its_own() {
        let mut keys: Vec<_> = Section::ALL.iter().map(|section| section.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Section::ALL.len());
        assert!(!keys.contains(&None));
    }

    #[test]
    fn links_lead_to_pages_of_ours_only() {
        for (next, want) in [
            (None, "/"),
            (Some("/silences?a=b"), "/silences?a=b"),
            (Some("https://evil.example"), "/"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/a\r\nb"), "/"),
            (Some("x"), "/"),
        ] {
            assert_eq!(here(next), want, "{next:?}");
        }
    }
}
