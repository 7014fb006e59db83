//! `outrigger routes show` and `outrigger routes test`: what the routing does, read from its file alone.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::alerts::explain::{Explanation, Taken, explain, matchers_text};
use crate::alerts::inhibit::InhibitRule;
use crate::alerts::interval::NamedInterval;
use crate::alerts::route::{GroupBy, Route, RouteRef, Routing};
use crate::clock::Clock;
use crate::config::overrides::{Environment, Overrides};
use crate::config::{Sources, routing};
use crate::model::duration;
use crate::model::labels::{Labels, quote};
use crate::model::timestamp::Timestamp;

use super::check::complain_of;
use super::terminal::{Paint, complain, print};
use super::{exit, labels};

#[derive(Debug, Args)]
pub(super) struct RoutesArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the tree of routes and the inhibition rules.
    Show(SourceArgs),
    /// Say who would be told of an alert with these labels, how, and what could keep it quiet.
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// The routing, in Alertmanager's format. Without it the one that Outrigger would use here.
    #[arg(
        long,
        visible_alias = "config.file",
        value_name = "FILE",
        conflicts_with = "config"
    )]
    alertmanager_config: Option<PathBuf>,
    /// outrigger.yml, whose alertmanager_config is read. Without it outrigger.yml here is used, where there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct TestArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Time at which mute and active intervals are looked at: RFC 3339 or seconds since the epoch; now where absent.
    #[arg(long, value_name = "TIME", value_parser = labels::time)]
    at: Option<Timestamp>,
    /// The receivers expected, separated by commas, in order; exits with 1 where others are found.
    #[arg(long, visible_alias = "verify.receivers", value_name = "NAMES")]
    verify_receivers: Option<String>,
    /// The alert's labels; a first word without = is its name.
    #[arg(required = true, value_name = "LABEL=VALUE")]
    labels: Vec<String>,
}

/// Does what the arguments say; returns the exit code.
pub(super) fn routes(args: RoutesArgs, environment: Environment) -> u8 {
    let no_color = environment.no_color;
    let now = Clock::system().now();
    let (source, test) = match args.what {
        What::Show(source) => (source, None),
        What::Test(mut args) => match labels::labels(&args.labels) {
            Ok(labels) => {
                args.at.get_or_insert(now);
                let TestArgs {
                    source,
                    at,
                    verify_receivers,
                    ..
                } = args;
                (source, Some((labels, at.unwrap_or(now), verify_receivers)))
            }
            Err(error) => {
                complain(&format!("{error}\n"));
                return exit::MISTAKES;
            }
        },
    };
    let json = source.json;
    let (file, routing) = match routing::load(&source.into_sources(environment), now) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            complain_of(&mistakes, Paint::stderr(no_color));
            return exit::MISTAKES;
        }
    };
    match test {
        None => {
            if json {
                print(&format!("{}\n", tree_json(&routing)));
            } else {
                print(&format!("{file}\n{}", tree(&routing)));
            }
            exit::OK
        }
        Some((labels, at, expected)) => {
            let explanation = explain(&routing, &labels, at);
            if json {
                print(&format!(
                    "{}\n",
                    explanation_json(&explanation, &labels, at)
                ));
            } else {
                print(&told(&explanation, &labels, at));
            }
            verify(&explanation, expected.as_deref(), Paint::stderr(no_color))
        }
    }
}

impl SourceArgs {
    fn into_sources(self, environment: Environment) -> Sources {
        // A routing file that is named needs nothing beside it.
        let file = match (&self.alertmanager_config, self.config) {
            (Some(_), _) => None,
            (None, Some(path)) => Some(path),
            (None, None) => {
                let here = || Some(PathBuf::from("outrigger.yml")).filter(|path| path.exists());
                environment.config.or_else(here)
            }
        };
        Sources {
            file,
            overrides: Overrides {
                alertmanager_config: self
                    .alertmanager_config
                    .or(environment.overrides.alertmanager_config),
                ..Overrides::default()
            },
            ..Sources::default()
        }
    }
}

fn verify(explanation: &Explanation<'_>, expected: Option<&str>, paint: Paint) -> u8 {
    let found = receivers(explanation).join(",");
    match expected {
        Some(expected) if expected != found => {
            complain(&format!(
                "{} expected receivers {expected}, found {found}\n",
                paint.bad("error:")
            ));
            exit::FAILED
        }
        Some(_) | None => exit::OK,
    }
}

fn receivers<'a>(explanation: &'a Explanation<'_>) -> Vec<&'a str> {
    let taken = explanation.taken.iter();
    taken.map(|taken| &*taken.route.receiver.name).collect()
}

/// The tree, one route a line and its settings below, then the inhibition rules.
fn tree(routing: &Routing) -> String {
    let mut out = String::new();
    branch(routing, 0, "", "", &mut out);
    if !routing.inhibit_rules.is_empty() {
        out.push_str("inhibition\n");
    }
    for rule in &routing.inhibit_rules {
        out.push_str(&format!(
            "  rule {}: {} inhibits {}{}\n",
            rule.name,
            matchers_text(&rule.source),
            matchers_text(&rule.target),
            equal_names(rule)
        ));
    }
    out
}

fn branch(routing: &Routing, index: RouteRef, first: &str, rest: &str, out: &mut String) {
    let route = &routing.routes[index];
    let goes_on = if route.continues { ", continue" } else { "" };
    out.push_str(&format!(
        "{first}{} -> {}{goes_on}\n",
        matchers_text(&route.matchers),
        route.receiver.name
    ));
    let bar = if route.children.is_empty() {
        "  "
    } else {
        "│ "
    };
    out.push_str(&format!(
        "{rest}{bar}  {}, {}{}\n",
        group_by_text(&route.group_by),
        timers(route),
        times(route)
    ));
    for (i, child) in route.children.iter().enumerate() {
        let (first, below) = if i + 1 == route.children.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        branch(
            routing,
            *child,
            &format!("{rest}{first}"),
            &format!("{rest}{below}"),
            out,
        );
    }
}

fn group_by_text(group_by: &GroupBy) -> String {
    match group_by {
        GroupBy::All => "group_by [...]".to_owned(),
        GroupBy::Labels(names) => format!("group_by [{}]", names.join(", ")),
    }
}

fn timers(route: &Route) -> String {
    format!(
        "group_wait {}, group_interval {}, repeat_interval {}",
        duration::format(route.group_wait),
        duration::format(route.group_interval),
        duration::format(route.repeat_interval)
    )
}

fn times(route: &Route) -> String {
    let list = |what: &str, intervals: &[_]| match intervals {
        [] => String::new(),
        intervals => format!(", {what} [{}]", names(intervals).join(", ")),
    };
    list("muted in", &route.mute) + &list("active in", &route.active)
}

fn names(intervals: &[std::sync::Arc<NamedInterval>]) -> Vec<&str> {
    intervals
        .iter()
        .map(|interval| interval.name.as_str())
        .collect()
}

/// Labels that must be equal, and the sources that must fire too.
fn equal_names(rule: &InhibitRule) -> String {
    let equal = |equal: &[String]| match equal {
        [] => String::new(),
        names => format!(" where equal: {}", names.join(", ")),
    };
    let more = rule.more.iter().map(|source| {
        let matchers = matchers_text(&source.matchers);
        format!(", together with {matchers}{}", equal(&source.equal))
    });
    equal(&rule.equal) + &more.collect::<String>()
}

/// The answer for a person.
fn told(explanation: &Explanation<'_>, labels: &Labels, at: Timestamp) -> String {
    let mut out = format!("alert {labels} at {}\n", at.to_rfc3339());
    for taken in &explanation.taken {
        let path: Vec<String> = taken
            .path
            .iter()
            .map(|route| matchers_text(&route.matchers))
            .collect();
        out.push_str(&format!(
            "\nreceiver {} ({})\n  route   {}\n  group   {}\n  timers  {}\n  times   {}\n",
            taken.route.receiver.name,
            integrations(taken.route),
            path.join(" > "),
            taken.group_key,
            timers(taken.route),
            standing(taken)
        ));
    }
    if explanation.target_of.is_empty() && explanation.source_of.is_empty() {
        out.push_str("\nno inhibition rule concerns it\n");
        return out;
    }
    out.push_str("\ninhibition\n");
    for rule in &explanation.target_of {
        out.push_str(&format!(
            "  rule {}: kept quiet while {} fires{}\n",
            rule.name,
            matchers_text(&rule.source),
            equal_values(rule, labels)
        ));
    }
    for rule in &explanation.source_of {
        out.push_str(&format!(
            "  rule {}: while it fires, keeps {} quiet{}\n",
            rule.name,
            matchers_text(&rule.target),
            equal_values(rule, labels)
        ));
    }
    out
}

fn integrations(route: &Route) -> String {
    let targets = &route.receiver.targets;
    if targets.is_empty() {
        return "no integration: nobody is told".to_owned();
    }
    let texts: Vec<&str> = targets.iter().map(|target| &*target.text).collect();
    texts.join(", ")
}

fn standing(taken: &Taken<'_>) -> String {
    if taken.inactive {
        return format!(
            "inactive: outside of {}",
            names(&taken.route.active).join(", ")
        );
    }
    if taken.muted_by.is_empty() {
        "not muted".to_owned()
    } else {
        format!("muted by {}", taken.muted_by.join(", "))
    }
}

fn equal_values(rule: &InhibitRule, labels: &Labels) -> String {
    if rule.equal.is_empty() {
        return String::new();
    }
    let values: Vec<String> = rule
        .equal
        .iter()
        .map(|name| format!("{name}={}", quote(labels.value(name))))
        .collect();
    format!(" with {}", values.join(", "))
}

fn route_json(route: &Route) -> Value {
    json!({
        "matchers": matchers_text(&route.matchers),
        "receiver": route.receiver.name.as_ref(),
        "integrations": route.receiver.targets.iter().map(|target| target.text.as_ref()).collect::<Vec<_>>(),
        "continue": route.continues,
        "groupBy": match &route.group_by {
            GroupBy::All => vec!["..."],
            GroupBy::Labels(names) => names.iter().map(String::as_str).collect(),
        },
        "groupWait": duration::format(route.group_wait),
        "groupInterval": duration::format(route.group_interval),
        "repeatInterval": duration::format(route.repeat_interval),
        "muteTimeIntervals": names(&route.mute),
        "activeTimeIntervals": names(&route.active),
    })
}

fn tree_json(routing: &Routing) -> Value {
    fn branch(routing: &Routing, index: RouteRef) -> Value {
        let route = &routing.routes[index];
        let mut json = route_json(route);
        let children = route.children.iter().map(|child| branch(routing, *child));
        json["routes"] = children.collect();
        json
    }
    json!({
        "route": branch(routing, 0),
        "inhibitRules": routing.inhibit_rules.iter().map(rule_json).collect::<Vec<_>>(),
    })
}

fn rule_json(rule: &InhibitRule) -> Value {
    json!({
        "name": rule.name,
        "source": matchers_text(&rule.source),
        "target": matchers_text(&rule.target),
        "equal": rule.equal,
        "together": rule
            .more
            .iter()
            .map(|source| json!({"source": matchers_text(&source.matchers), "equal": source.equal}))
            .collect::<Value>(),
    })
}

fn explanation_json(explanation: &Explanation<'_>, labels: &Labels, at: Timestamp) -> Value {
    let taken = |taken: &Taken<'_>| {
        let mut json = route_json(taken.route);
        let path = taken.path.iter();
        json["path"] = path.map(|route| matchers_text(&route.matchers)).collect();
        json["groupKey"] = json!(taken.group_key.as_ref());
        json["groupLabels"] = json!(taken.group_labels);
        json["muted"] = json!(taken.is_muted());
        json["mutedBy"] = json!(taken.muted_by);
        json["inactive"] = json!(taken.inactive);
        json
    };
    let rules =
        |rules: &[&InhibitRule]| rules.iter().map(|rule| rule_json(rule)).collect::<Value>();
    json!({
        "labels": labels,
        "at": at.to_rfc3339(),
        "receivers": receivers(explanation),
        "routes": explanation.taken.iter().map(taken).collect::<Vec<_>>(),
        "inhibition": {
            "targetOf": rules(&explanation.target_of),
            "sourceOf": rules(&explanation.source_of),
        },
    })
}
