//! The built-in collector of this machine and of the watched processes, under node_exporter's names.
//!
//! It is a target like any other (`up`, relabelling, limits), except that its samples never are text. Everything is read
//! from `/proc` and `statfs`, on a blocking thread:
//!
//! | module | metrics |
//! |---|---|
//! | [`kernel`] | `node_cpu_*`, `node_load*`, `node_memory_*`, `node_vmstat_*`, `node_filefd_*`, `node_uname_info`, ... |
//! | [`devices`] | `node_network_*`, `node_disk_*` |
//! | [`filesystem`] | `node_filesystem_*` |
//! | [`process`] | `process_*` of the watched processes, with an `instance` of their own |
//!
//! A file system that hangs (a dead NFS server) costs one collection; then it is left alone, with
//! `node_filesystem_device_error 1`, until the system call comes back.

pub mod devices;
pub mod filesystem;
pub mod kernel;
pub mod process;

use std::sync::Arc;
use std::time::Duration;

use super::error::ScrapeError;
use super::readings::Readings;
use super::target::Target;
use crate::document::fields::Value;
use crate::enrich::host::Host;
use crate::model::timestamp::Timestamp;
use crate::net::client::is_loopback;
use filesystem::{FilesystemConfig, Filesystems};
use process::{FindBy, ProcessWatch, Processes};

/// What stands where other targets have their URL.
pub const URL: &str = "builtin:node";
/// The job's name where nothing is said.
pub const JOB: &str = "node";

/// The `node` setting of `outrigger.yml`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// Whether the collector runs.
    pub enabled: bool,
    /// The `job` label.
    pub job: String,
    /// The `instance` label; the host's name where absent.
    pub instance: Option<String>,
    /// How often; the global interval where absent.
    pub scrape_interval: Option<Duration>,
    /// Which file systems.
    pub filesystem: FilesystemConfig,
    /// Whether the processes behind targets on loopback are watched too, under the instance of their target.
    pub watch_targets: bool,
    /// Which processes.
    pub processes: Vec<ProcessWatch>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            job: JOB.to_owned(),
            instance: None,
            scrape_interval: None,
            filesystem: FilesystemConfig::default(),
            watch_targets: true,
            processes: Vec::new(),
        }
    }
}

impl NodeConfig {
    /// Reads the `node` mapping:
    ///
    /// ```yaml
    /// node:
    ///   enabled: true
    ///   job: node
    ///   instance: box-1              # the host's name by default
    ///   scrape_interval: 15s
    ///   filesystem:
    ///     mount_points_exclude: ^/(dev|proc|sys)($|/)
    ///     fs_types_exclude: ^(tmpfs|overlay)$
    ///   watch_targets: true          # the processes behind targets on loopback
    ///   processes:                   # and these
    ///     - {port: 8080, instance: localhost:8080}
    ///     - {name: shop}
    ///     - {pid_file: /run/shop.pid}
    /// ```
    pub fn read(value: &Value<'_>) -> Self {
        let mut config = Self::default();
        let Some(fields) = value.fields() else {
            return config;
        };
        config.enabled = fields.bool("enabled").unwrap_or(true);
        if let Some(job) = fields.text("job") {
            config.job = job;
        }
        config.instance = fields.text("instance");
        config.scrape_interval = fields.get("scrape_interval").and_then(|value| {
            let interval = value.duration()?;
            if interval.is_zero() {
                value.error("scrape_interval is zero", "write a duration such as 15s");
            }
            Some(interval).filter(|interval| !interval.is_zero())
        });
        if let Some(value) = fields.get("filesystem") {
            config.filesystem = FilesystemConfig::read(&value);
        }
        config.watch_targets = fields.bool("watch_targets").unwrap_or(true);
        let processes = fields.items("processes");
        config.processes = processes.iter().filter_map(ProcessWatch::read).collect();
        fields.finish();
        config
    }
}

/// The most processes that are watched because they are targets.
const MAX_WATCHED_TARGETS: usize = 16;

impl NodeConfig {
    /// With the processes behind targets on loopback, where that is asked for.
    pub(super) fn watching<'t>(&self, targets: impl Iterator<Item = &'t Target>) -> Self {
        let mut config = self.clone();
        let local = targets.filter(|target| self.watch_targets && is_loopback(&target.url));
        for target in local.take(MAX_WATCHED_TARGETS) {
            let Some(port) = target.url.port_or_known_default() else {
                continue;
            };
            let by = FindBy::Port(port);
            if !config.processes.iter().any(|watch| watch.by == by) {
                let instance = target.labels.get("instance").map(str::to_owned);
                config.processes.push(ProcessWatch { by, instance });
            }
        }
        config
    }
}

/// The most collections that may hang at a time: each holds one of the runtime's threads for blocking work, which the
/// store and the database need too.
const MAX_HANGING: usize = 64;

/// The collector, between two collections.
#[derive(Debug)]
pub(super) struct Node {
    config: Arc<NodeConfig>,
    /// On its way through the blocking thread: `None`.
    collector: Option<Box<Collector>>,
    readings: Readings,
    filesystems: Filesystems,
    /// Shared with each collection that is on its way.
    running: Arc<()>,
}

/// What goes to the blocking thread and comes back.
#[derive(Debug)]
struct Collector {
    host: Host,
    ticks_per_second: f64,
    processes: Processes,
    filesystems: Filesystems,
    text: String,
}

impl Node {
    pub(super) fn new(config: Arc<NodeConfig>) -> Self {
        Self {
            filesystems: Filesystems::new(config.filesystem.clone()),
            config,
            collector: None,
            readings: Readings::default(),
            running: Arc::default(),
        }
    }

    /// Reads everything anew.
    pub(super) async fn collect(
        &mut self,
        now: Timestamp,
        timeout: Duration,
    ) -> Result<(), ScrapeError> {
        if Arc::strong_count(&self.running) > MAX_HANGING {
            return Err(ScrapeError::Collect(format!(
                "{MAX_HANGING} earlier collections still hang in the kernel"
            )));
        }
        let mut collector = match self.collector.take() {
            Some(collector) => collector,
            None => Box::new(Collector {
                host: Host::detect(),
                ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
                processes: Processes::new(self.config.processes.clone()),
                filesystems: self.filesystems.clone(),
                text: String::new(),
            }),
        };
        let mut readings = std::mem::take(&mut self.readings);
        let running = Arc::clone(&self.running);
        let reading = tokio::task::spawn_blocking(move || {
            readings.clear();
            let outcome = collector.collect(now, &mut readings);
            drop(running);
            (collector, readings, outcome)
        });
        match tokio::time::timeout(timeout, reading).await {
            Ok(Ok((collector, readings, outcome))) => {
                self.collector = Some(collector);
                self.readings = readings;
                outcome.map_err(|error| ScrapeError::Collect(error.to_string()))
            }
            Ok(Err(_)) => Err(ScrapeError::Collect("the collector panicked".to_owned())),
            Err(_) => Err(ScrapeError::Collect(match self.filesystems.give_up() {
                Some(mount) => format!(
                    "file system {mount:?} does not answer within {timeout:?}; it is left out until it does"
                ),
                None => format!("reading /proc took longer than {timeout:?}"),
            })),
        }
    }

    pub(super) fn readings(&self) -> &Readings {
        &self.readings
    }
}

impl Collector {
    fn collect(&mut self, now: Timestamp, into: &mut Readings) -> std::io::Result<()> {
        let Self {
            host,
            ticks_per_second,
            processes,
            filesystems,
            text,
        } = self;
        kernel::stat(read("/proc/stat", text)?, *ticks_per_second, into);
        kernel::memory(read("/proc/meminfo", text)?, into);
        kernel::load(read("/proc/loadavg", text)?, into);
        kernel::uname(host, into);
        into.push("node_time_seconds", &[], now.seconds());
        // The rest may be missing in a container; then its metrics are.
        if let Ok(text) = read("/proc/vmstat", text) {
            kernel::vmstat(text, into);
        }
        if let Ok(text) = read("/proc/sys/fs/file-nr", text) {
            kernel::file_descriptors(text, into);
        }
        if let Ok(text) = read("/proc/net/dev", text) {
            devices::network(text, into);
        }
        if let Ok(text) = read("/proc/diskstats", text) {
            devices::disks(text, into);
        }
        filesystems.collect(text, into);
        processes.collect(*ticks_per_second, text, into);
        Ok(())
    }
}

/// Reads a file of `/proc` into a buffer that is used again.
pub(super) fn read<'t>(path: &str, text: &'t mut String) -> std::io::Result<&'t str> {
    use std::io::Read;
    text.clear();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_string(text))
        .map_err(|error| std::io::Error::new(error.kind(), format!("read {path}: {error}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn collections_that_hang_do_not_take_all_threads() {
        let mut node = Node::new(Arc::default());
        let now = Timestamp::from_millis(0);
        let timeout = Duration::from_secs(10);
        let hanging: Vec<_> = (0..MAX_HANGING)
            .map(|_| Arc::clone(&node.running))
            .collect();
        let outcome = node.collect(now, timeout).await;
        assert!(
            outcome.is_err_and(|error| error.to_string().contains("64 earlier collections")),
            "no thread more"
        );
        drop(hanging);
        assert!(node.collect(now, timeout).await.is_ok());
    }
}
