//! An HTTP server for tests: records requests with their bodies and answers as it is told, misbehaviour included.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::tasks::Tasks;

/// One recorded request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Request line and headers.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: String,
}

impl Request {
    /// The value of a header, empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .next()
            .unwrap_or_default()
    }
}

/// What is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Status line, headers and body, then the connection is closed.
    Send(&'static str),
    /// A status line (and headers, if need be) and a body of JSON.
    Json(&'static str, &'static str),
    /// Nothing, ever.
    Hang,
    /// Half a body, then the connection is closed.
    CloseMidBody,
}

pub(crate) const OK: Answer = Answer::Send("200 OK\r\nContent-Length: 2\r\n\r\nok");

#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    came: Arc<Notify>,
}

impl Recorder {
    /// Starts a server that gives these answers in turn, and `200 ok` from then on.
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            requests: Arc::default(),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            came: Arc::default(),
        };
        let server = recorder.clone();
        let tasks = Tasks::new();
        tasks.clone().spawn("recorder", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tasks.spawn(
                    "recorder connection",
                    async move { server.serve(stream).await },
                );
            }
        });
        recorder
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    /// Waits until that many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) {
        loop {
            let came = self.came.notified();
            if self.requests.lock().len() >= count {
                return;
            }
            came.await;
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let mut request = Request {
            head: String::from_utf8(head).unwrap(),
            body: String::new(),
        };
        let length = request.header("content-length").parse().unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        request.body = String::from_utf8(body).unwrap();
        self.requests.lock().push(request);
        self.came.notify_waiters();
        let answer = self.answers.lock().pop_front().unwrap_or(OK);
        let text = match answer {
            Answer::Send(text) => format!("HTTP/1.1 {text}"),
            Answer::Json(head, body) => format!(
                "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
            Answer::CloseMidBody => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(),
            Answer::Hang => std::future::pending().await,
        };
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}
