//! `outrigger routes show` and `outrigger routes test`: what the routing does, read from its file alone.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::alerts::explain::{explain, json as shown, matchers_text};
use crate::alerts::inhibit::InhibitRule;
use crate::alerts::interval::NamedInterval;
use crate::alerts::route::{GroupBy, Route, RouteRef, Routing};
use crate::clock::Clock;
use crate::config::overrides::{Environment, Overrides};
use crate::config::{Sources, routing};
use crate::model::duration;
use crate::model::labels::{Labels, quote};
use crate::model::matcher::Matcher;
use crate::model::silence::MatcherFields;
use crate::model::timestamp::Timestamp;

use super::ask::{Server, wait};
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
    /// Ask a running Outrigger, which knows its silences and what fires, instead of reading files.
    #[arg(long, value_name = "URL", conflicts_with_all = ["alertmanager_config", "config", "silences"])]
    url: Option<String>,
    /// Send a test notification, marked [TEST], through the receivers found; by the Outrigger at --url,
    /// http://127.0.0.1:9797 where that is absent.
    #[arg(long, conflicts_with_all = ["alertmanager_config", "config", "silences", "at"])]
    send: bool,
    /// Silences to look at: JSON as /api/v2/silences and `amtool -o json silence query` write it.
    #[arg(long, value_name = "FILE")]
    silences: Option<PathBuf>,
    /// The receivers expected, separated by commas, in order; exits with 1 where others are found.
    #[arg(long, visible_alias = "verify.receivers", value_name = "NAMES")]
    verify_receivers: Option<String>,
    /// The alert's labels; a first word without = is its name.
    #[arg(required = true, value_name = "LABEL=VALUE")]
    labels: Vec<String>,
}

/// Where a running Outrigger is looked for.
const DEFAULT_URL: &str = "http://127.0.0.1:9797";

/// Does what the arguments say; returns the exit code.
pub(super) fn routes(args: RoutesArgs, environment: Environment) -> u8 {
    match args.what {
        What::Show(source) => show(source, environment),
        What::Test(args) => test(args, environment),
    }
}

fn show(source: SourceArgs, environment: Environment) -> u8 {
    let json = source.json;
    let Some((file, routing)) = load(source, environment) else {
        return exit::MISTAKES;
    };
    if json {
        print(&format!("{}\n", tree_json(&routing)));
    } else {
        print(&format!("{file}\n{}", tree(&routing)));
    }
    exit::OK
}

fn load(source: SourceArgs, environment: Environment) -> Option<(String, Routing)> {
    let paint = Paint::stderr(environment.no_color);
    let loaded = routing::load(&source.into_sources(environment), Clock::system().now());
    loaded
        .map_err(|mistakes| complain_of(&mistakes, paint))
        .ok()
}

fn test(args: TestArgs, environment: Environment) -> u8 {
    let paint = Paint::stderr(environment.no_color);
    let json = args.source.json;
    let expected = args.verify_receivers.clone();
    let labels = match labels::labels(&args.labels) {
        Ok(labels) => labels,
        Err(error) => {
            complain(&format!("{error}\n"));
            return exit::MISTAKES;
        }
    };
    let answer = if args.send || args.url.is_some() {
        match asked(&args, &labels) {
            Ok(answer) => answer,
            Err(error) => {
                complain(&format!("{} {error:#}\n", paint.bad("error:")));
                return exit::FAILED;
            }
        }
    } else {
        match read(args, &labels, environment) {
            Some(answer) => answer,
            None => return exit::MISTAKES,
        }
    };
    if json {
        print(&format!("{answer}\n"));
    } else {
        print(&told(&answer));
    }
    let failed = |sent: &Value| sent["delivered"] == false;
    if items(&answer["sent"]).iter().any(failed) {
        return exit::FAILED;
    }
    verify(&answer, expected.as_deref(), paint)
}

/// What a running Outrigger says, and does.
fn asked(args: &TestArgs, labels: &Labels) -> anyhow::Result<Value> {
    let url = args.url.as_deref().unwrap_or(DEFAULT_URL);
    let mut request = json!({"labels": labels, "send": args.send});
    if let Some(at) = args.at {
        request["at"] = json!(at.to_rfc3339());
    }
    let mut answer = wait(async {
        let server = Server::new(url)?;
        server.post_json("/api/v1/routes/test", &request).await
    })?;
    let error = answer["error"].as_str();
    anyhow::ensure!(
        answer["status"] == "success",
        "{url} refuses: {}",
        error.unwrap_or("it says nothing of why; is it older than this program?")
    );
    Ok(answer["data"].take())
}

/// What the files say.
fn read(args: TestArgs, labels: &Labels, environment: Environment) -> Option<Value> {
    let at = args.at.unwrap_or_else(|| Clock::system().now());
    let silenced_by = match &args.silences {
        None => None,
        Some(path) => match silenced_by(path, labels, at) {
            Ok(ids) => Some(ids),
            Err(error) => {
                complain(&format!("{}: {error:#}\n", path.display()));
                return None;
            }
        },
    };
    let (_, routing) = load(args.source, environment)?;
    let mut answer = shown::explanation(&explain(&routing, labels, at), labels, at);
    if let Some(ids) = silenced_by {
        answer["silencedBy"] = json!(ids);
    }
    Some(answer)
}

/// A silence as Alertmanager's API writes it, as far as it matters here.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct SilenceFields {
    id: String,
    matchers: Vec<MatcherFields>,
    starts_at: String,
    ends_at: String,
}

/// The ids of a file's silences that hold for these labels at an instant.
fn silenced_by(
    path: &std::path::Path,
    labels: &Labels,
    at: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let silences: Vec<SilenceFields> = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut ids = Vec::new();
    for silence in silences {
        let time = |text: &str| {
            Timestamp::parse_rfc3339(text).map_err(|error| anyhow::anyhow!("{text:?}: {error}"))
        };
        let (starts_at, ends_at) = (time(&silence.starts_at)?, time(&silence.ends_at)?);
        let mut matchers = Vec::new();
        for fields in silence.matchers {
            matchers.push(Matcher::try_from(fields)?);
        }
        let matches = |matcher: &Matcher| matcher.matches_labels(labels);
        if starts_at <= at && at < ends_at && matchers.iter().all(matches) {
            ids.push(silence.id);
        }
    }
    Ok(ids)
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

fn verify(answer: &Value, expected: Option<&str>, paint: Paint) -> u8 {
    let found = list(&answer["receivers"]).join(",");
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
fn told(answer: &Value) -> String {
    let labels: Labels = serde_json::from_value(answer["labels"].clone()).unwrap_or_default();
    let mut out = format!("alert {labels} at {}\n", text(answer, "at"));
    for route in items(&answer["routes"]) {
        out.push_str(&format!(
            "\nreceiver {} ({})\n  route   {}\n  group   {}\n  timers  {}\n  times   {}\n",
            text(route, "receiver"),
            integrations(route),
            list(&route["path"]).join(" > "),
            text(route, "groupKey"),
            format_args!(
                "group_wait {}, group_interval {}, repeat_interval {}",
                text(route, "groupWait"),
                text(route, "groupInterval"),
                text(route, "repeatInterval")
            ),
            standing(route)
        ));
    }
    let silences = list(&answer["silencedBy"]);
    if !silences.is_empty() {
        out.push_str(&format!("\nsilenced by {}\n", silences.join(", ")));
    }
    if let Some(by) = answer["inhibitedBy"].as_str() {
        out.push_str(&format!("\ninhibited by alert {by}\n"));
    }
    out.push_str(&inhibition(&answer["inhibition"], &labels));
    if answer["sent"].is_array() {
        out.push_str("\ntests sent\n");
        for sent in items(&answer["sent"]) {
            let (receiver, integration) = (text(sent, "receiver"), text(sent, "integration"));
            let outcome = match sent["delivered"].as_bool() {
                Some(true) => format!("delivered: {}", text(sent, "status")),
                _ => format!("not delivered: {}", text(sent, "error")),
            };
            out.push_str(&format!("  {receiver} {integration}: {outcome}\n"));
            for failure in list(&sent["templateFailures"]) {
                out.push_str(&format!("    built-in text, because {failure}\n"));
            }
        }
    }
    out
}

fn inhibition(rules: &Value, labels: &Labels) -> String {
    let (target_of, source_of) = (items(&rules["targetOf"]), items(&rules["sourceOf"]));
    if target_of.is_empty() && source_of.is_empty() {
        return "\nno inhibition rule concerns it\n".to_owned();
    }
    let mut out = "\ninhibition\n".to_owned();
    for rule in target_of {
        out.push_str(&format!(
            "  rule {}: kept quiet while {} fires{}\n",
            text(rule, "name"),
            text(rule, "source"),
            equal_values(rule, labels)
        ));
    }
    for rule in source_of {
        out.push_str(&format!(
            "  rule {}: while it fires, keeps {} quiet{}\n",
            text(rule, "name"),
            text(rule, "target"),
            equal_values(rule, labels)
        ));
    }
    out
}

fn integrations(route: &Value) -> String {
    let integrations = list(&route["integrations"]);
    if integrations.is_empty() {
        return "no integration: nobody is told".to_owned();
    }
    integrations.join(", ")
}

fn standing(route: &Value) -> String {
    if route["inactive"] == true {
        return format!(
            "inactive: outside of {}",
            list(&route["activeTimeIntervals"]).join(", ")
        );
    }
    match list(&route["mutedBy"]) {
        muted_by if muted_by.is_empty() => "not muted".to_owned(),
        muted_by => format!("muted by {}", muted_by.join(", ")),
    }
}

fn equal_values(rule: &Value, labels: &Labels) -> String {
    let equal = list(&rule["equal"]);
    if equal.is_empty() {
        return String::new();
    }
    let values: Vec<String> = equal
        .iter()
        .map(|name| format!("{name}={}", quote(labels.value(name))))
        .collect();
    format!(" with {}", values.join(", "))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn list(value: &Value) -> Vec<&str> {
    items(value).iter().filter_map(Value::as_str).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn tree_json(routing: &Routing) -> Value {
    fn branch(routing: &Routing, index: RouteRef) -> Value {
        let route = &routing.routes[index];
        let mut json = shown::route(route);
        let children = route.children.iter().map(|child| branch(routing, *child));
        json["routes"] = children.collect();
        json
    }
    json!({
        "route": branch(routing, 0),
        "inhibitRules": routing.inhibit_rules.iter().map(shown::rule).collect::<Vec<_>>(),
    })
}
