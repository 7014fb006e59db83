//! Access tokens of OAuth 2.0 by client credentials (RFC 6749, 4.4): fetched once, kept until shortly before they end.
//!
//! The client names itself in the `Authorization` header, and where the server refuses that, in the body, as Go's client
//! does. The client's secret is read again for each token. Not here: signed client assertions (RFC 7523).

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::clients::{Clients, Way};
use super::settings::{Proxy, read_proxy};
use super::{AGENT, Reply, load, network, receive};
use crate::document::fields::{Fields, Value};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::net::tls::TlsConfig;
use crate::notify::integration::{Reason, SendError};

/// How long before its end a token is no longer used.
const EARLY: Duration = Duration::from_secs(30);

/// Keys of signed client assertions.
const ASSERTIONS: [&str; 9] = [
    "audience",
    "claims",
    "client_certificate_key",
    "client_certificate_key_file",
    "client_certificate_key_id",
    "client_certificate_key_ref",
    "grant_type",
    "iss",
    "signature_algorithm",
];

/// The section `oauth2`.
/// See <https://prometheus.io/docs/alerting/latest/configuration/#oauth2>.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OAuth2 {
    client_id: String,
    client_secret: Option<SecretSource>,
    scopes: Vec<String>,
    token_url: String,
    endpoint_params: Vec<(String, Secret)>,
    tls: TlsConfig,
    proxy: Proxy,
}

impl OAuth2 {
    /// Reads the mapping under `oauth2`; files are relative to `base`.
    pub(super) fn read(value: &Value<'_>, base: &Path) -> Option<Self> {
        let fields = value.fields()?;
        let client_id = required(&fields, "client_id");
        let client_secret = read_secret_pair(&fields, "client_secret", "client_secret_file", base);
        let token_url = required(&fields, "token_url");
        if let Some(url) = &token_url
            && !reqwest::Url::parse(url).is_ok_and(|url| url.has_host())
            && let Some(value) = fields.get("token_url")
        {
            value.error("token_url is not an address", "write https://host/path");
        }
        let scopes = fields.get("scopes").and_then(|value| value.texts());
        let params = fields
            .get("endpoint_params")
            .and_then(|value| value.pairs());
        let params = params.unwrap_or_default();
        let endpoint_params = params
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), Secret::new(value.text()?))));
        let endpoint_params = endpoint_params.collect();
        let tls = fields.get("tls_config");
        let tls = tls.and_then(|value| TlsConfig::read(&value, base));
        let proxy = read_proxy(&fields);
        for key in ASSERTIONS {
            fields.refuse(
                key,
                "signed client assertions are not there yet",
                "use client_secret or client_secret_file",
            );
        }
        fields.finish();
        Some(Self {
            client_id: client_id?,
            client_secret,
            scopes: scopes.unwrap_or_default(),
            token_url: token_url?,
            endpoint_params,
            tls: tls.unwrap_or_default(),
            proxy,
        })
    }
}

impl OAuth2 {
    /// The request for a token.
    fn form(&self, secret: &Secret, in_body: bool) -> Result<(HeaderMap, String), SendError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        for (name, value) in &self.endpoint_params {
            form.append_pair(name, value.expose());
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if in_body {
            form.append_pair("client_id", &self.client_id);
            if !secret.expose().is_empty() {
                form.append_pair("client_secret", secret.expose());
            }
        } else {
            let encode = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            let pair = format!("{}:{}", encode(&self.client_id), encode(secret.expose()));
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            headers.insert(AUTHORIZATION, header(&format!("Basic {pair}"))?);
        }
        Ok((headers, form.finish()))
    }
}

fn required(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    fields.required(key)?.text().map(str::to_owned)
}

/// The tokens of one `oauth2`.
#[derive(Debug)]
pub(super) struct Tokens {
    config: OAuth2,
    clients: Clients,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Whether the server wants the client's name and secret in the body.
    in_body: bool,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    /// When it is no longer used; `None` where the server did not say when it ends.
    until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    pub(super) fn new(config: OAuth2) -> Self {
        Self {
            clients: Clients::new(Way {
                tls: config.tls.clone(),
                follow_redirects: true,
                proxy: config.proxy.clone(),
            }),
            config,
            state: Mutex::default(),
        }
    }

    /// Adds the `Authorization` header, fetching a token where none is at hand.
    pub(super) async fn add_to(
        &self,
        headers: &mut HeaderMap,
        now: Timestamp,
    ) -> Result<(), SendError> {
        // Held while a token is fetched, so that concurrent sends fetch one together; bounded by the sends' timeouts.
        let mut state = self.state.lock().await;
        let usable = |token: &&Token| token.until.is_none_or(|until| now < until);
        let header = match state.token.as_ref().filter(usable) {
            Some(token) => token.header.clone(),
            None => {
                let token = self.fetch(&mut state, now).await?;
                let header = token.header.clone();
                state.token = Some(token);
                header
            }
        };
        headers.insert(AUTHORIZATION, header);
        Ok(())
    }

    /// Drops the token, since it was refused; false where there was none.
    pub(super) async fn forget(&self) -> bool {
        self.state.lock().await.token.take().is_some()
    }

    async fn fetch(&self, state: &mut State, now: Timestamp) -> Result<Token, SendError> {
        let mut reply = self.ask(state.in_body, now).await?;
        let status = reply.answer.status;
        if !state.in_body && matches!(status.as_u16(), 400 | 401) {
            // Servers may know one way only, and say no to the other in several ways.
            let second = self.ask(true, now).await?;
            if second.answer.status.is_success() {
                state.in_body = true;
                reply = second;
            }
        }
        granted(&reply, now)
    }

    async fn ask(&self, in_body: bool, now: Timestamp) -> Result<Reply, SendError> {
        let config = &self.config;
        let secret = match &config.client_secret {
            Some(source) => load(source).await?,
            None => Secret::default(),
        };
        let url: reqwest::Url = config.token_url.parse().map_err(|_| {
            SendError::permanent(Reason::Configuration, "token_url is not an address")
        })?;
        let (headers, body) = config.form(&secret, in_body)?;
        let client = self.clients.get(&url).await?;
        let request = client.post(url).headers(headers).body(body);
        receive(request.send().await.map_err(network)?, now).await
    }
}

fn header(text: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        SendError::temporary(
            Reason::BadResponse,
            "the OAuth 2.0 token holds characters that no header may hold",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads the answer of the token's address. It is never quoted: it may hold a token.
fn granted(reply: &Reply, now: Timestamp) -> Result<Token, SendError> {
    if !reply.answer.status.is_success() {
        let said = match serde_json::from_slice::<Denied>(&reply.answer.body) {
            Ok(denied) => format!("{} {}", denied.error, denied.error_description),
            Err(_) => String::new(),
        };
        let mut error = reply.refused(said.trim());
        if reply.answer.status == StatusCode::BAD_REQUEST {
            error.reason = Reason::Auth;
        }
        error.detail = format!("fetch OAuth 2.0 token: {}", error.detail);
        return Err(error);
    }
    let granted: Granted = serde_json::from_slice(&reply.answer.body).map_err(|_| {
        SendError::temporary(
            Reason::BadResponse,
            "fetch OAuth 2.0 token: the answer holds no access_token",
        )
    })?;
    // A number by the RFC; some servers write it as text.
    let seconds = match &granted.expires_in {
        Some(serde_json::Value::Number(number)) => number.as_f64(),
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let scheme = match granted.token_type.to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        "mac" => "MAC",
        "basic" => "Basic",
        _ => &granted.token_type,
    };
    Ok(Token {
        header: header(&format!("{scheme} {}", granted.access_token))?,
        until: lifetime
            .filter(|lifetime| !lifetime.is_zero())
            .map(|lifetime| now + lifetime.saturating_sub(EARLY.min(lifetime / 2))),
    })
}
