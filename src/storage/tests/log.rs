//! Restarts: what was committed is there again, whatever became of the files' ends.

use super::*;

#[test]
fn a_restart_loses_nothing() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let before = {
        let storage = open(&disk, &clock);
        for step in 0..300 {
            clock.advance(Duration::from_millis(STEP_MS as u64));
            assert!(commit(&storage, 7, START_MS + step * STEP_MS, step as f64));
        }
        contents(&storage)
    };
    assert_eq!(before.len(), 7);
    let storage = open(&disk, &clock);
    assert_eq!(contents(&storage), before);
    // And one after the other, with commits between.
    assert!(commit(&storage, 9, START_MS + 300 * STEP_MS, 0.5));
    let before = contents(&storage);
    drop(storage);
    assert_eq!(contents(&open(&disk, &clock)), before);
}

#[test]
fn many_large_new_series_in_one_commit_survive_a_restart() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let storage = open(&disk, &clock);
    // As much as the largest body of a scrape holds, and what a target's own labels add to it.
    let large = "x".repeat(1 << 20);
    let mut appender = storage.appender();
    for number in 0..70 {
        let number = number.to_string();
        let pairs = [("__name__", "m"), ("number", &number), ("large", &large)];
        let series = appender.series(&Labels::from_pairs(pairs)).expect("room");
        appender.append(series, START_MS, 1.0).expect("in order");
    }
    appender.commit().expect("room on the disk");
    drop(storage);
    assert_eq!(open(&disk, &clock).stats().series, 70);
}

#[test]
fn a_commit_is_one_write() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let storage = open(&disk, &clock);
    let before = disk.writes();
    assert!(commit(&storage, 1000, START_MS, 1.0));
    assert_eq!(disk.writes(), before + 1);
    assert_eq!(disk.syncs(), 0);
    storage.sync();
    storage.sync();
    assert_eq!(disk.syncs(), 1);
}

#[test]
fn a_log_cut_anywhere_keeps_what_was_committed_before() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let storage = open(&disk, &clock);
    clock.advance(Duration::from_secs(3600));
    let mut states = Vec::new();
    for step in 0..6_i64 {
        commit(&storage, 3 + step as usize, START_MS + step * STEP_MS, 0.1);
        let (path, bytes) = disk.files("segment").pop().expect("a segment");
        states.push((path, bytes.len(), contents(&storage)));
    }
    let (path, len, _) = states.last().expect("commits").clone();
    for cut in 0..=len {
        let want = states
            .iter()
            .rev()
            .find(|(_, end, _)| *end <= cut)
            .map(|(_, _, contents)| contents.clone())
            .unwrap_or_default();
        let torn = disk.copy();
        torn.edit(&path, |bytes| bytes.truncate(cut));
        let storage = open(&torn, &clock);
        assert_eq!(contents(&storage), want, "cut at {cut} of {len}");
        // It goes on from there, and the torn end does not come back.
        commit(&storage, 2, START_MS + 100 * STEP_MS, 5.0);
        let want = contents(&storage);
        drop(storage);
        assert_eq!(contents(&open(&torn, &clock)), want);
        assert!(torn.files(".corrupt").is_empty());
    }
}

#[test]
fn an_end_of_zeros_is_cut_off() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let storage = open(&disk, &clock);
    commit(&storage, 3, START_MS, 0.1);
    let want = contents(&storage);
    drop(storage);
    let (path, _) = disk.files("segment").remove(0);
    disk.edit(&path, |bytes| bytes.extend_from_slice(&[0; 5000]));
    let storage = open(&disk, &clock);
    assert_eq!(contents(&storage), want);
    assert_eq!(storage.metrics().wal_corruptions.get(), 1);
    drop(storage);
    assert_eq!(open(&disk, &clock).metrics().wal_corruptions.get(), 0);
}

#[test]
fn damage_anywhere_never_stops_a_start_nor_mixes_series() {
    let clock = clock();
    let disk = MemoryDisk::default();
    let small = StorageConfig {
        segment_bytes: 300,
        ..config()
    };
    let storage = open_with(&disk, &clock, small.clone());
    for step in 0..12 {
        // A series' value tells its number, so that a mix-up is seen.
        commit(
            &storage,
            2 + step as usize / 2,
            START_MS + step * STEP_MS,
            1000.0,
        );
    }
    let whole = contents(&storage);
    drop(storage);
    let files = disk.files("segment");
    assert!(files.len() > 2, "{}", files.len());
    for (path, bytes) in &files {
        for place in 0..bytes.len() {
            let broken = disk.copy();
            broken.edit(path, |bytes| bytes[place] ^= 0x41);
            let storage = open_with(&broken, &clock, small.clone());
            for (series, samples) in contents(&storage) {
                let all = &whole[&series];
                assert!(
                    samples.iter().all(|sample| all.contains(sample)),
                    "{path:?} {place}"
                );
            }
            assert_eq!(storage.metrics().wal_corruptions.get(), 1);
            drop(storage);
            let again = open_with(&broken, &clock, small.clone());
            assert_eq!(again.metrics().wal_corruptions.get(), 0, "{path:?} {place}");
        }
    }
}

#[test]
fn damage_in_the_middle_is_moved_aside_and_later_segments_are_read() {
    let clock = clock();
    clock.advance(Duration::from_secs(3600));
    let disk = MemoryDisk::default();
    let small = StorageConfig {
        segment_bytes: 200,
        ..config()
    };
    let storage = open_with(&disk, &clock, small.clone());
    for step in 0..60 {
        commit(&storage, 2, START_MS + step * STEP_MS, 0.1);
    }
    drop(storage);
    let files = disk.files("segment");
    let (path, bytes) = &files[1];
    disk.edit(path, |bytes| bytes[8 + 12] ^= 1);
    let storage = open_with(&disk, &clock, small);
    let found = contents(&storage);
    let samples = &found["m{number=\"0\"}"];
    assert!(samples.len() > 40 && samples.len() < 60);
    assert_eq!(
        samples.last().map(|sample| sample.0),
        Some(START_MS + 59 * STEP_MS)
    );
    let aside = disk.files(".corrupt");
    assert_eq!(aside[0].1.len(), bytes.len() - 8);
}

#[test]
fn a_checkpoint_replaces_the_segments_before_it() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let eager = StorageConfig {
        checkpoint_bytes: 2000,
        segment_bytes: 1000,
        ..config()
    };
    let storage = open_with(&disk, &clock, eager.clone());
    let mut largest = 0;
    for step in 0..2000_i64 {
        clock.advance(Duration::from_millis(STEP_MS as u64));
        commit(
            &storage,
            5,
            START_MS + step * STEP_MS,
            (step % 7) as f64 * 0.1,
        );
        storage.maintain(clock.now());
        largest = largest.max(disk.files("segment").iter().map(|(_, b)| b.len()).sum());
    }
    let checkpoints = disk.files("checkpoint");
    assert_eq!(checkpoints.len(), 1);
    assert!(largest < checkpoints[0].1.len() * 2 / 3, "{largest}");
    let want = contents(&storage);
    let stats = storage.stats();
    assert!(stats.wal_bytes > 2000, "{stats:?}");
    drop(storage);
    let storage = open_with(&disk, &clock, eager);
    assert_eq!(contents(&storage), want);
    // Appending continues the chunks that were open.
    assert_eq!(storage.stats().chunks, stats.chunks);
}

#[test]
fn an_unfinished_or_damaged_checkpoint_loses_no_more_than_it_must() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let storage = open(&disk, &clock);
    for step in 0..5 {
        commit(&storage, 20, START_MS + step * STEP_MS, 0.1);
    }
    // As after a crash between the checkpoint's rename and the removal of what it replaces.
    let before = disk.copy();
    storage
        .0
        .log
        .lock()
        .as_mut()
        .expect("on disk")
        .checkpoint_failed();
    storage.maintain(clock.now());
    let want = contents(&storage);
    let (path, bytes) = disk.files(".snap").remove(0);
    drop(storage);
    assert!(
        disk.files("segment")
            .iter()
            .all(|(_, bytes)| bytes.len() <= 8)
    );
    FileSystem::create(&before, &path).expect("creates");
    before.edit(&path, |file| {
        file.extend_from_slice(&bytes[..bytes.len() / 2])
    });
    FileSystem::create(&before, std::path::Path::new("/data/wal/checkpoint.tmp")).expect("creates");
    let storage = open(&before, &clock);
    assert_eq!(contents(&storage), want);
    assert!(before.files(".tmp").is_empty());
    // The damage is mended by the next checkpoint.
    storage.maintain(clock.now());
    drop(storage);
    let storage = open(&before, &clock);
    assert_eq!(contents(&storage), want);
    assert_eq!(storage.metrics().wal_corruptions.get(), 0);
}
