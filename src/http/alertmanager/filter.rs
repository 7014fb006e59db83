//! Which alerts, groups and silences are asked for.

use super::Fault;
use crate::alerts::dispatch::view::AlertSnapshot;
use crate::alerts::matchers;
use crate::http::params::Params;
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::notification::AlertStatus;
use crate::model::re2::anchored;
use crate::model::silence::Silence;

/// What is asked for among alerts. `unprocessed` is taken and means nothing: no alert is shown that was not looked at.
#[derive(Debug)]
pub(super) struct Filter {
    active: bool,
    silenced: bool,
    inhibited: bool,
    /// Whether groups that a time interval mutes are shown.
    pub(super) muted: bool,
    matchers: Vec<Matcher>,
    receiver: Option<regex::Regex>,
}

impl Filter {
    pub(super) fn read(params: &Params) -> Result<Self, Fault> {
        let receiver = params.get("receiver").map(|text| {
            anchored(text)
                .map_err(|error| Fault::bad(format!("failed to parse receiver param: {error}")))
        });
        Ok(Self {
            active: flag(params, "active"),
            silenced: flag(params, "silenced"),
            inhibited: flag(params, "inhibited"),
            muted: flag(params, "muted"),
            matchers: matchers_of(params)?,
            receiver: receiver.transpose()?,
        })
    }

    /// Whether a receiver is asked for.
    pub(super) fn takes_receiver(&self, name: &str) -> bool {
        self.receiver
            .as_ref()
            .is_none_or(|receiver| receiver.is_match(name))
    }

    /// Whether an alert is asked for, its receivers aside.
    pub(super) fn takes(&self, alert: &AlertSnapshot) -> bool {
        let (silenced, inhibited) = (!alert.silenced_by.is_empty(), alert.inhibited_by.is_some());
        alert.status == AlertStatus::Firing
            && (self.active || silenced || inhibited)
            && (self.silenced || !silenced)
            && (self.inhibited || !inhibited)
            && passes(&self.matchers, |name| alert.alert.labels.get(name))
    }
}

/// go-openapi's idea of a boolean; true where it is not given.
fn flag(params: &Params, name: &str) -> bool {
    const TRUE: [&str; 10] = [
        "true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled",
    ];
    params
        .get(name)
        .is_none_or(|text| TRUE.contains(&text.to_ascii_lowercase().as_str()))
}

/// The matchers of all `filter` parameters, one in each.
pub(super) fn matchers_of(params: &Params) -> Result<Vec<Matcher>, Fault> {
    let mut all = Vec::new();
    for text in params.all("filter") {
        let read = matchers::parse_one(text)
            .map_err(|reason| Fault::bad(format!("bad matcher format: {text}: {reason}")))?;
        all.push(read);
    }
    Ok(all)
}

/// Whether a silence is asked for: it has each of these matchers, operator and value the same.
pub(super) fn takes_silence(matchers: &[Matcher], silence: &Silence) -> bool {
    matchers
        .iter()
        .all(|matcher| silence.matchers.contains(matcher))
}

/// An empty value asks whether there is such a label.
fn passes<'l>(matchers: &[Matcher], label: impl Fn(&str) -> Option<&'l str>) -> bool {
    matchers.iter().all(|matcher| {
        let value = label(matcher.name());
        (matcher.value().is_empty() && value.is_some() == matcher.op().is_negative())
            || matcher.matches(value.unwrap_or(""))
    })
}

/// The labels as the API writes them.
pub(super) fn object(labels: &Labels) -> serde_json::Value {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
