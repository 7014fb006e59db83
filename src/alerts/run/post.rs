//! Alerts that others post: answered for when they are on the disk.

use tokio::sync::oneshot;

use super::{AlertSink, Closed, Message};
use crate::model::alert::Alert;

/// An alert that somebody posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// The alert.
    pub alert: Alert,
    /// Whether its sender named no end: then `ends_at` is only what `resolve_timeout` makes of it.
    pub assumed_end: bool,
}

/// The database does not take what was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write alerts: the database cannot be written; the log says why")]
pub struct Unwritten;

/// Why alerts were not taken, or not safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The dispatcher has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// They are known and will be told of, but a crash would lose them.
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
}

impl AlertSink {
    /// Hands in alerts that somebody posted; returns when they are on the disk.
    ///
    /// # Errors
    /// Where the dispatcher has ended or they cannot be written.
    pub async fn post(&self, alerts: Vec<Posted>) -> Result<(), PostError> {
        if alerts.is_empty() {
            return Ok(());
        }
        let (reply, wait) = oneshot::channel();
        self.hand_in(Message::Posted(alerts, reply)).await?;
        Ok(wait.await.map_err(|_| Closed)??)
    }

    /// Counts posted alerts that are refused.
    pub fn refused(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.metrics.invalid.inc_by(count);
    }
}
