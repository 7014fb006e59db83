//! A receiver of messages (Slack's incoming webhook, or any webhook) that keeps what it is told.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::http::header;
use super::server::{Reply, Request, Server};

/// A message that came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The path it was posted to.
    pub(crate) path: String,
    /// What was answered; 0 for nothing.
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body; a text where it is not JSON.
    pub(crate) body: Value,
}

impl Message {
    /// A header's first value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

struct State {
    messages: Vec<Message>,
    reply: Reply,
}

/// A receiver; answers 200 `ok` unless told otherwise.
pub(crate) struct Recorder {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Recorder {
    /// Listens on a free port.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            messages: Vec::new(),
            reply: Reply::text(200, "ok"),
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(
            0,
            Arc::new(move |request: &Request| answer(&shared, request)),
        );
        Self { server, state }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// From now on it answers so.
    pub(crate) fn reply(&self, reply: Reply) {
        self.state.lock().expect("no holder panics").reply = reply;
    }

    /// Everything posted so far, refused messages too.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.state
            .lock()
            .expect("no holder panics")
            .messages
            .clone()
    }

    /// What it accepted on a path.
    pub(crate) fn accepted(&self, path: &str) -> Vec<Value> {
        let accepted = |message: &Message| message.status == 200 && message.path == path;
        self.messages()
            .into_iter()
            .filter(accepted)
            .map(|message| message.body)
            .collect()
    }
}

fn answer(state: &Mutex<State>, request: &Request) -> Reply {
    let mut state = state.lock().expect("no holder panics");
    let reply = state.reply.clone();
    let status = if let Reply::Full { status, .. } = &reply {
        *status
    } else {
        0
    };
    let body = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()));
    state.messages.push(Message {
        path: request.path.clone(),
        status,
        headers: request.headers.clone(),
        body,
    });
    reply
}
