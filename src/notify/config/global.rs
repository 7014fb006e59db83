//! The section `global`: what receivers inherit.

use std::path::Path;
use std::time::Duration;

use crate::document::fields::{Fields, Value};
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::net::tls::TlsConfig;
use crate::notify::http::settings::HttpConfig;

/// Alertmanager's default of `resolve_timeout`.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);

/// What receivers inherit.
#[derive(Clone, Debug)]
pub(super) struct Global {
    pub(super) resolve_timeout: Duration,
    pub(super) http: HttpConfig,
    pub(super) slack_api_url: Option<SecretSource>,
    pub(super) slack_app_token: Option<SecretSource>,
    pub(super) slack_app_url: Option<String>,
    pub(super) opsgenie_api_key: Option<SecretSource>,
    pub(super) opsgenie_api_url: Option<String>,
    pub(super) pagerduty_url: Option<String>,
    pub(super) telegram_api_url: Option<String>,
    pub(super) telegram_bot_token: Option<SecretSource>,
    pub(super) smtp: Smtp,
}

/// The keys that begin with `smtp_`.
#[derive(Clone, Debug, Default)]
pub(super) struct Smtp {
    pub(super) from: Option<String>,
    pub(super) hello: Option<String>,
    pub(super) smarthost: Option<(String, u16)>,
    pub(super) auth_username: Option<String>,
    pub(super) auth_password: Option<SecretSource>,
    pub(super) auth_secret: Option<SecretSource>,
    pub(super) auth_identity: Option<String>,
    pub(super) require_tls: Option<bool>,
    pub(super) force_implicit_tls: Option<bool>,
    pub(super) tls: Option<TlsConfig>,
}

/// Keys of integrations that are not there yet.
const NOT_YET: [&str; 17] = [
    "jira_api_url",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "victorops_api_key",
    "victorops_api_key_file",
    "victorops_api_url",
    "webex_api_url",
    "jira_api_type",
    "wechat_api_corp_id",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_url",
];

impl Global {
    pub(super) fn read(value: Option<&Value<'_>>, base: &Path) -> Self {
        let mut global = Self {
            resolve_timeout: RESOLVE_TIMEOUT,
            http: HttpConfig::default(),
            slack_api_url: None,
            slack_app_token: None,
            slack_app_url: None,
            opsgenie_api_key: None,
            opsgenie_api_url: None,
            pagerduty_url: None,
            telegram_api_url: None,
            telegram_bot_token: None,
            smtp: Smtp::default(),
        };
        let Some(fields) = value.and_then(Value::fields) else {
            return global;
        };
        if let Some(timeout) = fields.duration("resolve_timeout") {
            global.resolve_timeout = timeout;
        }
        let http = fields.get("http_config");
        if let Some(http) = http.and_then(|value| HttpConfig::read(&value, base)) {
            global.http = http;
        }
        global.slack_api_url =
            read_secret_pair(&fields, "slack_api_url", "slack_api_url_file", base);
        if let Some(SecretSource::Inline(url)) = &global.slack_api_url {
            check_url(&fields, "slack_api_url", url.expose());
        }
        global.slack_app_token =
            read_secret_pair(&fields, "slack_app_token", "slack_app_token_file", base);
        global.slack_app_url = read_url(&fields, "slack_app_url");
        global.opsgenie_api_key =
            read_secret_pair(&fields, "opsgenie_api_key", "opsgenie_api_key_file", base);
        global.opsgenie_api_url = read_url(&fields, "opsgenie_api_url");
        global.pagerduty_url = read_url(&fields, "pagerduty_url");
        global.telegram_api_url = read_url(&fields, "telegram_api_url");
        global.telegram_bot_token = read_secret_pair(
            &fields,
            "telegram_bot_token",
            "telegram_bot_token_file",
            base,
        );
        global.smtp = Smtp {
            from: fields.text("smtp_from"),
            hello: fields.text("smtp_hello"),
            smarthost: read_smarthost(&fields, "smtp_smarthost"),
            auth_username: fields.text("smtp_auth_username"),
            auth_password: read_secret_pair(
                &fields,
                "smtp_auth_password",
                "smtp_auth_password_file",
                base,
            ),
            auth_secret: read_secret_pair(
                &fields,
                "smtp_auth_secret",
                "smtp_auth_secret_file",
                base,
            ),
            auth_identity: fields.text("smtp_auth_identity"),
            require_tls: fields.bool("smtp_require_tls"),
            force_implicit_tls: fields.bool("smtp_force_implicit_tls"),
            tls: fields
                .get("smtp_tls_config")
                .and_then(|value| TlsConfig::read(&value, base)),
        };
        for key in NOT_YET {
            fields.refuse(
                key,
                "its integration is not there yet",
                "remove it; the README lists the integrations there are",
            );
        }
        fields.finish();
        global
    }
}

/// Reads `host:port`.
pub(super) fn read_smarthost(fields: &Fields<'_>, key: &'static str) -> Option<(String, u16)> {
    fields
        .get(key)?
        .parse("write host:port, such as mail.example.org:587", |text| {
            let (host, port) = text
                .rsplit_once(':')
                .ok_or_else(|| format!("no port in {text:?}"))?;
            let port: u16 = port.parse().map_err(|_| format!("not a port: {port:?}"))?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if host.is_empty() {
                return Err("no host".to_owned());
            }
            Ok::<_, String>((host.to_owned(), port))
        })
}

/// Reads an address that is no secret.
fn read_url(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    let url = fields.text(key)?;
    check_url(fields, key, &url);
    Some(url)
}

/// Reports an address that is none, without showing it: it may hold a token.
pub(super) fn check_url(fields: &Fields<'_>, key: &'static str, text: &str) {
    let Some(value) = fields.get(key) else {
        return;
    };
    let fault = match text.parse::<url::Url>() {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "unsupported scheme".to_owned(),
        Ok(url) if url.host().is_none() => "no host".to_owned(),
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    value.error(
        format!("not an address: {fault}"),
        "write https://host/path",
    );
}
