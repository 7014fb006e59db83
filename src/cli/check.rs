//! `outrigger check`: what would go wrong at the start, all at once. `outrigger check rules`: rule files alone.

mod dashboards;
mod runbooks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::clock::Clock;
use crate::config::overrides::Environment;
use crate::config::{self, Sources, files};
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::rules::file::{self as rule_file, RuleKind};

use super::terminal::{Paint, complain, print};
use super::{SourceArgs, exit};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct CheckArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    sources: SourceArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check rule files alone. Exits with 2 on mistakes.
    Rules(RulesArgs),
    /// Check dashboards, the shipped ones or anybody's. Exits with 2 on mistakes.
    Dashboards(dashboards::DashboardsArgs),
    /// Check runbooks against the rules they are for, the shipped ones or anybody's. Exits with 2 on mistakes.
    Runbooks(runbooks::RunbooksArgs),
}

#[derive(Debug, Args)]
struct RulesArgs {
    /// Take no offence at unknown keys.
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Rule files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl CheckArgs {
    /// Checks what the arguments name; returns the exit code.
    pub(super) fn check(self, environment: Environment) -> u8 {
        match self.what {
            Some(What::Rules(args)) => check_rules(&args, environment.no_color),
            Some(What::Dashboards(args)) => dashboards::check(&args, environment.no_color),
            Some(What::Runbooks(args)) => runbooks::check(&args, environment.no_color),
            None => check(&self.sources.into_sources(environment)),
        }
    }
}

fn check_rules(args: &RulesArgs, no_color: bool) -> u8 {
    let paint = Paint::stdout(no_color);
    let mut code = exit::OK;
    for path in &args.files {
        print(&format!("Checking {}\n", path.display()));
        match count_rules(path, args.ignore_unknown_fields, paint) {
            Ok(text) => print(&format!("  {}: {text}\n", paint.good("SUCCESS"))),
            Err(mistakes) => {
                complain_of(&mistakes, Paint::stderr(no_color));
                code = exit::MISTAKES;
            }
        }
    }
    code
}

/// How many rules of each kind a file holds, or every mistake in it.
fn count_rules(path: &Path, lenient: bool, paint: Paint) -> Result<String, Vec<Diagnostic>> {
    let diagnostics = if lenient {
        Diagnostics::ignoring_unknown_keys()
    } else {
        Diagnostics::default()
    };
    let name = path.display().to_string();
    // The interval does not decide whether a file is right.
    let interval = Duration::from_secs(60);
    let groups = files::read(path, &diagnostics)
        .map(|text| rule_file::read(&name, &text, interval, &diagnostics))
        .unwrap_or_default();
    for warning in diagnostics.take_warnings() {
        print_warning(&warning, paint);
    }
    let mistakes = diagnostics.into_sorted();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let rules = groups.iter().flat_map(|group| &group.rules);
    let (recording, alerting): (Vec<_>, Vec<_>) =
        rules.partition(|rule| rule.kind == RuleKind::Recording);
    Ok(format!(
        "{} alerting and {} recording rules in {} groups",
        alerting.len(),
        recording.len(),
        groups.len()
    ))
}

/// Loads everything and says what was found; returns the exit code.
fn check(sources: &Sources) -> u8 {
    let paint = Paint::stdout(sources.no_color);
    match config::load(sources, Clock::system().now()) {
        Ok(config) => {
            for warning in &config.warnings {
                print_warning(warning, paint);
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
            report(&mistakes, sources);
            exit::MISTAKES
        }
    }
}

fn print_warning(warning: &Diagnostic, paint: Paint) {
    print(&format!("{} {warning}\n", paint.warn("warning:")));
}

/// Tells mistakes as the logs would be told: one JSON object a line where `--log-format json` asks for it, else as text.
pub(super) fn report(mistakes: &[Diagnostic], sources: &Sources) {
    if sources.overrides.log_format.as_deref() == Some("json") {
        for mistake in mistakes {
            complain(&format!("{}\n", as_json(mistake)));
        }
    } else {
        complain_of(mistakes, Paint::stderr(sources.no_color));
    }
}

fn as_json(mistake: &Diagnostic) -> serde_json::Value {
    let known = |number: u32| (number > 0).then_some(number);
    json!({
        "level": "ERROR",
        "message": mistake.to_string(),
        "file": mistake.file.as_ref(),
        "line": known(mistake.position.line),
        "column": known(mistake.position.column),
        "path": mistake.path,
        "mistake": mistake.message,
        "excerpt": mistake.excerpt,
        "remedy": mistake.remedy,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Position;

    #[test]
    fn a_mistake_for_a_machine_names_its_place_apart() {
        let place = Position { line: 3, column: 7 };
        let mistake = Diagnostic::new("a.yml", place, "groups[0]", "is wrong").remedy("mend it");
        let json = as_json(&mistake);
        assert_eq!(json["message"], "a.yml:3:7: groups[0]: is wrong; mend it");
        assert_eq!(
            (&json["file"], &json["line"], &json["column"]),
            (&json!("a.yml"), &json!(3), &json!(7))
        );
        assert_eq!(json["remedy"], "mend it");
        let nowhere = Diagnostic::new("--listen", Position::default(), "", "is wrong");
        assert!(as_json(&nowhere)["line"].is_null());
    }

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(count(0, "rule"), "0 rules");
        assert_eq!(count(1, "rule"), "1 rule");
    }
}
