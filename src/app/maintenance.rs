//! What must happen from time to time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::scrape::manager::ScrapeManager;
use crate::scrape::status::TargetsSnapshot;
use crate::storage::{Storage, StorageConfig};
use crate::tasks::{Stop, Tasks};

/// How often samples past retention are dropped.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
/// How often targets are asked whether all have been scraped.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest that rules wait for the first scrapes.
const LONGEST_WAIT: Duration = Duration::from_secs(75);
/// The longest that routes wait for the first evaluations: one alert that ended, told before the others were sent again,
/// would look like the end of them all.
pub(super) const LONGEST_START: Duration = Duration::from_secs(LONGEST_WAIT.as_secs() + 15);

/// Syncs the store's log and drops what is past retention.
pub(super) struct Maintenance {
    pub(super) storage: Storage,
    pub(super) clock: Clock,
}

impl Maintenance {
    pub(super) async fn run(self, stop: Stop) {
        let mut sync = interval(StorageConfig::default().sync_interval);
        let mut maintain = interval(MAINTAIN_EVERY);
        sync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        maintain.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let storage = self.storage.clone();
            let work = tokio::select! {
                () = stop.cancelled() => return,
                _ = sync.tick() => tokio::task::spawn_blocking(move || storage.sync()),
                _ = maintain.tick() => {
                    let now = self.clock.now();
                    tokio::task::spawn_blocking(move || storage.maintain(now))
                }
            };
            if let Err(error) = work.await {
                tracing::error!(%error, "storage maintenance panicked");
            }
        }
    }
}

/// Says so, from when the targets are known, once each has been scraped, or had its chance: before that an absent series means
/// nothing, and rules must not resolve what they restored. Where `expected` is false no target will come, and nobody waits.
pub(super) fn watch_first_scrapes(
    tasks: &Tasks,
    targets: &Arc<ScrapeManager>,
    data_ready: watch::Sender<bool>,
    expected: bool,
) {
    let (targets, stop) = (Arc::clone(targets), tasks.stop_token());
    tasks.spawn("first scrapes", async move {
        let all_scraped = async {
            let mut look = interval(LOOK_EVERY);
            loop {
                look.tick().await;
                if !expected || all_scraped(&targets.targets()) {
                    return;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(LONGEST_WAIT, all_scraped) => {}
        }
        data_ready.send_replace(true);
        // The rules hold receivers as long as they live; keep the word standing.
        stop.cancelled().await;
        drop(data_ready);
    });
}

fn all_scraped(targets: &TargetsSnapshot) -> bool {
    !targets.active.is_empty()
        && targets
            .active
            .iter()
            .all(|target| target.last_scrape.is_some())
}
