//! The `alertmanager.yml`, or the embedded routing that prints to the console.

use std::path::{Path, PathBuf};

use crate::alerts::config as routes;
use crate::alerts::route::Routing;
use crate::document::diagnostics::Diagnostics;
use crate::document::{self};
use crate::embedded;
use crate::notify::config::Receivers;

use super::files;
use super::settings::Settings;

pub(super) fn read(
    settings: &Settings,
    watched: &mut Vec<PathBuf>,
    diagnostics: &Diagnostics,
) -> Option<(Routing, Receivers)> {
    let (name, text, console) = match &settings.routing_file {
        Some(path) => {
            watched.push(path.clone());
            (path.display().to_string(), files::read(path, diagnostics)?, false)
        }
        // Here a receiver without integrations prints; in a user's file it drops, as upstream.
        None => ("(embedded routing)".to_owned(), embedded::console_routing().to_owned(), true),
    };
    let base = settings.routing_file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let document = document::parse(&name, &text, diagnostics)?;
    let root = document.value(diagnostics).fields()?;
    let receivers = Receivers::read(&root, base, console)?;
    let routing = routes::read(&root, &receivers.infos());
    root.finish();
    watched.extend(receivers.files().map(Path::to_owned));
    Some((routing?.with_throttle(settings.throttle.clone()), receivers))
}
