//! Named tasks, cancellation, and a drain that can say who is stuck.
//!
//! Shutdown: [`Tasks::stop`] tells every task through its [`Stop`]; [`Tasks::drain`] waits until all have ended or the
//! deadline is over, and names those that have not.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells a task that it should end.
pub type Stop = CancellationToken;

/// The tasks of the process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: Stop,
    running: Arc<Mutex<Vec<(u64, String)>>>,
    next_id: Arc<std::sync::atomic::AtomicU64>,
}

impl Tasks {
    /// No task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that ends all tasks; `child_token()` of it ends one.
    pub fn stop_token(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs a task under a name. A panic ends the task alone and is logged with its name.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn(
        &self,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let name = name.into();
        let id = self
            .next_id
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.running.lock().push((id, name.clone()));
        let entry = Running {
            id,
            running: Arc::clone(&self.running),
            name,
        };
        // A block that awaits it would hold room for it twice.
        let task = AssertUnwindSafe(task).catch_unwind().map(|outcome| {
            if outcome.is_err() {
                tracing::error!(task = %entry.name, "task panicked");
            }
            drop(entry);
            outcome.unwrap_or_else(|panic| resume_unwind(panic))
        });
        tokio::spawn(self.tracker.track_future(task))
    }

    /// Tells every task to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for all tasks to end, at most `deadline`; returns the names of those still running.
    pub async fn drain(&self, deadline: Duration) -> Vec<String> {
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait())
            .await
            .is_ok()
        {
            return Vec::new();
        }
        self.running
            .lock()
            .iter()
            .map(|(_, name)| name.clone())
            .collect()
    }
}

/// Takes the task off the list when it ends, and when it is dropped.
struct Running {
    id: u64,
    name: String,
    running: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.running.lock().retain(|(id, _)| *id != self.id);
    }
}

/// Does work that may take longer than half a millisecond: where it is `heavy`, the runtime's other tasks go on on other
/// threads meanwhile, if there are any.
pub fn heavy<T>(heavy: bool, work: impl FnOnce() -> T) -> T {
    let many_threads = || {
        tokio::runtime::Handle::try_current().is_ok_and(|handle| {
            handle.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread
        })
    };
    if heavy && many_threads() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drain_waits_for_the_obedient_and_names_the_stuck() {
        let tasks = Tasks::new();
        let stop = tasks.stop_token();
        tasks.spawn("obedient", async move { stop.cancelled().await });
        tasks.spawn("stuck", std::future::pending());
        tasks.stop();
        assert_eq!(tasks.drain(Duration::from_secs(1)).await, ["stuck"]);
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_alone_and_takes_it_off_the_list() {
        let tasks = Tasks::new();
        let panics = tasks.spawn("panics", async { panic!("on purpose") });
        assert!(panics.await.unwrap_err().is_panic());
        tasks.spawn("goes on", async {}).await.unwrap();
        assert_eq!(tasks.drain(Duration::from_secs(60)).await, [""; 0]);
    }
}
