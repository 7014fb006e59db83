//! `webhooks` under `definitions` in `outrigger.yml`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::definitions::resource::Kind;
use crate::document::fields::{Fields, Value};
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::notify::http::settings::HttpConfig;

/// What is done to a definition.
pub const ACTIONS: [&str; 3] = ["create", "update", "delete"];

/// One webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookConfig {
    /// By which it keeps its place.
    pub name: String,
    /// Told of what happens; it may hold a token.
    pub url: SecretSource,
    /// Signs what is told.
    pub secret: SecretSource,
    /// What it wants to be told of.
    pub events: Vec<&'static str>,
    /// Of which kinds.
    pub kinds: Vec<Kind>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Who we are, certificates, headers, the way out.
    pub http: HttpConfig,
}

/// Reads the list under `webhooks`; files are relative to `base`.
pub fn read(definitions: &Fields<'_>, base: &Path) -> Vec<WebhookConfig> {
    let mut names = BTreeSet::new();
    let mut webhooks = Vec::new();
    for value in definitions.items("webhooks") {
        let Some(webhook) = one(&value, base) else {
            continue;
        };
        if !names.insert(webhook.name.clone()) {
            let message = format!("another webhook is named {:?} too", webhook.name);
            value.error(
                message,
                "give each its own name: it keeps the webhook's place",
            );
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn one(value: &Value<'_>, base: &Path) -> Option<WebhookConfig> {
    let fields = value.fields()?;
    let name = fields.required("name").and_then(|name| {
        let text = name.text()?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > 100 || !text.bytes().all(fits) {
            name.error("not a name", "write 1 to 100 letters, digits, _, - and .");
            return None;
        }
        Some(text.to_owned())
    });
    let url = read_secret_pair(&fields, "url", "url_file", base);
    if url.is_none() && fields.get("url").is_none() {
        value.error("no address to tell", "add `url:` or `url_file:`");
    }
    if let Some(given) = fields.get("url")
        && let Some(text) = given.text()
        && !text
            .parse::<url::Url>()
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    {
        // The text itself may hold a token.
        given.error("not an address", "write https://host/path");
    }
    let secret = read_secret_pair(&fields, "secret", "secret_file", base);
    if secret.is_none() && fields.get("secret").is_none() {
        value.error(
            "nothing to sign with",
            "add `secret_file:`, a file with at least 24 random bytes that the receiver knows too",
        );
    }
    let events = words(&fields, "events", &ACTIONS);
    let kinds = words(&fields, "kinds", &Kind::ALL.map(Kind::as_str));
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| kinds.contains(&kind.as_str()));
    let timeout = fields.duration_above_zero("timeout");
    let http = fields
        .get("http_config")
        .and_then(|value| HttpConfig::read(&value, base))
        .unwrap_or_default();
    let kinds = kinds.collect();
    fields.finish();
    Some(WebhookConfig {
        name: name?,
        url: url?,
        secret: secret?,
        events,
        kinds,
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        http,
    })
}

/// The words of a list that are known; all of them where it is absent.
fn words(fields: &Fields<'_>, key: &'static str, known: &[&'static str]) -> Vec<&'static str> {
    let given = fields.items(key);
    if given.is_empty() {
        return known.to_vec();
    }
    let mut found = Vec::new();
    for value in given {
        let Some(text) = value.text() else { continue };
        match known.iter().find(|word| **word == text) {
            Some(word) => found.push(*word),
            None => value.error(
                format!("unknown word {text:?}"),
                format!("write some of {}", known.join(", ")),
            ),
        }
    }
    found
}
