//! Outgoing HTTP of the integrations: one client per `http_config`, access tokens, answers in classes. What needs neither TLS
//! nor a proxy goes over connections of our own (`plain`), everything else through `reqwest`.
//!
//! Clients are built at the first send, so that a receiver never used costs nothing, and again for every send where
//! certificates stand in files, so that rotated ones count. A redirect is followed only to the same origin and only
//! where it keeps the method (307, 308): a `POST` that becomes a `GET` would look delivered and is not, and secrets
//! stay with the host they were given for.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;

use self::clients::{Clients, Way};
use self::oauth2::Tokens;
use self::settings::HttpConfig;
use super::integration::{Reason, SendError};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::{CredentialsError, SecretSource};
use crate::telemetry::traces;

mod clients;
pub mod oauth2;
mod plain;
pub mod settings;

/// How long one attempt may take where nothing else is configured.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of an answer is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How much of an answer is quoted in an error, in characters.
const MAX_QUOTED_CHARS: usize = 200;
/// The longest wait the other side may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
const AGENT: &str = concat!("Outrigger/", env!("CARGO_PKG_VERSION"));

/// Sends requests of one integration.
#[derive(Debug)]
pub struct Sender {
    config: HttpConfig,
    timeout: Duration,
    clients: Clients,
    tokens: Option<Tokens>,
    last: Mutex<Address>,
}

/// The address that was last sent to, as written and as read.
#[derive(Default)]
struct Address(Option<(String, reqwest::Url)>);

/// It may hold a token.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
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

/// An answer of any class.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What it says; the body is empty where it broke off and the status is not 2xx.
    pub answer: Answer,
    /// `Retry-After`, capped.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// The answer, where it is of class 2xx.
    ///
    /// # Errors
    /// Each status that is not 2xx, classed, with the beginning of the body.
    pub fn accepted(self) -> Result<Answer, SendError> {
        if self.answer.status.is_success() {
            return Ok(self.answer);
        }
        Err(self.refused(&quote(&self.answer.body)))
    }

    /// The refusal that the status stands for, saying `quoted`.
    pub fn refused(&self, quoted: &str) -> SendError {
        refused(self.answer.status, self.retry_after, quoted)
    }
}

impl Sender {
    /// A sender; nothing is connected or read yet. A zero timeout means the default one.
    pub fn new(config: HttpConfig, timeout: Duration) -> Self {
        Self {
            timeout: if timeout.is_zero() {
                DEFAULT_TIMEOUT
            } else {
                timeout
            },
            clients: Clients::new(Way {
                tls: config.tls.clone(),
                follow_redirects: config.follow_redirects,
                proxy: config.proxy.clone(),
            }),
            tokens: config.oauth2.clone().map(Tokens::new),
            last: Mutex::default(),
            config,
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
        let reply = self.send_json(Method::POST, url, body, headers, now);
        reply.await?.accepted()
    }

    /// Sends JSON and waits for an answer of any class. `headers` are added last; among them may be another media type.
    ///
    /// # Errors
    /// Where there is no answer: network, TLS, timeout.
    pub async fn send_json(
        &self,
        method: Method,
        url: &str,
        body: Vec<u8>,
        headers: HeaderMap,
        now: Timestamp,
    ) -> Result<Reply, SendError> {
        let url = self.address(url)?;
        let exchange = self.exchange(method, url, body, headers, now);
        self.in_time(exchange).await
    }

    /// Posts a form and waits for the answer. `headers` are added last.
    ///
    /// # Errors
    /// As [`Self::post_json`].
    pub async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        headers: HeaderMap,
        now: Timestamp,
    ) -> Result<Answer, SendError> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut all = HeaderMap::new();
        all.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        all.extend(headers);
        let reply = self.send_json(Method::POST, url, body.into_bytes(), all, now);
        reply.await?.accepted()
    }

    /// Posts bytes to an address that is its own permission: with none of our credentials and configured headers.
    ///
    /// # Errors
    /// As [`Self::post_json`].
    pub async fn post_bytes(
        &self,
        url: reqwest::Url,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<Answer, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        let exchange = self.transmit(Method::POST, url, headers, bytes, now);
        self.in_time(exchange).await?.accepted()
    }

    async fn in_time(
        &self,
        exchange: impl Future<Output = Result<Reply, SendError>>,
    ) -> Result<Reply, SendError> {
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(SendError::temporary(
                Reason::Timeout,
                format!("no answer within {:?}", self.timeout),
            )),
        }
    }

    /// The address, read; most senders have one.
    fn address(&self, text: &str) -> Result<reqwest::Url, SendError> {
        let mut last = self.last.lock();
        if let Some((known, url)) = &last.0
            && known == text
        {
            return Ok(url.clone());
        }
        let url: reqwest::Url = text.parse().map_err(|error| {
            SendError::permanent(Reason::Configuration, format!("bad address: {error}"))
        })?;
        last.0 = Some((text.to_owned(), url.clone()));
        Ok(url)
    }

    async fn exchange(
        &self,
        method: Method,
        url: reqwest::Url,
        body: Vec<u8>,
        extra: HeaderMap,
        now: Timestamp,
    ) -> Result<Reply, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.config.authorization {
            authorization.add_to(&mut headers).await?;
        }
        if let Some(tokens) = &self.tokens {
            tokens.add_to(&mut headers, now).await?;
        }
        for header in &self.config.headers {
            header.add_to(&mut headers).await?;
        }
        headers.extend(extra);
        let reply = self
            .transmit(method, url, headers, body.into(), now)
            .await?;
        if let Some(tokens) = &self.tokens
            && reply.answer.status == StatusCode::UNAUTHORIZED
            && tokens.forget().await
        {
            return Err(SendError::temporary(
                Reason::Auth,
                "answered 401 to the OAuth 2.0 token; the next attempt fetches another one",
            ));
        }
        Ok(reply)
    }

    async fn transmit(
        &self,
        method: Method,
        url: reqwest::Url,
        mut headers: HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Result<Reply, SendError> {
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(AGENT));
        traces::inject(&tracing::Span::current(), &mut headers);
        if self.clients.leads_directly(&url) {
            let follow = self.clients.way.follow_redirects;
            let direct = &self.clients.direct;
            let answered = direct.send(method, url, headers, body, follow).await?;
            return reply(answered.status, &answered.headers, answered.body, now);
        }
        let client = self.clients.get(&url).await?;
        let request = client.request(method, url).headers(headers).body(body);
        receive(request.send().await.map_err(network)?, now).await
    }
}

async fn receive(response: reqwest::Response, now: Timestamp) -> Result<Reply, SendError> {
    let status = response.status();
    let headers = response.headers().clone();
    reply(status, &headers, read_capped(response).await, now)
}

fn reply(
    status: StatusCode,
    headers: &HeaderMap,
    body: Result<Bytes, SendError>,
    now: Timestamp,
) -> Result<Reply, SendError> {
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| retry_after(value.to_str().ok()?, now));
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let body = match body {
        Ok(body) => body,
        // The status says enough.
        Err(_) if !status.is_success() => Bytes::new(),
        Err(error) => return Err(error),
    };
    Ok(Reply {
        answer: Answer {
            status,
            media_type,
            body,
        },
        retry_after,
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
    let innermost = innermost(error);
    if innermost.is::<reqwest::Error>() {
        if error.is_timeout() {
            return "no answer in time".to_owned();
        }
        return "the request failed".to_owned();
    }
    innermost.to_string()
}

fn innermost<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
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
mod tests;
