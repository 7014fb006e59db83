//! Acks by way of the dispatcher: it alone changes them, and answers when they are written.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::ack::{AckChange, AckError, AckRequest};
use super::super::dispatch::quiet::quiet_entry;
use super::{AlertSink, Closed, Message, Runner};
use crate::db::{DbError, acks, ledger};
use crate::model::ack::Ack;
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

/// Why no ack was made or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum AckChangeError {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] AckError),
    /// It could not be written; nothing changed.
    #[error(transparent)]
    Unwritten(#[from] DbError),
    /// The dispatcher has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

type Changed = Result<Arc<Ack>, AckChangeError>;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Make(Box<AckRequest>, oneshot::Sender<Changed>),
    Withdraw(String, oneshot::Sender<Changed>),
    List(oneshot::Sender<Vec<Arc<Ack>>>),
    Get(String, oneshot::Sender<Option<Arc<Ack>>>),
}

impl AlertSink {
    /// Takes charge of alerts that fire; returns when that is on the disk.
    ///
    /// # Errors
    /// Where it is refused or cannot be written; then nothing changed.
    pub async fn acknowledge(&self, request: AckRequest) -> Changed {
        let request = Box::new(request);
        self.ask(|reply| Message::Ack(Command::Make(request, reply)))
            .await?
    }

    /// Ends an ack; returns when that is on the disk.
    ///
    /// # Errors
    /// Where there is none of that id or it cannot be written; then nothing changed.
    pub async fn withdraw_ack(&self, id: String) -> Changed {
        self.ask(|reply| Message::Ack(Command::Withdraw(id, reply)))
            .await?
    }

    /// All acks, in no order.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn acks(&self) -> Result<Vec<Arc<Ack>>, Closed> {
        self.ask(|reply| Message::Ack(Command::List(reply))).await
    }

    /// One ack.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn ack(&self, id: String) -> Result<Option<Arc<Ack>>, Closed> {
        self.ask(|reply| Message::Ack(Command::Get(id, reply)))
            .await
    }
}

impl Runner {
    /// Nobody waits any more where a reply cannot be given; what was written holds all the same.
    pub(super) async fn ack(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Make(request, reply) => {
                let new_id = uuid::Uuid::new_v4().to_string();
                let change = self.dispatcher.acknowledge(*request, &new_id, now);
                reply.send(self.change_ack(change, now).await).ok();
            }
            Command::Withdraw(id, reply) => {
                let change = self.dispatcher.acks.withdraw(&id, now);
                reply.send(self.change_ack(change, now).await).ok();
            }
            Command::List(reply) => {
                reply.send(self.dispatcher.acks.all()).ok();
            }
            Command::Get(id, reply) => {
                reply.send(self.dispatcher.acks.get(&id)).ok();
            }
        }
    }

    async fn change_ack(&mut self, change: Result<AckChange, AckError>, now: Timestamp) -> Changed {
        let change = change?;
        let mut entries = Vec::new();
        for row in &change.ended {
            let decision = Decision::AckEnded {
                ack: Arc::clone(&row.ack),
                why: row.why,
            };
            entries.push(quiet_entry(now, Some(&row.labels), decision));
        }
        if let Some(ack) = &change.made {
            entries.extend(ack.alerts.iter().map(|alert| {
                let decision = Decision::AckBegan {
                    ack: Arc::clone(&ack.id),
                    by: ack.owner.clone(),
                };
                quiet_entry(now, Some(&alert.labels), decision)
            }));
        }
        let mut transaction = self.deps.database.begin().await?;
        if let Some(ack) = &change.made {
            acks::insert(&mut transaction, ack).await?;
        }
        acks::end(&mut transaction, &change.ended).await?;
        ledger::append(&mut transaction, &entries).await?;
        transaction.commit().await?;
        let id = Arc::clone(&change.id);
        let action = if change.made.is_some() {
            "make"
        } else {
            "withdraw"
        };
        self.dispatcher.acks.apply(change);
        self.deps.metrics.ack_changed(action);
        tracing::info!(ack.id = %id, action, alerts = entries.len(), "ack changed");
        Ok(self.dispatcher.acks.get(&id).ok_or(AckError::NotFound)?)
    }
}
