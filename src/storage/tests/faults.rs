//! A full disk, a disk that fails, a directory that is not ours.

use super::*;

#[test]
fn a_full_disk_costs_no_sample_in_memory_and_is_made_up_for() {
    for truncate_fails in [false, true] {
        let (disk, clock) = (MemoryDisk::default(), clock());
        let storage = open(&disk, &clock);
        assert!(commit(&storage, 3, START_MS, 0.1));
        disk.set_room(Some(20));
        disk.set_truncate_fails(truncate_fails);
        for step in 1..5 {
            assert!(!commit(&storage, 4, START_MS + step * STEP_MS, 0.1));
            storage.maintain(clock.now());
        }
        assert!(storage.stats().wal_failing);
        assert!(storage.metrics().wal_failed_writes.get() >= 4);
        assert!(disk.files("").len() <= 3, "{:?}", disk.files(""));
        assert_eq!(contents(&storage).len(), 4);
        // A crash now loses what was never logged, and no more.
        let crashed = open(&disk.copy(), &clock);
        assert_eq!(contents(&crashed).len(), 3);

        disk.set_room(None);
        disk.set_truncate_fails(false);
        assert!(commit(&storage, 4, START_MS + 9 * STEP_MS, 0.1));
        assert!(!storage.stats().wal_failing);
        // The series of the failed commits are defined again.
        let crashed = contents(&open(&disk.copy(), &clock));
        assert_eq!(crashed["m{number=\"3\"}"].len(), 1);
        storage.maintain(clock.now());
        let want = contents(&storage);
        assert_eq!(want["m{number=\"3\"}"].len(), 5);
        assert_eq!(contents(&open(&disk.copy(), &clock)), want);
    }
}

#[test]
fn a_full_disk_does_not_stop_a_start() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    disk.set_room(Some(0));
    let storage = open(&disk, &clock);
    assert!(storage.stats().wal_failing);
    assert!(!commit(&storage, 1, START_MS, 1.0));
    disk.set_room(None);
    assert!(commit(&storage, 1, START_MS + 1, 2.0));
    assert!(!storage.stats().wal_failing);
}

#[test]
fn a_sync_that_fails_is_counted_and_made_up_for() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let storage = open(&disk, &clock);
    commit(&storage, 1, START_MS, 1.0);
    disk.set_sync_fails(true);
    storage.sync();
    assert!(storage.stats().wal_failing);
    disk.set_sync_fails(false);
    storage.maintain(clock.now());
    commit(&storage, 1, START_MS + 1, 2.0);
    assert!(!storage.stats().wal_failing);
    assert_eq!(disk.files(".snap").len(), 1);
    assert_eq!(contents(&open(&disk.copy(), &clock)), contents(&storage));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let disk = MemoryDisk::default();
    disk.set_forbidden(true);
    let error = Storage::open_on(Arc::new(disk), config(), clock(), None).expect_err("forbidden");
    assert!(error.to_string().contains("/data"), "{error}");
    assert!(error.to_string().contains("writable"), "{error}");
}

#[test]
fn two_stores_never_share_a_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = StorageConfig {
        dir: dir.path().join("deep/tsdb"),
        ..StorageConfig::default()
    };
    let storage = Storage::open(config.clone(), clock()).expect("opens");
    commit(&storage, 10, START_MS, 1.0);
    storage.maintain(Timestamp::from_millis(START_MS));
    let error = Storage::open(config.clone(), clock()).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let want = contents(&storage);
    drop(storage);
    let storage = Storage::open(config.clone(), clock()).expect("opens again");
    assert_eq!(contents(&storage), want);

    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    let config = StorageConfig {
        dir: file,
        ..config
    };
    let error = Storage::open(config, clock()).expect_err("no directory");
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}
