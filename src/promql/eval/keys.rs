//! Which rows belong together: the part of a label set that `by`, `without`, `on` or `ignoring` leaves.

use hashbrown::HashMap;

use super::grid::{Grid, is_metadata};
use crate::model::labels::{Labels, METRIC_NAME};

/// The labels that count.
#[derive(Clone, Debug)]
pub(super) struct LabelPart<'a> {
    /// Sorted, each once.
    names: Vec<&'a str>,
    /// `names` count; otherwise all but `names` and the metric name.
    listed: bool,
}

impl<'a> LabelPart<'a> {
    /// `by (names)`, `on (names)`.
    pub(super) fn listed(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: sorted(names),
            listed: true,
        }
    }

    /// `without (names)`, `ignoring (names)`.
    pub(super) fn all_but(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: sorted(names.into_iter().chain([METRIC_NAME])),
            listed: false,
        }
    }

    /// All but `names`, the metric name among them.
    pub(super) fn without_only(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: sorted(names),
            listed: false,
        }
    }

    /// Every row is in the same group.
    pub(super) fn is_nothing(&self) -> bool {
        self.listed && self.names.is_empty()
    }

    fn counts(&self, name: &str) -> bool {
        self.names.binary_search(&name).is_ok() == self.listed
    }

    /// The part of a row's labels that counts.
    pub(super) fn of(&self, grid: &Grid, row: usize) -> Labels {
        Labels::from_sorted(grid.visible(row).filter(|(name, _)| self.counts(name)))
    }

    /// Each row's group, and the number of groups.
    pub(super) fn group(&self, grid: &Grid, groups: &mut Groups) -> Vec<u32> {
        if self.is_nothing() {
            let group = groups.of(&[]);
            return vec![group; grid.rows()];
        }
        let mut key = Vec::with_capacity(128);
        (0..grid.rows())
            .map(|row| {
                key.clear();
                self.write(&grid.labels[row], grid.nameless, &mut key);
                groups.of(&key)
            })
            .collect()
    }

    // No UTF-8 text holds 0xff, so that two different parts never share a key.
    fn write(&self, labels: &Labels, nameless: bool, key: &mut Vec<u8>) {
        let mut names = self.names.iter().peekable();
        for (name, value) in labels {
            if self.listed && names.peek().is_none() {
                break;
            }
            if nameless && is_metadata(name) {
                continue;
            }
            while names.next_if(|listed| **listed < name).is_some() {}
            if names.next_if(|listed| **listed == name).is_some() == self.listed {
                key.extend_from_slice(name.as_bytes());
                key.push(0xff);
                key.extend_from_slice(value.as_bytes());
                key.push(0xff);
            }
        }
    }
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Groups by the order in which they are first seen.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_key: HashMap<Box<[u8]>, u32>,
}

impl Groups {
    fn of(&mut self, key: &[u8]) -> u32 {
        if let Some(group) = self.by_key.get(key) {
            return *group;
        }
        let group = self.by_key.len() as u32;
        self.by_key.insert(key.into(), group);
        group
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

/// The rows of each group, in order.
pub(super) fn members(groups: &[u32], count: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); count];
    for (row, group) in groups.iter().enumerate() {
        members[*group as usize].push(row as u32);
    }
    members
}
