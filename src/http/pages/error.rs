//! What a person sees where there is no page.

use askama::Template;

use super::{Section, write};
use crate::runbooks::Missing;

/// A page for a status code and what to do; the message is shown as it is.
pub fn render(status: u16, message: &str) -> String {
    page(status, message, &[])
}

/// The page for a runbook that is not there, with the nearest names.
pub fn missing_runbook(slug: &str, missing: &Missing) -> String {
    let shown: String = slug.chars().take(100).collect();
    let message = match &missing.reason {
        Some(reason) => format!("The runbook {shown:?} cannot be served: {reason}."),
        None => format!("There is no runbook {shown:?}."),
    };
    page(404, &message, &missing.nearest)
}

fn page(status: u16, message: &str, nearest: &[String]) -> String {
    let code = axum::http::StatusCode::from_u16(status).ok();
    let name = code.and_then(|code| code.canonical_reason());
    write(&ErrorTemplate {
        status,
        name: name.unwrap_or("Error"),
        message,
        nearest,
    })
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    status: u16,
    name: &'a str,
    message: &'a str,
    nearest: &'a [String],
}

impl ErrorTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Elsewhere
    }
}
