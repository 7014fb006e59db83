//! File systems: size and room of what is mounted, by `statfs`.
//!
//! Excluded by default is what node_exporter excludes, with one difference: the root is always shown. In a container it
//! is an overlay, which node_exporter leaves out, and then the one file system that the service fills is missing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::LazyLock;

use parking_lot::Mutex;
use regex::Regex;

use super::read;
use crate::document::fields::Value;
use crate::model::re2;
use crate::scrape::readings::Readings;

/// The most mounts that are looked at.
const MAX_MOUNTS: usize = 500;

/// Which file systems are left out.
#[derive(Clone, Debug, Default)]
pub struct FilesystemConfig {
    /// Mount points that match; `None` for the default.
    pub mount_points_exclude: Option<Regex>,
    /// Types that match; `None` for the default.
    pub fs_types_exclude: Option<Regex>,
}

impl PartialEq for FilesystemConfig {
    fn eq(&self, other: &Self) -> bool {
        let texts = |config: &Self| {
            let text =
                |regex: &Option<Regex>| regex.as_ref().map(|regex| regex.as_str().to_owned());
            [&config.mount_points_exclude, &config.fs_types_exclude].map(text)
        };
        texts(self) == texts(other)
    }
}

static MOUNT_POINTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    )
    .expect("the expression is constant and tested")
});
static TYPES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$")
        .expect("the expression is constant and tested")
});

impl FilesystemConfig {
    /// Reads the `filesystem` mapping of `node`.
    pub fn read(value: &Value<'_>) -> Self {
        let mut config = Self::default();
        let Some(fields) = value.fields() else {
            return config;
        };
        let regex = |key| {
            let value = fields.get(key)?;
            value.parse("write a regular expression in RE2 syntax", re2::compile)
        };
        if let Some(regex) = regex("mount_points_exclude") {
            config.mount_points_exclude = Some(regex);
        }
        if let Some(regex) = regex("fs_types_exclude") {
            config.fs_types_exclude = Some(regex);
        }
        fields.finish();
        config
    }
}

/// The mounts and which of them hang. Clones share the latter.
#[derive(Clone, Debug)]
pub(super) struct Filesystems {
    config: FilesystemConfig,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug, Default)]
struct Calls {
    /// Asked just now.
    current: Option<String>,
    /// Asked too long ago, and not answered since.
    hanging: HashSet<String>,
}

/// One line of `/proc/self/mounts`.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    readonly: bool,
}

impl Filesystems {
    pub(super) fn new(config: FilesystemConfig) -> Self {
        Self {
            config,
            calls: Arc::default(),
        }
    }

    /// Nobody waits any longer: what is asked just now hangs. Its name, where something is.
    pub(super) fn give_up(&self) -> Option<String> {
        let mut calls = self.calls.lock();
        let current = calls.current.take()?;
        calls.hanging.insert(current.clone());
        Some(current)
    }

    pub(super) fn collect(&self, text: &mut String, into: &mut Readings) {
        // The mounts of the machine, where they may be read; in a container those of our own namespace.
        let Ok(text) = read("/proc/1/mounts", text)
            .map(str::to_owned)
            .or_else(|_| read("/proc/self/mounts", text).map(str::to_owned))
        else {
            return;
        };
        for mount in mounts(&text, &self.config) {
            let labels = [
                ("device", mount.device.as_str()),
                ("fstype", &mount.kind),
                ("mountpoint", &mount.point),
            ];
            let answer = self.ask(&mount.point);
            let failed = f64::from(u8::from(answer.is_none()));
            into.push("node_filesystem_device_error", &labels, failed);
            let readonly = f64::from(u8::from(mount.readonly));
            into.push("node_filesystem_readonly", &labels, readonly);
            let Some(answer) = answer else { continue };
            let block = answer.f_frsize as f64;
            for (name, value) in [
                ("node_filesystem_size_bytes", answer.f_blocks as f64 * block),
                ("node_filesystem_free_bytes", answer.f_bfree as f64 * block),
                (
                    "node_filesystem_avail_bytes",
                    answer.f_bavail as f64 * block,
                ),
                ("node_filesystem_files", answer.f_files as f64),
                ("node_filesystem_files_free", answer.f_ffree as f64),
            ] {
                into.push(name, &labels, value);
            }
        }
    }

    /// Asks one file system; `None` where it fails or hangs since an earlier time.
    fn ask(&self, point: &str) -> Option<rustix::fs::StatVfs> {
        {
            let mut calls = self.calls.lock();
            if calls.hanging.contains(point) {
                return None;
            }
            calls.current = Some(point.to_owned());
        }
        let answer = rustix::fs::statvfs(point);
        let mut calls = self.calls.lock();
        if calls.current.as_deref() == Some(point) {
            calls.current = None;
        }
        calls.hanging.remove(point);
        drop(calls);
        answer.ok()
    }
}

fn mounts(text: &str, config: &FilesystemConfig) -> Vec<Mount> {
    let points = config.mount_points_exclude.as_ref();
    let points = points.unwrap_or(&MOUNT_POINTS);
    let types = config.fs_types_exclude.as_ref().unwrap_or(&TYPES);
    let mut seen = HashSet::new();
    let mut mounts = Vec::new();
    for line in text.lines() {
        let mut parts = line.split(' ');
        let (Some(device), Some(point), Some(kind), Some(options)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let mount = Mount {
            device: device.to_owned(),
            point: unescape(point),
            kind: kind.to_owned(),
            readonly: options.split(',').any(|option| option == "ro"),
        };
        let excluded =
            points.is_match(&mount.point) || (types.is_match(kind) && mount.point != "/");
        let key = (
            mount.device.clone(),
            mount.point.clone(),
            mount.kind.clone(),
        );
        if !excluded && mounts.len() < MAX_MOUNTS && seen.insert(key) {
            mounts.push(mount);
        }
    }
    mounts
}

/// Blanks in mount points are written as octal escapes.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escape, plain)| {
        text.replace(escape, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_filtered_as_node_exporter_does_but_the_root_stays() {
        let text = "overlay / overlay rw 0 0
proc /proc proc rw 0 0
/dev/sda1 /data\\040x ext4 ro,noatime 0 0
tmpfs /dev/shm tmpfs rw 0 0
/dev/sda1 /data\\040x ext4 ro 0 0
overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0
tmpfs /run tmpfs rw 0 0
";
        let found = mounts(text, &FilesystemConfig::default());
        let points: Vec<_> = found.iter().map(|mount| mount.point.as_str()).collect();
        assert_eq!(points, ["/", "/data x", "/run"]);
        assert!(found[1].readonly && !found[0].readonly);
    }

    #[test]
    fn a_file_system_that_hangs_is_left_out_until_it_answers() {
        let filesystems = Filesystems::new(FilesystemConfig::default());
        assert_eq!(filesystems.give_up(), None);
        assert!(filesystems.ask("/").is_some());
        filesystems.calls.lock().current = Some("/".to_owned());
        assert_eq!(filesystems.give_up().as_deref(), Some("/"));
        assert!(filesystems.ask("/").is_none());
        filesystems.calls.lock().hanging.clear();
        assert!(filesystems.ask("/").is_some());
    }
}
