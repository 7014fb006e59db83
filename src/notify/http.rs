//! Outgoing HTTP of the integrations: Alertmanager's `http_config`, one client per configuration, answers in classes.
//!
//! Clients are built at the first send, so that a receiver never used costs nothing, and again for every send where
//! certificates stand in files, so that rotated ones count. A redirect is followed only to the same origin and only
//! where it keeps the method (307, 308): a `POST` that becomes a `GET` would look delivered and is not, and secrets
//! stay with the host they were given for.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::OnceCell;

use super::integration::{Reason, SendError};
use crate::document::fields::{Fields, Value};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::{self, Authorization, CredentialsError, CustomHeader, SecretSource};
use crate::net::tls::TlsConfig;
use crate::telemetry::traces;

/// How long one attempt may take where nothing else is configured.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of an answer is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How much of an answer is quoted in an error, in characters.
const MAX_QUOTED_CHARS: usize = 200;
/// The longest wait the other side may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;
const AGENT: &str = concat!("Outrigger/", env!("CARGO_PKG_VERSION"));

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
        };
        // Webhooks are sent over HTTP/1.1 by Alertmanager too; the key is common in pasted files.
        fields.bool("enable_http2");
        fields.refuse(
            "oauth2",
            "tokens are not fetched yet",
            "write the token to a file and name it in authorization.credentials_file",
        );
        fields.refuse(
            "proxy_connect_header",
            "proxies get no headers of their own",
            "put the proxy's credentials into proxy_url",
        );
        fields.finish();
        Some(config)
    }
}

fn read_proxy(fields: &Fields<'_>) -> Proxy {
    let except = fields.text("no_proxy");
    let environment = fields.bool("proxy_from_environment") == Some(true);
    let Some(value) = fields.get("proxy_url") else {
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
    }
}

/// Sends requests of one integration.
#[derive(Debug)]
pub struct Sender {
    config: HttpConfig,
    timeout: Duration,
    /// Without TLS roots, for `http://` only; with them for everything.
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

/// An answer of class 2xx.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its media type, without parameters.
    pub media_type: String,
    /// Its body, cut at 64 KiB.
    pub body: Bytes,
}

impl Sender {
    /// A sender; nothing is connected or read yet. A zero timeout means the default one.
    pub fn new(config: HttpConfig, timeout: Duration) -> Self {
        Self {
            config,
            timeout: if timeout.is_zero() {
                DEFAULT_TIMEOUT
            } else {
                timeout
            },
            plain: OnceCell::new(),
            secure: OnceCell::new(),
        }
    }

    /// Posts JSON and waits for the answer. `headers` are added last.
    ///
    /// # Errors
    /// Every failure, classed: network, TLS, timeout, and each status that is not 2xx.
    pub async fn post_json(
        &self,
        url: &str,
        body: Vec<u8>,
        headers: HeaderMap,
        now: Timestamp,
    ) -> Result<Answer, SendError> {
        let url: reqwest::Url = url.parse().map_err(|error| {
            SendError::permanent(Reason::Configuration, format!("bad address: {error}"))
        })?;
        match tokio::time::timeout(self.timeout, self.exchange(url, body, headers, now)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::temporary(
                Reason::Timeout,
                format!("no answer within {:?}", self.timeout),
            )),
        }
    }

    async fn exchange(
        &self,
        url: reqwest::Url,
        body: Vec<u8>,
        extra: HeaderMap,
        now: Timestamp,
    ) -> Result<Answer, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = &self.config.authorization {
            authorization.add_to(&mut headers).await?;
        }
        for header in &self.config.headers {
            header.add_to(&mut headers).await?;
        }
        headers.extend(extra);
        traces::inject(&tracing::Span::current(), &mut headers);
        let client = self.client(url.scheme() == "https").await?;
        let response = client
            .post(url)
            .headers(headers)
            .body(body)
            .send()
            .await
            .map_err(network)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, now));
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let body = read_capped(response).await;
        if !status.is_success() {
            let quoted = body.as_deref().map(quote).unwrap_or_default();
            return Err(refused(status, retry_after, &quoted));
        }
        Ok(Answer {
            status,
            media_type,
            body: body?,
        })
    }

    async fn client(&self, secure: bool) -> Result<reqwest::Client, SendError> {
        if secure && self.config.tls.reads_files() {
            return build(self.config.clone(), true).await;
        }
        let cell = if secure { &self.secure } else { &self.plain };
        cell.get_or_try_init(|| build(self.config.clone(), secure))
            .await
            .cloned()
    }
}

async fn build(config: HttpConfig, secure: bool) -> Result<reqwest::Client, SendError> {
    // Reads certificates: not on the runtime's own threads.
    tokio::task::spawn_blocking(move || build_blocking(&config, secure))
        .await
        .map_err(|_| {
            SendError::temporary(Reason::Configuration, "the HTTP client could not be built")
        })?
}

fn build_blocking(config: &HttpConfig, secure: bool) -> Result<reqwest::Client, SendError> {
    let tls = if secure {
        config
            .tls
            .client_config()
            .map_err(|error| SendError::temporary(Reason::Tls, error.to_string()))?
    } else {
        without_roots()?
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(2)
        .pool_idle_timeout(Duration::from_secs(60))
        .redirect(redirects(config.follow_redirects))
        .http1_only();
    match &config.proxy {
        Proxy::Direct => builder = builder.no_proxy(),
        Proxy::Environment => {}
        Proxy::Url { url, except } => {
            let proxy = reqwest::Proxy::all(url.expose()).map_err(|_| {
                SendError::permanent(Reason::Configuration, "proxy_url is not an address")
            })?;
            let except = except.as_deref().and_then(reqwest::NoProxy::from_string);
            builder = builder.no_proxy().proxy(proxy.no_proxy(except));
        }
    }
    builder
        .build()
        .map_err(|error| SendError::permanent(Reason::Configuration, describe(&error)))
}

/// For `http://` alone: trusts nobody, so that the system's certificates stay unread.
fn without_roots() -> Result<rustls::ClientConfig, SendError> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SendError::permanent(Reason::Tls, error.to_string()))?;
    Ok(builder
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

fn redirects(follow: bool) -> reqwest::redirect::Policy {
    if !follow {
        return reqwest::redirect::Policy::none();
    }
    reqwest::redirect::Policy::custom(|attempt| {
        let keeps_method = matches!(
            attempt.status(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let same_origin = attempt
            .previous()
            .last()
            .is_some_and(|from| from.origin() == attempt.url().origin());
        if keeps_method && same_origin && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

async fn read_capped(mut response: reqwest::Response) -> Result<Bytes, SendError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(body.into())
}

/// The class of a status that is not 2xx.
fn refused(status: StatusCode, retry_after: Option<Duration>, quoted: &str) -> SendError {
    let (reason, retryable) = match status.as_u16() {
        429 => (Reason::RateLimited, true),
        408 => (Reason::Timeout, true),
        401 | 403 => (Reason::Auth, false),
        500..=599 => (Reason::ServerError, true),
        _ => (Reason::ClientError, false),
    };
    let mut detail = format!("answered {}", status.as_u16());
    if status.is_redirection() {
        detail.push_str(
            ": redirects are followed to the same origin only, and only 307 and 308; configure the final address",
        );
    } else if !quoted.is_empty() {
        detail.push_str(": ");
        detail.push_str(quoted);
    }
    SendError {
        reason,
        retryable,
        retry_after: retry_after.filter(|_| retryable),
        detail,
    }
}

/// The beginning of an answer, on one line, for errors.
pub fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_QUOTED_CHARS + 1)
        .collect();
    if line.chars().count() > MAX_QUOTED_CHARS {
        let cut: String = line.chars().take(MAX_QUOTED_CHARS).collect();
        return format!("{cut}...");
    }
    line
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3); capped.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?;
            Timestamp::from_millis(date.timestamp().as_millisecond()).since(now)
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn network(error: reqwest::Error) -> SendError {
    let detail = describe(&error);
    let reason = if error.is_timeout() {
        Reason::Timeout
    } else if detail.contains("certificate") || detail.contains("TLS") {
        Reason::Tls
    } else {
        Reason::Connection
    };
    SendError::temporary(reason, detail)
}

/// The innermost cause, which says most; never the address, which may hold a token.
fn describe(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if innermost.is::<reqwest::Error>() {
        if error.is_timeout() {
            return "no answer in time".to_owned();
        }
        return "the request failed".to_owned();
    }
    innermost.to_string()
}

impl From<CredentialsError> for SendError {
    fn from(error: CredentialsError) -> Self {
        // A secret's file may be on its way.
        Self::temporary(Reason::Configuration, error.to_string())
    }
}

/// A secret that may stand in a file, as it is now.
///
/// # Errors
/// Where the file cannot be read; another attempt may find it.
pub async fn load(source: &SecretSource) -> Result<Secret, SendError> {
    Ok(source.load().await?)
}

/// The header that tells a repeated delivery of one notification.
pub const NOTIFICATION_ID: HeaderName = HeaderName::from_static("x-outrigger-notification-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_reads_seconds_and_dates_and_is_capped() {
        let now = Timestamp::parse_rfc3339("2026-11-20T07:00:00Z").unwrap();
        let check = |text: &str, want: Option<u64>| {
            assert_eq!(
                retry_after(text, now),
                want.map(Duration::from_secs),
                "{text}"
            );
        };
        check("7", Some(7));
        check("Fri, 20 Nov 2026 07:00:30 GMT", Some(30));
        check("Fri, 20 Nov 2026 06:00:00 GMT", Some(0));
        check("99999999", Some(3600));
        check("soon", None);
        check("-1", None);
    }

    #[test]
    fn statuses_fall_into_classes() {
        let check = |status: u16, reason: Reason, retryable: bool| {
            let error = refused(
                StatusCode::from_u16(status).unwrap(),
                Some(Duration::from_secs(5)),
                "no",
            );
            assert_eq!((error.reason, error.retryable), (reason, retryable));
            assert_eq!(error.retry_after.is_some(), retryable);
        };
        check(429, Reason::RateLimited, true);
        check(503, Reason::ServerError, true);
        check(408, Reason::Timeout, true);
        check(400, Reason::ClientError, false);
        check(404, Reason::ClientError, false);
        check(401, Reason::Auth, false);
        check(302, Reason::ClientError, false);
    }

    #[test]
    fn quoted_answers_are_short_and_on_one_line() {
        assert_eq!(quote(b"  no\r\n such\x00 thing "), "no such thing");
        assert_eq!(quote("x".repeat(500).as_bytes()).len(), 203);
    }
}
