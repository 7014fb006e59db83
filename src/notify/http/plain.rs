//! HTTP/1.1 where neither TLS nor a proxy stands between: a few kept connections, each driven by the send that uses it, so
//! that a notification costs no hand-over between tasks. Everything else goes through `reqwest` ([`super::clients`]).
//!
//! A connection that the other side closed meanwhile is noticed before the next request, which then gets another one. A
//! request is written a second time only where nothing of it was written the first time.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use url::{Host, Position, Url};

use super::clients::{CONNECT_TIMEOUT, MAX_REDIRECTS, keeps_method};
use super::{MAX_ANSWER_BYTES, innermost};
use crate::clock::Stopwatch;
use crate::net::client::drive;
use crate::notify::integration::{Reason, SendError};

/// Connections that are kept however long ago they were of use; they are looked through when the next one is taken or kept.
const KEPT: usize = 2;
/// Connections beyond them are kept where they were of use within this time: sends that end together are followed by as many
/// that begin together. After a burst that nothing follows they stay until the next send: as many as send at a time.
const JUST_NOW: Duration = Duration::from_secs(1);
/// An idle connection is not used again after this time: who closes it at the same moment leaves it open whether the
/// request was read.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// The most a connection buffers of an answer.
const READ_BUFFER: usize = 16 << 10;

/// The connections of one sender.
#[derive(Default)]
pub(super) struct Plain {
    /// Those that were of use last at the end.
    kept: Mutex<Vec<Connection>>,
}

/// An answer of any class.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Cut at the cap; an error where it broke off.
    pub(super) body: Result<Bytes, SendError>,
}

type Driver = Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>;
type Sending = Request<Full<Bytes>>;

struct Connection {
    host: String,
    port: u16,
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    since: Stopwatch,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("kept", &self.kept.lock().len())
            .finish_non_exhaustive()
    }
}

/// Whether an address is for this module; one with a password in it asks for a header that `reqwest` makes of it.
pub(super) fn leads(url: &Url) -> bool {
    url.scheme() == "http"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
}

impl Plain {
    /// Sends and reads the answer, following redirects to the same origin that keep the method.
    pub(super) async fn send(
        &self,
        method: Method,
        mut url: Url,
        mut headers: HeaderMap,
        body: Bytes,
        follow_redirects: bool,
    ) -> Result<Answered, SendError> {
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        let mut followed = 0;
        loop {
            let request = request(&method, &url, headers.clone(), body.clone())?;
            let answered = self.exchange(&url, request).await?;
            if !follow_redirects || followed == MAX_REDIRECTS || !keeps_method(answered.status) {
                return Ok(answered);
            }
            let location = answered.headers.get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            match location.and_then(|location| url.join(location).ok()) {
                Some(next) if next.origin() == url.origin() => url = next,
                Some(_) | None => return Ok(answered),
            }
            followed += 1;
        }
    }

    async fn exchange(&self, url: &Url, request: Sending) -> Result<Answered, SendError> {
        let mut answer = Err(None);
        let mut request = Some(request);
        if let Some(mut kept) = self.reuse(url).await
            && let Some(sent) = request.take()
        {
            match kept.send(sent).await {
                Ok(response) => answer = Ok((kept, response)),
                Err(mut error) => match error.take_message() {
                    // Nothing of it was written.
                    Some(unsent) => request = Some(unsent),
                    None => answer = Err(Some(error.into_error())),
                },
            }
        }
        if let Some(request) = request {
            let mut fresh = connect(url).await?;
            answer = match fresh.send(request).await {
                Ok(response) => Ok((fresh, response)),
                Err(error) => Err(Some(error.into_error())),
            };
        }
        let (mut connection, response) = answer.map_err(|error| match error {
            Some(error) => broken(&error),
            None => connection("the request could not be sent".to_owned()),
        })?;
        let (head, incoming) = response.into_parts();
        let body = connection.read(incoming).await;
        if let Ok((_, true)) = &body {
            self.keep(connection);
        }
        Ok(Answered {
            status: head.status,
            headers: head.headers,
            body: body.map(|(body, _)| body),
        })
    }

    /// A kept connection that is still open.
    async fn reuse(&self, url: &Url) -> Option<Connection> {
        let host = url.host_str()?;
        let port = url.port_or_known_default()?;
        loop {
            let mut connection = {
                let mut kept = self.kept.lock();
                kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
                let leads = |kept: &Connection| kept.host == host && kept.port == port;
                let newest = kept.iter().rposition(leads)?;
                kept.remove(newest)
            };
            if connection.is_open().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, mut connection: Connection) {
        connection.since = Stopwatch::start();
        let mut kept = self.kept.lock();
        kept.push(connection);
        while kept.len() > KEPT && kept[0].since.elapsed() > JUST_NOW {
            kept.remove(0);
        }
    }
}

impl Connection {
    async fn send(
        &mut self,
        request: Sending,
    ) -> Result<http::Response<Incoming>, TrySendError<Sending>> {
        let Self { sender, driver, .. } = self;
        drive(driver, sender.try_send_request(request)).await
    }

    /// The body, and whether the connection can be used again.
    async fn read(&mut self, mut incoming: Incoming) -> Result<(Bytes, bool), SendError> {
        let mut body = Vec::new();
        while let Some(frame) = drive(&mut self.driver, incoming.frame()).await {
            let frame = frame.map_err(|error| broken(&error))?;
            let data = frame.data_ref().map(|data| &**data).unwrap_or_default();
            let room = MAX_ANSWER_BYTES - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if body.len() == MAX_ANSWER_BYTES {
                return Ok((body.into(), false));
            }
        }
        let is_open = self.driver.is_some() && !self.sender.is_closed();
        Ok((body.into(), is_open))
    }

    /// One look: has the other side closed it since?
    async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            if let Some(driver) = &mut self.driver
                && Pin::new(driver).poll(context).is_ready()
            {
                self.driver = None;
            }
            Poll::Ready(())
        })
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

fn request(
    method: &Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Sending, SendError> {
    let unusable =
        || SendError::permanent(Reason::Configuration, "the address is unusable".to_owned());
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(Full::new(body))
        .map_err(|_| unusable())?;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let host = HeaderValue::from_str(host).map_err(|_| unusable())?;
    *request.headers_mut() = headers;
    request.headers_mut().entry(HOST).or_insert(host);
    Ok(request)
}

async fn connect(url: &Url) -> Result<Connection, SendError> {
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, reach(url, port));
    let stream = match stream.await {
        Ok(stream) => stream.map_err(|error| connection(error.to_string()))?,
        Err(_) => {
            let detail = format!("no connection within {CONNECT_TIMEOUT:?}");
            return Err(SendError::temporary(Reason::Timeout, detail));
        }
    };
    let (sender, driver) = http1::Builder::new()
        .max_buf_size(READ_BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    Ok(Connection {
        host: url.host_str().unwrap_or_default().to_owned(),
        port,
        sender,
        driver: Some(Box::new(driver)),
        since: Stopwatch::start(),
    })
}

/// The first of its addresses that answers; one that hangs leaves time for the others.
async fn reach(url: &Url, port: u16) -> std::io::Result<TcpStream> {
    let stream = match url.host() {
        Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await?,
        Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await?,
        Some(Host::Domain(name)) => {
            let addresses: Vec<_> = tokio::net::lookup_host((name, port)).await?.collect();
            let share = CONNECT_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(1);
            let mut last = std::io::Error::other("the host has no address");
            let mut reached = None;
            for address in addresses {
                match tokio::time::timeout(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        reached = Some(stream);
                        break;
                    }
                    Ok(Err(error)) => last = error,
                    Err(_) => last = std::io::ErrorKind::TimedOut.into(),
                }
            }
            reached.ok_or(last)?
        }
        None => return Err(std::io::Error::other("the address has no host")),
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn broken(error: &hyper::Error) -> SendError {
    connection(innermost(error).to_string())
}

fn connection(detail: String) -> SendError {
    SendError::temporary(Reason::Connection, detail)
}
