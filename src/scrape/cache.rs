//! The series of one target, found again by the bytes the target wrote.
//!
//! A target repeats itself: the same series, in the same order, with the same bytes. So the key of a series is its raw
//! text, kept once in an arena; the entry behind the last hit is compared first, and only where that fails is the key
//! hashed. Labels are built when a key is new, never again.
//!
//! ```text
//! entries  | 0 | 1 | 2 | 3 |      in order of first appearance; a hit on 1 makes 2 the guess
//!            │   │   │   └──▶ dropped by relabelling
//! keys     |aaaa|bbbb|cc|ddd|
//! ```
//!
//! An entry is *live* while the store's last sample of it is a real one that must be ended by a stale marker.

use hashbrown::{HashSet, HashTable};

use crate::storage::slots::SeriesRef;

/// Below this many entries nobody minds the ones that are gone.
const KEEP_GONE: usize = 64;

/// What is known of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// Relabelling drops it.
    Dropped,
    /// It is this series.
    Series(SeriesRef),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    len: u32,
    /// The pass that saw it last.
    pass: u32,
    /// Its last sample in the store is a real one.
    live: bool,
    /// It gets a stale marker when it is gone.
    tracked: bool,
    known: Known,
}

/// The series of one target.
#[derive(Debug, Default)]
pub(super) struct SeriesCache {
    keys: Vec<u8>,
    entries: Vec<Entry>,
    table: HashTable<u32>,
    pass: u32,
    /// The last pass that succeeded.
    succeeded: u32,
    /// The entry that the next sample most likely belongs to.
    guess: usize,
    /// Live series whose keys are gone or forgotten.
    orphans: Vec<SeriesRef>,
}

/// A found entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hit {
    index: usize,
    /// What the key stands for.
    pub(super) known: Known,
    /// The series was away in the last good pass and is back.
    pub(super) returned: bool,
}

impl SeriesCache {
    /// Begins a pass over a body.
    pub(super) fn begin(&mut self) {
        self.pass = self.pass.wrapping_add(1);
        self.guess = 0;
    }

    /// The key that most likely comes next; empty where there is no guess.
    pub(super) fn expected(&self) -> &[u8] {
        self.entries
            .get(self.guess)
            .map_or(&[], |entry| self.key(entry))
    }

    /// Finds a key and marks it as seen. `tracked`: it gets a stale marker when it is gone.
    pub(super) fn find(&mut self, key: &[u8], tracked: bool) -> Option<Hit> {
        let index = match self.entries.get(self.guess) {
            Some(entry) if self.key(entry) == key => self.guess,
            Some(_) | None => {
                let (keys, entries) = (&self.keys, &self.entries);
                let same = |&i: &u32| key_of(keys, &entries[i as usize]) == key;
                *self.table.find(hash(key), same)? as usize
            }
        };
        self.guess = index + 1;
        let succeeded = self.succeeded;
        let entry = &mut self.entries[index];
        let returned = entry.pass < succeeded;
        entry.pass = self.pass;
        entry.tracked = tracked;
        Some(Hit {
            index,
            known: entry.known,
            returned,
        })
    }

    /// Adds a key that was not found.
    pub(super) fn insert(&mut self, key: &[u8], known: Known, tracked: bool) {
        let (Ok(start), Ok(len), Ok(index)) = (
            u32::try_from(self.keys.len()),
            u32::try_from(key.len()),
            u32::try_from(self.entries.len()),
        ) else {
            // Four gigabytes of keys: past every body limit; such a series is simply looked up again each time.
            return;
        };
        self.keys.extend_from_slice(key);
        self.entries.push(Entry {
            start,
            len,
            pass: self.pass,
            live: false,
            tracked,
            known,
        });
        let (keys, entries) = (&self.keys, &self.entries);
        self.table.insert_unique(hash(key), index, |&i| {
            hash(key_of(keys, &entries[i as usize]))
        });
        self.guess = index as usize + 1;
    }

    /// Replaces a series that the store has forgotten.
    pub(super) fn replace(&mut self, hit: Hit, series: SeriesRef) {
        self.entries[hit.index].known = Known::Series(series);
    }

    /// Ends a pass whose samples went in: calls `gone` for each series that must be ended.
    pub(super) fn succeed(&mut self, mut gone: impl FnMut(SeriesRef)) {
        let pass = self.pass;
        self.succeeded = pass;
        let mut away = 0;
        for entry in &mut self.entries {
            if entry.pass == pass {
                entry.live = entry.tracked && entry.known != Known::Dropped;
                continue;
            }
            away += 1;
            if std::mem::take(&mut entry.live)
                && let Known::Series(series) = entry.known
            {
                // Only the key is gone: the series may be there under another one, with its labels in another order.
                self.orphans.push(series);
            }
        }
        self.end_orphans(|entry| entry.pass == pass, &mut gone);
        self.compact_if(away);
    }

    /// Ends a pass whose samples did not go in: every live series must be ended.
    pub(super) fn fail(&mut self, mut gone: impl FnMut(SeriesRef)) {
        self.end_orphans(|_| false, &mut gone);
        let mut away = 0;
        for entry in &mut self.entries {
            away += usize::from(entry.pass != self.pass && entry.pass != self.succeeded);
            if std::mem::take(&mut entry.live)
                && let Known::Series(series) = entry.known
            {
                gone(series);
            }
        }
        self.compact_if(away);
    }

    /// Forgets the keys (labels or formats have changed) but not that live series may have to be ended.
    pub(super) fn reset(&mut self) {
        let live = self.entries.iter().filter(|entry| entry.live);
        let series = live.filter_map(|entry| match entry.known {
            Known::Series(series) => Some(series),
            Known::Dropped => None,
        });
        self.orphans.extend(series);
        self.entries.clear();
        self.keys.clear();
        self.table.clear();
        self.guess = 0;
    }

    /// Number of keys known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn end_orphans(&mut self, seen: impl Fn(&Entry) -> bool, gone: &mut impl FnMut(SeriesRef)) {
        if self.orphans.is_empty() {
            return;
        }
        let seen: HashSet<SeriesRef> = self
            .entries
            .iter()
            .filter(|entry| seen(entry))
            .filter_map(|entry| match entry.known {
                Known::Series(series) => Some(series),
                Known::Dropped => None,
            })
            .collect();
        for series in std::mem::take(&mut self.orphans) {
            if !seen.contains(&series) {
                gone(series);
            }
        }
    }

    /// Leaves out the entries that neither the last pass nor the last good one has seen, where those are many.
    fn compact_if(&mut self, away: usize) {
        if away <= KEEP_GONE.max(self.entries.len() / 4) {
            return;
        }
        let old = std::mem::take(&mut self.entries);
        let old_keys = std::mem::take(&mut self.keys);
        self.table.clear();
        let kept = [self.pass, self.succeeded];
        for entry in old.iter().filter(|entry| kept.contains(&entry.pass)) {
            let key = key_of(&old_keys, entry);
            self.insert(key, entry.known, entry.tracked);
            if let Some(copy) = self.entries.last_mut() {
                copy.live = entry.live;
                copy.pass = entry.pass;
            }
        }
        self.keys.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        key_of(&self.keys, entry)
    }
}

fn key_of<'k>(keys: &'k [u8], entry: &Entry) -> &'k [u8] {
    let start = entry.start as usize;
    &keys[start..start + entry.len as usize]
}

fn hash(key: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(key)
}
