//! Retention, collection of empty series, checkpoints.
//!
//! What is past retention is reckoned from the *horizon*: the clock's time or the newest sample's, whichever is earlier.
//! So neither a clock that jumps ahead nor one that falls back drops anything while no samples come with it. Where
//! samples follow a clock that jumped ahead, the horizon follows in small steps, a call each: a clock that is wrong for
//! some minutes costs some hours of the oldest history, not all of it. It never moves back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::slots::SeriesRef;
use super::wal::{Wal, checkpoint};
use super::{Shared, Storage, StorageConfig};
use crate::model::timestamp::Timestamp;

// How far the horizon moves at a call: ten times as fast as time, where a call comes every minute.
const HORIZON_STEP: Duration = Duration::from_secs(10 * 60);
// A series that saw nothing for so long gets its open chunk sealed, which takes less memory.
const QUIET: Duration = Duration::from_secs(3600);
// Collected at once under the lock on the index.
const COLLECT: usize = 1024;
// An old log is not worth a checkpoint while it is smaller than this.
const WORTHWHILE_BYTES: u64 = 256 << 10;

/// What maintenance remembers from call to call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    horizon_ms: Option<i64>,
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
        let cutoff_ms = {
            let mut schedule = shared.schedule.lock();
            schedule.horizon_ms = horizon(schedule.horizon_ms, now_ms, shared.newest());
            let cutoff_ms = schedule.horizon_ms.map_or(i64::MIN, |horizon_ms| {
                horizon_ms.saturating_sub(millis(shared.config.retention))
            });
            shared.cutoff_ms.store(cutoff_ms, Ordering::Relaxed);
            cutoff_ms
        };
        let quiet_ms = shared.newest().map_or(i64::MIN, |newest_ms| {
            newest_ms.saturating_sub(millis(QUIET))
        });
        let (mut chunks, mut bytes) = (0, 0);
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
                chunks += data.chunks();
                bytes += data.bytes();
                // Empty twice: one that was just created may get its first sample any moment.
                if data.is_collectable() && std::mem::replace(&mut data.idle, true) {
                    empty.push(SeriesRef::new(id, slot));
                }
            }
        }
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

/// Where the horizon moves to; `None` while there are no samples.
fn horizon(before_ms: Option<i64>, now_ms: i64, newest_ms: Option<i64>) -> Option<i64> {
    let reached_ms = now_ms.min(newest_ms?);
    Some(match before_ms {
        None => reached_ms,
        Some(before_ms) => {
            reached_ms.clamp(before_ms, before_ms.saturating_add(millis(HORIZON_STEP)))
        }
    })
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
    fn the_horizon_follows_clock_and_samples_in_steps() {
        let check = |before, now, newest, want: Option<i64>| {
            assert_eq!(
                horizon(before, now, newest),
                want,
                "{before:?} {now} {newest:?}"
            );
        };
        check(None, 100, None, None);
        check(None, 100, Some(50), Some(50));
        check(None, 10, Some(50), Some(10));
        // The clock alone moves nothing.
        check(Some(50), 9_000_000_000, Some(60), Some(60));
        // Clock and samples together: one step.
        check(Some(50), 9_000_000_000, Some(9_000_000_000), Some(600_050));
        // Neither moves it back.
        check(Some(50), 0, Some(60), Some(50));
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
