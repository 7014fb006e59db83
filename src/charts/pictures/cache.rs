//! Pictures that were drawn, in bounded memory: the oldest goes first.

use std::collections::VecDeque;
use std::sync::Arc;

/// The most bytes kept.
pub(super) const MAX_BYTES: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: VecDeque<(String, Arc<[u8]>)>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<Arc<[u8]>> {
        let found = self.kept.iter().find(|(kept, _)| kept == key);
        found.map(|(_, png)| Arc::clone(png))
    }

    pub(super) fn put(&mut self, key: String, png: Arc<[u8]>) {
        if self.get(&key).is_some() {
            return;
        }
        self.bytes += png.len();
        self.kept.push_back((key, png));
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.kept.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_where_there_is_no_room() {
        let mut cache = Cache::default();
        let big: Arc<[u8]> = vec![0; MAX_BYTES / 2].into();
        for key in ["a", "b", "c"] {
            cache.put(key.to_owned(), Arc::clone(&big));
        }
        assert!(cache.get("a").is_none());
        assert!(cache.get("b").is_some() && cache.get("c").is_some());
        cache.clear();
        assert!(cache.get("c").is_none());
    }
}
