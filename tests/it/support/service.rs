//! A service with metrics, to be scraped: its text can be changed, it can be stopped and started on the same port.

use std::sync::{Arc, Mutex};

use super::http::header;
use super::server::{Reply, Request, Server};

/// A target.
#[derive(Debug)]
pub(crate) struct Service {
    port: u16,
    server: Option<Server>,
    reply: Arc<Mutex<Reply>>,
    last: Arc<Mutex<Option<Request>>>,
}

impl Service {
    /// Listens on a free port and answers with this exposition.
    pub(crate) fn start(exposition: &str) -> Self {
        Self::answering(Reply::text(200, exposition))
    }

    /// Listens on a free port and answers so.
    pub(crate) fn answering(reply: Reply) -> Self {
        let mut service = Self {
            port: 0,
            server: None,
            reply: Arc::new(Mutex::new(reply)),
            last: Arc::default(),
        };
        service.up();
        service.port = service
            .server
            .as_ref()
            .expect("just started")
            .address
            .port();
        service
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on it exposes this.
    pub(crate) fn expose(&self, exposition: &str) {
        *self.reply.lock().expect("no holder panics") = Reply::text(200, exposition);
    }

    /// From now on it answers so.
    pub(crate) fn reply(&self, reply: Reply) {
        *self.reply.lock().expect("no holder panics") = reply;
    }

    /// A header of the last request.
    pub(crate) fn asked_with(&self, name: &str) -> Option<String> {
        let last = self.last.lock().expect("no holder panics");
        last.as_ref()
            .and_then(|request| header(&request.headers, name))
            .map(str::to_owned)
    }

    /// Stops it: its port refuses connections.
    pub(crate) fn down(&mut self) {
        self.server = None;
    }

    /// Starts it again, on the port it had.
    pub(crate) fn up(&mut self) {
        let (reply, last) = (Arc::clone(&self.reply), Arc::clone(&self.last));
        let handler = move |request: &Request| {
            *last.lock().expect("no holder panics") = Some(request.clone());
            reply.lock().expect("no holder panics").clone()
        };
        self.server = Some(Server::start(self.port, Arc::new(handler)));
    }
}
