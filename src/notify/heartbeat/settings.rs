//! `heartbeat:` of `outrigger.yml`.

use std::path::Path;
use std::time::Duration;

use crate::document::fields::{Fields, Value};
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::notify::http::settings::HttpConfig;

/// The heartbeat's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeartbeatConfig {
    /// Pinged while everything works; it often holds a token.
    pub url: SecretSource,
    /// Told while something stands still; nobody where absent.
    pub failure_url: Option<SecretSource>,
    /// How both are asked.
    pub method: Method,
    /// Between two pings.
    pub interval: Duration,
    /// How long ago the last progress of a component may be.
    pub progress_within: Duration,
    /// How long one ping may take.
    pub timeout: Duration,
    /// Who we are, certificates, headers, the way out.
    pub http: HttpConfig,
}

/// How an address is pinged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// With nothing in it.
    Get,
    /// With a short JSON text that says how it stands.
    Post,
}

/// Reads the mapping under `heartbeat`; files are relative to `base`.
pub fn read(root: &Fields<'_>, base: &Path) -> Option<HeartbeatConfig> {
    let fields = root.get("heartbeat")?.fields()?;
    let url = read_secret_pair(&fields, "url", "url_file", base);
    if url.is_none() && fields.get("url").is_none() {
        fields.value().error(
            "no address to ping",
            "add `url:` or `url_file:`, such as the address of a check at healthchecks.io",
        );
    }
    let failure_url = read_secret_pair(&fields, "failure_url", "failure_url_file", base);
    for key in ["url", "failure_url"] {
        if let Some(value) = fields.get(key) {
            check_url(&value);
        }
    }
    let method = fields.get("method").and_then(|value| {
        value.parse("write GET or POST", |text| match text {
            "GET" | "get" => Ok(Method::Get),
            "POST" | "post" => Ok(Method::Post),
            other => Err(format!("unknown method {other:?}")),
        })
    });
    let duration = |key: &'static str, default| fields.duration_above_zero(key).unwrap_or(default);
    let interval = duration("interval", Duration::from_secs(60));
    let progress_within = duration("progress_within", Duration::from_secs(300));
    let timeout = duration("timeout", Duration::from_secs(10));
    let http = fields
        .get("http_config")
        .and_then(|value| HttpConfig::read(&value, base))
        .unwrap_or_default();
    fields.finish();
    Some(HeartbeatConfig {
        url: url?,
        failure_url,
        method: method.unwrap_or(Method::Get),
        interval,
        progress_within,
        timeout,
        http,
    })
}

fn check_url(value: &Value<'_>) {
    let Some(text) = value.text() else { return };
    let fits = text
        .parse::<url::Url>()
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !fits {
        // The text itself may hold a token.
        value.error("not an address", "write https://host/path");
    }
}
