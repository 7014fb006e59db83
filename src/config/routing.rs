//! The `alertmanager.yml`, or the embedded routing that prints to the console.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::alerts::config as routes;
use crate::alerts::route::{IntegrationInfo, ReceiverInfo, Routing};
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::document::fields::Fields;
use crate::document::{self};
use crate::embedded;
use crate::model::timestamp::Timestamp;
use crate::notify::config::{self as receivers, Console, Loaded, Options, TemplateFile};
use crate::notify::console::{Output, Style};

use super::files;
use super::redact;
use super::settings::Settings;

/// What a routing file says.
pub(super) struct Read {
    /// Who is told what.
    pub(super) routing: Routing,
    /// How they are told.
    pub(super) receivers: Loaded,
    /// Its text with secrets hidden.
    pub(super) text: String,
}

/// Routes and receivers.
pub(super) fn read(
    settings: &Settings,
    external_url: &str,
    console: Style,
    now: Timestamp,
    watched: &mut Vec<PathBuf>,
    diagnostics: &Diagnostics,
) -> Option<Read> {
    let (name, text, console) = match &settings.routing_file {
        Some(path) => {
            watched.push(path.clone());
            (
                path.display().to_string(),
                files::read(path, diagnostics)?,
                Console::Off,
            )
        }
        // Here a receiver without integrations prints; in a user's file it drops, as upstream.
        None => {
            let output: Output = Arc::new(Mutex::new(std::io::stdout()));
            let text = embedded::console_routing().to_owned();
            (
                "(embedded routing)".to_owned(),
                text,
                Console::Empty(output, console),
            )
        }
    };
    let base = settings
        .routing_file
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    let document = document::parse(&name, &text, diagnostics)?;
    let root = document.value(diagnostics).fields()?;
    let templates = templates(&root, &name, base, watched, diagnostics);
    let options = Options {
        base,
        external_url,
        templates: &templates,
        console,
        now,
    };
    let loaded = receivers::read(&root, &options, diagnostics);
    let routing = routes::read(&root, &infos(&loaded));
    root.finish();
    Some(Read {
        routing: routing?.with_throttle(settings.throttle.clone()),
        receivers: loaded,
        text: redact::routing(&text),
    })
}

/// The files of `templates`, read.
fn templates(
    root: &Fields<'_>,
    file: &str,
    base: &Path,
    watched: &mut Vec<PathBuf>,
    diagnostics: &Diagnostics,
) -> Vec<TemplateFile> {
    let mut templates = Vec::new();
    for (pattern, position) in receivers::template_globs(root) {
        let path = base.join(&pattern);
        watched.push(path.parent().unwrap_or(Path::new("")).to_owned());
        match files::expand(&path) {
            Ok(found) => {
                for path in found {
                    if let Some(text) = files::read(&path, diagnostics) {
                        templates.push(TemplateFile {
                            path: path.display().to_string(),
                            text,
                        });
                    }
                }
            }
            Err(error) => diagnostics.push(
                Diagnostic::new(file, position, "templates", error)
                    .remedy("write a path; * stands for any file name"),
            ),
        }
    }
    templates
}

/// What the routes need to know of the receivers.
fn infos(loaded: &Loaded) -> Vec<ReceiverInfo> {
    let integrations = |receiver: &receivers::Receiver| {
        receiver
            .integrations
            .iter()
            .map(|configured| IntegrationInfo {
                kind: configured.place.kind.to_string(),
                index: configured.place.index,
                send_resolved: configured.send_resolved,
            })
            .collect()
    };
    loaded
        .receivers
        .iter()
        .map(|receiver| ReceiverInfo {
            name: receiver.name.to_string(),
            integrations: integrations(receiver),
        })
        .collect()
}
