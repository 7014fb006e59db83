//! A small HTTP server in the test's own process: a thread a connection, answers as the test wants them, bad ones too.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::http::{Headers, header, read_body, read_head};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Headers,
    /// As it came.
    pub(crate) body: Vec<u8>,
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A complete answer.
    Full {
        /// Such as 200.
        status: u16,
        /// Such as `content-type`.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Nothing, until the other side gives up.
    Hang,
    /// This line again and again, without end.
    Endless(String),
    /// These bytes instead of an answer.
    Raw(Vec<u8>),
}

impl Reply {
    /// A text.
    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![(
            "content-type".to_owned(),
            "text/plain; version=0.0.4; charset=utf-8".to_owned(),
        )];
        Self::Full {
            status,
            headers,
            body: body.into(),
        }
    }
}

/// Decides the answer to a request.
pub(crate) type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A running server; it stops when it is dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    accepting: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Listens on a port of loopback, 0 for any free one.
    pub(crate) fn start(port: u16, handler: Handler) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("listen on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (flag, connections) = (Arc::clone(&stopped), Arc::clone(&open));
        let accepting = thread(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let Ok(copy) = stream.try_clone() else {
                    continue;
                };
                connections.lock().expect("no holder panics").push(copy);
                let handler = Arc::clone(&handler);
                // An error here is the other side's end, or ours.
                thread(move || drop(serve(&stream, &handler)));
            }
        });
        Self {
            address,
            stopped,
            open,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; then nothing listens on the port any more.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        for stream in self.open.lock().expect("no holder panics").drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn thread(run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new()
        .spawn(run)
        .expect("start a thread")
}

fn serve(stream: &TcpStream, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some((first, headers)) = read_head(&mut reader)? {
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = read_body(&mut reader, &headers, false)?;
        let request = Request {
            path,
            headers,
            body,
        };
        let reply = handler(&request);
        match reply {
            Reply::Full {
                status,
                headers,
                body,
            } => {
                let mut head = format!(
                    "HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\n",
                    body.len()
                );
                for (name, value) in &headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                writer.write_all(&[head.as_bytes(), b"\r\n", &body].concat())?;
            }
            Reply::Hang => {
                // Returns when the other side closes, or the server stops.
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
            Reply::Endless(line) => {
                writer.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\r\n",
                )?;
                let lines = line.repeat(1000);
                loop {
                    writer.write_all(lines.as_bytes())?;
                }
            }
            Reply::Raw(bytes) => {
                writer.write_all(&bytes)?;
                stream.shutdown(Shutdown::Both)?;
                return Ok(());
            }
        }
        if header(&request.headers, "connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            stream.shutdown(Shutdown::Both)?;
            return Ok(());
        }
    }
    Ok(())
}
