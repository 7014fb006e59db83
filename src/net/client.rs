//! An HTTP/1.1 client for one target: GET only, kept alive, one deadline over everything.
//!
//! The connection is driven by whoever waits for the answer, so that a target costs no second task; between requests
//! nobody looks at it, and one that the other side closed meanwhile is noticed and replaced at the next request.
//!
//! ```text
//! kept? ──no──▶ connect ─▶ TLS ─┐
//!   └──yes──────────────────────┴▶ send ─▶ head ─▶ redirect? ─▶ body ─▶ unpack
//! ```
//!
//! Credentials and custom headers go to the origin (scheme, host, port) of the first URL alone, never along a redirect
//! to another one.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Origin, Url};

use super::body::{self, UnpackError};
use super::config::HttpClientConfig;
use super::credentials::CredentialsError;
use super::tls::TlsError;
use crate::tasks;

/// Redirects that are followed before giving up, as in Go.
const MAX_REDIRECTS: usize = 10;
/// What is read of an answer whose body does not matter, to keep its connection.
const DRAIN_LIMIT: usize = 64 << 10;
/// The most one connection buffers of what it has read and not handed out.
const READ_BUFFER: usize = 64 << 10;
/// From this size of a packed body on, unpacking is taken off the runtime's thread.
const HEAVY_BYTES: usize = 16 << 10;
/// What we call ourselves.
pub const USER_AGENT: &str = concat!("outrigger/", env!("CARGO_PKG_VERSION"));

/// A client for one target.
pub struct Client {
    config: HttpClientConfig,
    kept: Option<Connection>,
    tls: Option<Arc<rustls::ClientConfig>>,
    packed: Vec<u8>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// Where to; `http` or `https`.
    pub url: &'a Url,
    /// Sent along redirects too: `Accept`, trace context.
    pub headers: &'a HeaderMap,
    /// Over connecting, TLS, head and body together.
    pub timeout: Duration,
    /// The most the body may be, packed or not; [`body::HARD_LIMIT`] at most.
    pub body_limit: usize,
    /// Ask for a packed body, unless the target is on loopback.
    pub compression: bool,
}

/// The answer's head; the body is in the caller's buffer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The last status, redirects followed.
    pub status: StatusCode,
    /// `Content-Type`, where it is readable.
    pub content_type: Option<String>,
    /// Bytes of the body as sent.
    pub wire_bytes: usize,
    /// Whether the connection of the request before was used.
    pub reused: bool,
}

/// What the client was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Looking up the name and opening the connection.
    Connect,
    /// Shaking hands.
    Tls,
    /// Waiting for the head of the answer.
    Head,
    /// Reading the body.
    Body,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Tls => "shaking hands (TLS)",
            Self::Head => "waiting for the answer",
            Self::Body => "reading the body",
        })
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The deadline is over.
    #[error("deadline of {after:?} exceeded while {phase}")]
    Timeout {
        /// The deadline.
        after: Duration,
        /// What took so long.
        phase: Phase,
    },
    /// Nobody answers at the address.
    #[error("connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// The reason.
        source: std::io::Error,
    },
    /// Certificates or keys of ours are unusable.
    #[error(transparent)]
    TlsConfig(#[from] TlsError),
    /// The other side's certificate or handshake is refused.
    #[error("TLS handshake with {host}: {source}")]
    Handshake {
        /// Whom we asked for.
        host: String,
        /// The reason.
        source: std::io::Error,
    },
    /// Not HTTP, or closed before the answer.
    #[error("request: {}", chain(.0))]
    Request(hyper::Error),
    /// Closed in the middle of the body.
    #[error("read body after {read} bytes: {}", chain(.source))]
    Body {
        /// Bytes that came before.
        read: usize,
        /// The reason.
        source: hyper::Error,
    },
    /// The body is too large or cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// An encoding that was not asked for.
    #[error("body is encoded as {0:?}, which was not asked for")]
    Encoding(String),
    /// Round and round.
    #[error("stopped after {MAX_REDIRECTS} redirects")]
    TooManyRedirects,
    /// A redirect to nowhere.
    #[error("redirect leads to no usable http or https URL")]
    BadRedirect,
    /// A secret cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Neither `http` nor `https`, or no host.
    #[error("unusable URL: need http or https and a host")]
    Url,
}

fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Driver = http1::Connection<TokioIo<Box<dyn Io>>, Empty<Bytes>>;

struct Connection {
    origin: Origin,
    sender: http1::SendRequest<Empty<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Box<Driver>>,
    used: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .field("kept", &self.kept.is_some())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client without a connection yet.
    pub fn new(config: HttpClientConfig) -> Self {
        Self {
            config,
            kept: None,
            tls: None,
            packed: Vec::new(),
        }
    }

    /// Asks, follows redirects, and reads the body into `into`, replacing what it held. The body of an answer that is
    /// not a success is cut at 64 KiB.
    ///
    /// # Errors
    /// Everything short of an answer with a status; see [`FetchError`].
    pub async fn get(&mut self, get: Get<'_>, into: &mut Vec<u8>) -> Result<Answer, FetchError> {
        let mut phase = Phase::Connect;
        let exchange = self.follow(get, into, &mut phase);
        let outcome = match tokio::time::timeout(get.timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Timeout {
                after: get.timeout,
                phase,
            }),
        };
        if outcome.is_err() {
            // What is too large or too slow is not held until the next request.
            self.packed.clear();
        }
        body::shrink(&mut self.packed);
        outcome
    }

    async fn follow(
        &mut self,
        get: Get<'_>,
        into: &mut Vec<u8>,
        phase: &mut Phase,
    ) -> Result<Answer, FetchError> {
        let home = get.url.origin();
        let mut private = HeaderMap::new();
        for header in &self.config.headers {
            header.add_to(&mut private).await?;
        }
        if let Some(authorization) = &self.config.authorization {
            authorization.add_to(&mut private).await?;
        }
        let mut url = get.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = get.headers.clone();
            if url.origin() == home {
                headers.extend(private.clone());
            }
            match self.exchange(&url, headers, &get, into, phase).await? {
                Step::Done(answer) => return Ok(answer),
                Step::Redirect(location) => {
                    url = url
                        .join(&location)
                        .map_err(|_| FetchError::BadRedirect)
                        .and_then(|url| {
                            let usable = matches!(url.scheme(), "http" | "https");
                            usable.then_some(url).ok_or(FetchError::BadRedirect)
                        })?;
                }
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    async fn exchange(
        &mut self,
        url: &Url,
        headers: HeaderMap,
        get: &Get<'_>,
        into: &mut Vec<u8>,
        phase: &mut Phase,
    ) -> Result<Step, FetchError> {
        // Taken out, so that a request which fails or is given up leaves no half-read connection behind.
        let kept = self.kept.take();
        let mut connection = match reusable(kept, &url.origin()).await {
            Some(connection) => connection,
            None => self.connect(url, phase).await?,
        };
        *phase = Phase::Head;
        let mut response = connection
            .send(request(url, headers.clone(), get.compression)?)
            .await;
        if connection.used && response.is_err() {
            // The other side may close an idle connection at any moment; nothing was answered, so asking again is safe.
            connection = self.connect(url, phase).await?;
            *phase = Phase::Head;
            response = connection
                .send(request(url, headers, get.compression)?)
                .await;
        }
        let response = response.map_err(FetchError::Request)?;
        let reused = std::mem::replace(&mut connection.used, true);
        *phase = Phase::Body;
        let (head, incoming) = response.into_parts();
        if self.config.follow_redirects
            && matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308)
            && let Some(location) = head.headers.get(header::LOCATION)
        {
            let location = location.to_str().map_err(|_| FetchError::BadRedirect)?;
            if connection.drain(incoming, into).await {
                self.kept = Some(connection);
            }
            return Ok(Step::Redirect(location.to_owned()));
        }
        let mut answer = Answer {
            status: head.status,
            content_type: head
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            wire_bytes: 0,
            reused,
        };
        if !head.status.is_success() {
            if connection.drain(incoming, into).await {
                self.kept = Some(connection);
            }
            answer.wire_bytes = into.len();
            return Ok(Step::Done(answer));
        }
        let limit = get.body_limit.min(body::HARD_LIMIT);
        let encoding = head.headers.get(header::CONTENT_ENCODING);
        match encoding.map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => {
                connection.read(incoming, limit, into).await?;
                answer.wire_bytes = into.len();
            }
            Some(name) if name.eq_ignore_ascii_case(b"gzip") => {
                connection.read(incoming, limit, &mut self.packed).await?;
                answer.wire_bytes = self.packed.len();
                let heavy = self.packed.len() >= HEAVY_BYTES;
                tasks::heavy(heavy, || body::gunzip(&self.packed, limit, into))?;
            }
            Some(name) => {
                let name = String::from_utf8_lossy(&name[..name.len().min(32)]);
                return Err(FetchError::Encoding(name.into_owned()));
            }
        }
        self.kept = Some(connection);
        Ok(Step::Done(answer))
    }

    async fn connect(&mut self, url: &Url, phase: &mut Phase) -> Result<Connection, FetchError> {
        *phase = Phase::Connect;
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(FetchError::Url);
        };
        let stream = match host {
            Host::Domain(name) => TcpStream::connect((name, port)).await,
            Host::Ipv4(address) => TcpStream::connect((address, port)).await,
            Host::Ipv6(address) => TcpStream::connect((address, port)).await,
        };
        let failed = |source| FetchError::Connect {
            address: format!("{host}:{port}"),
            source,
        };
        let stream = stream.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let io: Box<dyn Io> = if url.scheme() == "https" {
            *phase = Phase::Tls;
            let name = match &self.config.tls.server_name {
                Some(name) => name.clone(),
                None => url.host_str().unwrap_or_default().to_owned(),
            };
            // Brackets belong to URLs, not to the name in a certificate.
            let bare = name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let server = ServerName::try_from(bare).map_err(|_| FetchError::Url)?;
            let connector = TlsConnector::from(self.tls().await?);
            let shaken = connector.connect(server, stream).await;
            Box::new(shaken.map_err(|source| FetchError::Handshake { host: name, source })?)
        } else {
            Box::new(stream)
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_BUFFER)
            .handshake(TokioIo::new(io))
            .await
            .map_err(FetchError::Request)?;
        Ok(Connection {
            origin: url.origin(),
            sender,
            driver: Some(Box::new(driver)),
            used: false,
        })
    }

    /// Bytes held for the next packed body.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.packed.capacity()
    }

    async fn tls(&mut self) -> Result<Arc<rustls::ClientConfig>, FetchError> {
        if let Some(tls) = &self.tls {
            return Ok(Arc::clone(tls));
        }
        let config = self.config.tls.clone();
        let built = tokio::task::spawn_blocking(move || config.client_config()).await;
        // The blocking task is neither cancelled nor does it panic while the runtime lives.
        let tls = Arc::new(built.map_err(|_| FetchError::Url)??);
        if !self.config.tls.reads_files() {
            self.tls = Some(Arc::clone(&tls));
        }
        Ok(tls)
    }
}

enum Step {
    Done(Answer),
    Redirect(String),
}

/// The kept connection, where it leads to the right place and is still open.
async fn reusable(kept: Option<Connection>, origin: &Origin) -> Option<Connection> {
    let mut kept = kept.filter(|kept| kept.origin == *origin)?;
    // One look: has the other side closed it since?
    poll_fn(|context| {
        if let Some(driver) = &mut kept.driver
            && Pin::new(driver.as_mut()).poll(context).is_ready()
        {
            kept.driver = None;
        }
        Poll::Ready(())
    })
    .await;
    (kept.driver.is_some() && !kept.sender.is_closed()).then_some(kept)
}

impl Connection {
    async fn send(
        &mut self,
        request: http::Request<Empty<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        let Self { sender, driver, .. } = self;
        drive(driver, async {
            sender.ready().await?;
            sender.send_request(request).await
        })
        .await
    }

    async fn read(
        &mut self,
        mut incoming: Incoming,
        limit: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), FetchError> {
        into.clear();
        while let Some(frame) = drive(&mut self.driver, incoming.frame()).await {
            let frame = frame.map_err(|source| FetchError::Body {
                read: into.len(),
                source,
            })?;
            if let Some(data) = frame.data_ref() {
                if into.len() + data.len() > limit {
                    return Err(UnpackError::TooLarge { limit }.into());
                }
                into.extend_from_slice(data);
            }
        }
        Ok(())
    }

    /// Reads a body that does not matter; false where it is too large to bother or breaks off.
    async fn drain(&mut self, incoming: Incoming, into: &mut Vec<u8>) -> bool {
        self.read(incoming, DRAIN_LIMIT, into).await.is_ok()
    }
}

/// Waits for `wanted` and moves the connection meanwhile.
pub(crate) async fn drive<D, T>(driver: &mut Option<D>, wanted: impl Future<Output = T>) -> T
where
    D: Future + Unpin,
{
    let mut wanted = pin!(wanted);
    poll_fn(|context| {
        // How the connection ends shows in what is waited for.
        if let Some(open) = driver
            && Pin::new(open).poll(context).is_ready()
        {
            *driver = None;
        }
        wanted.as_mut().poll(context)
    })
    .await
}

fn request(
    url: &Url,
    headers: HeaderMap,
    compression: bool,
) -> Result<http::Request<Empty<Bytes>>, FetchError> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = http::Request::builder()
        .method(Method::GET)
        .version(Version::HTTP_11)
        .uri(target)
        .body(Empty::new())
        .map_err(|_| FetchError::Url)?;
    let all = request.headers_mut();
    *all = headers;
    let host = HeaderValue::from_str(host).map_err(|_| FetchError::Url)?;
    all.insert(header::HOST, host);
    all.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    // Packing costs more than loopback does, on both ends.
    if compression && !is_loopback(url) {
        all.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(request)
}

/// Whether a URL's host is this machine by name or address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
