//! What a reload has changed, in words and lines. What is compared holds no secrets: where only a secret differs, nothing
//! is shown.

use std::fmt::Write as _;

use crate::config::Config;
use crate::document::diff::{self, Line};
use crate::model::duration;
use crate::rules::file::{GroupSpec, RuleKind};

/// Lines of a diff that are kept, of each file.
const MAX_LINES: usize = 400;

/// The texts that differ, by name, each with its old and its new form.
pub(super) fn between(texts: &[(&str, &String, &String)]) -> Vec<(String, Vec<Line>, usize)> {
    texts
        .iter()
        .filter_map(|(name, old, new)| {
            let (lines, more) = diff::lines(old, new, MAX_LINES);
            (!lines.is_empty()).then(|| ((*name).to_owned(), lines, more))
        })
        .collect()
}

/// The rules as read, a line for each thing that can be said of one.
pub(super) fn rules(groups: &[GroupSpec]) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        writeln!(out, "{text}").expect("writing to a string cannot fail");
    };
    for group in groups {
        line(format_args!(
            "{}: group {} every {}",
            group.file,
            group.name,
            duration::format(group.interval)
        ));
        for rule in &group.rules {
            match &rule.kind {
                RuleKind::Recording => line(format_args!("  record {}", rule.name)),
                RuleKind::Alerting { .. } => line(format_args!("  alert {}", rule.name)),
            }
            line(format_args!("    expr {}", rule.query.replace('\n', " ")));
            for (name, value) in &rule.labels {
                line(format_args!("    label {name} {value:?}"));
            }
            if let RuleKind::Alerting { holds, annotations } = &rule.kind {
                for (name, hold) in [
                    ("for", holds.pending_for),
                    ("keep_firing_for", holds.keep_firing_for),
                ] {
                    if !hold.is_zero() {
                        line(format_args!("    {name} {}", duration::format(hold)));
                    }
                }
                for (name, value) in annotations {
                    line(format_args!("    annotation {name} {value:?}"));
                }
            }
        }
    }
    out
}

/// Settings of the process and its limits, each with the metric that says how near it is; empty where there is none.
pub(super) fn settings(config: &Config) -> Vec<(&'static str, String, &'static str)> {
    let settings = &config.settings;
    let auth = match settings.auth.enabled {
        true => "on",
        false => "off",
    };
    let ledger = format!(
        "{}, at most {} entries",
        duration::format(settings.ledger_retention),
        settings.ledger_entries
    );
    vec![
        ("Data directory", settings.data.display().to_string(), ""),
        ("Authentication", auth.to_owned(), ""),
        ("Samples are kept", duration::format(settings.retention), ""),
        (
            "Series",
            settings.series_limit.to_string(),
            "outrigger_storage_series",
        ),
        (
            "Evaluation interval",
            duration::format(settings.evaluation_interval),
            "",
        ),
        (
            "Query time-out",
            duration::format(settings.query_timeout),
            "",
        ),
        ("Query look-back", duration::format(settings.lookback), ""),
        (
            "Samples of one query",
            settings.query_samples.to_string(),
            "",
        ),
        (
            "Queries at once",
            settings.query_concurrency.to_string(),
            "outrigger_queries_refused_total",
        ),
        (
            "Connections",
            settings.max_connections.to_string(),
            "outrigger_http_connections",
        ),
        (
            "Pages that follow",
            settings.max_event_streams.to_string(),
            "outrigger_http_event_streams",
        ),
        ("Ledger is kept", ledger, ""),
    ]
}
