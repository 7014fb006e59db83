//! The host's collector against this machine, and against a real node_exporter where there is one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::clock::Clock;
use crate::exposition::format::Format;
use crate::exposition::report::parse_all;
use crate::model::labels::Labels;
use crate::net::client::{Client, Get};
use crate::net::config::HttpClientConfig;
use crate::scrape::node::{Node, NodeConfig};

async fn collect() -> BTreeMap<Labels, f64> {
    let mut node = Node::new(Arc::new(NodeConfig::default()));
    for _ in 0..2 {
        node.collect(Clock::system().now(), Duration::from_secs(10))
            .await
            .unwrap();
    }
    node.readings().decoded().into_iter().collect()
}

#[tokio::test]
async fn this_machine_has_processors_memory_and_a_root() {
    let all = collect().await;
    for name in [
        "node_cpu_seconds_total",
        "node_memory_MemTotal_bytes",
        "node_memory_MemAvailable_bytes",
        "node_load1",
        "node_boot_time_seconds",
        "node_time_seconds",
        "node_uname_info",
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_filesystem_device_error",
        "node_network_receive_bytes_total",
        "node_filefd_allocated",
        "node_context_switches_total",
    ] {
        assert!(
            all.keys().any(|labels| labels.metric_name() == name),
            "{name} is missing"
        );
    }
    let root = |labels: &Labels| labels.get("mountpoint") == Some("/");
    assert!(
        all.keys().any(root),
        "the root file system is shown whatever its type"
    );
}

/// What changes from one moment to the next, by how much it may differ.
fn tolerance(name: &str) -> f64 {
    let still = [
        "_total_bytes",
        "MemTotal",
        "SwapTotal",
        "Hugepage",
        "_size_bytes",
        "boot_time",
    ];
    if still.iter().any(|part| name.contains(part)) {
        1e-9
    } else {
        0.25
    }
}

/// Debian's build leaves out more mount points than node_exporter itself; and only we always show the root.
fn left_out_by_debian(mount: &str) -> bool {
    let parts = ["/mnt/", "/media/", "/run"];
    mount == "/" || parts.iter().any(|part| mount.starts_with(part))
}

#[tokio::test]
async fn names_labels_and_values_agree_with_node_exporter() {
    let binary = Path::new("/usr/bin/prometheus-node-exporter");
    if !binary.exists() {
        eprintln!("did not run: {} is not installed", binary.display());
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let mut child = std::process::Command::new(binary)
        .arg(format!("--web.listen-address={address}"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let url = format!("http://{address}/metrics").parse().unwrap();
    let mut client = Client::new(HttpClientConfig::default());
    let mut body = Vec::new();
    let mut answered = false;
    for _ in 0..100 {
        let get = Get {
            url: &url,
            headers: &HeaderMap::new(),
            timeout: Duration::from_secs(10),
            body_limit: 16 << 20,
            compression: true,
        };
        answered = client.get(get, &mut body).await.is_ok();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = samples(&body);
    let ours = collect().await;
    let get = Get {
        url: &url,
        headers: &HeaderMap::new(),
        timeout: Duration::from_secs(10),
        body_limit: 16 << 20,
        compression: true,
    };
    body.clear();
    answered &= client.get(get, &mut body).await.is_ok();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answered, "node_exporter does not answer");
    // What comes or goes meanwhile, such as a mount, is on nobody's account.
    let mut theirs = samples(&body);
    theirs.retain(|labels, _| before.contains_key(labels));

    // Every series of the families that we have is there, under the same labels.
    let families: std::collections::BTreeSet<&str> = ours.keys().map(Labels::metric_name).collect();
    let mut missing = Vec::new();
    let mut differing = Vec::new();
    let mut compared = 0;
    for (labels, value) in &theirs {
        let name = labels.metric_name();
        if !families.contains(name) || !name.starts_with("node_") {
            continue;
        }
        // Compressed memory is no disk: left out by default since node_exporter 1.6.
        if labels.value("device").starts_with("zram") {
            continue;
        }
        let Some(own) = ours.get(labels) else {
            missing.push(labels.to_string());
            continue;
        };
        compared += 1;
        let scale = value.abs().max(own.abs()).max(50.0);
        if (own - value).abs() / scale > tolerance(name) {
            differing.push(format!("{labels}: ours {own}, theirs {value}"));
        }
    }
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "series of node_exporter that we lack"
    );
    assert_eq!(differing, Vec::<String>::new());
    assert!(compared > 100, "{compared} series were compared");
    // And whole families that belong to what we cover.
    let covered = [
        "node_memory_",
        "node_cpu_seconds",
        "node_load",
        "node_filesystem_",
        "node_disk_",
        "node_filefd_",
        "node_vmstat_",
        "node_uname",
        "node_procs_",
        "node_forks",
        "node_intr",
        "node_context",
    ];
    let exempt = [
        "node_disk_info",
        "node_filesystem_mount_info",
        "node_disk_filesystem_info",
        "node_disk_device_mapper_info",
    ];
    let lacking: std::collections::BTreeSet<&str> = theirs
        .keys()
        .map(Labels::metric_name)
        .filter(|name| covered.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !families.contains(name) && !exempt.contains(name))
        .collect();
    assert_eq!(lacking.into_iter().collect::<Vec<_>>(), Vec::<&str>::new());
    let extra: Vec<_> = ours
        .keys()
        .filter(|labels| labels.metric_name().starts_with("node_") && !theirs.contains_key(*labels))
        .filter(|labels| !left_out_by_debian(labels.value("mountpoint")))
        .filter(|labels| !labels.metric_name().starts_with("node_network_"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        extra,
        Vec::<String>::new(),
        "series that node_exporter does not have"
    );
}

fn samples(body: &[u8]) -> BTreeMap<Labels, f64> {
    parse_all(body, Format::PrometheusText)
        .unwrap()
        .into_iter()
        .map(|sample| (Labels::from_pairs(sample.labels), sample.value))
        .collect()
}
