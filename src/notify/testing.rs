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
    /// A status line (and headers, if need be) and a body of JSON, in which `RECORDER` stands for this server's address.
    Json(&'static str, &'static str),
    /// What Slack would say of this payload by its documented limits: `ok`, or 400 with every fault.
    AsSlack,
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
        request.body = String::from_utf8_lossy(&body).into_owned();
        let faults = slack_faults(&request.body);
        self.requests.lock().push(request);
        self.came.notify_waiters();
        let answer = self.answers.lock().pop_front().unwrap_or(OK);
        let text = match answer {
            Answer::Send(text) => format!("HTTP/1.1 {text}"),
            Answer::Json(head, body) => {
                let body = body.replace("RECORDER", &self.url);
                let length = body.len();
                format!(
                    "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
                )
            }
            Answer::AsSlack if faults.is_empty() => {
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()
            }
            Answer::AsSlack => {
                let faults = faults.join(", ");
                let length = faults.len();
                format!("HTTP/1.1 400 Bad\r\nContent-Length: {length}\r\n\r\n{faults}")
            }
            Answer::CloseMidBody => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(),
            Answer::Hang => std::future::pending().await,
        };
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// Where a payload goes beyond what Slack documents.
///
/// Texts: <https://docs.slack.dev/changelog/2018-truncating-really-long-messages> (4,000 asked for, cut from 40,000 on);
/// attachments: <https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments> and
/// <https://docs.slack.dev/legacy/legacy-messaging/legacy-interactive-message-field-guide>; escaping:
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
pub(crate) fn slack_faults(body: &str) -> Vec<String> {
    const TOP: [&str; 10] = [
        "channel",
        "username",
        "icon_emoji",
        "icon_url",
        "link_names",
        "text",
        "attachments",
        "thread_ts",
        "reply_broadcast",
        "ts",
    ];
    let Ok(serde_json::Value::Object(payload)) = serde_json::from_str(body) else {
        return vec!["invalid_payload".to_owned()];
    };
    let mut faults = Vec::new();
    let mut text = |place: String, value: &serde_json::Value, limit: usize| {
        let Some(text) = value.as_str() else {
            if !value.is_null() {
                faults.push(format!("{place} is no text"));
            }
            return;
        };
        let length = text.chars().count();
        if length > limit {
            faults.push(format!("{place} has {length} characters"));
        }
        if text.contains('\0') {
            faults.push(format!("{place} holds NUL"));
        }
        // Each & begins an escape, each < a link that ends.
        let torn = text.split('&').skip(1).any(|rest| {
            !["amp;", "lt;", "gt;"]
                .iter()
                .any(|escape| rest.starts_with(escape))
        });
        let open = text.split('<').skip(1).any(|link| !link.contains('>'));
        if torn || open {
            faults.push(format!("{place} holds broken markup"));
        }
    };
    text(
        "text".to_owned(),
        payload.get("text").unwrap_or(&serde_json::Value::Null),
        4_000,
    );
    let attachments = payload
        .get("attachments")
        .and_then(|list| list.as_array())
        .cloned()
        .unwrap_or_default();
    for (i, attachment) in attachments.iter().enumerate() {
        for (key, limit) in [
            ("title", 1024),
            ("pretext", 4_000),
            ("text", 4_000),
            ("fallback", 4_000),
            ("footer", 300),
            ("callback_id", 255),
        ] {
            text(format!("attachments[{i}].{key}"), &attachment[key], limit);
        }
        for (part, key, limit) in [
            ("fields", "title", 1024),
            ("fields", "value", 2_000),
            ("actions", "value", 2_000),
        ] {
            for item in attachment[part].as_array().into_iter().flatten() {
                text(format!("attachments[{i}].{part}.{key}"), &item[key], limit);
            }
        }
    }
    for (i, attachment) in attachments.iter().enumerate() {
        for (part, limit) in [("fields", 20), ("actions", 5)] {
            let count = attachment[part].as_array().map_or(0, Vec::len);
            if count > limit {
                faults.push(format!("attachments[{i}] has {count} {part}"));
            }
        }
    }
    if attachments.len() > 20 {
        faults.push(format!("{} attachments", attachments.len()));
    }
    if attachments.is_empty() && payload.get("text").is_none() {
        faults.push("no_text".to_owned());
    }
    let unknown = payload.keys().filter(|key| !TOP.contains(&key.as_str()));
    faults.extend(unknown.map(|key| format!("unknown key {key}")));
    faults
}
