//! What people look at: pure functions from plain structs to HTML.
//!
//! Nothing here reads the state of the product; handlers fill the structs. Every text is escaped by the template engine,
//! except a runbook's body, which was sanitised when it was loaded. The pages need no script and ask no other host for
//! anything, and [`SECURITY_HEADERS`] hold the browser to it. Lists are bounded: see [`view::Bounded`].

pub mod alerts;
pub mod catalogue;
pub mod dashboards;
pub mod error;
mod fill;
pub mod graph;
pub mod handlers;
pub mod ledger;
pub mod objective;
pub mod paged;
pub mod quiet;
pub mod runbook;
pub mod status;
#[cfg(test)]
mod tests;
pub mod view;

/// The style sheet, for `/assets/style.css` as `text/css`.
pub const STYLE: &str = include_str!("../../templates/style.css");

/// Sent with every answer, names in lower case.
pub const SECURITY_HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
];

/// The pages of the bar at the top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// `/`.
    Status,
    /// `/alerts` and what is below.
    Alerts,
    /// `/ledger`.
    Ledger,
    /// `/definitions` and what is below.
    Definitions,
    /// `/dashboards`.
    Dashboards,
    /// `/graph`.
    Query,
    /// `/silences`, and what links in messages lead to.
    Silences,
    /// `/runbooks` and what is below.
    Runbooks,
    /// None of them: an error.
    Elsewhere,
}

impl Section {
    /// Those that are shown, in order.
    pub const ALL: &'static [Self] = &[
        Self::Status,
        Self::Alerts,
        Self::Silences,
        Self::Query,
        Self::Ledger,
        Self::Definitions,
        Self::Dashboards,
        Self::Runbooks,
    ];

    /// Those that are shown in Alertmanager's place: it has no others.
    pub const UPSTREAM: &'static [Self] = &[Self::Status, Self::Silences];

    /// What the link says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Alerts => "Alerts",
            Self::Ledger => "Ledger",
            Self::Definitions => "Definitions",
            Self::Dashboards => "Dashboards",
            Self::Query => "Query",
            Self::Silences => "Silences",
            Self::Runbooks => "Runbooks",
            Self::Elsewhere => "",
        }
    }

    /// Where it leads.
    pub fn path(self) -> &'static str {
        match self {
            Self::Status | Self::Elsewhere => "/",
            Self::Alerts => "/alerts",
            Self::Ledger => "/ledger",
            Self::Definitions => "/definitions",
            Self::Dashboards => "/dashboards",
            Self::Query => "/graph",
            Self::Silences => "/silences",
            Self::Runbooks => "/runbooks",
        }
    }
}

/// Writes a template. Writing to a string fails only where a value's own `Display` does, and ours do not.
pub(super) fn write(template: &impl askama::Template) -> String {
    template
        .render()
        .expect("writing plain values to a string cannot fail")
}
