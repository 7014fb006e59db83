//! A configuration file as it may be shown.

use serde_yaml::Value;

/// Keys whose values are secrets, wherever they stand.
const SECRET_KEYS: [&str; 15] = [
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
    serde_yaml::to_string(&value).unwrap_or_default()
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
}
