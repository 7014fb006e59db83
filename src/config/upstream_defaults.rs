//! What Alertmanager adds to a file before it shows it under `config.original`: the defaults.
//!
//! Only keys that Alertmanager 0.25 knows: `amtool` reads what is shown and refuses what is unknown to it. Nothing is read
//! from here; the components have defaults of their own.

use serde_yaml::{Mapping, Value};

/// The addresses and switches of `global`.
const GLOBAL: [(&str, &str); 9] = [
    ("resolve_timeout", "5m"),
    ("smtp_hello", "localhost"),
    ("pagerduty_url", "https://events.pagerduty.com/v2/enqueue"),
    ("opsgenie_api_url", "https://api.opsgenie.com/"),
    ("wechat_api_url", "https://qyapi.weixin.qq.com/cgi-bin/"),
    (
        "victorops_api_url",
        "https://alert.victorops.com/integrations/generic/20131114/alert/",
    ),
    ("telegram_api_url", "https://api.telegram.org"),
    ("webex_api_url", "https://webexapis.com/v1/messages"),
    ("smtp_require_tls", "true"),
];

/// What an e-mail takes from `global`, and its texts.
const EMAIL: [(&str, &str); 3] = [
    ("from", "smtp_from"),
    ("hello", "smtp_hello"),
    ("smarthost", "smtp_smarthost"),
];

/// Slack's texts: the key, and the name of the template.
const SLACK: [(&str, &str); 11] = [
    ("username", "username"),
    ("color", "color"),
    ("title", "title"),
    ("title_link", "titlelink"),
    ("pretext", "pretext"),
    ("text", "text"),
    ("footer", "footer"),
    ("fallback", "fallback"),
    ("callback_id", "callbackid"),
    ("icon_emoji", "iconemoji"),
    ("icon_url", "iconurl"),
];

/// Integrations that are told of ends only where they ask for it.
const WITHOUT_RESOLVED: [&str; 2] = ["email_configs", "slack_configs"];

/// Adds what is missing; what is no mapping stays as it is.
pub(super) fn fill(file: &mut Value) {
    let Value::Mapping(root) = file else { return };
    if !root.contains_key("global") {
        root.insert("global".into(), Mapping::new().into());
    }
    let Some(Value::Mapping(global)) = root.get_mut("global") else {
        return;
    };
    for (key, value) in GLOBAL {
        let value = match value {
            "true" => true.into(),
            text => text.into(),
        };
        add(global, key, value);
    }
    if !global.contains_key("http_config") {
        global.insert("http_config".into(), Mapping::new().into());
    }
    if let Some(Value::Mapping(http)) = global.get_mut("http_config") {
        fill_http(http);
    }
    let global = global.clone();
    add(root, "templates", Value::Sequence(Vec::new()));
    if let Some(route) = root.get_mut("route") {
        fill_route(route);
    }
    let receivers = root.get_mut("receivers").and_then(Value::as_sequence_mut);
    for receiver in receivers.into_iter().flatten() {
        let Value::Mapping(receiver) = receiver else {
            continue;
        };
        for (key, list) in receiver.iter_mut() {
            let key = key.as_str().unwrap_or_default().to_owned();
            let integrations = list.as_sequence_mut().into_iter().flatten();
            for integration in integrations.filter_map(Value::as_mapping_mut) {
                fill_integration(&key, integration, &global);
            }
        }
    }
}

fn fill_http(http: &mut Mapping) {
    add(http, "follow_redirects", true.into());
    add(http, "enable_http2", true.into());
}

fn fill_route(route: &mut Value) {
    let Value::Mapping(route) = route else { return };
    add(route, "continue", false.into());
    let children = route.get_mut("routes").and_then(Value::as_sequence_mut);
    children.into_iter().flatten().for_each(fill_route);
}

fn fill_integration(key: &str, integration: &mut Mapping, global: &Mapping) {
    let tells_ends = !WITHOUT_RESOLVED.contains(&key);
    add(integration, "send_resolved", tells_ends.into());
    let template = |name: String| Value::from(format!("{{{{ template \"{name}\" . }}}}"));
    match key {
        "email_configs" => {
            for (key, from) in EMAIL {
                if let Some(value) = global.get(from) {
                    add(integration, key, value.clone());
                }
            }
            let tls = global.get("smtp_require_tls").cloned();
            add(integration, "require_tls", tls.unwrap_or(true.into()));
            add(
                integration,
                "html",
                template("email.default.html".to_owned()),
            );
            return;
        }
        "slack_configs" => {
            for (key, name) in SLACK {
                add(integration, key, template(format!("slack.default.{name}")));
            }
            add(integration, "short_fields", false.into());
            add(integration, "link_names", false.into());
        }
        "webhook_configs" => add(integration, "max_alerts", 0.into()),
        _ => {}
    }
    match integration.get_mut("http_config") {
        Some(Value::Mapping(http)) => fill_http(http),
        Some(_) => {}
        None => {
            let inherited = global.get("http_config").cloned();
            add(integration, "http_config", inherited.unwrap_or_default());
        }
    }
}

fn add(mapping: &mut Mapping, key: &str, value: Value) {
    if !mapping.contains_key(key) {
        mapping.insert(key.into(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_added_where_nothing_is_written() {
        let text = "global: {smtp_from: a@b.c, http_config: {follow_redirects: false}}\nroute: {receiver: r, routes: [{continue: true}]}\nreceivers:\n- name: r\n  email_configs: [{to: x@b.c}]\n  slack_configs: [{title: t}]\n  webhook_configs: [{url: http://h/}]\n";
        let mut file: Value = serde_yaml::from_str(text).unwrap();
        fill(&mut file);
        let at = |path: &str| {
            let steps = path.split('.');
            steps.fold(&file, |value, step| match step.parse::<usize>() {
                Ok(place) => &value[place],
                Err(_) => &value[step],
            })
        };
        let check = |path: &str, want: &str| {
            let want: Value = serde_yaml::from_str(want).unwrap();
            assert_eq!(at(path), &want, "{path}");
        };
        check("global.resolve_timeout", "5m");
        check(
            "global.http_config",
            "{follow_redirects: false, enable_http2: true}",
        );
        check("templates", "[]");
        check("route.continue", "false");
        check("route.routes.0.continue", "true");
        check("receivers.0.email_configs.0.from", "a@b.c");
        check("receivers.0.email_configs.0.send_resolved", "false");
        check("receivers.0.slack_configs.0.title", "t");
        check(
            "receivers.0.slack_configs.0.title_link",
            r#"'{{ template "slack.default.titlelink" . }}'"#,
        );
        check("receivers.0.webhook_configs.0.send_resolved", "true");
        check(
            "receivers.0.webhook_configs.0.http_config.follow_redirects",
            "false",
        );
    }
}
