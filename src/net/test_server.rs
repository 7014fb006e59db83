//! A target for tests: answers raw bytes on a loopback port, so that every kind of misbehaviour can be written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tasks::Tasks;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A success with a body, kept alive.
    Ok(Vec<u8>),
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing, ever.
    Never,
}

type Handler = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// A running server; it ends with the test's runtime.
#[derive(Debug)]
pub(crate) struct TestServer {
    pub(crate) address: String,
    pub(crate) connections: Arc<AtomicUsize>,
    /// The heads of the requests so far.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

/// A success with the text format's content type.
pub(crate) fn text(body: &str) -> Reply {
    Reply::Ok(body.as_bytes().to_vec())
}

/// An answer with a head of one's own, then the connection is closed.
pub(crate) fn raw(head: &str, body: &[u8]) -> Reply {
    let mut bytes = head.replace('\n', "\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend_from_slice(body);
    Reply::Raw(bytes)
}

impl TestServer {
    pub(crate) async fn start(handler: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(handler, None).await
    }

    pub(crate) async fn listen(
        handler: impl Fn(&str) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        let handler: Handler = Arc::new(handler);
        let tasks = Tasks::new();
        tasks.clone().spawn("test server", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (handler, requests, tls) = (handler.clone(), requests.clone(), tls.clone());
                tasks.spawn("test connection", async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, handler, requests).await;
                            }
                        }
                        None => serve(stream, handler, requests).await,
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    handler: Handler,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        requests.lock().push(text.clone());
        match handler(&text) {
            Reply::Ok(body) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all(head.as_bytes()).await.is_err()
                    || stream.write_all(&body).await.is_err()
                {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                if stream.write_all(&bytes).await.is_ok() {
                    stream.shutdown().await.ok();
                }
                return;
            }
            Reply::Never => std::future::pending().await,
        }
    }
}
