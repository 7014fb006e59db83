//! Prometheus's `http_client_config`: the keys that stand inline in a scrape configuration.
//! See <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config>.

use std::path::Path;

use super::credentials::{self, Authorization, CustomHeader};
use super::tls::TlsConfig;
use crate::document::fields::Fields;

/// How to talk to one kind of target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpClientConfig {
    /// Who we are.
    pub authorization: Option<Authorization>,
    /// Certificates.
    pub tls: TlsConfig,
    /// Whether 301, 302, 303, 307 and 308 lead on.
    pub follow_redirects: bool,
    /// Sent with every request to the target's own origin.
    pub headers: Vec<CustomHeader>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            authorization: None,
            tls: TlsConfig::default(),
            follow_redirects: true,
            headers: Vec::new(),
        }
    }
}

impl HttpClientConfig {
    /// Takes the client's keys out of a mapping that holds others too; files are relative to `base`.
    pub fn read(fields: &Fields<'_>, base: &Path) -> Self {
        let authorization = credentials::read_authorization(fields, base);
        let tls = fields
            .get("tls_config")
            .and_then(|value| TlsConfig::read(&value, base))
            .unwrap_or_default();
        let headers = credentials::read_headers(fields, base);
        // Answers are asked for over HTTP/1.1 either way; the key is common in pasted files and changes nothing else.
        fields.bool("enable_http2");
        let direct = "remove it, or put the target behind an address that can be reached directly";
        for key in ["proxy_url", "proxy_connect_header", "no_proxy"] {
            fields.refuse(key, "targets are reached directly", direct);
        }
        if let Some(value) = fields.get("proxy_from_environment")
            && value.bool() == Some(true)
        {
            value.error(
                "proxy_from_environment is not supported: targets are reached directly",
                direct,
            );
        }
        fields.refuse(
            "oauth2",
            "tokens are not fetched",
            "write the token to a file and name it in authorization.credentials_file",
        );
        Self {
            authorization,
            tls,
            follow_redirects: fields.bool("follow_redirects").unwrap_or(true),
            headers,
        }
    }
}
