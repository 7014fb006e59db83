//! `outrigger check runbooks`: what is wrong with runbooks, and which of their queries return nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::files;
use crate::dashboards::shipped;
use crate::document::diagnostics::Diagnostics;
use crate::embedded;
use crate::promql::{comparison, parser};
use crate::rules::file::{self as rule_file, RuleKind};
use crate::runbooks::lint::{AlertRule, BlockFound, lint};
use crate::runbooks::placeholders::has_words;

use super::super::ask::{self, Server};
use super::super::exit;
use super::super::terminal::{Paint, complain, print};
use super::count;

#[derive(Debug, Args)]
pub(super) struct RunbooksArgs {
    /// Rule files, or folders of them, whose alerts the runbooks are for; the shipped ones where none is given.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    /// Run every query on this Outrigger or Prometheus, and name those that return nothing. Exits with 1 where there is one.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "http://127.0.0.1:9797")]
    live: Option<String>,
    /// Runbooks, or folders of them; the shipped ones where none is given.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks runbooks; returns the exit code.
pub(super) fn check(args: &RunbooksArgs, no_color: bool) -> u8 {
    let diagnostics = Diagnostics::default();
    let texts = match args.files.is_empty() {
        true => of_embedded("runbooks", embedded::runbooks()),
        false => files::texts(&args.files, &["md"], &diagnostics),
    };
    let rule_texts = match args.rules.is_empty() {
        true => of_embedded("rules", embedded::rules()),
        false => files::texts(&args.rules, &["yml", "yaml"], &diagnostics),
    };
    let rules: Vec<AlertRule> = rule_texts
        .iter()
        .flat_map(|(name, text)| alerts(name, text, &diagnostics))
        .collect();
    let found = lint(&texts, &rules, &shipped::NAMES, &diagnostics);
    let mistakes = diagnostics.into_sorted();
    let (out, err) = (Paint::stdout(no_color), Paint::stderr(no_color));
    for mistake in &mistakes {
        complain(&format!("{} {mistake}\n", err.bad("error:")));
    }
    if mistakes.is_empty() {
        print(&format!(
            "{} {} for {}, {}\n",
            out.good("ok:"),
            count(texts.len(), "page"),
            count(rules.len(), "alerting rule"),
            queries(found.len()),
        ));
    } else {
        complain(&format!("{}\n", count(mistakes.len(), "mistake")));
    }
    let live = args.live.as_deref().map(|url| run_live(url, &found, out));
    match (mistakes.is_empty(), live) {
        (false, _) => exit::MISTAKES,
        (true, Some(code)) => code,
        (true, None) => exit::OK,
    }
}

fn queries(number: usize) -> String {
    let plural = if number == 1 { "y" } else { "ies" };
    format!("{number} quer{plural}")
}

fn of_embedded(folder: &str, files: &[(&str, &str)]) -> Vec<(String, String)> {
    let named = |(name, text): &(&str, &str)| (format!("{folder}/{name}"), (*text).to_owned());
    files.iter().map(named).collect()
}

/// The alerting rules of a file, with their lines.
fn alerts(name: &str, text: &str, diagnostics: &Diagnostics) -> Vec<AlertRule> {
    // The interval does not decide whether a file is right.
    let groups = rule_file::read(name, text, Duration::from_secs(60), diagnostics);
    let mut lines = text.lines().zip(1u32..);
    let rules = groups.into_iter().flat_map(|group| group.rules);
    rules
        .filter_map(|rule| {
            let RuleKind::Alerting { annotations, .. } = &rule.kind else {
                return None;
            };
            // Rules come in the order of the file: each is looked for behind the one before it.
            let is_here = |line: &str| {
                let value = line.trim_start_matches([' ', '-']).strip_prefix("alert:");
                value.is_some_and(|value| {
                    let value = value.split(" #").next().unwrap_or_default();
                    value.trim().trim_matches(['"', '\'']) == rule.name
                })
            };
            let mut ahead = lines.clone();
            let line = ahead.find(|(line, _)| is_here(line));
            if line.is_some() {
                lines = ahead;
            }
            let of = |pairs: &[(String, String)], wanted: &str| {
                let pair = pairs.iter().find(|(name, _)| name == wanted);
                pair.map(|(_, value)| value.clone())
            };
            Some(AlertRule {
                severity: of(&rule.labels, "severity"),
                runbook_url: of(annotations, "runbook_url"),
                alert: rule.name,
                file: name.to_owned(),
                line: line.map_or(0, |(_, number)| number),
            })
        })
        .collect()
}

fn run_live(url: &str, found: &[BlockFound], paint: Paint) -> u8 {
    // What a placeholder stands for is known of an alert alone.
    let (open, run): (Vec<_>, Vec<_>) = found.iter().partition(|block| has_words(&block.query));
    match ask::wait(empty(url, &run)) {
        Ok(empty) => {
            for line in &empty {
                print(&format!("{} {line}\n", paint.warn("empty:")));
            }
            print(&format!(
                "{} of {} return something on {url}{}\n",
                run.len() - empty.len(),
                queries(run.len()),
                match open.len() {
                    0 => String::new(),
                    left => format!("; {left} with placeholders were not run"),
                }
            ));
            if empty.is_empty() {
                exit::OK
            } else {
                exit::FAILED
            }
        }
        Err(error) => {
            complain(&format!("ask {url}: {error:#}\n"));
            exit::FAILED
        }
    }
}

async fn empty(url: &str, blocks: &[&BlockFound]) -> anyhow::Result<Vec<String>> {
    let server = Server::new(url)?;
    let mut empty = Vec::new();
    for block in blocks {
        let told = |reason: &str| {
            let query = block.query.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{}:{}: {reason} for {query}", block.file, block.line)
        };
        let mut reason = Some("no series".to_owned());
        for query in looked_at(&block.query) {
            let answer = server.post("/api/v1/query", &[("query", &query)]).await?;
            let result = answer["data"]["result"].as_array();
            if answer["status"] != "success" {
                reason = answer["error"].as_str().map(str::to_owned);
            } else if result.is_some_and(|result| !result.is_empty()) {
                reason = None;
                break;
            }
        }
        empty.extend(reason.map(|reason| told(&reason)));
    }
    Ok(empty)
}

/// What a query looks at: of a comparison the values, for that nothing passes it is good news.
fn looked_at(query: &str) -> Vec<String> {
    let Ok(expr) = parser::parse(query) else {
        return vec![query.to_owned()];
    };
    let ways = comparison::readings(&expr);
    ways.iter().map(|way| way.values.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_right() {
        let diagnostics = Diagnostics::default();
        let texts = of_embedded("runbooks", embedded::runbooks());
        let rules: Vec<AlertRule> = of_embedded("rules", embedded::rules())
            .iter()
            .flat_map(|(name, text)| alerts(name, text, &diagnostics))
            .collect();
        assert!(rules.len() > 20 && rules.iter().all(|rule| rule.line > 0));
        lint(&texts, &rules, &shipped::NAMES, &diagnostics);
        let mistakes: Vec<String> = diagnostics
            .into_sorted()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(mistakes.is_empty(), "{mistakes:#?}");
    }

    #[test]
    fn rules_are_found_at_their_lines() {
        let text = "groups:\n- name: g\n  rules:\n  - record: a\n    expr: b\n  - alert: A # one\n    expr: b\n  - {alert: B, expr: b}\n\
                    \x20 - expr: b\n    alert: \"A\"\n    labels: {severity: info}\n    annotations: {runbook_url: u}\n";
        let found = alerts("r.yml", text, &Diagnostics::default());
        let told: Vec<(&str, u32)> = found
            .iter()
            .map(|rule| (rule.alert.as_str(), rule.line))
            .collect();
        // In a flow mapping the line is not looked for.
        assert_eq!(told, [("A", 6), ("B", 0), ("A", 10)]);
        assert_eq!(found[2].severity.as_deref(), Some("info"));
        assert_eq!(found[2].runbook_url.as_deref(), Some("u"));
    }

    #[test]
    fn of_a_comparison_the_values_are_looked_at() {
        assert_eq!(looked_at("up == 0"), ["up"]);
        assert_eq!(looked_at("a > 1 or b > 2"), ["a", "b"]);
        assert_eq!(looked_at("sum(a)"), ["sum(a)"]);
    }
}
