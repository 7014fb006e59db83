//! A configuration file as it may be shown.

use serde_yaml::Value;

use super::upstream_defaults;

/// Keys whose values are secrets, wherever they stand.
const SECRET_KEYS: [&str; 21] = [
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "secret",
    "secrets",
    "api_key",
    "auth_password",
    "auth_secret",
    "smtp_auth_password",
    "smtp_auth_secret",
    "slack_api_url",
    "api_url",
    "app_token",
    "routing_key",
    "service_key",
    "webhook_url",
    "bot_token",
    "user_key",
    "token",
    "api_secret",
];

/// The file's text with the values of secret keys, and passwords in addresses, replaced; comments and order of the
/// original are not kept. Empty where it is not YAML.
pub(super) fn secrets(text: &str) -> String {
    let Ok(mut value) = serde_yaml::from_str::<Value>(text) else {
        return String::new();
    };
    if value.is_null() {
        return String::new();
    }
    hide(&mut value);
    if let Some(heartbeat) = value.get_mut("heartbeat") {
        for key in ["url", "failure_url"] {
            hide_path(heartbeat.get_mut(key));
        }
    }
    let definitions = value.get_mut("definitions");
    let webhooks = definitions
        .and_then(|definitions| definitions.get_mut("webhooks"))
        .and_then(Value::as_sequence_mut);
    for webhook in webhooks.into_iter().flatten() {
        hide_path(webhook.get_mut("url"));
    }
    serde_yaml::to_string(&value).unwrap_or_default()
}

/// The same of an `alertmanager.yml`. The addresses of webhooks often hold a token in their path; what is shown stays an
/// address, which `amtool` insists on.
///
/// `with_defaults` adds what Alertmanager adds.
pub(super) fn routing(text: &str, with_defaults: bool) -> String {
    let Ok(mut value) = serde_yaml::from_str::<Value>(&secrets(text)) else {
        return String::new();
    };
    let receivers = value.get_mut("receivers").and_then(Value::as_sequence_mut);
    for receiver in receivers.into_iter().flatten() {
        let webhooks = receiver
            .get_mut("webhook_configs")
            .and_then(Value::as_sequence_mut);
        for webhook in webhooks.into_iter().flatten() {
            hide_path(webhook.get_mut("url"));
        }
    }
    if with_defaults {
        upstream_defaults::fill(&mut value);
    }
    serde_yaml::to_string(&value).unwrap_or_default()
}

/// Of an address that often holds a token only the host is shown.
fn hide_path(value: Option<&mut Value>) {
    if let Some(Value::String(text)) = value
        && let Ok(mut address) = text.parse::<url::Url>()
        && (address.path() != "/" || address.query().is_some())
    {
        address.set_path("xxxxx");
        address.set_query(None);
        *text = address.to_string();
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Mapping(mapping) => {
            for (key, value) in mapping.iter_mut() {
                if key.as_str().is_some_and(|key| SECRET_KEYS.contains(&key)) {
                    *value = Value::String("<secret>".to_owned());
                } else {
                    hide(value);
                }
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(hide),
        Value::String(text) => {
            if let Ok(mut address) = text.parse::<url::Url>()
                && address.password().is_some()
                && address.set_password(Some("xxxxx")).is_ok()
            {
                *text = address.to_string();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let text = "a:\n- basic_auth: {username: u, password: p1}\n  url: http://u:p2@host/x\n- authorization: {credentials: p3}\n- http_headers: {X-Key: {secrets: [p4]}}\n";
        let shown = secrets(text);
        for secret in ["p1", "p2", "p3", "p4"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("username: u") && shown.contains("host/x"));
    }

    #[test]
    fn a_webhooks_token_is_hidden_and_its_address_stays_one() {
        let text = "receivers:\n- name: a\n  webhook_configs:\n  - url: http://u:p2@host:1/p3?key=p4\n  slack_configs:\n  - api_url: http://p5/\n- name: b\n";
        let shown = routing(text, false);
        for secret in ["p2", "p3", "p4", "p5"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(
            shown.contains("@host:1/xxxxx") && shown.contains("name: b"),
            "{shown}"
        );
    }
}
