//! `global`, `receivers` and `templates` of an `alertmanager.yml`, read into integrations.
//! See <https://prometheus.io/docs/alerting/latest/configuration/>.
//!
//! Two steps, since template files stand elsewhere: [`template_globs`] says which files are wanted, the caller reads
//! them, [`read`] reads the rest. Every template is parsed, and rendered for made-up notifications. What Alertmanager
//! knows and Outrigger does not is an error of its own, never ignored. `route`, `inhibit_rules` and time intervals are
//! `alerts`' affair; the caller ends the reading of the root.
//!
//! A receiver without integrations tells nobody, as in Alertmanager, where it is the usual way to drop alerts. Only what
//! the caller names in [`Console`] prints.

mod chats;
mod defaults;
mod email;
mod global;
mod opsgenie;
mod pagerduty;
mod slack;
mod telegram;
mod text;
mod webhook;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::global::Global;
use self::text::Texts;
use super::console::{self, Output, Style};
use super::http::settings::HttpConfig;
use super::integration::{Integration, Kind};
use super::outbox::Receivers;
use super::render::{SecretText, Surroundings};
use crate::document::diagnostics::Diagnostics;
use crate::document::fields::{Fields, Value};
use crate::document::{Kind as NodeKind, Node, Position};
use crate::model::notification;
use crate::model::signature::LateSigner;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::{SecretSource, read_secret_pair};

/// What reading needs beside the file.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The directory that relative paths start from: the file's own.
    pub base: &'a Path,
    /// Where people reach this process.
    pub external_url: &'a str,
    /// Whether requests carry nothing that Alertmanager's would not.
    pub upstream_only: bool,
    /// Signs the links by which people acknowledge and silence.
    pub signer: &'a LateSigner,
    /// Whether a Slack bot's messages are changed and answered where the file does not say.
    pub slack_threads: bool,
    /// The files of `templates`, read.
    pub templates: &'a [TemplateFile],
    /// Who prints.
    pub console: Console,
    /// The time shown in trial messages.
    pub now: Timestamp,
}

/// A template file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    /// Its path, for messages.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Which receivers print to the console.
#[derive(Clone, Default)]
pub enum Console {
    /// None.
    #[default]
    Off,
    /// Those without integrations: the embedded routing of a run without configuration.
    Empty(Output, Style),
    /// Those named, beside their integrations.
    Named(Vec<String>, Output, Style),
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Empty(_, style) => write!(f, "Empty({style:?})"),
            Self::Named(names, _, style) => write!(f, "Named({names:?}, {style:?})"),
        }
    }
}

/// What was read. Use it only where no mistake was reported.
#[derive(Debug)]
pub struct Loaded {
    /// After how long an alert without an end counts as ended.
    pub resolve_timeout: Duration,
    /// The receivers in the file's order.
    pub receivers: Vec<Receiver>,
}

/// One receiver.
#[derive(Debug)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    /// Where the name stands, for messages of the routes.
    pub position: Position,
    /// Its integrations, in the order they are told.
    pub integrations: Vec<Configured>,
}

/// One integration of a receiver.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Its kind, and its place among those of its kind.
    pub place: notification::Integration,
    /// Whether it is told of ends.
    pub send_resolved: bool,
    /// The integration.
    pub integration: Arc<dyn Integration>,
}

impl Loaded {
    /// Whether there is a receiver of this name, with an integration.
    pub fn tells_somebody(&self, name: &str) -> bool {
        let mut receivers = self.receivers.iter();
        receivers.any(|receiver| &*receiver.name == name && !receiver.integrations.is_empty())
    }

    /// The integrations for the outbox's worker.
    pub fn integrations(&self) -> Receivers {
        Receivers::new(self.receivers.iter().flat_map(|receiver| {
            receiver.integrations.iter().map(|configured| {
                let place = (Arc::clone(&receiver.name), configured.place.clone());
                (place, Arc::clone(&configured.integration))
            })
        }))
    }
}

/// The patterns under `templates`, as written; relative ones start from the file's directory.
pub fn template_globs(root: &Fields<'_>) -> Vec<(String, Position)> {
    let items = root.items("templates");
    let globs = items
        .iter()
        .filter_map(|item| Some((item.text()?.to_owned(), item.position())));
    globs.collect()
}

/// Reads `global` and `receivers`. Mistakes go where `root` sends them, those in template files to `diagnostics`.
pub fn read(root: &Fields<'_>, options: &Options<'_>, diagnostics: &Diagnostics) -> Loaded {
    let surroundings = Arc::new(Surroundings {
        upstream_only: options.upstream_only,
        signer: options.signer.clone(),
        external_url: options.external_url.trim_end_matches('/').to_owned(),
        templates: defaults::template_set(
            options.templates,
            writes_texts(root),
            options.upstream_only,
            diagnostics,
        ),
    });
    let global = Global::read(root.get("global").as_ref(), options.base);
    let reader = Reader {
        texts: Texts {
            surroundings: &surroundings,
            now: options.now,
            try_defaults: !options.templates.is_empty(),
        },
        surroundings: &surroundings,
        slack_threads: options.slack_threads && !options.upstream_only,
        global: &global,
        base: options.base,
        templates: options.templates,
    };
    let mut receivers: Vec<Receiver> = Vec::new();
    let mut seen: HashMap<Arc<str>, Position> = HashMap::new();
    if let Some(list) = root.required("receivers") {
        let items = list.items().unwrap_or_default();
        if items.is_empty() && matches!(list.node.kind, NodeKind::Sequence(_)) {
            list.error("no receivers", "add at least one, `- name: default`");
        }
        for item in items {
            let Some(receiver) = reader.receiver(&item, &options.console, options.external_url)
            else {
                continue;
            };
            if let Some(first) = seen.get(&receiver.name) {
                item.error(
                    format!(
                        "duplicate receiver {:?}, first written on line {}",
                        receiver.name, first.line
                    ),
                    "rename one of the two",
                );
            }
            seen.entry(Arc::clone(&receiver.name))
                .or_insert(receiver.position);
            receivers.push(receiver);
        }
    }
    Loaded {
        resolve_timeout: global.resolve_timeout,
        receivers,
    }
}

/// The integrations whose messages consist of what is in their files.
const WITHOUT_TEXTS: [&str; 2] = ["name", "webhook_configs"];

/// Whether any receiver sends texts of ours or calls a template; the others need none in memory.
fn writes_texts(root: &Fields<'_>) -> bool {
    // Only looked at here; mistakes are told when the receivers are read.
    let receivers = root.get("receivers");
    let Some(NodeKind::Sequence(receivers)) = receivers.as_ref().map(|value| &value.node.kind)
    else {
        return false;
    };
    receivers.iter().any(|receiver| match &receiver.kind {
        NodeKind::Mapping(entries) => entries.iter().any(|entry| {
            !WITHOUT_TEXTS.contains(&entry.key.as_str()) || calls_templates(&entry.value)
        }),
        NodeKind::Null | NodeKind::Scalar { .. } | NodeKind::Sequence(_) => false,
    })
}

fn calls_templates(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Null => false,
        NodeKind::Scalar { text, .. } => text.contains("{{"),
        NodeKind::Sequence(items) => items.iter().any(calls_templates),
        NodeKind::Mapping(entries) => entries.iter().any(|entry| calls_templates(&entry.value)),
    }
}

/// Reads receivers.
struct Reader<'a> {
    texts: Texts<'a>,
    surroundings: &'a Arc<Surroundings>,
    slack_threads: bool,
    global: &'a Global,
    base: &'a Path,
    templates: &'a [TemplateFile],
}

/// Integrations of Alertmanager that are not there yet, and what to use meanwhile.
const NOT_YET: [(&str, &str); 10] = [
    (
        "incidentio_configs",
        "webhook_configs with incident.io's Alertmanager source",
    ),
    (
        "jira_configs",
        "webhook_configs with a Jira automation's address",
    ),
    (
        "mattermost_configs",
        "slack_configs with Mattermost's incoming webhook",
    ),
    (
        "pushover_configs",
        "email_configs with Pushover's e-mail gateway",
    ),
    (
        "rocketchat_configs",
        "slack_configs with Rocket.Chat's incoming webhook",
    ),
    (
        "sns_configs",
        "webhook_configs with an address that publishes to SNS",
    ),
    (
        "victorops_configs",
        "webhook_configs with VictorOps's REST endpoint",
    ),
    ("webex_configs", "webhook_configs with a bridge to Webex"),
    ("wechat_configs", "webhook_configs with a bridge to WeChat"),
    ("onebot_configs", "webhook_configs with a bridge to OneBot"),
];

impl Reader<'_> {
    fn receiver(
        &self,
        item: &Value<'_>,
        console: &Console,
        external_url: &str,
    ) -> Option<Receiver> {
        let fields = item.fields()?;
        let name_value = fields.required("name");
        let name: Arc<str> = name_value.as_ref()?.text()?.into();
        if name.is_empty() {
            item.error("missing name in receiver", "give it a name");
        }
        let mut integrations = Vec::new();
        // In Alertmanager's order: it is the order in which the ledger and the API show them.
        macro_rules! read {
            ($($key:literal, $kind:ident, $send_resolved:literal, $read:path;)*) => {
                $(integrations.extend(self.list(&fields, $key, Kind::$kind, $send_resolved, $read));)*
            };
        }
        read! {
            "webhook_configs", Webhook, true, webhook::read;
            "email_configs", Email, false, email::read;
            "pagerduty_configs", PagerDuty, true, pagerduty::read;
            "opsgenie_configs", Opsgenie, true, opsgenie::read;
            "slack_configs", Slack, false, slack::read;
            "telegram_configs", Telegram, true, telegram::read;
            "discord_configs", Discord, true, chats::discord;
            "msteams_configs", MsTeams, true, chats::msteams;
            "msteamsv2_configs", MsTeamsV2, true, chats::msteamsv2;
        }
        for (key, instead) in NOT_YET {
            if let Some(value) = fields.get(key) {
                value.error(
                    format!("{key} are not supported yet"),
                    format!("use {instead}"),
                );
            }
        }
        // Labels of a receiver (Alertmanager 0.31 and later) are shown by its API alone.
        if let Some(labels) = fields.get("labels") {
            labels.pairs();
        }
        fields.finish();
        let prints = match console {
            Console::Off => None,
            Console::Empty(output, style) => integrations.is_empty().then_some((output, style)),
            Console::Named(names, output, style) => names
                .iter()
                .any(|named| **named == *name)
                .then_some((output, style)),
        };
        if let Some((output, style)) = prints {
            integrations.push(Configured {
                place: place(Kind::Console, 0),
                send_resolved: true,
                integration: Arc::new(console::Console {
                    output: Arc::clone(output),
                    style: *style,
                    external_url: external_url.to_owned(),
                }),
            });
        }
        Some(Receiver {
            name,
            position: name_value.map(|value| value.position()).unwrap_or_default(),
            integrations,
        })
    }

    /// The integration's own `http_config`, or else the global one.
    fn http(&self, fields: &Fields<'_>) -> HttpConfig {
        fields
            .get("http_config")
            .and_then(|value| HttpConfig::read(&value, self.base))
            .unwrap_or_else(|| self.global.http.clone())
    }

    /// Whether the user's files define a template of ours.
    fn replaces(&self, name: &str) -> bool {
        defaults::defines(self.templates, name)
    }

    /// A secret that may be a template, or stand in a file.
    fn secret_text(
        &self,
        fields: &Fields<'_>,
        inline: &'static str,
        file: &'static str,
    ) -> Option<SecretText> {
        match read_secret_pair(fields, inline, file, self.base)? {
            SecretSource::Inline(text) if text.expose().contains("{{") => {
                let value = fields.get(inline)?;
                let field = self.texts.compile(&value, text.expose(), false);
                Some(SecretText::Template(field))
            }
            source => Some(SecretText::Fixed(source)),
        }
    }

    /// Reads the integrations under one key.
    fn list<I: Integration + 'static>(
        &self,
        fields: &Fields<'_>,
        key: &'static str,
        kind: Kind,
        send_resolved: bool,
        read: fn(&Self, &Fields<'_>) -> Option<I>,
    ) -> Vec<Configured> {
        let items = fields.items(key);
        let configured = items.iter().enumerate().filter_map(|(index, item)| {
            let fields = item.fields()?;
            let send_resolved = fields.bool("send_resolved").unwrap_or(send_resolved);
            let integration = read(self, &fields);
            fields.finish();
            Some(Configured {
                place: place(kind, index),
                send_resolved,
                integration: Arc::new(integration?),
            })
        });
        configured.collect()
    }
}

fn place(kind: Kind, index: usize) -> notification::Integration {
    notification::Integration {
        kind: kind.as_str().into(),
        index,
    }
}

#[cfg(test)]
pub(crate) mod tests;
