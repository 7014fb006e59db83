//! When an alert was pending and firing, as `ALERTS` has it.

use super::{Episode, State};
use crate::model::labels::{Labels, METRIC_NAME};
use crate::model::matcher::Matcher;
use crate::model::sample::{Sample, is_stale};
use crate::model::timestamp::Timestamp;
use crate::storage::query::{Queryable, SelectRequest, Series};

/// How far back.
const WINDOW_MS: i64 = 24 * 3600 * 1000;
/// How long a sample counts without another one behind it, as in PromQL.
const LOOKBACK_MS: i64 = 5 * 60 * 1000;
/// Samples read at most: a day at one a second, twice.
const SAMPLES: usize = 200_000;
/// Episodes shown.
const MOST: usize = 20;

/// The latest episodes, newest first; `labels` are those that the rule itself gives. Blocking.
pub(super) fn episodes(storage: &dyn Queryable, labels: &Labels, now: Timestamp) -> Vec<Episode> {
    let mut matchers = vec![Matcher::equal(METRIC_NAME, "ALERTS")];
    matchers.extend(
        labels
            .iter()
            .map(|(name, value)| Matcher::equal(name, value)),
    );
    let request = SelectRequest {
        matchers: &matchers,
        after_ms: now.millis() - WINDOW_MS,
        until_ms: now.millis(),
        newest_only: false,
        max_samples: SAMPLES,
    };
    let series = storage.select(&request).unwrap_or_default();
    of(&series, labels.len() + 2, now)
}

fn of(series: &[Series], size: usize, now: Timestamp) -> Vec<Episode> {
    let mut episodes = Vec::new();
    // One with more labels is another alert.
    for series in series.iter().filter(|series| series.labels.len() == size) {
        let state = match series.labels.value("alertstate") {
            "pending" => State::Pending,
            "firing" => State::Firing,
            _ => continue,
        };
        let mut open: Option<(i64, i64)> = None;
        let mut close = |start: i64, end: Option<i64>| {
            episodes.push(Episode {
                state,
                start: Timestamp::from_millis(start),
                end: end.map(Timestamp::from_millis),
            });
        };
        for Sample {
            timestamp_ms,
            value,
        } in &series.samples
        {
            match open {
                Some((start, _)) if is_stale(*value) => {
                    close(start, Some(*timestamp_ms));
                    open = None;
                }
                Some((start, last)) if timestamp_ms - last > LOOKBACK_MS => {
                    close(start, Some(last));
                    open = Some((*timestamp_ms, *timestamp_ms));
                }
                Some((start, _)) => open = Some((start, *timestamp_ms)),
                None if is_stale(*value) => {}
                None => open = Some((*timestamp_ms, *timestamp_ms)),
            }
        }
        if let Some((start, last)) = open {
            close(start, (now.millis() - last > LOOKBACK_MS).then_some(last));
        }
    }
    episodes.sort_by_key(|episode| std::cmp::Reverse(episode.start));
    episodes.truncate(MOST);
    episodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::STALE_NAN;

    #[test]
    fn an_episode_ends_where_it_is_marked_or_where_samples_cease() {
        let series = |state: &str, samples: &[(i64, f64)]| Series {
            labels: Labels::from_pairs([
                (METRIC_NAME, "ALERTS"),
                ("alertname", "A"),
                ("alertstate", state),
            ]),
            samples: samples
                .iter()
                .map(|(minute, value)| Sample {
                    timestamp_ms: minute * 60_000,
                    value: *value,
                })
                .collect(),
        };
        let given = [
            series("pending", &[(1, 1.0), (2, 1.0), (3, STALE_NAN), (20, 1.0)]),
            series("firing", &[(3, 1.0), (4, 1.0), (21, 1.0), (24, 1.0)]),
        ];
        let found = of(&given, 3, Timestamp::from_millis(25 * 60_000));
        let minute = |at: Timestamp| at.millis() / 60_000;
        let shown: Vec<_> = found
            .iter()
            .map(|one| (one.state, minute(one.start), one.end.map(minute)))
            .collect();
        assert_eq!(
            shown,
            [
                (State::Firing, 21, None),
                (State::Pending, 20, None),
                (State::Firing, 3, Some(4)),
                (State::Pending, 1, Some(3)),
            ]
        );
        assert_eq!(of(&given, 4, Timestamp::from_millis(0)), []);
    }
}
