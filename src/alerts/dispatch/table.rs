//! A map by the labels of alerts. Each entry holds its alert, and with it the labels: a key of its own beside it would take as
//! much memory again as the rest.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table;

use crate::model::alert::Alert;
use crate::model::labels::Labels;

/// What is found by the labels of the alert it holds.
pub(super) trait OfAlert {
    /// The alert; another one takes its place only where the labels are the same.
    fn alert(&self) -> &Arc<Alert>;
}

/// Entries by the labels of their alerts.
#[derive(Debug)]
pub(super) struct ByLabels<T>(HashTable<T>);

fn hash<T: OfAlert>(entry: &T) -> u64 {
    entry.alert().labels.cached_hash()
}

impl<T: OfAlert> ByLabels<T> {
    pub(super) fn new() -> Self {
        Self(HashTable::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, labels: &Labels) -> Option<&T> {
        let is_it = |entry: &T| entry.alert().labels == *labels;
        self.0.find(labels.cached_hash(), is_it)
    }

    pub(super) fn get_mut(&mut self, labels: &Labels) -> Option<&mut T> {
        let is_it = |entry: &T| entry.alert().labels == *labels;
        self.0.find_mut(labels.cached_hash(), is_it)
    }

    /// The entry of these labels; where there is none, what `new` makes for them.
    pub(super) fn get_or_insert_with(
        &mut self,
        labels: &Labels,
        new: impl FnOnce() -> T,
    ) -> &mut T {
        let is_it = |entry: &T| entry.alert().labels == *labels;
        let entry = self.0.entry(labels.cached_hash(), is_it, hash);
        entry.or_insert_with(new).into_mut()
    }

    /// Puts it in the place of the one with the same labels.
    pub(super) fn insert(&mut self, entry: T) {
        let labels = &entry.alert().labels;
        let is_it = |other: &T| other.alert().labels == *labels;
        match self.0.entry(labels.cached_hash(), is_it, hash) {
            hash_table::Entry::Occupied(mut place) => *place.get_mut() = entry,
            hash_table::Entry::Vacant(place) => {
                place.insert(entry);
            }
        }
    }

    pub(super) fn remove(&mut self, labels: &Labels) -> Option<T> {
        let is_it = |entry: &T| entry.alert().labels == *labels;
        let found = self.0.find_entry(labels.cached_hash(), is_it);
        found.ok().map(|entry| entry.remove().0)
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.0.retain(keep);
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}
