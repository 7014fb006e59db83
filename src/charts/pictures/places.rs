//! Blocking work, a few at a time: a place is taken until the work has ended, also where nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Semaphore>);

/// Why there is no outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Without {
    /// It was not over in time, or no place was free.
    Timeout,
    Panicked,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Does some work on a thread of its own, and waits for it as long as `limit`, the wait for a place included.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Without> {
        let running = async {
            let places = Arc::clone(&self.0);
            let Ok(place) = places.acquire_owned().await else {
                return Err(Without::Timeout);
            };
            let work = tokio::task::spawn_blocking(move || {
                let outcome = work();
                drop(place);
                outcome
            });
            work.await.map_err(|_| Without::Panicked)
        };
        tokio::time::timeout(limit, running)
            .await
            .unwrap_or(Err(Without::Timeout))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_place_until_it_ends() {
        let places = Places::new(1);
        let (end, wait) = mpsc::channel::<()>();
        let slow = places.run(Duration::ZERO, move || wait.recv().is_err());
        assert_eq!(slow.await, Err(Without::Timeout));
        let begun = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&begun);
        let next = places.run(Duration::ZERO, move || flag.store(true, Ordering::SeqCst));
        assert_eq!(next.await, Err(Without::Timeout));
        drop(end);
        assert_eq!(places.run(LONG, || 7).await, Ok(7));
        assert!(!begun.load(Ordering::SeqCst), "there was no place for it");
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_place_back() {
        let places = Places::new(1);
        let broken = places.run(LONG, || panic!("on purpose"));
        assert_eq!(broken.await, Err(Without::Panicked));
        assert_eq!(places.run(LONG, || 7).await, Ok(7));
    }
}
