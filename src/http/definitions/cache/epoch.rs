//! Which write of the definitions was the last: what is derived of them is right as long as this stands still.
//!
//! The database says it, so that a write by another process, a command or another sidecar counts as well. Asking it for each
//! request would be the largest part of an answer, so two things save it:
//!
//! ```text
//! SQLite   a commit counts once it stands in the head of the index of the write-ahead log (`outrigger.db-shm`): while these
//!          bytes are what they were before the last question, the answer is what it was. The log itself and its time say
//!          less: a commit is written there long before it counts, for as long as the disk takes.
//! any      requests that wait for the same answer share it; one that came while it was being asked for waits for the
//!          next, so that none is told of a state before it came.
//! ```
//!
//! The index's format: <https://www.sqlite.org/walformat.html#the_wal_index_header>.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tokio::sync::Mutex;

use crate::db::definition_state as rows;
use crate::db::sql::{Sql, stale};

/// Length of one copy of the head.
const COPY_BYTES: usize = 48;

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

/// The head of the index: two copies, each with the number of its last transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Head([u8; 2 * COPY_BYTES]);

/// Reads the head of an index.
#[derive(Debug)]
struct Index {
    path: PathBuf,
    // Never closed while SQLite uses it: that would take from this process every lock that SQLite holds on the file
    // (<https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>).
    file: RwLock<Option<&'static File>>,
}

impl Index {
    /// The head as it is now; `None` where there is none, or it is being written.
    #[cfg(unix)]
    fn head(&self) -> Option<Head> {
        use std::os::unix::fs::{FileExt as _, MetadataExt as _};
        let file = *self.file.read();
        // Whoever closes a database last takes its index away; the next one makes another.
        let is_there = |file: &&File| file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        let file = match file.filter(is_there) {
            Some(file) => file,
            None => {
                let fresh: &'static File = Box::leak(Box::new(File::open(&self.path).ok()?));
                *self.file.write() = Some(fresh);
                fresh
            }
        };
        let mut head = [0; 2 * COPY_BYTES];
        file.read_exact_at(&mut head, 0).ok()?;
        (head[..COPY_BYTES] == head[COPY_BYTES..]).then_some(Head(head))
    }

    #[cfg(not(unix))]
    fn head(&self) -> Option<Head> {
        None
    }
}

/// Asks for the epoch as seldom as is right.
#[derive(Debug)]
pub(super) struct Epochs {
    database: Sql,
    index: Option<Index>,
    settled: RwLock<Option<(Head, Epoch)>>,
    begun: AtomicU64,
    // The last answer, and which question it was to.
    last: Mutex<(u64, Option<Epoch>)>,
}

impl Epochs {
    /// `index` is that of SQLite's write-ahead log, where the database is one that is written by it alone.
    pub(super) fn new(database: Sql, index: Option<PathBuf>) -> Self {
        let index = index.map(|path| Index {
            path,
            file: RwLock::default(),
        });
        Self {
            database,
            index,
            settled: RwLock::default(),
            begun: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// The epoch at some time since the call; `None` where the database does not say. `changed` is called where it is another one
    /// than the last.
    pub(super) async fn now(&self, changed: impl FnOnce()) -> Option<Epoch> {
        let head = self.index.as_ref().and_then(Index::head);
        if let Some(head) = &head
            && let Some((settled, epoch)) = &*self.settled.read()
            && settled == head
        {
            return Some(*epoch);
        }
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 > before {
            return last.1;
        }
        let question = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let (read, age) = Box::pin(stale::watch(rows::epoch(&self.database))).await;
        let answer = match read {
            // Of a state that may not be the newest nothing is kept, and nothing kept is told.
            Ok(_) if age.is_some() => None,
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
        *self.settled.write() = head.zip(answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::db::Database;
    use crate::db::definitions::{self, Row};
    use crate::db::sql::config::Settings;
    use crate::db::sql::metrics::Metrics;

    async fn open(file: &std::path::Path) -> (Database, Sql) {
        let database = Database::open(file).await.unwrap();
        let sql = Sql::new(
            &Settings::default(),
            &database,
            file.with_extension("snapshot"),
            &Clock::system(),
            Metrics::default(),
        )
        .unwrap();
        (database, sql)
    }

    async fn write(database: &Sql) {
        let row = Row {
            kind: "metric",
            id: "A".to_owned(),
            ..Row::default()
        };
        let mut transaction = database.begin().await.unwrap();
        definitions::save(&mut transaction, &row).await.unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn every_commit_is_seen_whoever_makes_it_and_nothing_else_asks() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("outrigger.db");
        let (_, database) = open(&file).await;
        let (_, other) = open(&file).await;
        let index = directory.path().join("outrigger.db-shm");
        let epochs = Epochs::new(database.clone(), Some(index));
        let mut before = epochs.now(|| ()).await.unwrap();
        for round in 0..20 {
            let asked = epochs.begun.load(Ordering::SeqCst);
            assert_eq!(epochs.now(|| ()).await, Some(before), "round {round}");
            assert_eq!(epochs.begun.load(Ordering::SeqCst), asked);
            write(if round % 2 == 0 { &database } else { &other }).await;
            let mut told = false;
            let after = epochs.now(|| told = true).await.unwrap();
            assert_eq!(after.generation, before.generation + 1, "round {round}");
            assert!(told);
            before = after;
        }
        // A change that does not count yet is no change, one that is given up none at all.
        let row = Row {
            kind: "metric",
            id: "B".to_owned(),
            ..Row::default()
        };
        let mut transaction = database.begin().await.unwrap();
        definitions::save(&mut transaction, &row).await.unwrap();
        assert_eq!(epochs.now(|| ()).await, Some(before));
        drop(transaction);
        assert_eq!(epochs.now(|| ()).await, Some(before));
    }

    #[tokio::test]
    async fn an_index_that_is_made_anew_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("outrigger.db");
        let path = directory.path().join("outrigger.db-shm");
        let (_, database) = open(&file).await;
        let index = Index {
            path,
            file: RwLock::default(),
        };
        let first = index.head();
        assert!(first.is_some());
        database.close().await;
        assert_eq!(index.head(), None);
        let (_, database) = open(&file).await;
        write(&database).await;
        let second = index.head();
        assert!(second.is_some() && second != first);
    }

    #[tokio::test]
    async fn who_comes_while_it_is_asked_waits_for_the_next_answer() {
        let directory = tempfile::tempdir().unwrap();
        let (_, database) = open(&directory.path().join("outrigger.db")).await;
        let epochs = Epochs::new(database, None);
        let gate = epochs.last.lock().await;
        let waiting: Vec<_> = (0..10).map(|_| epochs.now(|| ())).collect();
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
        epochs.now(|| ()).await.unwrap();
        assert_eq!(epochs.begun.load(Ordering::SeqCst), 2);
    }
}
