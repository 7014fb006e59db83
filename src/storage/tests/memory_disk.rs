//! A file system in memory that runs full, tears writes and reads in small pieces.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::files::{FileSystem, LogFile};

/// Clones share the files: a clone that outlives its store is the disk after a crash.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Bytes that still fit; `None`: no bound.
    room: Option<usize>,
    sync_fails: bool,
    truncate_fails: bool,
    forbidden: bool,
    syncs: usize,
    writes: usize,
}

impl MemoryDisk {
    /// Another disk with the same files.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(State {
            files: self.0.lock().files.clone(),
            ..State::default()
        })))
    }

    pub(super) fn set_room(&self, room: Option<usize>) {
        self.0.lock().room = room;
    }

    pub(super) fn set_sync_fails(&self, fails: bool) {
        self.0.lock().sync_fails = fails;
    }

    pub(super) fn set_truncate_fails(&self, fails: bool) {
        self.0.lock().truncate_fails = fails;
    }

    pub(super) fn set_forbidden(&self, forbidden: bool) {
        self.0.lock().forbidden = forbidden;
    }

    pub(super) fn writes(&self) -> usize {
        self.0.lock().writes
    }

    pub(super) fn syncs(&self) -> usize {
        self.0.lock().syncs
    }

    /// Names and contents of the files whose names contain `part`.
    pub(super) fn files(&self, part: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.0.lock();
        let found = state.files.iter();
        found
            .filter(|(path, _)| path.to_string_lossy().contains(part))
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect()
    }

    pub(super) fn edit(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(
            self.0
                .lock()
                .files
                .get_mut(path)
                .expect("the file is there"),
        );
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl FileSystem for MemoryDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        if self.0.lock().forbidden {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        let within = state.files.keys().filter(|path| path.parent() == Some(dir));
        Ok(within
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.0.lock().files.insert(path.to_owned(), Vec::new());
        Ok(Arc::new(MemoryFile {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let bytes = self.0.lock().files.get(path).cloned();
        Ok(Box::new(SmallPieces {
            bytes: bytes.ok_or_else(missing)?,
            read: 0,
        }))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.truncate_fails {
            return Err(io::ErrorKind::Other.into());
        }
        let file = state.files.get_mut(path).ok_or_else(missing)?;
        file.truncate(len as usize);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let bytes = state.files.remove(from).ok_or_else(missing)?;
        state.files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.0.lock().files.remove(path);
        removed.map(|_| ()).ok_or_else(missing)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
}

impl LogFile for MemoryFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.0.lock();
        state.writes += 1;
        let taken = bytes.len().min(state.room.unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - taken);
        // A file that was removed while open takes bytes to nowhere.
        if let Some(file) = state.files.get_mut(&self.path) {
            file.extend_from_slice(&bytes[..taken]);
        }
        Ok(taken)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.syncs += 1;
        if state.sync_fails {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.clone().truncate_file(&self.path, len)
    }
}

impl MemoryDisk {
    fn truncate_file(&self, path: &Path, len: u64) -> io::Result<()> {
        FileSystem::truncate(self, path, len)
    }
}

struct SmallPieces {
    bytes: Vec<u8>,
    read: usize,
}

impl Read for SmallPieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.read..];
        let taken = rest.len().min(buffer.len()).min(1000);
        buffer[..taken].copy_from_slice(&rest[..taken]);
        self.read += taken;
        Ok(taken)
    }
}
