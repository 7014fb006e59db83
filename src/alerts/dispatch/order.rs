//! The order of alerts in a notification: by job, by instance, then fewer labels first, then by labels
//! (`alertmanager/types`, `AlertSlice`; `prometheus/common/model`, `LabelSet.Before`).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::model::alert::Alert;
use crate::model::labels::Labels;

pub(super) fn sort(alerts: &mut [Arc<Alert>]) {
    alerts.sort_by(|a, b| compare(&a.labels, &b.labels));
}

fn compare(a: &Labels, b: &Labels) -> Ordering {
    for name in ["job", "instance"] {
        let ordering = match (a.get(name), b.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    a.len().cmp(&b.len()).then_with(|| {
        for ((name_a, value_a), (name_b, value_b)) in a.iter().zip(b) {
            // Who lacks the smaller name comes first.
            let ordering = name_b.cmp(name_a).then_with(|| value_a.cmp(value_b));
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        sorted.sort_by(|a, b| compare(&read(a), &read(b)));
        assert_eq!(sorted, sets);
    }
}
