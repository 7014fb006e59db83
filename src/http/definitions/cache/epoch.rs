//! Which write of the definitions was the last: what is derived of them is right as long as this stands still.
//!
//! The database says it, so that a write by another process, a command or another sidecar counts as well. Asking it for each
//! request would be the largest part of an answer, so two things save it:
//!
//! ```text
//! SQLite   each commit, whoever makes it, appends to the write-ahead log: while the log's length and time of change are
//!          what they were before the last question, the answer is what it was. A log that changed a moment ago proves
//!          nothing, since another commit may bear the same time: until it has settled the database is asked.
//! any      requests that wait for the same answer share it; one that came while it was being asked for waits for the
//!          next, so that none is told of a state before it came.
//! ```

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::RwLock;
use tokio::sync::Mutex;

use crate::db::Database;
use crate::db::definition_state as rows;
use crate::model::timestamp::Timestamp;

/// For how long the time of a change may be that of the next change too: file systems write the time of the last tick.
const TICK: Duration = Duration::from_millis(50);
/// The same where they write whole seconds.
const COARSE_TICK: Duration = Duration::from_millis(2_100);

/// The state of the definitions: how many writes there were, and when the last was. The time tells a database apart that was put
/// back to an older state, and went another way from there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Epoch {
    /// How many writes there were.
    pub generation: i64,
    /// When the last one was, in milliseconds.
    pub last_write: i64,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.last_write)
    }
}

/// The log as it was at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    length: u64,
    changed: Duration,
}

impl Mark {
    fn of(log: &PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(log).ok()?;
        Some(Self {
            length: metadata.len(),
            changed: metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?,
        })
    }

    /// Whether a change from `now` on would leave another mark.
    fn is_settled(self, now: Timestamp) -> bool {
        let tick = match self.changed.subsec_nanos() {
            0 => COARSE_TICK,
            _ => TICK,
        };
        let now = u64::try_from(now.millis()).unwrap_or(0);
        self.changed + tick < Duration::from_millis(now)
    }
}

/// Asks for the epoch as seldom as is right.
#[derive(Debug)]
pub(super) struct Epochs {
    database: Database,
    log: Option<PathBuf>,
    settled: RwLock<Option<(Mark, Epoch)>>,
    begun: AtomicU64,
    // The last answer, and which question it was to.
    last: Mutex<(u64, Option<Epoch>)>,
}

impl Epochs {
    pub(super) fn new(database: Database, log: Option<PathBuf>) -> Self {
        Self {
            database,
            log,
            settled: RwLock::default(),
            begun: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// The epoch at some time since the call; `None` where the database does not say. `changed` is called where it is another one
    /// than the last.
    pub(super) async fn now(&self, now: Timestamp, changed: impl FnOnce()) -> Option<Epoch> {
        let mark = self.log.as_ref().and_then(Mark::of);
        if let Some(mark) = mark
            && let Some((settled, epoch)) = *self.settled.read()
            && settled == mark
        {
            return Some(epoch);
        }
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 > before {
            return last.1;
        }
        let question = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = match rows::epoch(&self.database).await {
            Ok((generation, last_write)) => Some(Epoch {
                generation,
                last_write,
            }),
            Err(error) => {
                tracing::debug!(%error, "ask for the state of the definitions");
                None
            }
        };
        if answer != last.1 {
            changed();
        }
        *last = (question, answer);
        *self.settled.write() = mark.filter(|mark| mark.is_settled(now)).zip(answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::definitions::{self, Row};

    #[test]
    fn a_log_that_changed_a_moment_ago_proves_nothing() {
        let check = |changed: Duration, now_millis: i64, want: bool| {
            let mark = Mark { length: 1, changed };
            let got = mark.is_settled(Timestamp::from_millis(now_millis));
            assert_eq!(got, want, "{changed:?} at {now_millis}");
        };
        let fine = Duration::new(100, 500_000_001);
        check(fine, 100_500, false);
        check(fine, 100_550, false);
        check(fine, 100_551, true);
        check(fine, 100_000, false);
        let coarse = Duration::from_secs(100);
        check(coarse, 102_000, false);
        check(coarse, 102_101, true);
    }

    #[tokio::test]
    async fn every_commit_is_seen_whoever_makes_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("outrigger.db");
        let database = Database::open(&file).await.unwrap();
        let other = Database::open(&file).await.unwrap();
        let log = directory.path().join("outrigger.db-wal");
        let epochs = Epochs::new(database.clone(), Some(log));
        // Long after whatever stands in the log.
        let later = Timestamp::from_millis(4_000_000_000_000);
        let long_ago = Timestamp::from_millis(0);
        for (now, keeps) in [(long_ago, false), (later, true)] {
            let first = epochs.now(now, || ()).await.unwrap();
            assert_eq!(epochs.settled.read().is_some(), keeps);
            assert_eq!(epochs.now(now, || ()).await, Some(first));
            for writer in [&database, &other] {
                let before = epochs.now(long_ago, || ()).await.unwrap();
                let row = Row {
                    kind: "metric",
                    id: "A".to_owned(),
                    ..Row::default()
                };
                let mut transaction = writer.begin().await.unwrap();
                definitions::save(&mut transaction, &row).await.unwrap();
                transaction.commit().await.unwrap();
                let mut told = false;
                let after = epochs.now(long_ago, || told = true).await.unwrap();
                assert_eq!(after.generation, before.generation + 1);
                assert!(told);
            }
        }
    }

    #[tokio::test]
    async fn who_comes_while_it_is_asked_waits_for_the_next_answer() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("outrigger.db"))
            .await
            .unwrap();
        let epochs = Epochs::new(database, None);
        let now = Timestamp::from_millis(0);
        let gate = epochs.last.lock().await;
        let waiting: Vec<_> = (0..10).map(|_| epochs.now(now, || ())).collect();
        let all = futures_util::future::join_all(waiting);
        let mut all = std::pin::pin!(all);
        assert!(futures_util::poll!(&mut all).is_pending());
        drop(gate);
        let answers = all.await;
        assert!(answers.iter().all(Option::is_some));
        assert_eq!(
            epochs.begun.load(Ordering::SeqCst),
            1,
            "one question for all"
        );
        epochs.now(now, || ()).await.unwrap();
        assert_eq!(epochs.begun.load(Ordering::SeqCst), 2);
    }
}
