//! The clients of one configuration, built at the first send.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::sync::OnceCell;

use super::describe;
use super::plain::{self, Plain};
use super::settings::Proxy;
use crate::net::tls::TlsConfig;
use crate::notify::integration::{Reason, SendError};

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As many as there are places of one integration: with fewer, most sends of a storm would connect anew.
const IDLE_CONNECTIONS: usize = 8;
pub(super) const MAX_REDIRECTS: usize = 5;

/// How to reach other hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Way {
    /// Certificates.
    pub(super) tls: TlsConfig,
    /// Whether redirects within the same origin are followed.
    pub(super) follow_redirects: bool,
    /// The way out.
    pub(super) proxy: Proxy,
}

/// The clients of one way.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) way: Way,
    /// For what needs neither TLS nor a proxy.
    pub(super) direct: Plain,
    /// Without TLS roots, for `http://` only; with them for everything.
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
}

impl Clients {
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            direct: Plain::default(),
            plain: OnceCell::new(),
            secure: OnceCell::new(),
        }
    }

    /// Whether an address is reached by [`Self::direct`].
    pub(super) fn leads_directly(&self, url: &reqwest::Url) -> bool {
        self.way.proxy == Proxy::Direct && plain::leads(url)
    }

    /// The client for an address.
    pub(super) async fn get(&self, url: &reqwest::Url) -> Result<reqwest::Client, SendError> {
        let secure = url.scheme() == "https";
        if secure && self.way.tls.reads_files() {
            return build(self.way.clone(), true).await;
        }
        let cell = if secure { &self.secure } else { &self.plain };
        cell.get_or_try_init(|| build(self.way.clone(), secure))
            .await
            .cloned()
    }
}

async fn build(way: Way, secure: bool) -> Result<reqwest::Client, SendError> {
    // Reads certificates: not on the runtime's own threads.
    tokio::task::spawn_blocking(move || build_blocking(&way, secure))
        .await
        .map_err(|_| {
            SendError::temporary(Reason::Configuration, "the HTTP client could not be built")
        })?
}

fn build_blocking(way: &Way, secure: bool) -> Result<reqwest::Client, SendError> {
    // An HTTPS proxy needs roots for `http://` addresses too.
    let tls = if secure || way.proxy.is_secure() {
        way.tls
            .client_config()
            .map_err(|error| SendError::temporary(Reason::Tls, error.to_string()))?
    } else {
        without_roots()?
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(Duration::from_secs(60))
        .redirect(redirects(way.follow_redirects))
        .http1_only();
    match &way.proxy {
        Proxy::Direct => builder = builder.no_proxy(),
        Proxy::Environment => {}
        Proxy::Url {
            url,
            except,
            headers,
        } => {
            let mut connect = HeaderMap::new();
            for (name, value) in headers {
                connect.append(name, value.clone());
            }
            let proxy = reqwest::Proxy::all(url.expose()).map_err(|_| {
                SendError::permanent(Reason::Configuration, "proxy_url is not an address")
            })?;
            let except = except.as_deref().and_then(reqwest::NoProxy::from_string);
            builder = builder
                .no_proxy()
                .proxy(proxy.headers(connect).no_proxy(except));
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

/// A `POST` stays one.
pub(super) fn keeps_method(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    )
}

fn redirects(follow: bool) -> reqwest::redirect::Policy {
    if !follow {
        return reqwest::redirect::Policy::none();
    }
    reqwest::redirect::Policy::custom(|attempt| {
        let same_origin = attempt
            .previous()
            .last()
            .is_some_and(|from| from.origin() == attempt.url().origin());
        if keeps_method(attempt.status())
            && same_origin
            && attempt.previous().len() <= MAX_REDIRECTS
        {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}
