//! A data directory that cannot be written, and a disk that is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::outrigger::{Outrigger, launch_only, run_to_end};
use crate::support::place::Place;
use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_until};

#[test]
fn an_unwritable_data_directory_is_a_clear_error() {
    let place = Place::new();
    place.write("a-file", "");
    // Root may write into any directory, but nobody into a file.
    let mut process = launch_only(place.path(), &["--data", "a-file/data"]);
    let status = process.wait(PATIENCE);
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("a-file/data"),
        "the directory is named: {said}"
    );
    let errors = said.lines().filter(|line| line.contains("error")).count();
    assert!(errors >= 1 && !said.contains("panicked"), "{said}");
}

#[test]
fn a_second_one_on_the_same_data_is_refused() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let mut second = launch_only(place.path(), &[]);
    let status = second.wait(PATIENCE);
    assert_eq!(status.code(), Some(1), "two at once would spoil the data");
    assert_eq!(outrigger.get("/-/ready").status, 200, "the first goes on");
}

/// A file system of a few megabytes; unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user, or this machine, may not mount.
    fn mount(directory: &Path) -> Option<Self> {
        std::fs::create_dir_all(directory).expect("make the mount point");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(directory);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(directory.to_owned()))
    }

    /// Fills what is free.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("ballast")).expect("make a file");
        let block = [0_u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    /// Frees it again.
    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("remove the file");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_degrades_and_says_so_and_passes() {
    let exposition = |flag: u32| {
        // Enough series that one scrape does not fit into what is left of a page.
        let others: String = (0..500)
            .map(|n| format!("other{{n=\"{n}\"}} {n}\n"))
            .collect();
        format!("flag {flag}\n{others}")
    };
    let scene = Scene::new(&exposition(0), "  - alert: Flag\n    expr: flag == 1\n");
    let Some(disk) = SmallDisk::mount(&scene.place.join("data")) else {
        // Not a peer to install: containers rarely may mount.
        eprintln!(
            "a_full_disk_degrades_and_says_so_and_passes: NOT RUN: cannot mount a small file system"
        );
        return;
    };
    let mut outrigger = scene.start();
    outrigger.wait_for_value("flag", 0.0);
    disk.fill();
    wait_until("the store to say that it cannot write", PATIENCE, || {
        outrigger.metric("outrigger_storage_wal_failing") == 1.0
    });
    assert!(
        outrigger.get("/health").body.contains("degraded")
            || outrigger.get("/health").status == 503
    );

    // It goes on from memory: scrapes, evaluates.
    scene.service.expose(&exposition(1));
    outrigger.wait_for_value("flag", 1.0);
    outrigger.wait_for_alert("Flag", "firing");
    wait_for_evaluations(&outrigger, 2);

    // And catches up when there is room again.
    disk.free();
    wait_until("the store to write again", PATIENCE, || {
        outrigger.metric("outrigger_storage_wal_failing") == 0.0
    });
    let told = scene.wait_for_told(1);
    assert_eq!(told[0]["alerts"][0]["labels"]["alertname"], "Flag");
    let status = outrigger.terminate(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0));
    outrigger.start_again();
    let history = outrigger.value("max_over_time(flag[10m]) - min_over_time(flag[10m])");
    assert_eq!(
        history,
        Some(1.0),
        "samples from before and after are there"
    );
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run_to_end(place.path(), &["--listen", &address]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("port"), "{said}");
}

#[test]
fn a_database_that_is_none_is_a_clear_error() {
    let place = Place::new();
    let mut outrigger = Outrigger::start(place.path(), &[]);
    assert_eq!(outrigger.terminate(PATIENCE).code(), Some(0));
    for beside in ["data/outrigger.db-wal", "data/outrigger.db-shm"] {
        drop(std::fs::remove_file(place.join(beside)));
    }
    place.write("data/outrigger.db", &"this is no database ".repeat(500));
    let mut process = launch_only(place.path(), &[]);
    let status = process.wait(PATIENCE);
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("outrigger.db") && said.contains("move the file away"),
        "{said}"
    );
}

#[test]
fn a_damaged_end_of_the_log_costs_its_end_only() {
    let scene = Scene::new("flag 7\n", "  - record: twice\n    expr: flag * 2\n");
    let mut outrigger = scene.start();
    wait_for_evaluations(&outrigger, 6);
    let before = outrigger.value("count_over_time(flag[10m])").unwrap();
    outrigger.kill_9();
    let segments = scene.place.join("data/tsdb/wal");
    let mut files: Vec<PathBuf> = std::fs::read_dir(segments)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let last = files
        .iter()
        .rfind(|path| path.metadata().unwrap().len() > 0)
        .expect("a segment with samples");
    let mut file = std::fs::File::options().append(true).open(last).unwrap();
    std::io::Write::write_all(&mut file, &[0xa5; 37]).unwrap();
    drop(file);
    outrigger.start_again();
    assert!(outrigger.value("count_over_time(flag[10m])").unwrap() >= before);
    wait_for_evaluations(&outrigger, 3);
    assert!(
        outrigger.value("count_over_time(flag[10m])").unwrap() > before,
        "it goes on"
    );
}
