//! A snapshot on the disk, so that a start while PostgreSQL is down still has something to read.
//!
//! ```text
//! outrigger-snapshot 1 <CRC-32 of all behind this line, in hexadecimal> <its length>
//! {"database": "postgres://host/database", "generation": 7, "as_of": 1700000000000, "bytes": 4711}
//! {"table": "definitions", "columns": ["kind", …]}
//! ["metric", …]                                                one row a line: texts, whole numbers, null
//! ```
//!
//! It is written beside its place, brought to the disk and then put there, so that a crash leaves the old one or the new
//! one. It is read by the version of the schema that wrote it alone: another one finds other columns, and has no snapshot.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What the first line begins with: the name and the version of the format.
const MAGIC: &str = "outrigger-snapshot 1 ";
/// The largest file that is read: documents and history at their limits, with all that surrounds them.
const MOST_BYTES: u64 = 128 << 20;

/// What a snapshot is one of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The address of its database, without user and password.
    pub(super) database: String,
    /// How many writes there were.
    pub(super) generation: i64,
    /// When nothing was newer, in milliseconds.
    pub(super) as_of: i64,
    /// Bytes of documents.
    pub(super) bytes: i64,
}

/// The rows of a table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Table {
    /// Its name.
    pub(super) table: String,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
    /// Its rows.
    #[serde(skip)]
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Cell {
    /// `BIGINT`
    Integer(i64),
    /// `TEXT`
    Text(String),
    /// `NULL`
    Null(()),
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is none, or of another version.
    #[error("it is no snapshot of this version")]
    Version,
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
}

/// The text of a file.
pub(super) fn encode(head: &Head, tables: &[Table]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    line(&mut text, head)?;
    for table in tables {
        line(&mut text, table)?;
        for row in &table.rows {
            line(&mut text, row)?;
        }
    }
    let checksum = crc32fast::hash(&text);
    let mut whole = format!("{MAGIC}{checksum:08x} {}\n", text.len()).into_bytes();
    whole.append(&mut text);
    Ok(whole)
}

fn line(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *text, value)?;
    text.push(b'\n');
    Ok(())
}

/// What a file says.
pub(super) fn decode(whole: &[u8]) -> Result<(Head, Vec<Table>), FileError> {
    let end = whole.iter().position(|byte| *byte == b'\n');
    let (first, text) = whole.split_at(end.ok_or(FileError::Version)? + 1);
    let first = std::str::from_utf8(first).map_err(|_| FileError::Version)?;
    let sums = first.strip_prefix(MAGIC).ok_or(FileError::Version)?;
    let expected = format!("{:08x} {}\n", crc32fast::hash(text), text.len());
    if sums != expected {
        return Err(FileError::Damaged);
    }
    let mut lines = text.split(|byte| *byte == b'\n');
    let head = lines.next().unwrap_or_default();
    let head = serde_json::from_slice(head).map_err(|_| FileError::Damaged)?;
    let mut tables: Vec<Table> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with(b"{") {
            tables.push(serde_json::from_slice(line).map_err(|_| FileError::Damaged)?);
            continue;
        }
        let row = serde_json::from_slice(line).map_err(|_| FileError::Damaged)?;
        let table = tables.last_mut().ok_or(FileError::Damaged)?;
        table.rows.push(row);
    }
    Ok((head, tables))
}

/// Puts a file into its place, whole or not at all; on the disk when this returns. Blocks.
pub(super) fn write(path: &Path, whole: &[u8]) -> Result<(), FileError> {
    let beside = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(whole)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Reads a file; `None` where there is none. Blocks.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        Ok(metadata) if metadata.len() > MOST_BYTES => Err(FileError::Damaged),
        Ok(_) => Ok(Some(fs::read(path)?)),
    }
}

/// Takes a file away, where there is one. Blocks.
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Head, Vec<Table>) {
        let head = Head {
            database: "postgres://host/a".to_owned(),
            generation: 7,
            as_of: 1_700_000_000_000,
            bytes: 12,
        };
        let text = |text: &str| Cell::Text(text.to_owned());
        let table = |name: &str, rows| Table {
            table: name.to_owned(),
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows,
        };
        let rows = vec![
            vec![text("{\"line\": \"one\ntwo\"}"), Cell::Integer(i64::MIN)],
            vec![text("é\u{2028}\0[{"), Cell::Null(())],
        ];
        (head, vec![table("full", rows), table("empty", Vec::new())])
    }

    #[test]
    fn what_was_written_is_read_again_and_replaces_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.snapshot");
        assert!(read(&path).unwrap().is_none());
        let (head, tables) = sample();
        for whole in [b"old".to_vec(), encode(&head, &tables).unwrap()] {
            write(&path, &whole).unwrap();
        }
        let whole = read(&path).unwrap().unwrap();
        assert_eq!(decode(&whole).unwrap(), (head, tables));
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(read(&path).unwrap().is_none());
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let (head, tables) = sample();
        let whole = encode(&head, &tables).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(decode(&changed).is_err(), "byte {at}");
            assert!(decode(&whole[..at]).is_err(), "cut at {at}");
        }
        let longer = [&whole[..], b"[]\n"].concat();
        assert!(matches!(decode(&longer), Err(FileError::Damaged)));
        let version = String::from_utf8(whole).unwrap().replacen(" 1 ", " 2 ", 1);
        assert!(matches!(
            decode(version.as_bytes()),
            Err(FileError::Version)
        ));
    }
}
