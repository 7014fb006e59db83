//! The order of alerts in a notification: by job, by instance, then fewer labels first, then by labels
//! (`alertmanager/types`, `AlertSlice`; `prometheus/common/model`, `LabelSet.Before`).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::model::alert::Alert;
use crate::model::labels::Labels;

pub(super) fn sort(alerts: &mut Vec<Arc<Alert>>) {
    if alerts.len() < 2 {
        return;
    }
    let mut order: Vec<usize> = (0..alerts.len()).collect();
    let keys: Vec<Key<'_>> = alerts.iter().map(|alert| Key::new(&alert.labels)).collect();
    order.sort_by(|a, b| keys[*a].compare(&keys[*b]));
    *alerts = order.into_iter().map(|i| Arc::clone(&alerts[i])).collect();
}

/// Leaves the first ones, in their order.
pub(super) fn first(alerts: &mut Vec<Arc<Alert>>, most: usize) {
    if most < alerts.len() {
        // Of the others no order is needed.
        alerts.select_nth_unstable_by(most, |a, b| {
            Key::new(&a.labels).compare(&Key::new(&b.labels))
        });
        alerts.truncate(most);
    }
    sort(alerts);
}

/// What comparing needs over and over, looked up once.
struct Key<'a> {
    named: [Option<&'a str>; 2],
    len: usize,
    labels: &'a Labels,
}

impl<'a> Key<'a> {
    fn new(labels: &'a Labels) -> Self {
        Self {
            named: [labels.get("job"), labels.get("instance")],
            len: labels.len(),
            labels,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        for (a, b) in self.named.iter().zip(other.named) {
            let ordering = match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => (*a).cmp(b),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        self.len.cmp(&other.len).then_with(|| {
            for ((name_a, value_a), (name_b, value_b)) in self.labels.iter().zip(other.labels) {
                // Who lacks the smaller name comes first.
                let ordering = name_b.cmp(name_a).then_with(|| value_a.cmp(value_b));
                if ordering.is_ne() {
                    return ordering;
                }
            }
            Ordering::Equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Course;
    use crate::model::timestamp::Timestamp;

    #[test]
    fn alerts_stand_in_alertmanagers_order() {
        let sets = [
            "job=a instance=2",
            "job=a instance=2 z=1",
            "job=a instance=3",
            "job=a x=1",
            "job=b",
            "instance=1",
            "b=2",
            "a=2",
            "a=3",
            "a=1 c=1",
            "a=1 b=1",
        ];
        let read = |text: &str| {
            Labels::from_pairs(text.split(' ').map(|pair| pair.split_once('=').unwrap()))
        };
        let mut sorted: Vec<&str> = sets.iter().rev().copied().collect();
        sorted.sort_by(|a, b| Key::new(&read(a)).compare(&Key::new(&read(b))));
        assert_eq!(sorted, sets);
        for most in 0..=sets.len() + 1 {
            let alert = |text: &&str| {
                Arc::new(Alert {
                    labels: read(text),
                    annotations: Labels::empty(),
                    starts_at: Timestamp::MIN,
                    ends_at: Timestamp::MAX,
                    updated_at: Timestamp::MIN,
                    generator_url: "".into(),
                    value: None,
                    course: Course::default(),
                })
            };
            let mut alerts: Vec<Arc<Alert>> = sets.iter().rev().map(alert).collect();
            first(&mut alerts, most);
            let labels: Vec<&Labels> = alerts.iter().map(|alert| &alert.labels).collect();
            let want: Vec<Labels> = sets.iter().take(most).map(|text| read(text)).collect();
            assert_eq!(labels, want.iter().collect::<Vec<_>>());
        }
    }
}
