//! Alertmanager's `http_config`.

use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::oauth2::OAuth2;
use crate::document::fields::{Fields, Value};
use crate::model::secret::Secret;
use crate::net::credentials::{self, Authorization, CustomHeader};
use crate::net::tls::TlsConfig;

/// Alertmanager's `http_config`.
/// See <https://prometheus.io/docs/alerting/latest/configuration/#http_config>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpConfig {
    /// Who we are.
    pub authorization: Option<Authorization>,
    /// Certificates.
    pub tls: TlsConfig,
    /// Whether redirects within the same origin are followed.
    pub follow_redirects: bool,
    /// Headers sent with each request.
    pub headers: Vec<CustomHeader>,
    /// The way out, where there is no direct one.
    pub proxy: Proxy,
    /// Where access tokens come from.
    pub oauth2: Option<OAuth2>,
}

/// The way out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Proxy {
    /// No proxy.
    #[default]
    Direct,
    /// As `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    Environment,
    /// This one; its address may hold a password.
    Url {
        /// The proxy's address.
        url: Secret,
        /// Hosts that are reached directly, comma-separated.
        except: Option<String>,
        /// Headers of `CONNECT` requests.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            authorization: None,
            tls: TlsConfig::default(),
            follow_redirects: true,
            headers: Vec::new(),
            proxy: Proxy::Direct,
            oauth2: None,
        }
    }
}

impl Proxy {
    /// Whether the proxy itself is reached over TLS.
    pub(super) fn is_secure(&self) -> bool {
        match self {
            Self::Direct => false,
            Self::Environment => true,
            Self::Url { url, .. } => url.expose().starts_with("https:"),
        }
    }
}

impl HttpConfig {
    /// Reads the mapping under `http_config`; files are relative to `base`.
    pub fn read(value: &Value<'_>, base: &Path) -> Option<Self> {
        let fields = value.fields()?;
        let config = Self {
            authorization: credentials::read_authorization(&fields, base),
            tls: fields
                .get("tls_config")
                .and_then(|value| TlsConfig::read(&value, base))
                .unwrap_or_default(),
            follow_redirects: fields.bool("follow_redirects").unwrap_or(true),
            headers: credentials::read_headers(&fields, base),
            proxy: read_proxy(&fields),
            oauth2: fields
                .get("oauth2")
                .and_then(|value| OAuth2::read(&value, base)),
        };
        if config.oauth2.is_some() && config.authorization.is_some() {
            value.error(
                "oauth2 and another authorization exclude each other",
                "keep one of them",
            );
        }
        // Webhooks are sent over HTTP/1.1 by Alertmanager too; the key is common in pasted files.
        fields.bool("enable_http2");
        fields.finish();
        Some(config)
    }
}

/// Reads `proxy_url`, `no_proxy`, `proxy_from_environment` and `proxy_connect_header`.
pub(super) fn read_proxy(fields: &Fields<'_>) -> Proxy {
    let except = fields.text("no_proxy");
    let environment = fields.bool("proxy_from_environment") == Some(true);
    let headers = read_connect_headers(fields);
    let Some(value) = fields.get("proxy_url") else {
        if let Some(header) = fields.get("proxy_connect_header") {
            header.error(
                "proxy_connect_header without proxy_url",
                "add proxy_url, or remove it",
            );
        }
        return if environment {
            Proxy::Environment
        } else {
            Proxy::Direct
        };
    };
    if environment {
        value.error(
            "proxy_url and proxy_from_environment exclude each other",
            "keep one of them",
        );
    }
    let Some(text) = value.text() else {
        return Proxy::Direct;
    };
    if reqwest::Proxy::all(text).is_err() {
        value.error(
            "proxy_url is not an address",
            "write http://host:port of the proxy",
        );
    }
    Proxy::Url {
        url: Secret::new(text),
        except,
        headers,
    }
}

fn read_connect_headers(fields: &Fields<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let pairs = fields
        .get("proxy_connect_header")
        .and_then(|value| value.pairs());
    for (name, value) in pairs.unwrap_or_default() {
        let Ok(name) = name.parse::<HeaderName>() else {
            value.error("not a header name", "use letters, digits and dashes");
            continue;
        };
        for text in value.texts().unwrap_or_default() {
            match HeaderValue::from_str(&text) {
                Ok(mut text) => {
                    text.set_sensitive(true);
                    headers.push((name.clone(), text));
                }
                Err(_) => value.error(
                    "the value holds characters that no header may hold",
                    "remove line breaks and control characters",
                ),
            }
        }
    }
    headers
}
