//! What was read from the snapshot while PostgreSQL was down, told to who answers with it.

use std::cell::Cell;
use std::time::Duration;

tokio::task_local! {
    static AGE: Cell<Option<Duration>>;
}

/// Does something; says how old the oldest thing is that it read from a snapshot, where it did.
pub async fn watch<T>(work: impl Future<Output = T>) -> (T, Option<Duration>) {
    AGE.scope(Cell::default(), async {
        let done = work.await;
        (done, AGE.with(Cell::get))
    })
    .await
}

/// Notes that something this old was read.
pub(super) fn note(age: Duration) {
    let oldest = |oldest: &Cell<Option<Duration>>| oldest.set(oldest.get().max(Some(age)));
    // In commands and tasks of our own nobody watches.
    AGE.try_with(oldest).unwrap_or_default();
}
