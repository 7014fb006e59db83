//! Ledger entries as bytes, many in one row.
//!
//! ```text
//! body   = version (1), entry, entry, ...
//! entry  = flags, then what the flags do not say: at, group key, receiver, integration, labels, decision
//! flags  = 1 at, 2 group key, 4 receiver, 8 integration, 32 labels, 64 decision: as in the entry before
//!          16 the entry has labels
//! at     = signed milliseconds since the entry before; decision = JSON behind its length; the others are texts
//! hashes = 8 bytes each, little-endian, sorted: fingerprints of the alerts, FNV-1a of the notifications' ids
//! ```
//!
//! A decision that does not read back spoils its own entry; anything else spoils what follows in this chunk.

use std::sync::Arc;

use super::LedgerEntry;
use crate::db::DbError;
use crate::db::codec::{Malformed, Reader, put_bytes, put_labels, put_signed, put_text};
use crate::model::labels::Labels;
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

const VERSION: u8 = 1;

const SAME_AT: u8 = 1;
const SAME_GROUP: u8 = 2;
const SAME_RECEIVER: u8 = 4;
const SAME_INTEGRATION: u8 = 8;
const HAS_LABELS: u8 = 16;
const SAME_LABELS: u8 = 32;
const SAME_DECISION: u8 = 64;

/// Entries of a chunk at most, and bytes after which no other follows.
const ENTRIES: usize = 500;
const BYTES: usize = 128 << 10;

/// A chunk to be written.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) entries: usize,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    pub(super) hashes: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// The next chunk of these entries, and those that are left.
pub(super) fn encode(entries: &[LedgerEntry]) -> Result<(Encoded, &[LedgerEntry]), DbError> {
    let mut body = Vec::with_capacity(entries.len().min(ENTRIES) * 160);
    body.push(VERSION);
    let mut hashes = Vec::with_capacity(entries.len().min(ENTRIES) * 2);
    let (mut first_at, mut last_at) = (Timestamp::MAX, Timestamp::MIN);
    let mut decision = Vec::new();
    let mut before: Option<&LedgerEntry> = None;
    let mut count = 0;
    for entry in entries.iter().take(ENTRIES) {
        if body.len() > BYTES {
            break;
        }
        count += 1;
        first_at = first_at.min(entry.at);
        last_at = last_at.max(entry.at);
        let flags = before.map_or(0, |before| alike(before, entry));
        let labels = if entry.labels.is_some() {
            HAS_LABELS
        } else {
            0
        };
        body.push(flags | labels);
        if flags & SAME_AT == 0 {
            let earlier = before.map_or(0, |before| before.at.millis());
            put_signed(&mut body, entry.at.millis().wrapping_sub(earlier));
        }
        for (flag, text) in [
            (SAME_GROUP, &entry.group_key),
            (SAME_RECEIVER, &entry.receiver),
            (SAME_INTEGRATION, &entry.integration),
        ] {
            if flags & flag == 0 {
                put_text(&mut body, text);
            }
        }
        if let Some(labels) = &entry.labels
            && flags & SAME_LABELS == 0
        {
            put_labels(&mut body, labels);
            hashes.push(labels.fingerprint().0);
        }
        if flags & SAME_DECISION == 0 {
            decision.clear();
            serde_json::to_writer(&mut decision, &entry.decision)
                .map_err(DbError::value("write ledger"))?;
            put_bytes(&mut body, &decision);
            hashes.extend(entry.decision.notification().map(|id| hash(id)));
        }
        before = Some(entry);
    }
    hashes.sort_unstable();
    hashes.dedup();
    let encoded = Encoded {
        entries: count,
        first_at,
        last_at,
        hashes: hashes.into_iter().flat_map(u64::to_le_bytes).collect(),
        body,
    };
    Ok((encoded, &entries[count..]))
}

/// What an entry has in common with the one before it.
fn alike(before: &LedgerEntry, entry: &LedgerEntry) -> u8 {
    let mut flags = 0;
    let mut set = |flag, same: bool| flags |= if same { flag } else { 0 };
    set(SAME_AT, before.at == entry.at);
    set(SAME_GROUP, before.group_key == entry.group_key);
    set(SAME_RECEIVER, before.receiver == entry.receiver);
    set(SAME_INTEGRATION, before.integration == entry.integration);
    set(SAME_LABELS, before.labels == entry.labels);
    set(SAME_DECISION, before.decision == entry.decision);
    flags
}

/// What a notification is looked for by.
pub(super) fn hash(notification: &str) -> u64 {
    let add = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    notification.bytes().fold(0xcbf2_9ce4_8422_2325, add)
}

/// Whether any of these is among a chunk's hashes.
pub(super) fn holds(hashes: &[u8], wanted: impl IntoIterator<Item = u64>) -> bool {
    let (hashes, _) = hashes.as_chunks();
    let read = |hash: &[u8; 8]| u64::from_le_bytes(*hash);
    wanted
        .into_iter()
        .any(|wanted| hashes.binary_search_by_key(&wanted, read).is_ok())
}

/// An entry whose decision is not read yet.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    pub(super) at: Timestamp,
    pub(super) group_key: Arc<str>,
    pub(super) receiver: Arc<str>,
    pub(super) integration: Arc<str>,
    pub(super) labels: Option<Labels>,
    decision: &'a [u8],
}

impl Stored<'_> {
    pub(super) fn decision(&self) -> Result<Decision, DbError> {
        serde_json::from_slice(self.decision).map_err(DbError::value("read ledger"))
    }
}

/// The entries of a chunk, oldest first; where it is damaged, those before that place and what is wrong there.
pub(super) fn decode(body: &[u8]) -> (Vec<Stored<'_>>, Option<DbError>) {
    let mut entries = Vec::new();
    let mut reader = Reader(body);
    let read = read(&mut reader, &mut entries);
    let error = read.err().map(DbError::value("read ledger"));
    (entries, error)
}

fn read<'a>(reader: &mut Reader<'a>, entries: &mut Vec<Stored<'a>>) -> Result<(), Malformed> {
    if reader.byte()? != VERSION {
        return Err(Malformed("a chunk of entries of another version"));
    }
    while !reader.is_empty() {
        let flags = reader.byte()?;
        let before = entries.last();
        if before.is_none() && flags & !HAS_LABELS != 0 {
            return Err(Malformed("the first entry refers to one before it"));
        }
        let text = |reader: &mut Reader<'a>, flag, before: Option<&Arc<str>>| match before {
            Some(before) if flags & flag != 0 => Ok(Arc::clone(before)),
            _ => reader.text().map(Arc::<str>::from),
        };
        let earlier = before.map_or(0, |before| before.at.millis());
        let at = match flags & SAME_AT {
            0 => earlier.wrapping_add(reader.signed()?),
            _ => earlier,
        };
        let entry = Stored {
            at: Timestamp::from_millis(at),
            group_key: text(reader, SAME_GROUP, before.map(|before| &before.group_key))?,
            receiver: text(reader, SAME_RECEIVER, before.map(|before| &before.receiver))?,
            integration: text(
                reader,
                SAME_INTEGRATION,
                before.map(|before| &before.integration),
            )?,
            labels: match (flags & HAS_LABELS, flags & SAME_LABELS) {
                (0, _) => None,
                (_, 0) => Some(reader.labels()?),
                _ => before.and_then(|before| before.labels.clone()),
            },
            decision: match before {
                Some(before) if flags & SAME_DECISION != 0 => before.decision,
                _ => reader.bytes()?,
            },
        };
        entries.push(entry);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::notification::Reason;

    fn entries(count: i64) -> Vec<LedgerEntry> {
        let entry = |i: i64| LedgerEntry {
            at: Timestamp::from_millis(1_000 - 7 * (i / 3)),
            group_key: format!("g{}", i / 4).into(),
            receiver: format!("r{}", i / 5).into(),
            integration: format!("i{}", i / 6).into(),
            labels: (i % 7 < 5).then(|| Labels::from_pairs([("n", (i / 2).to_string())])),
            decision: match i % 3 {
                0 => Decision::Deduplicated,
                _ => Decision::Enqueued {
                    notification: format!("n{}", i / 3).into(),
                    reason: Reason::Repeat,
                },
            },
        };
        (0..count).map(entry).collect()
    }

    fn decoded(body: &[u8]) -> (Vec<LedgerEntry>, Option<DbError>) {
        let (stored, error) = decode(body);
        let entry = |stored: Stored<'_>| LedgerEntry {
            at: stored.at,
            group_key: Arc::clone(&stored.group_key),
            receiver: Arc::clone(&stored.receiver),
            integration: Arc::clone(&stored.integration),
            labels: stored.labels.clone(),
            decision: stored.decision().unwrap(),
        };
        (stored.into_iter().map(entry).collect(), error)
    }

    #[test]
    fn entries_read_back_and_are_found_by_their_hashes() {
        let entries = entries(1_200);
        let mut rest = entries.as_slice();
        let mut read = Vec::new();
        let mut chunks = 0;
        while !rest.is_empty() {
            let (chunk, left) = encode(rest).unwrap();
            let (entries, error) = decoded(&chunk.body);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(entries.len(), chunk.entries);
            for entry in &entries {
                let alert = entry.labels.as_ref().map(|labels| labels.fingerprint().0);
                let notification = entry.decision.notification().map(|id| hash(id));
                assert!(chunk.first_at <= entry.at && entry.at <= chunk.last_at);
                for wanted in alert.into_iter().chain(notification) {
                    assert!(holds(&chunk.hashes, [wanted]));
                }
            }
            assert!(!holds(&chunk.hashes, [1, u64::MAX]));
            read.extend(entries);
            (rest, chunks) = (left, chunks + 1);
        }
        assert_eq!(read, entries);
        assert_eq!(chunks, 3);
    }

    #[test]
    fn a_damaged_chunk_gives_what_stands_before_the_damage() {
        let entries = entries(9);
        let (chunk, _) = encode(&entries).unwrap();
        for end in 0..chunk.body.len() {
            let (read, _) = decoded(&chunk.body[..end]);
            assert_eq!(read, entries[..read.len()]);
        }
        let mut other = chunk.body.clone();
        other[0] = 9;
        assert!(decode(&other).1.is_some());
        for i in 1..chunk.body.len() {
            let mut spoilt = chunk.body.clone();
            spoilt[i] ^= 0xff;
            // Whatever it says now, reading it ends.
            assert!(decode(&spoilt).0.len() < 200);
        }
    }
}
