//! `outrigger explain alert`: why somebody was, or was not, told, from a running Outrigger's ledger.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::model::labels::{ALERT_NAME, Labels, is_legacy_label_name, quote};

use super::ask::{self, Server};
use super::terminal::{Paint, complain, print};
use super::{exit, labels};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell what was decided on an alert, and what became of its notifications. Exits with 1 where nobody knows the alert.
    Alert(AlertArgs),
}

#[derive(Debug, Args)]
struct AlertArgs {
    /// Labels that the alert carries (a first word without = is its name), or its fingerprint of 16 hexadecimal digits.
    #[arg(required = true, value_name = "LABEL=VALUE | FINGERPRINT")]
    alert: Vec<String>,
    /// Where Outrigger listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9797")]
    url: String,
    /// Only what was decided since: RFC 3339 or seconds since the epoch.
    #[arg(long, value_name = "TIME", value_parser = labels::time)]
    since: Option<crate::model::timestamp::Timestamp>,
    /// Entries of the ledger that are read at most, the newest first.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is asked about.
#[derive(Debug)]
enum Asked {
    Fingerprint(String),
    Labels(Labels),
}

impl Asked {
    fn read(words: &[String]) -> Result<Self, String> {
        match words {
            [word] if word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Self::Fingerprint(word.to_ascii_lowercase()))
            }
            words => labels::labels(words).map(Self::Labels),
        }
    }

    /// Whether an alert of a rule is meant.
    fn means(&self, labels: &Labels) -> bool {
        match self {
            Self::Fingerprint(text) => labels.fingerprint().to_string() == *text,
            Self::Labels(asked) => asked
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value)),
        }
    }
}

/// One alert, with what the ledger holds on it.
#[derive(Debug, Default)]
struct Story {
    labels: Labels,
    /// Oldest first.
    entries: Vec<Value>,
}

/// Does what the arguments say; returns the exit code.
pub(super) fn explain(args: &ExplainArgs, no_color: bool) -> u8 {
    let What::Alert(args) = &args.what;
    let asked = match Asked::read(&args.alert) {
        Ok(asked) => asked,
        Err(error) => {
            complain(&format!("{error}\n"));
            return exit::MISTAKES;
        }
    };
    let (ledger, rules) = match ask::wait(read(args, &asked)) {
        Ok(answers) => answers,
        Err(error) => {
            complain(&format!("ask {}: {error:#}\n", args.url));
            return exit::FAILED;
        }
    };
    let stories = stories(&ledger["data"]);
    let states = states(&rules["data"], &asked, &stories);
    let names = names(&rules["data"]);
    if args.json {
        let told: Vec<Value> = stories
            .iter()
            .map(|(fingerprint, story)| {
                json!({
                    "fingerprint": fingerprint,
                    "labels": story.labels,
                    "verdicts": verdicts(story),
                    "entries": story.entries,
                })
            })
            .collect();
        print(&format!("{}\n", json!({"alerts": told, "rules": states})));
    } else {
        print(&told(&stories, &states, &names, Paint::stdout(no_color)));
        if ledger["next"].is_string() {
            complain("there are older entries; --limit reads more\n");
        }
    }
    if stories.is_empty() && states.is_empty() {
        exit::FAILED
    } else {
        exit::OK
    }
}

async fn read(args: &AlertArgs, asked: &Asked) -> anyhow::Result<(Value, Value)> {
    let mut pairs = vec![("limit".to_owned(), args.limit.max(1).to_string())];
    match asked {
        Asked::Fingerprint(text) => pairs.push(("fingerprint".to_owned(), text.clone())),
        Asked::Labels(labels) => pairs.extend(labels.iter().map(|(name, value)| {
            let name = if is_legacy_label_name(name) {
                name.to_owned()
            } else {
                quote(name)
            };
            ("filter[]".to_owned(), format!("{name}={}", quote(value)))
        })),
    }
    if let Some(since) = args.since {
        pairs.push(("since".to_owned(), since.to_rfc3339()));
    }
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let server = Server::new(&args.url)?;
    let ledger = succeeded(server.get("/api/v2/ledger", &pairs).await?)?;
    let rules = server.get("/api/v1/rules", &[("type", "alert")]).await?;
    Ok((ledger, succeeded(rules)?))
}

fn succeeded(answer: Value) -> anyhow::Result<Value> {
    anyhow::ensure!(
        answer["status"] == "success",
        "{}",
        answer["error"].as_str().unwrap_or("it gave no reason")
    );
    Ok(answer)
}

/// The entries by alert; what became of a notification goes to each alert in it.
fn stories(entries: &Value) -> BTreeMap<String, Story> {
    let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    let mut concerned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in entries {
        let Some(fingerprint) = entry["fingerprint"].as_str() else {
            continue;
        };
        stories.entry(fingerprint.to_owned()).or_default().labels =
            serde_json::from_value(entry["labels"].clone()).unwrap_or_default();
        if let Some(notification) = notification(entry) {
            concerned.entry(notification).or_default().push(fingerprint);
        }
    }
    for entry in entries.iter().rev() {
        let whose: Vec<&str> = match entry["fingerprint"].as_str() {
            Some(fingerprint) => vec![fingerprint],
            None => {
                let known = notification(entry).and_then(|id| concerned.get(id));
                let mut whose = known.cloned().unwrap_or_default();
                whose.sort_unstable();
                whose.dedup();
                whose
            }
        };
        for fingerprint in whose {
            if let Some(story) = stories.get_mut(fingerprint) {
                story.entries.push(entry.clone());
            }
        }
    }
    stories
}

fn notification(entry: &Value) -> Option<&str> {
    let decision = &entry["decision"];
    decision["notification"]
        .as_str()
        .or_else(|| decision["digest"].as_str())
}

/// `receiver`, or `receiver slack[0]`.
fn whom(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    format!("{} {}", text("receiver"), text("integration"))
        .trim_end()
        .to_owned()
}

/// What it comes to for each receiver: the last decision that is more than "already known".
fn verdicts(story: &Story) -> Vec<String> {
    let mut last: BTreeMap<String, &Value> = BTreeMap::new();
    for entry in &story.entries {
        let says_nothing_new = entry["kind"] == "deduplicated";
        let place = whom(entry);
        if !says_nothing_new || !last.contains_key(&place) {
            last.insert(place, entry);
        }
    }
    last.iter()
        .map(|(whom, entry)| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            let verdict = match text("kind") {
                "delivered" | "deduplicated" => "told",
                "enqueued" => "on its way",
                "throttled" => "waits in a digest",
                "held_in_storm" => "waits in the summary of a storm",
                "held_flapping" => "told that it flaps",
                _ => "not told",
            };
            format!("{whom}: {verdict} ({}, {})", text("reason"), text("at"))
        })
        .collect()
}

/// What the rules say of the alert now: one object for each instance, or one for each rule without any.
fn states(rules: &Value, asked: &Asked, stories: &BTreeMap<String, Story>) -> Vec<Value> {
    let name = match asked {
        Asked::Labels(labels) => labels.get(ALERT_NAME).map(str::to_owned),
        Asked::Fingerprint(_) => stories
            .values()
            .find_map(|story| story.labels.get(ALERT_NAME).map(str::to_owned)),
    };
    let groups = rules["groups"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for group in groups {
        for rule in group["rules"].as_array().into_iter().flatten() {
            let alerts = rule["alerts"].as_array().into_iter().flatten();
            let meant: Vec<&Value> = alerts
                .filter(|alert| {
                    serde_json::from_value::<Labels>(alert["labels"].clone())
                        .is_ok_and(|labels| asked.means(&labels))
                })
                .collect();
            let state = |state: &Value, alert: &Value| {
                json!({
                    "rule": rule["name"],
                    "group": group["name"],
                    "state": state,
                    "labels": alert["labels"],
                    "activeAt": alert["activeAt"],
                    "for": rule["duration"],
                    "lastError": rule["lastError"],
                })
            };
            if meant.is_empty() && name.is_some() && rule["name"].as_str() == name.as_deref() {
                found.push(state(&json!("inactive"), &Value::Null));
            }
            found.extend(meant.iter().map(|alert| state(&alert["state"], alert)));
        }
    }
    found
}

/// The labels of every alert that the rules know, by fingerprint.
fn names(rules: &Value) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for group in rules["groups"].as_array().into_iter().flatten() {
        for rule in group["rules"].as_array().into_iter().flatten() {
            for alert in rule["alerts"].as_array().into_iter().flatten() {
                if let Ok(labels) = serde_json::from_value::<Labels>(alert["labels"].clone()) {
                    names.insert(labels.fingerprint().to_string(), labels.to_string());
                }
            }
        }
    }
    names
}

fn told(
    stories: &BTreeMap<String, Story>,
    states: &[Value],
    names: &BTreeMap<String, String>,
    paint: Paint,
) -> String {
    let mut out = String::new();
    for (fingerprint, story) in stories {
        out.push_str(&format!("alert {} ({fingerprint})\n", story.labels));
        for entry in &story.entries {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            out.push_str(&format!(
                "  {}  {}: {}\n",
                text("at"),
                whom(entry),
                text("reason")
            ));
            let by = entry["decision"]["by"].as_str();
            if let Some(source) = by.and_then(|by| names.get(by)) {
                out.push_str(&format!("    which is {source}\n"));
            }
        }
        for verdict in verdicts(story) {
            let verdict = if verdict.contains(": not told") {
                paint.bad(&verdict)
            } else {
                paint.good(&verdict)
            };
            out.push_str(&format!("  => {verdict}\n"));
        }
    }
    if stories.is_empty() {
        out.push_str("the ledger has no entry on such an alert\n");
    }
    for state in states {
        out.push_str(&state_text(state));
        if stories.is_empty() && state["state"] == "firing" {
            out.push_str("; nothing was decided yet: its group waits (group_wait of its route)");
        }
        out.push('\n');
    }
    if states.is_empty() {
        out.push_str(
            "no alert rule knows it: it comes from elsewhere, or its name or labels are others\n",
        );
    }
    out
}

fn state_text(state: &Value) -> String {
    let text = |key: &str| state[key].as_str().unwrap_or_default();
    let labels: Labels = serde_json::from_value(state["labels"].clone()).unwrap_or_default();
    let mut line = format!(
        "rule {} of group {}: ",
        quote(text("rule")),
        quote(text("group"))
    );
    line.push_str(&match text("state") {
        "pending" => format!(
            "{labels} is pending since {}: its condition has to hold for {} s before anybody is told",
            text("activeAt"),
            state["for"]
        ),
        "firing" => format!(
            "{labels} fires, its condition holds since {}",
            text("activeAt")
        ),
        _ => "inactive, its condition does not hold".to_owned(),
    });
    if let Some(error) = state["lastError"].as_str() {
        line.push_str(&format!("; its last evaluation failed: {error}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u32, alert: Option<&str>, integration: &str, decision: Value) -> Value {
        let labels = alert.map(|name| Labels::from_pairs([(ALERT_NAME, name)]));
        let kind = decision["decision"].clone();
        json!({
            "at": format!("t{at}"),
            "receiver": "team",
            "integration": integration,
            "fingerprint": labels.as_ref().map(|labels| labels.fingerprint().to_string()),
            "labels": labels,
            "kind": kind,
            "reason": format!("because {}", decision["decision"].as_str().unwrap()),
            "decision": decision,
        })
    }

    #[test]
    fn an_alerts_story_ends_in_a_verdict_for_each_receiver() {
        let enqueued = json!({"decision": "enqueued", "notification": "n"});
        let newest_first = json!([
            entry(6, Some("A"), "mail[0]", json!({"decision": "deduplicated"})),
            entry(
                5,
                None,
                "mail[0]",
                json!({"decision": "delivered", "notification": "n"})
            ),
            entry(
                4,
                None,
                "mail[0]",
                json!({"decision": "delivered", "notification": "other"})
            ),
            entry(3, Some("A"), "mail[0]", enqueued.clone()),
            entry(
                2,
                Some("A"),
                "chat[0]",
                json!({"decision": "throttled", "digest": "d"})
            ),
            entry(
                1,
                Some("B"),
                "",
                json!({"decision": "inhibited", "by": "x", "rule": "r"})
            ),
        ]);
        let stories = stories(&newest_first);
        let names = BTreeMap::from([("x".to_owned(), "{alertname=\"C\"}".to_owned())]);
        let text = told(&stories, &[], &names, Paint::stdout(true));
        let found = |part: &str| assert!(text.contains(part), "{part} is not in\n{text}");
        found("  t3  team mail[0]: because enqueued\n  t5  team mail[0]: because delivered\n");
        found("  => team mail[0]: told (because delivered, t5)\n");
        found("  => team chat[0]: waits in a digest (because throttled, t2)\n");
        found("  t1  team: because inhibited\n    which is {alertname=\"C\"}\n");
        found("  => team: not told (because inhibited, t1)\n");
        assert!(!text.contains("t4"), "another's notification: {text}");
    }

    #[test]
    fn rules_tell_why_there_is_no_entry() {
        let rule =
            |name: &str, alerts: Value| json!({"name": name, "duration": 60, "alerts": alerts});
        let rules = json!({"groups": [{"name": "g", "rules": [
            rule("A", json!([{"labels": {"alertname": "A", "x": "1"}, "state": "pending", "activeAt": "t"}])),
            rule("B", json!([])),
        ]}]});
        let check = |words: &[&str], want: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let asked = Asked::read(&words).unwrap();
            let found = states(&rules, &asked, &BTreeMap::new());
            let found: Vec<&str> = found
                .iter()
                .map(|state| state["state"].as_str().unwrap())
                .collect();
            assert_eq!(found, want, "{words:?}");
        };
        check(&["A"], &["pending"]);
        check(&["x=1"], &["pending"]);
        check(&["A", "x=2"], &["inactive"]);
        check(&["B"], &["inactive"]);
        check(&["C"], &[]);
        let labels = Labels::from_pairs([(ALERT_NAME, "A"), ("x", "1")]);
        check(&[&labels.fingerprint().to_string()], &["pending"]);
    }
}
