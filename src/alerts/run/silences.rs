//! Silences by way of the dispatcher: it alone changes them, and answers when they are written.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::silence::{SilenceChange, SilenceError, SilenceRequest};
use super::{AlertSink, Closed, Message, Runner};
use crate::db::{DbError, silences};
use crate::model::silence::Silence;
use crate::model::timestamp::Timestamp;

/// Why a silence was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] SilenceError),
    /// It could not be written; nothing changed.
    #[error(transparent)]
    Unwritten(#[from] DbError),
    /// The dispatcher has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

type Changed = Result<Arc<str>, ChangeError>;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Set(Box<SilenceRequest>, oneshot::Sender<Changed>),
    Expire(String, oneshot::Sender<Changed>),
    List(oneshot::Sender<Vec<Arc<Silence>>>),
    Get(String, oneshot::Sender<Option<Arc<Silence>>>),
}

impl AlertSink {
    /// Makes or changes a silence; returns its id when it is on the disk.
    ///
    /// # Errors
    /// Where it is refused or cannot be written; then nothing changed.
    pub async fn set_silence(&self, request: SilenceRequest) -> Changed {
        let request = Box::new(request);
        self.ask(|reply| Message::Silence(Command::Set(request, reply)))
            .await?
    }

    /// Ends a silence; returns when that is on the disk.
    ///
    /// # Errors
    /// Where there is none of that id or it cannot be written; then nothing changed.
    pub async fn expire_silence(&self, id: String) -> Changed {
        self.ask(|reply| Message::Silence(Command::Expire(id, reply)))
            .await?
    }

    /// All silences, in no order.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn silences(&self) -> Result<Vec<Arc<Silence>>, Closed> {
        self.ask(|reply| Message::Silence(Command::List(reply)))
            .await
    }

    /// One silence.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn silence(&self, id: String) -> Result<Option<Arc<Silence>>, Closed> {
        self.ask(|reply| Message::Silence(Command::Get(id, reply)))
            .await
    }
}

impl Runner {
    /// Nobody waits any more where a reply cannot be given; what was written holds all the same.
    pub(super) async fn silence(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Set(request, reply) => {
                let new_id = uuid::Uuid::new_v4().to_string();
                let change = self.dispatcher.set_silence(*request, &new_id, now);
                reply.send(self.change(change, "set").await).ok();
            }
            Command::Expire(id, reply) => {
                let change = self.dispatcher.silences.expire(&id, now);
                reply.send(self.change(change, "expire").await).ok();
            }
            Command::List(reply) => {
                reply.send(self.dispatcher.silences.all()).ok();
            }
            Command::Get(id, reply) => {
                reply.send(self.dispatcher.silences.get(&id)).ok();
            }
        }
    }

    async fn change(
        &mut self,
        change: Result<SilenceChange, SilenceError>,
        action: &'static str,
    ) -> Changed {
        let SilenceChange { id, rows } = change?;
        if !rows.is_empty() {
            let mut transaction = self.deps.database.begin().await?;
            silences::save(&mut transaction, &rows).await?;
            transaction.commit().await?;
            self.dispatcher.silences.apply(rows);
            self.deps.metrics.silence_changed(action);
            tracing::info!(silence.id = %id, action, "silence changed");
        }
        Ok(id)
    }
}
