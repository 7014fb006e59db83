//! Recurring silences and previews by way of the dispatcher.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::dispatch::quiet::Preview;
use super::super::recurring::{RecurringError, RecurringRequest, RecurringShown};
use super::{AlertSink, Closed, Message, Runner};
use crate::db::{DbError, recurring_silences, silences};
use crate::model::matcher::Matcher;
use crate::model::silence::Silence;
use crate::model::timestamp::Timestamp;

/// Why a recurring silence was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RecurringChangeError {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] RecurringError),
    /// It could not be written; nothing changed.
    #[error(transparent)]
    Unwritten(#[from] DbError),
    /// The dispatcher has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

type Changed = Result<Arc<str>, RecurringChangeError>;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Set(Box<RecurringRequest>, oneshot::Sender<Changed>),
    Remove(String, oneshot::Sender<Changed>),
    List(oneshot::Sender<Vec<RecurringShown>>),
    Preview(Vec<Matcher>, usize, oneshot::Sender<Preview>),
}

impl AlertSink {
    /// Makes or changes a recurring silence; returns its id when it is on the disk.
    ///
    /// # Errors
    /// Where it is refused or cannot be written; then nothing changed.
    pub async fn set_recurring(&self, request: RecurringRequest) -> Changed {
        let request = Box::new(request);
        self.ask(|reply| Message::Recurring(Command::Set(request, reply)))
            .await?
    }

    /// Removes a recurring silence, and ends the silence that is active because of it; returns when that is on the disk.
    ///
    /// # Errors
    /// Where there is none of that id or it cannot be written; then nothing changed.
    pub async fn remove_recurring(&self, id: String) -> Changed {
        self.ask(|reply| Message::Recurring(Command::Remove(id, reply)))
            .await?
    }

    /// All recurring silences.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn recurring(&self) -> Result<Vec<RecurringShown>, Closed> {
        self.ask(|reply| Message::Recurring(Command::List(reply)))
            .await
    }

    /// What a silence with these matchers would keep quiet now; at most so many alerts of it.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn preview(&self, matchers: Vec<Matcher>, limit: usize) -> Result<Preview, Closed> {
        self.ask(|reply| Message::Recurring(Command::Preview(matchers, limit, reply)))
            .await
    }
}

impl Runner {
    /// Nobody waits any more where a reply cannot be given; what was written holds all the same.
    pub(super) async fn recurring(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Set(request, reply) => {
                reply.send(self.set_recurring(*request, now).await).ok();
            }
            Command::Remove(id, reply) => {
                reply.send(self.remove_recurring(&id, now).await).ok();
            }
            Command::List(reply) => {
                reply.send(self.dispatcher.recurring(now)).ok();
            }
            Command::Preview(matchers, limit, reply) => {
                let preview = self.dispatcher.preview(&matchers, limit, now);
                reply.send(preview).ok();
            }
        }
    }

    async fn set_recurring(&mut self, request: RecurringRequest, now: Timestamp) -> Changed {
        let new_id = uuid::Uuid::new_v4().to_string();
        let (recurring, schedule) = self.dispatcher.set_recurring(request, &new_id, now)?;
        let id = Arc::clone(&recurring.id);
        let ended = self.ended_occurrences(&id, now);
        let mut transaction = self.deps.database.begin().await?;
        recurring_silences::save(&mut transaction, &recurring).await?;
        silences::save(&mut transaction, &ended).await?;
        transaction.commit().await?;
        self.dispatcher.silences.apply(ended);
        self.dispatcher.recurrings.apply(recurring, schedule);
        self.deps.metrics.silence_changed("recur");
        tracing::info!(recurring_silence.id = %id, "recurring silence set");
        Ok(id)
    }

    async fn remove_recurring(&mut self, id: &str, now: Timestamp) -> Changed {
        if !self.dispatcher.recurrings.has(id) {
            return Err(RecurringError::NotFound.into());
        }
        let ended = self.ended_occurrences(id, now);
        let mut transaction = self.deps.database.begin().await?;
        recurring_silences::remove(&mut transaction, id).await?;
        silences::save(&mut transaction, &ended).await?;
        transaction.commit().await?;
        self.dispatcher.silences.apply(ended);
        self.dispatcher.recurrings.remove(id);
        self.deps.metrics.silence_changed("remove_recurring");
        tracing::info!(recurring_silence.id = %id, "recurring silence removed");
        Ok(id.into())
    }

    /// The silences that a recurring one made, as they are when they end now.
    fn ended_occurrences(&self, id: &str, now: Timestamp) -> Vec<Silence> {
        let made = self.dispatcher.silences.of_recurring(id, now);
        made.iter()
            .filter_map(|silence| self.dispatcher.silences.expire(&silence.id, now).ok())
            .flat_map(|change| change.rows)
            .collect()
    }
}
