//! From files, environment and flags to each component's own configuration, every mistake at once.
//!
//! ```text
//!   outrigger.yml ──▶ document ──▶ each component's reader ──┐
//!   rules/*.yml   ──▶ document ──▶ rules::file               ├──▶ Config, or all mistakes
//!   alertmanager.yml ▶ document ─▶ alerts, notify            │
//!   environment, flags ──▶ Overrides (over the file) ────────┘
//! ```
//!
//! Nothing is opened or started here: a configuration that loads can still meet an unwritable directory.

pub mod definitions;
pub mod files;
pub mod outline;
pub mod overrides;
mod redact;
pub mod route_tests;
pub mod routing;
mod scraping;
pub mod settings;
#[cfg(test)]
mod tests;
mod upstream_defaults;

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::alerts::limits::Limits;
use crate::alerts::quiet::QuietConfig;
use crate::alerts::route::Routing;
use crate::auth::config::AuthConfig;
use crate::db::sql::config as sql;
use crate::definitions::store::managed::FileItem;
use crate::document::Position;
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::document::{self};
use crate::embedded;
use crate::enrich::labels::EnrichConfig;
use crate::model::duration;
use crate::model::labels::Labels;
use crate::model::signature::LateSigner;
use crate::model::timestamp::Timestamp;
use crate::notify::config::Loaded;
use crate::notify::console::Style;
use crate::notify::delivery::Delivery;
use crate::promql::walk;
use crate::rules::file::{self as rule_file, GroupSpec, RuleSpec};
use crate::scrape::config::ScrapeConfigs;

use self::definitions::CatalogSettings;
use self::overrides::Overrides;
use self::settings::Settings;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `outrigger.yml` or a `prometheus.yml`; the embedded defaults where absent.
    pub file: Option<PathBuf>,
    /// How much of Outrigger runs.
    pub mode: Mode,
    /// Environment, then flags over it.
    pub overrides: Overrides,
    /// How the console receiver prints.
    pub console: ConsoleStyle,
    /// Whether logs may not be coloured, terminal or not.
    pub no_color: bool,
    /// Signs links in messages, once the process has its key.
    pub signer: LateSigner,
}

/// How much of Outrigger runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All of it: beside what the file says, a job for Outrigger itself, one for the host, and the shipped rules.
    #[default]
    Full,
    /// Exactly what the file says, as Prometheus would.
    Exactly,
    /// The routes alone, in Alertmanager's place: nothing is scraped, no rule is evaluated, nothing is throttled or held.
    RoutesOnly,
}

/// How the console receiver prints; decided by who starts the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleStyle {
    /// Coloured blocks, on a terminal.
    Colored,
    /// Blocks without colours, on a terminal that has none.
    Plain,
    /// One JSON object a line.
    #[default]
    Json,
}

/// Everything the application is built from.
#[derive(Debug)]
pub struct Config {
    /// Settings of the process.
    pub settings: Settings,
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// How much of Outrigger runs.
    pub mode: Mode,
    /// Whether the host is collected and the own pod looked at.
    pub collects_host: bool,
    /// The downward API's variables.
    pub pod_variables: BTreeMap<String, String>,
    /// Where the port binds.
    pub listen: SocketAddr,
    /// Where people reach it; no slash at the end.
    pub external_url: String,
    /// What is scraped.
    pub scrape: ScrapeConfigs,
    /// Labels that every target gets.
    pub enrich: EnrichConfig,
    /// Labels of alerts that leave.
    pub external_labels: Labels,
    /// Rule groups, in the order of their files.
    pub rules: Vec<GroupSpec>,
    /// Who is told what.
    pub routing: Arc<Routing>,
    /// The routing file's text with secrets hidden.
    pub routing_text: String,
    /// How they are told.
    pub receivers: Loaded,
    /// Definitions of the directory, where there is one.
    pub definitions: Option<Vec<FileItem>>,
    /// Files and directories whose change calls for a reload.
    pub watched: Vec<PathBuf>,
    /// The file's text with secrets hidden, empty for the embedded defaults.
    pub text: String,
    /// Worth knowing, no mistakes.
    pub warnings: Vec<Diagnostic>,
}

impl Sources {
    /// These sources, for a process that listens there.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.overrides.listen = Some(address.to_string());
        self
    }
}

/// Loads the whole configuration.
///
/// # Errors
/// Every mistake of every file, sorted by place.
pub fn load(sources: &Sources, now: Timestamp) -> Result<Config, Vec<Diagnostic>> {
    let diagnostics = Diagnostics::default();
    let config = read(sources, now, &diagnostics);
    let found = diagnostics.into_sorted();
    match config {
        Some(config) if found.is_empty() => Ok(config),
        _ => Err(found),
    }
}

fn read(sources: &Sources, now: Timestamp, diagnostics: &Diagnostics) -> Option<Config> {
    let overrides = &sources.overrides;
    let (name, text) = match &sources.file {
        Some(path) => (path.display().to_string(), files::read(path, diagnostics)?),
        None => ("(embedded defaults)".to_owned(), String::new()),
    };
    let base = sources
        .file
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""))
        .to_owned();
    let document = document::parse(&name, &text, diagnostics)?;
    let root = document.value(diagnostics).fields()?;
    let mut warnings = Vec::new();
    let mut settings = settings::read(&root, &base, sources.file.is_none(), &mut warnings);
    settings.apply(overrides, diagnostics);
    if sources.mode == Mode::RoutesOnly {
        settings.limits = Limits::disabled();
        settings.delivery = Delivery::upstream();
        settings.alert_enrichment = None;
        settings.quiet = QuietConfig::upstream();
        settings.upstream_only = true;
        settings.auth = AuthConfig::default();
        settings.definitions = sql::Settings::default();
        settings.catalog = CatalogSettings::default();
    }
    settings.signer = sources.signer.clone();
    settings.logs.no_color = sources.no_color;
    let extras = sources.mode == Mode::Full;
    let listen = settings.listen(diagnostics);
    let scrape = scraping::read(
        &root,
        &settings,
        &base,
        extras,
        listen,
        overrides,
        diagnostics,
    );
    let mut watched: Vec<PathBuf> = sources.file.iter().cloned().collect();
    let mut rule_files = RuleFiles {
        base: &base,
        extras,
        watched: &mut watched,
        warnings: &mut warnings,
    };
    let rules = rule_files.read(&root, &settings, diagnostics);
    warnings.extend(rules.iter().flat_map(|group| {
        let too_far = |rule| looks_past_retention(group, rule, settings.retention);
        group.rules.iter().filter_map(too_far)
    }));
    warnings.extend(impatient_heartbeat(&settings, &scrape, &rules));
    if extras && settings.scrape_self && settings.auth.hides_metrics() {
        let message = "Outrigger does not scrape itself: its /metrics ask for a login";
        let remedy = "write a job named outrigger with an API key of scope monitoring:read as authorization, or set scrape_self to false";
        warnings.push(mistake("auth.public_metrics", message, remedy));
    }
    let enrich = match root.get("enrich") {
        Some(value) => crate::scrape::config::enrich::read(&value),
        None => EnrichConfig::zero_config(overrides.in_pod()),
    };
    let fallback = settings.delivery.fallback.as_ref().and_then(|_| {
        let delivery = root.get("delivery")?.fields()?;
        delivery.get("fallback_receiver")
    });
    root.finish();
    let external_url = listen.map_or_else(String::new, |listen| settings.external_url(listen));
    if settings.external_url.is_none() && listen.is_some_and(|listen| listen.ip().is_unspecified())
    {
        let message = format!("links in messages will begin with {external_url}");
        warnings.push(mistake(
            "external URL",
            message,
            "set web.external_url to the address people use",
        ));
    }
    let style = match sources.console {
        ConsoleStyle::Colored => Style::Colored,
        ConsoleStyle::Plain => Style::Plain,
        ConsoleStyle::Json => Style::Json,
    };
    let routing = routing::read(
        &settings,
        &external_url,
        style,
        now,
        &mut watched,
        diagnostics,
    );
    if let Some(directory) = &settings.runbooks {
        watched.push(directory.clone());
    }
    let definitions = settings.catalog.directory.as_ref().map(|directory| {
        watched.push(directory.clone());
        definitions::load(directory, diagnostics, &mut warnings)
    });
    warnings.extend(diagnostics.take_warnings());
    let routing::Read {
        routing,
        receivers,
        text: routing_text,
    } = routing?;
    if let (Some(value), Some(name)) = (fallback, &settings.delivery.fallback)
        && !receivers.tells_somebody(name)
    {
        value.error(
            format!("there is no receiver {name:?} with an integration"),
            "name a receiver of the alertmanager.yml that sends somewhere",
        );
    }
    Some(Config {
        file: sources.file.clone(),
        mode: sources.mode,
        collects_host: extras && settings.node.enabled,
        pod_variables: overrides.pod.clone(),
        listen: listen?,
        external_url,
        scrape,
        enrich,
        external_labels: settings.external_labels.clone(),
        rules,
        routing: Arc::new(routing),
        routing_text,
        receivers,
        definitions,
        watched,
        text: redact::secrets(&text),
        warnings,
        settings,
    })
}

/// What reading rule files needs to know, and adds to.
struct RuleFiles<'a> {
    base: &'a Path,
    extras: bool,
    watched: &'a mut Vec<PathBuf>,
    warnings: &'a mut Vec<Diagnostic>,
}

impl RuleFiles<'_> {
    /// The files that `rule_files` names, or the shipped ones.
    fn read(
        &mut self,
        root: &document::fields::Fields<'_>,
        settings: &Settings,
        diagnostics: &Diagnostics,
    ) -> Vec<GroupSpec> {
        let interval = settings.evaluation_interval;
        let mut groups = Vec::new();
        let mut seen = HashSet::new();
        let Some(patterns) = root.get("rule_files") else {
            if self.extras {
                for (name, text) in embedded::rules() {
                    groups.extend(rule_file::read(name, text, interval, diagnostics));
                }
            }
            return groups;
        };
        for pattern in patterns.items().unwrap_or_default() {
            let Some(text) = pattern.text() else { continue };
            let path = self.base.join(text);
            self.watched
                .push(path.parent().unwrap_or(Path::new("")).to_owned());
            let found = match files::expand(&path) {
                Ok(found) => found,
                Err(error) => {
                    pattern.error(error, "write a path; * stands for any file name");
                    continue;
                }
            };
            if found.is_empty() {
                // No mistake: Prometheus starts, and the files may come later.
                self.warnings.push(
                    pattern
                        .diagnostic(format!("no file fits {text:?}"))
                        .remedy("check the path, which is relative to this file"),
                );
            }
            for path in found {
                // Two patterns may name one file; its rules are there once.
                if !seen.insert(path.clone()) {
                    continue;
                }
                if !path.exists() {
                    let message = format!("there is no file {}", path.display());
                    pattern.error(message, "correct the path; * stands for any file name");
                    continue;
                }
                if let Some(text) = files::read(&path, diagnostics) {
                    let name = path.display().to_string();
                    groups.extend(rule_file::read(&name, &text, interval, diagnostics));
                }
            }
        }
        if self.extras {
            // Prometheus runs a rule that is written twice, and so does the exact mode; nobody ever means it.
            for repeated in diagnostics.take_warnings() {
                diagnostics.push(repeated);
            }
        }
        groups
    }
}

/// A warning where a rule reads samples that are no longer kept.
fn looks_past_retention(
    group: &GroupSpec,
    rule: &RuleSpec,
    retention: Duration,
) -> Option<Diagnostic> {
    let lookback = walk::max_lookback(&rule.expr) + group.query_offset;
    if lookback <= retention {
        return None;
    }
    let message = format!(
        "rule {:?} of group {:?} looks back {}, but samples are kept for {}",
        rule.name,
        group.name,
        duration::format(lookback),
        duration::format(retention)
    );
    let remedy = "raise storage.retention, or look back less far";
    Some(mistake(&group.file, message, remedy))
}

/// A warning where the heartbeat takes the ordinary pause between two scrapes or evaluations for a standstill.
fn impatient_heartbeat(
    settings: &Settings,
    scrape: &ScrapeConfigs,
    rules: &[GroupSpec],
) -> Option<Diagnostic> {
    let within = settings.heartbeat.as_ref()?.progress_within;
    let scrapes = scrape.jobs.iter().map(|job| job.scrape_interval).min();
    let evaluations = rules.iter().map(|group| group.interval).min();
    let longest = scrapes.max(evaluations)?;
    if within > longest {
        return None;
    }
    let message = format!(
        "heartbeat.progress_within is {}, but scrapes or evaluations are {} apart",
        duration::format(within),
        duration::format(longest)
    );
    let remedy = "raise progress_within to several intervals";
    Some(mistake("heartbeat", message, remedy))
}

/// A mistake that belongs to no place in a file.
pub(crate) fn mistake(file: &str, message: impl Into<String>, remedy: &str) -> Diagnostic {
    Diagnostic::new(file, Position::default(), "", message).remedy(remedy)
}

/// The default evaluation interval of a file that names none, as in Prometheus.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);
