//! The built-in collector of the host says what Debian's node exporter says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support::outrigger::{Outrigger, free_port};
use crate::support::peers::peer;
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::wait::{PATIENCE, wait_until};

/// Their defaults differ from distribution to distribution.
const MOUNT_POINTS_EXCLUDE: &str = "^/(dev|proc|sys|run|mnt|media|tmp)($|/)";
const FS_TYPES_EXCLUDE: &str =
    "^(autofs|cgroup2?|devpts|devtmpfs|overlay|proc|squashfs|sysfs|tmpfs)$";

/// What stands still from one look to the next.
const STABLE: [&str; 8] = [
    "node_boot_time_seconds",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_filesystem_size_bytes",
    "node_filesystem_files",
    "node_filesystem_readonly",
    "node_uname_info",
    "node_filefd_maximum",
];
/// What the shipped rules and runbooks read; each side has it.
const NEEDED: [&str; 12] = [
    "node_memory_MemAvailable_bytes",
    "node_memory_MemFree_bytes",
    "node_memory_Cached_bytes",
    "node_memory_Buffers_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_free_bytes",
    "node_cpu_seconds_total",
    "node_load1",
    "node_load5",
    "node_load15",
    "node_network_receive_bytes_total",
    "node_network_transmit_bytes_total",
];

#[test]
fn the_built_in_collector_agrees_with_the_node_exporter() {
    let Some(program) = peer(
        "the_built_in_collector_agrees_with_the_node_exporter",
        "prometheus-node-exporter",
    ) else {
        return;
    };
    let place = Place::new();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(program);
    command
        .arg(format!("--web.listen-address={address}"))
        .arg(format!(
            "--collector.filesystem.mount-points-exclude={MOUNT_POINTS_EXCLUDE}"
        ))
        .arg(format!(
            "--collector.filesystem.fs-types-exclude={FS_TYPES_EXCLUDE}"
        ));
    let _peer = Process::start("node-exporter", place.path(), &mut command);
    let config = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_self: false\nrule_files: []\n\
         node:\n  job: builtin\n  watch_targets: false\n  filesystem:\n\
         \x20   mount_points_exclude: '{MOUNT_POINTS_EXCLUDE}'\n    fs_types_exclude: '{FS_TYPES_EXCLUDE}'\n\
         scrape_configs:\n- {{job_name: peer, static_configs: [{{targets: ['{address}']}}]}}\n"
    );
    place.write("outrigger.yml", &config);
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    wait_until("both scraped", PATIENCE, || {
        outrigger.value("up{job=\"builtin\"}") == Some(1.0)
            && outrigger.value("up{job=\"peer\"}") == Some(1.0)
    });

    let names = |job: &str| -> BTreeSet<String> {
        let counted = outrigger.query(&format!(
            "count by (__name__) ({{job=\"{job}\", __name__=~\"node_.+\"}})"
        ));
        counted
            .iter()
            .map(|(metric, _)| metric["__name__"].as_str().unwrap().to_owned())
            .collect()
    };
    let (ours, theirs) = (names("builtin"), names("peer"));
    let invented: Vec<&String> = ours.difference(&theirs).collect();
    assert!(
        invented.is_empty(),
        "names that the node exporter does not know: {invented:?}"
    );
    for name in NEEDED {
        assert!(ours.contains(name), "the built-in collector lacks {name}");
    }

    let series = |job: &str, name: &str| -> BTreeMap<String, f64> {
        let found = outrigger.query(&format!("{name}{{job=\"{job}\"}}"));
        let without = |metric: &serde_json::Value| {
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(metric.clone()).unwrap();
            labels.retain(|name, _| !matches!(name.as_str(), "job" | "instance"));
            format!("{labels:?}")
        };
        found
            .iter()
            .map(|(metric, value)| (without(metric), *value))
            .collect()
    };
    for name in STABLE {
        let mut both = (BTreeMap::new(), BTreeMap::new());
        let mut agree = || {
            both = (series("builtin", name), series("peer", name));
            !both.0.is_empty() && both.0 == both.1
        };
        let watch = outrigger::clock::Stopwatch::start();
        while !agree() {
            assert!(
                watch.elapsed() < PATIENCE / 4,
                "{name}: built in {:#?}\nnode exporter {:#?}",
                both.0,
                both.1
            );
        }
    }
}
