//! The `alertmanager.yml`, or the embedded routing that prints to the console.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::alerts::config as routes;
use crate::alerts::route::{IntegrationInfo, ReceiverInfo, Routing};
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::document::fields::{Fields, Value};
use crate::document::{self};
use crate::embedded;
use crate::model::signature::LateSigner;
use crate::model::timestamp::Timestamp;
use crate::notify::config::{self as receivers, Console, Loaded, Options, TemplateFile};
use crate::notify::console::{Output, Style};

use super::settings::{self, Settings};
use super::{Sources, files, redact};

/// What stands for the name of a file where none was given.
const EMBEDDED: &str = "(embedded routing)";

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
            (EMBEDDED.to_owned(), text, Console::Empty(output, console))
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
        upstream_only: settings.upstream_only,
        signer: &settings.signer,
        slack_threads: settings.slack_threads,
        base,
        external_url,
        templates: &templates,
        console,
        now,
    };
    let (routing, loaded) = read_root(root, &options, diagnostics);
    Some(Read {
        routing: routing?
            .with_limits(settings.limits.clone())
            .with_quiet(settings.quiet.clone()),
        receivers: loaded,
        text: redact::routing(&text, settings.upstream_only),
    })
}

/// Routes and receivers of a file's root.
fn read_root(
    root: Fields<'_>,
    options: &Options<'_>,
    diagnostics: &Diagnostics,
) -> (Option<Routing>, Loaded) {
    let loaded = receivers::read(&root, options, diagnostics);
    let routing = routes::read(&root, &infos(&loaded));
    root.refuse(
        "tracing",
        "traces are a setting of the process",
        "write traces.otlp_endpoint in outrigger.yml",
    );
    root.refuse(
        "event_recorder",
        "the ledger records what was decided",
        "remove it, and ask /api/v2/ledger",
    );
    root.finish();
    (routing, loaded)
}

/// The routes alone, without anything else of the configuration: those of the file that the sources name, or the
/// embedded ones. With them their file's name.
///
/// # Errors
/// Every mistake in what was read.
pub fn load(sources: &Sources, now: Timestamp) -> Result<(String, Routing), Vec<Diagnostic>> {
    let diagnostics = Diagnostics::default();
    let read = || {
        let settings = settings_alone(sources, &diagnostics)?;
        let name = match &settings.routing_file {
            Some(path) => path.display().to_string(),
            None => EMBEDDED.to_owned(),
        };
        let mut watched = Vec::new();
        let read = read(&settings, "", Style::Json, now, &mut watched, &diagnostics)?;
        Some((name, read.routing))
    };
    let routing = read();
    let found = diagnostics.into_sorted();
    match routing {
        Some(routing) if found.is_empty() => Ok(routing),
        _ => Err(found),
    }
}

/// The routes of a mapping inside another file, whose directory its paths start from.
pub(super) fn inline(
    value: &Value<'_>,
    base: &Path,
    now: Timestamp,
    diagnostics: &Diagnostics,
) -> Option<Routing> {
    let root = value.fields()?;
    let templates = templates(&root, value.file(), base, &mut Vec::new(), diagnostics);
    let options = Options {
        upstream_only: false,
        signer: &LateSigner::default(),
        slack_threads: true,
        base,
        external_url: "",
        templates: &templates,
        console: Console::Off,
        now,
    };
    read_root(root, &options, diagnostics).0
}

/// The routes of a file.
pub(super) fn of_file(path: &Path, now: Timestamp, diagnostics: &Diagnostics) -> Option<Routing> {
    let settings = Settings {
        routing_file: Some(path.to_owned()),
        ..Settings::default_of(true)
    };
    let mut watched = Vec::new();
    let read = read(&settings, "", Style::Json, now, &mut watched, diagnostics);
    read.map(|read| read.routing)
}

fn settings_alone(sources: &Sources, diagnostics: &Diagnostics) -> Option<Settings> {
    let (name, text) = match &sources.file {
        Some(path) => (path.display().to_string(), files::read(path, diagnostics)?),
        None => (String::new(), String::new()),
    };
    let base = sources.file.as_deref().and_then(Path::parent);
    let document = document::parse(&name, &text, diagnostics)?;
    let root = document.value(diagnostics).fields()?;
    let base = base.unwrap_or(Path::new(""));
    let mut settings = settings::read(&root, base, sources.file.is_none(), &mut Vec::new());
    settings.apply(&sources.overrides, diagnostics);
    Some(settings)
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
