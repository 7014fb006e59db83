//! Which series there are, and which carry which label.
//!
//! ```text
//! table     hash of the labels -> slot
//! entries   slot -> id, labels
//! names     label name -> value -> slots, sorted
//! ```
//!
//! Each label value is stored once in `names`, beside the label sets themselves. Nothing here knows of samples.

use hashbrown::hash_table::Entry as TableEntry;
use hashbrown::{HashMap, HashTable};

use super::slots::{MAX_ID, MAX_SLOTS, SeriesRef};
use crate::model::labels::Labels;

/// Slots of one label's values, each list sorted and never empty.
pub(super) type Values = HashMap<Box<str>, Vec<u32>>;

/// The series index.
#[derive(Debug, Default)]
pub(super) struct Index {
    table: HashTable<u32>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    names: HashMap<Box<str>, Values>,
    last_id: u64,
    // Estimate of what one label of one series costs, summed up.
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    labels: Labels,
}

/// What [`Index::get_or_create`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The series was there.
    Old(SeriesRef),
    /// The series is new; its slot is not yet occupied.
    New(SeriesRef),
    /// There is no room for another one.
    Full,
}

impl Index {
    /// Number of series.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// One more than the highest slot in use.
    pub(super) fn slots(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Bytes held, estimated.
    pub(super) fn bytes(&self) -> usize {
        // hashbrown keeps a control byte beside each bucket.
        self.bytes
            + self.table.capacity() * (size_of::<u32>() + 1)
            + self.entries.capacity() * size_of::<Option<Entry>>()
    }

    /// Finds a series.
    pub(super) fn get(&self, labels: &Labels) -> Option<SeriesRef> {
        let slot = *self.table.find(labels.cached_hash(), |slot| {
            entry(&self.entries, *slot).labels == *labels
        })?;
        Some(SeriesRef::new(entry(&self.entries, slot).id, slot))
    }

    /// Finds a series or adds it, where there are fewer than `limit`.
    pub(super) fn get_or_create(&mut self, labels: &Labels, limit: usize) -> Found {
        let entries = &self.entries;
        let full = self.table.len() >= limit;
        let vacant = match self.table.entry(
            labels.cached_hash(),
            |slot| entry(entries, *slot).labels == *labels,
            |slot| entry(entries, *slot).labels.cached_hash(),
        ) {
            TableEntry::Occupied(occupied) => {
                let slot = *occupied.get();
                return Found::Old(SeriesRef::new(entry(entries, slot).id, slot));
            }
            TableEntry::Vacant(vacant) => vacant,
        };
        let slot = self.free.last().copied().unwrap_or(entries.len() as u32);
        if full || slot >= MAX_SLOTS {
            return Found::Full;
        }
        vacant.insert(slot);
        self.free.pop();
        self.last_id += 1;
        let id = self.last_id;
        let added = Some(Entry {
            id,
            labels: labels.clone(),
        });
        match self.entries.get_mut(slot as usize) {
            Some(place) => *place = added,
            None => self.entries.push(added),
        }
        self.add_postings(labels, slot);
        Found::New(SeriesRef::new(id, slot))
    }

    /// Makes sure that no id up to this one is given to another series.
    pub(super) fn reserve_id(&mut self, id: u64) {
        if id <= MAX_ID {
            self.last_id = self.last_id.max(id);
        }
    }

    /// As [`Index::get_or_create`], but a new series gets the id it had before the restart.
    pub(super) fn restore(&mut self, labels: &Labels, id: u64) -> Found {
        let last_id = self.last_id;
        self.last_id = id.saturating_sub(1);
        let found = self.get_or_create(labels, usize::MAX);
        self.last_id = last_id.max(id);
        found
    }

    /// The labels of a slot and the ref to its series; `None` where it is free.
    pub(super) fn series(&self, slot: u32) -> Option<(SeriesRef, &Labels)> {
        let entry = self.entries.get(slot as usize)?.as_ref()?;
        Some((SeriesRef::new(entry.id, slot), &entry.labels))
    }

    /// All slots in use, sorted.
    pub(super) fn all(&self) -> Vec<u32> {
        (0..self.slots())
            .filter(|slot| self.entries[*slot as usize].is_some())
            .collect()
    }

    /// The values of one label.
    pub(super) fn values(&self, name: &str) -> Option<&Values> {
        self.names.get(name)
    }

    /// All labels.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.names
            .iter()
            .map(|(name, values)| (name.as_ref(), values))
    }

    /// Forgets series; those collected already are passed over.
    pub(super) fn remove(&mut self, series: &[SeriesRef]) {
        let mut removed: Vec<(u32, Labels)> = Vec::with_capacity(series.len());
        for series in series {
            let slot = series.slot();
            let Some(place) = self.entries.get_mut(slot as usize) else {
                continue;
            };
            if let Some(entry) = place.take_if(|entry| entry.id == series.id()) {
                let found = self
                    .table
                    .find_entry(entry.labels.cached_hash(), |candidate| *candidate == slot);
                if let Ok(found) = found {
                    found.remove();
                }
                removed.push((slot, entry.labels));
            }
        }
        let mut slots: Vec<u32> = removed.iter().map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        let mut touched: Vec<(&str, &str)> = removed
            .iter()
            .flat_map(|(_, labels)| labels.iter())
            .collect();
        touched.sort_unstable();
        touched.dedup();
        for (name, value) in touched {
            self.remove_postings(name, value, &slots);
        }
        for (_, labels) in &removed {
            self.bytes = self.bytes.saturating_sub(cost(labels));
        }
        self.free.extend(slots);
    }

    fn add_postings(&mut self, labels: &Labels, slot: u32) {
        self.bytes += cost(labels);
        for (name, value) in labels {
            let values = match self.names.get_mut(name) {
                Some(values) => values,
                None => self.names.entry(name.into()).or_default(),
            };
            let slots = match values.get_mut(value) {
                Some(slots) => slots,
                None => {
                    self.bytes += value_cost(value);
                    values.entry(value.into()).or_default()
                }
            };
            match slots.last() {
                Some(last) if *last >= slot => {
                    if let Err(place) = slots.binary_search(&slot) {
                        slots.insert(place, slot);
                    }
                }
                _ => slots.push(slot),
            }
        }
    }

    fn remove_postings(&mut self, name: &str, value: &str, gone: &[u32]) {
        let Some(values) = self.names.get_mut(name) else {
            return;
        };
        if let Some(slots) = values.get_mut(value) {
            slots.retain(|slot| gone.binary_search(slot).is_err());
            if slots.is_empty() {
                values.remove(value);
                self.bytes = self.bytes.saturating_sub(value_cost(value));
            }
        }
        if values.is_empty() {
            self.names.remove(name);
        }
    }
}

fn entry(entries: &[Option<Entry>], slot: u32) -> &Entry {
    entries[slot as usize]
        .as_ref()
        .expect("the table holds used slots only")
}

/// What a series costs beside its fixed parts: its labels, and a posting for each, with room to grow.
fn cost(labels: &Labels) -> usize {
    labels.heap_bytes() + labels.len() * 6
}

/// What a label value costs once: key, list, their allocations.
fn value_cost(value: &str) -> usize {
    value.len() + size_of::<(Box<str>, Vec<u32>)>() + 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(value: &str) -> Labels {
        Labels::from_pairs([("__name__", "m"), ("v", value)])
    }

    fn create(index: &mut Index, value: &str) -> SeriesRef {
        match index.get_or_create(&labels(value), 10) {
            Found::New(series) => series,
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn removed_series_leave_nothing_behind() {
        let mut index = Index::default();
        let a = create(&mut index, "a");
        let b = create(&mut index, "b");
        assert_eq!(index.get_or_create(&labels("a"), 10), Found::Old(a));
        assert_eq!(index.get_or_create(&labels("c"), 2), Found::Full);
        index.remove(&[a]);
        index.remove(&[a]);
        assert_eq!(index.get(&labels("a")), None);
        assert_eq!(index.len(), 1);
        assert!(!index.values("v").expect("b is left").contains_key("a"));
        let c = create(&mut index, "c");
        assert_eq!(c.slot(), a.slot());
        assert_ne!(c, a);
        assert_eq!(index.values("__name__").expect("both")["m"], [0, 1]);
        index.remove(&[b, c]);
        assert_eq!(index.names().count(), 0);
        assert_eq!(index.bytes, 0);
    }
}
