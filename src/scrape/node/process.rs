//! `process_*` of the watched processes, from `/proc/PID`: what a Prometheus client library would publish, for services
//! that have none, and memory and file descriptors as the kernel sees them for those that have.
//!
//! A process is found by its pid file, by the port it listens on, or by its name, and is kept until it is gone; the
//! oldest wins where several match. `outrigger_process_found` says for each watch whether there is one.

use std::path::PathBuf;

use super::read;
use crate::document::fields::Value;
use crate::scrape::readings::Readings;

/// The most collections between two searches for a process that is not found.
const MAX_PAUSE: u32 = 8;

/// Which process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessWatch {
    /// How it is found.
    pub by: FindBy,
    /// The `instance` label of its series; that of the node's target where absent.
    pub instance: Option<String>,
}

/// How a process is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindBy {
    /// Its number stands in this file.
    PidFile(PathBuf),
    /// It listens on this TCP port.
    Port(u16),
    /// It is called so (`/proc/PID/comm`, 15 characters at most).
    Name(String),
}

impl ProcessWatch {
    /// Reads one entry of `processes`.
    pub fn read(value: &Value<'_>) -> Option<Self> {
        let fields = value.fields()?;
        let mut found = Vec::new();
        if let Some(path) = fields.text("pid_file") {
            found.push(FindBy::PidFile(path.into()));
        }
        if let Some(value) = fields.get("port") {
            let port = value.unsigned().map(u16::try_from);
            match port {
                Some(Ok(port)) if port > 0 => found.push(FindBy::Port(port)),
                Some(_) => value.error("not a port", "write a number from 1 to 65535"),
                None => {}
            }
        }
        if let Some(name) = fields.text("name") {
            found.push(FindBy::Name(name));
        }
        let instance = fields.text("instance");
        let [by] = &found[..] else {
            value.error(
                "a watched process is named in exactly one way",
                "set one of pid_file, port or name",
            );
            fields.finish();
            return None;
        };
        let by = by.clone();
        fields.finish();
        Some(Self { by, instance })
    }

    /// As shown in the label `process`.
    fn shown(&self) -> String {
        match &self.by {
            FindBy::PidFile(path) => path.display().to_string(),
            FindBy::Port(port) => format!("port {port}"),
            FindBy::Name(name) => name.clone(),
        }
    }
}

/// A process that was found; the start time tells it from a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    started_ticks: u64,
    pid: u32,
}

#[derive(Debug)]
pub(super) struct Processes {
    watches: Vec<Watched>,
    boot_seconds: Option<f64>,
}

#[derive(Debug)]
struct Watched {
    watch: ProcessWatch,
    found: Option<Found>,
    /// Searches in vain since the process was last seen.
    misses: u32,
    /// Collections to let pass before the next search.
    pause: u32,
}

impl Watched {
    /// The process, searched for where it is not known; searching costs a look at every process there is, so that a
    /// process which cannot be found (it is another user's) is searched for ever more rarely.
    fn refresh(&mut self, text: &mut String) -> Option<Found> {
        // The number may belong to another process by now.
        let kept = self
            .found
            .filter(|kept| identify(kept.pid, text) == Some(*kept));
        if self.found.is_some() && kept.is_none() {
            (self.misses, self.pause) = (0, 0);
        }
        self.found = kept;
        if kept.is_none() && self.pause > 0 {
            self.pause -= 1;
        } else if kept.is_none() {
            self.found = find(&self.watch.by, text);
            self.misses = self.misses.saturating_add(1);
            self.pause = self.misses.min(MAX_PAUSE);
        }
        self.found
    }
}

/// What `/proc/PID/stat` tells.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    threads: f64,
    started_ticks: u64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl Processes {
    pub(super) fn new(watches: Vec<ProcessWatch>) -> Self {
        Self {
            watches: watches
                .into_iter()
                .map(|watch| Watched {
                    watch,
                    found: None,
                    misses: 0,
                    pause: 0,
                })
                .collect(),
            boot_seconds: None,
        }
    }

    pub(super) fn collect(
        &mut self,
        ticks_per_second: f64,
        text: &mut String,
        into: &mut Readings,
    ) {
        if self.watches.is_empty() {
            return;
        }
        if self.boot_seconds.is_none() {
            self.boot_seconds = boot_seconds(text);
        }
        let boot = self.boot_seconds.unwrap_or(f64::NAN);
        for watched in &mut self.watches {
            let found = watched.refresh(text);
            let watch = &watched.watch;
            let name = watch.shown();
            let own = [
                ("process", name.as_str()),
                ("instance", watch.instance.as_deref().unwrap_or_default()),
            ];
            let own = &own[..1 + usize::from(watch.instance.is_some())];
            let there = f64::from(u8::from(found.is_some()));
            into.push("outrigger_process_found", own, there);
            let Some(process) = found else { continue };
            let Some(stat) = stat(process.pid, text) else {
                continue;
            };
            let page = rustix::param::page_size() as f64;
            let started = boot + stat.started_ticks as f64 / ticks_per_second;
            for (name, value) in [
                (
                    "process_cpu_seconds_total",
                    stat.cpu_ticks / ticks_per_second,
                ),
                ("process_resident_memory_bytes", stat.resident_pages * page),
                ("process_virtual_memory_bytes", stat.virtual_bytes),
                ("process_start_time_seconds", started),
                ("process_threads", stat.threads),
            ] {
                into.push(name, own, value);
            }
            // Another user's process does not let us look.
            if let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", process.pid)) {
                into.push("process_open_fds", own, entries.count() as f64);
            }
            if let Some(limit) = max_fds(process.pid, text) {
                into.push("process_max_fds", own, limit);
            }
        }
    }
}

fn find(by: &FindBy, text: &mut String) -> Option<Found> {
    match by {
        FindBy::PidFile(path) => {
            let pid = read(&path.to_string_lossy(), text)
                .ok()?
                .trim()
                .parse()
                .ok()?;
            identify(pid, text)
        }
        FindBy::Port(port) => {
            let mut sockets = Vec::new();
            for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
                if let Ok(table) = read(table, text) {
                    sockets.extend(listening_inodes(table, *port));
                }
            }
            let links: Vec<_> = sockets
                .iter()
                .map(|inode| format!("socket:[{inode}]"))
                .collect();
            oldest(text, |pid, _| !links.is_empty() && has_link(pid, &links))
        }
        FindBy::Name(name) => {
            // The kernel keeps 15 bytes of a name.
            let name = name.as_bytes();
            let name = &name[..name.len().min(15)];
            oldest(text, |pid, text| {
                read(&format!("/proc/{pid}/comm"), text)
                    .is_ok_and(|comm| comm.trim_end().as_bytes() == name)
            })
        }
    }
}

/// The oldest process that passes.
fn oldest(text: &mut String, mut wanted: impl FnMut(u32, &mut String) -> bool) -> Option<Found> {
    let pids = std::fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let mut best: Option<Found> = None;
    for pid in pids {
        if wanted(pid, text)
            && let Some(found) = identify(pid, text)
        {
            best = Some(best.map_or(found, |best| best.min(found)));
        }
    }
    best
}

fn has_link(pid: u32, links: &[String]) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    entries.flatten().any(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|link| {
            links
                .iter()
                .any(|wanted| link.as_os_str() == wanted.as_str())
        })
    })
}

/// Inodes of the sockets that listen on a port, from the text of `/proc/net/tcp` or `tcp6`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let mut parts = line.split_ascii_whitespace().skip(1);
        let (_, local) = parts.next()?.rsplit_once(':')?;
        let state = parts.nth(1)?;
        let inode = parts.nth(5)?;
        let same = u16::from_str_radix(local, 16) == Ok(port);
        (same && state == LISTEN)
            .then(|| inode.parse().ok())
            .flatten()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn identify(pid: u32, text: &mut String) -> Option<Found> {
    let started_ticks = stat(pid, text)?.started_ticks;
    Some(Found { started_ticks, pid })
}

fn stat(pid: u32, text: &mut String) -> Option<Stat> {
    parse_stat(read(&format!("/proc/{pid}/stat"), text).ok()?)
}

/// The name in parentheses may hold anything, so fields are counted from behind it; numbers as in proc(5).
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        threads: field(20)?,
        started_ticks: fields.get(22 - 3)?.parse().ok()?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

fn max_fds(pid: u32, text: &mut String) -> Option<f64> {
    let text = read(&format!("/proc/{pid}/limits"), text).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot_seconds(text: &mut String) -> Option<f64> {
    let text = read("/proc/stat", text).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_any_name() {
        let text = "7 (a b) c) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 6 0 900 4096 12 18446";
        assert_eq!(
            parse_stat(text),
            Some(Stat {
                cpu_ticks: 200.0,
                threads: 6.0,
                started_ticks: 900,
                virtual_bytes: 4096.0,
                resident_pages: 12.0,
            })
        );
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0
";
        assert_eq!(listening_inodes(table, 8080), [4242]);
        assert_eq!(listening_inodes(table, 80), Vec::<u64>::new());
    }

    #[test]
    fn a_process_that_is_not_found_is_searched_for_ever_more_rarely() {
        let mut watched = Watched {
            watch: ProcessWatch {
                by: FindBy::Name("no such name".to_owned()),
                instance: None,
            },
            found: None,
            misses: 0,
            pause: 0,
        };
        let mut searches = Vec::new();
        for collection in 0..20 {
            let before = watched.misses;
            assert_eq!(watched.refresh(&mut String::new()), None);
            if watched.misses > before {
                searches.push(collection);
            }
        }
        assert_eq!(searches, [0, 2, 5, 9, 14]);
    }

    #[test]
    fn this_process_is_found_by_port_and_by_pid_file() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\n", std::process::id())).unwrap();
        let watch = |by| ProcessWatch {
            by,
            instance: Some("shop".to_owned()),
        };
        let mut processes = Processes::new(vec![
            watch(FindBy::Port(port)),
            watch(FindBy::PidFile(file.path().to_owned())),
            watch(FindBy::Name("no such name".to_owned())),
        ]);
        for _ in 0..2 {
            let mut readings = Readings::default();
            processes.collect(100.0, &mut String::new(), &mut readings);
            let all = readings.decoded();
            let values = |name: &str| {
                let same = all
                    .iter()
                    .filter(|(labels, _)| labels.metric_name() == name);
                same.map(|(_, value)| *value).collect::<Vec<_>>()
            };
            assert_eq!(values("outrigger_process_found"), [1.0, 1.0, 0.0]);
            assert!(
                values("process_resident_memory_bytes")
                    .iter()
                    .all(|bytes| *bytes > 1e5)
            );
            assert_eq!(values("process_open_fds").len(), 2);
            assert!(
                all.iter()
                    .all(|(labels, _)| labels.get("instance") == Some("shop"))
            );
        }
    }
}
