//! `outrigger explain alert`: why somebody was, or was not, told, from a running Outrigger's ledger.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::alerts::story::{
    Entry, NO_ENTRY, NO_RULE, Outcome, RuleSays, Story, WAITS, stories, verdicts,
};
use crate::model::alert::AlertState;
use crate::model::labels::{ALERT_NAME, Fingerprint, Labels, is_legacy_label_name, quote};
use crate::model::timestamp::Timestamp;

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
    let raw = ledger["data"].as_array().map_or(&[][..], Vec::as_slice);
    let entries: Vec<Entry> = raw.iter().map(entry).collect();
    let stories = stories(&entries);
    let states = states(&rules["data"], &asked, &stories);
    let names = names(&rules["data"]);
    if args.json {
        let told: Vec<Value> = stories
            .iter()
            .map(|(fingerprint, story)| {
                let said = verdicts(story, &entries);
                let said: Vec<String> = said.iter().map(ToString::to_string).collect();
                let own: Vec<&Value> = story.entries.iter().map(|place| &raw[*place]).collect();
                json!({
                    "fingerprint": fingerprint.to_string(),
                    "labels": story.labels,
                    "verdicts": said,
                    "entries": own,
                })
            })
            .collect();
        print(&format!("{}\n", json!({"alerts": told, "rules": states})));
    } else {
        let says: Vec<RuleSays> = states.iter().map(says).collect();
        let paint = Paint::stdout(no_color);
        print(&told(&entries, &stories, &says, &names, paint));
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

/// An entry as the API writes it.
fn entry(entry: &Value) -> Entry {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let decision = &entry["decision"];
    let of = |key: &str| decision[key].as_str().map(str::to_owned);
    Entry {
        at: time(&entry["at"]).unwrap_or_default(),
        receiver: text("receiver"),
        integration: text("integration"),
        labels: entry["fingerprint"]
            .is_string()
            .then(|| serde_json::from_value(entry["labels"].clone()).unwrap_or_default()),
        kind: text("kind"),
        reason: text("reason"),
        notification: of("notification").or_else(|| of("digest")),
        inhibited_by: of("by"),
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.as_str()?).ok()
}

/// What the rules say of the alert now: one object for each instance, or one for each rule without any.
fn states(rules: &Value, asked: &Asked, stories: &BTreeMap<Fingerprint, Story>) -> Vec<Value> {
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
    entries: &[Entry],
    stories: &BTreeMap<Fingerprint, Story>,
    states: &[RuleSays],
    names: &BTreeMap<String, String>,
    paint: Paint,
) -> String {
    let mut out = String::new();
    for (fingerprint, story) in stories {
        out.push_str(&format!("alert {} ({fingerprint})\n", story.labels));
        for entry in story.entries.iter().map(|place| &entries[*place]) {
            let (at, whom, reason) = (entry.at.to_rfc3339(), entry.whom(), &entry.reason);
            out.push_str(&format!("  {at}  {whom}: {reason}\n"));
            let by = entry.inhibited_by.as_ref();
            if let Some(source) = by.and_then(|by| names.get(by)) {
                out.push_str(&format!("    which is {source}\n"));
            }
        }
        for verdict in verdicts(story, entries) {
            let text = verdict.to_string();
            let text = match verdict.outcome {
                Outcome::NotTold => paint.bad(&text),
                _ => paint.good(&text),
            };
            out.push_str(&format!("  => {text}\n"));
        }
    }
    if stories.is_empty() {
        out.push_str(&format!("{NO_ENTRY}\n"));
    }
    for state in states {
        out.push_str(&state.to_string());
        if stories.is_empty() && state.state == AlertState::Firing {
            out.push_str(&format!("; {WAITS}"));
        }
        out.push('\n');
    }
    if states.is_empty() {
        out.push_str(&format!("{NO_RULE}\n"));
    }
    out
}

fn says(state: &Value) -> RuleSays {
    let text = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
    RuleSays {
        rule: text("rule"),
        group: text("group"),
        state: serde_json::from_value(state["state"].clone()).unwrap_or(AlertState::Inactive),
        labels: serde_json::from_value(state["labels"].clone()).unwrap_or_default(),
        active_at: time(&state["activeAt"]),
        pending_for: state["for"].as_f64().unwrap_or_default(),
        last_error: state["lastError"].as_str().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_api_are_told_with_who_inhibits_and_a_verdict() {
        let given = |at: u32, alert: Option<&str>, decision: Value| {
            let labels = alert.map(|name| Labels::from_pairs([(ALERT_NAME, name)]));
            json!({
                "at": format!("2026-01-05T12:00:0{at}Z"),
                "receiver": "team",
                "integration": "",
                "fingerprint": labels.as_ref().map(|labels| labels.fingerprint().to_string()),
                "labels": labels,
                "kind": decision["decision"],
                "reason": format!("because {}", decision["decision"].as_str().unwrap()),
                "decision": decision,
            })
        };
        let newest_first = [
            given(
                3,
                None,
                json!({"decision": "delivered", "notification": "n"}),
            ),
            given(
                2,
                Some("A"),
                json!({"decision": "enqueued", "notification": "n"}),
            ),
            given(
                1,
                Some("B"),
                json!({"decision": "inhibited", "by": "x", "rule": "r"}),
            ),
        ];
        let entries: Vec<Entry> = newest_first.iter().map(entry).collect();
        let stories = stories(&entries);
        let names = BTreeMap::from([("x".to_owned(), "{alertname=\"C\"}".to_owned())]);
        let text = told(&entries, &stories, &[], &names, Paint::stdout(true));
        let found = |part: &str| assert!(text.contains(part), "{part} is not in\n{text}");
        found(
            "02.000Z  team: because enqueued\n  2026-01-05T12:00:03.000Z  team: because delivered\n",
        );
        found("  => team: told (because delivered, 2026-01-05T12:00:03.000Z)\n");
        found("01.000Z  team: because inhibited\n    which is {alertname=\"C\"}\n");
        found("  => team: not told (because inhibited, 2026-01-05T12:00:01.000Z)\n");
        found(NO_RULE);
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
