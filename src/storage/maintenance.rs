//! Retention, collection of empty series, checkpoints.
//!
//! Retention counts back from the clock's time or the newest sample's, whichever is earlier: neither a clock that jumps
//! ahead nor one that falls back drops anything while no samples come with it. Where samples do follow a clock that
//! jumped ahead, each call drops ten minutes of the oldest history at most: a clock that is wrong for some minutes costs
//! an hour of history, not all of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::slots::SeriesRef;
use super::wal::{Wal, checkpoint};
use super::{Shared, Storage, StorageConfig};
use crate::model::timestamp::Timestamp;

// History that a call drops at most: ten times as fast as time, where a call comes every minute.
const STEP: Duration = Duration::from_secs(10 * 60);
// A series that saw nothing for so long gets its open chunk sealed, which takes less memory.
const QUIET: Duration = Duration::from_secs(3600);
// Collected at once under the lock on the index.
const COLLECT: usize = 1024;
// An old log is not worth a checkpoint while it is smaller than this.
const WORTHWHILE_BYTES: u64 = 256 << 10;

/// What maintenance remembers from call to call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    // What was dropped up to now, and where the history began after that.
    cutoff_ms: Option<i64>,
    oldest_ms: Option<i64>,
    last_checkpoint_ms: Option<i64>,
}

/// Why a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Memory holds samples that never reached the log.
    Gap,
    /// A start would replay too much.
    Large,
    /// The last one is long ago.
    Old,
}

/// What [`due`] goes by.
#[derive(Clone, Copy, Debug)]
struct LogState {
    gap: bool,
    segments_bytes: u64,
    checkpoint_bytes: u64,
    age: Duration,
}

impl Storage {
    /// Drops samples past retention, collects series without samples, syncs the log and, where it is large or old,
    /// writes a checkpoint. Blocking, up to seconds; to be called every minute.
    pub fn maintain(&self, now: Timestamp) {
        self.retain(now.millis());
        self.sync();
        self.checkpoint_if_due(now.millis());
    }

    /// Applies retention and refreshes the gauges.
    pub(super) fn retain(&self, now_ms: i64) {
        let shared = &self.0;
        let retention_ms = millis(shared.config.retention);
        let cutoff_ms = {
            let mut schedule = shared.schedule.lock();
            let wanted_ms = shared
                .newest()
                .map(|newest_ms| now_ms.min(newest_ms).saturating_sub(retention_ms));
            schedule.cutoff_ms = cutoff(schedule.cutoff_ms, schedule.oldest_ms, wanted_ms);
            schedule.cutoff_ms.unwrap_or(i64::MIN)
        };
        shared.cutoff_ms.store(cutoff_ms, Ordering::Relaxed);
        let quiet_ms = shared.newest().map_or(i64::MIN, |newest_ms| {
            newest_ms.saturating_sub(millis(QUIET))
        });
        let (mut chunks, mut bytes) = (0, 0);
        let mut oldest_ms: Option<i64> = None;
        let mut empty: Vec<SeriesRef> = Vec::new();
        let highest = shared.index.read().slots();
        for block in 0..=super::slots::Slots::block_of(highest) {
            let Some(mut locked) = shared.slots.lock(block) else {
                break;
            };
            for (slot, data) in (super::slots::Slots::first_of(block)..).zip(locked.iter_mut()) {
                let Some(id) = data.id() else {
                    continue;
                };
                data.expire(cutoff_ms, quiet_ms);
                if let Some(start_ms) = data.oldest_ms() {
                    oldest_ms = Some(oldest_ms.map_or(start_ms, |oldest| oldest.min(start_ms)));
                }
                chunks += data.chunks();
                bytes += data.bytes();
                // Empty twice: one that was just created may get its first sample any moment.
                if data.is_collectable() && std::mem::replace(&mut data.idle, true) {
                    empty.push(SeriesRef::new(id, slot));
                }
            }
        }
        shared.schedule.lock().oldest_ms = oldest_ms;
        shared.collect(&empty);
        let index = shared.index.read();
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        shared.metrics.series.set(gauge(index.len()));
        shared.metrics.chunks.set(gauge(chunks));
        shared.metrics.bytes.set(gauge(bytes + index.bytes()));
    }

    fn checkpoint_if_due(&self, now_ms: i64) {
        let shared = &self.0;
        let Some(state) = shared.log.lock().as_ref().map(|wal| {
            let mut schedule = shared.schedule.lock();
            let since_ms = *schedule.last_checkpoint_ms.get_or_insert(now_ms);
            LogState::of(
                wal,
                Timestamp::from_millis(now_ms).since(Timestamp::from_millis(since_ms)),
            )
        }) else {
            return;
        };
        let Some(due) = due(&shared.config, state) else {
            return;
        };
        shared.schedule.lock().last_checkpoint_ms = Some(now_ms);
        match checkpoint::write(&shared.log, &shared.index, &shared.slots) {
            Ok(()) => {
                shared.metrics.checkpoints.inc();
                tracing::debug!(reason = ?due, "wrote a checkpoint");
            }
            Err(error) => {
                shared.metrics.wal_failed_writes.inc();
                tracing::error!(%error, "write a checkpoint: the write-ahead log cannot be shortened; is the disk full?");
            }
        }
    }
}

impl LogState {
    fn of(wal: &Wal, age: Duration) -> Self {
        Self {
            gap: wal.has_gap(),
            segments_bytes: wal.segments_bytes(),
            checkpoint_bytes: wal.checkpoint_bytes(),
            age,
        }
    }
}

impl Shared {
    /// Forgets series that are still empty.
    fn collect(&self, empty: &[SeriesRef]) {
        for part in empty.chunks(COLLECT) {
            let mut index = self.index.write();
            let gone: Vec<SeriesRef> = part
                .iter()
                .copied()
                .filter(|series| {
                    self.slots
                        .with_series(*series, |data| {
                            let gone = data.is_collectable() && data.idle;
                            if gone {
                                data.vacate();
                            }
                            gone
                        })
                        .unwrap_or(false)
                })
                .collect();
            index.remove(&gone);
            self.metrics.series_collected.inc_by(gone.len() as u64);
        }
    }
}

/// Up to when samples are dropped; `None` until samples have been seen twice.
fn cutoff(before_ms: Option<i64>, oldest_ms: Option<i64>, wanted_ms: Option<i64>) -> Option<i64> {
    let (Some(oldest_ms), Some(wanted_ms)) = (oldest_ms, wanted_ms) else {
        return before_ms;
    };
    // A gap in history, such as a clock that began in 1970, is crossed at once: there is nothing to lose in it.
    let reached_ms = before_ms.map_or(oldest_ms, |before_ms| before_ms.max(oldest_ms));
    Some(
        wanted_ms
            .min(reached_ms.saturating_add(millis(STEP)))
            .max(before_ms.unwrap_or(i64::MIN)),
    )
}

/// Whether a checkpoint is worth its cost: it writes all that is in memory, so it waits until the log has grown to half
/// the size of the last one.
fn due(config: &StorageConfig, state: LogState) -> Option<Due> {
    if state.gap {
        Some(Due::Gap)
    } else if state.segments_bytes > config.checkpoint_bytes.max(state.checkpoint_bytes / 2) {
        Some(Due::Large)
    } else if state.age >= config.checkpoint_interval && state.segments_bytes > WORTHWHILE_BYTES {
        Some(Due::Old)
    } else {
        None
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cutoff_eats_history_in_steps_and_crosses_gaps_at_once() {
        let step = millis(STEP);
        let check = |before, oldest, wanted, want: Option<i64>| {
            assert_eq!(
                cutoff(before, oldest, wanted),
                want,
                "{before:?} {oldest:?} {wanted:?}"
            );
        };
        check(None, None, Some(5), None);
        check(Some(3), None, None, Some(3));
        // All is within retention.
        check(None, Some(100), Some(50), Some(50));
        check(Some(40), Some(100), Some(50), Some(50));
        // It never moves back.
        check(Some(40), Some(100), Some(10), Some(40));
        // A jump ahead, samples included.
        check(Some(50), Some(40), Some(1 << 50), Some(50 + step));
        // The clock stood at 1970 at the start.
        let now = 1_700_000_000_000;
        check(Some(0), Some(now - 10), Some(now), Some(now));
    }

    #[test]
    fn checkpoints_are_written_where_they_are_worth_it() {
        let config = StorageConfig::default();
        let quiet = LogState {
            gap: false,
            segments_bytes: 1 << 20,
            checkpoint_bytes: 0,
            age: Duration::ZERO,
        };
        let check = |state, want| assert_eq!(due(&config, state), want, "{state:?}");
        check(quiet, None);
        check(LogState { gap: true, ..quiet }, Some(Due::Gap));
        let large = LogState {
            segments_bytes: config.checkpoint_bytes + 1,
            ..quiet
        };
        check(large, Some(Due::Large));
        check(
            LogState {
                checkpoint_bytes: 3 * config.checkpoint_bytes,
                ..large
            },
            None,
        );
        let old = LogState {
            age: config.checkpoint_interval,
            ..quiet
        };
        check(old, Some(Due::Old));
        check(
            LogState {
                segments_bytes: 100,
                ..old
            },
            None,
        );
    }
}
