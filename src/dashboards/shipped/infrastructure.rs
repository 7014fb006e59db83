//! Infrastructure: the machine under the service, under node_exporter's names.

use crate::dashboards::alerts::Alerts;
use crate::dashboards::layout::Layout;
use crate::dashboards::model::Dashboard;
use crate::dashboards::panel::{Column, Draft};
use crate::dashboards::unit::Unit;
use crate::dashboards::variables::Frame;

const HOSTS: &str = r#"job=~"$job",instance=~"$instance""#;
/// Disks that somebody can clean: not memory, images and what container runtimes mount.
const REAL_DISKS: &str = r#"job=~"$job",instance=~"$instance",fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|erofs|devtmpfs|rootfs|fuse.+",mountpoint!~"/(dev|proc|run|sys|etc|var/lib/(docker|containerd|containers|kubelet))/.+""#;
/// Devices that are hardware.
const REAL_DEVICES: &str = r#"job=~"$job",instance=~"$instance",device!~"lo|veth.*|loop.*|ram.*""#;

pub(super) fn dashboard(alerts: &Alerts, outrigger: &str) -> Dashboard {
    let layout = Layout::new(alerts)
        .open("At a glance", glance())
        .open("CPU and memory", cpu_and_memory())
        .open("Disks", disks())
        .folded("Network", network())
        .folded("Kernel", kernel());
    let frame = Frame {
        uid: "outrigger-infrastructure",
        title: "Infrastructure",
        description: "CPU, memory, disks and network of the machine under the service",
        tags: &["infrastructure", "use"],
        outrigger,
    };
    frame.around_instances("Host", "node_boot_time_seconds", layout)
}

fn rate(metric: &str, selector: &str) -> String {
    format!("rate({metric}{{{selector}}}[$__rate_interval])")
}

fn cpu_used() -> String {
    let idle = rate("node_cpu_seconds_total", &format!("{HOSTS},mode=\"idle\""));
    format!("1 - avg by (job, instance) ({idle})")
}

fn memory_used() -> String {
    format!(
        "1 - node_memory_MemAvailable_bytes{{{HOSTS}}} / (node_memory_MemTotal_bytes{{{HOSTS}}} > 0)"
    )
}

fn disk_free(of: &str, all: &str) -> String {
    format!("{of}{{{REAL_DISKS}}} / ({all}{{{REAL_DISKS}}} > 0)")
}

fn space_free() -> String {
    disk_free("node_filesystem_avail_bytes", "node_filesystem_size_bytes")
}

fn load_per_cpu() -> String {
    format!(
        "sum by (job, instance) (node_load5{{{HOSTS}}}) / count by (job, instance) (node_cpu_seconds_total{{{HOSTS},mode=\"idle\"}})"
    )
}

fn glance() -> Vec<Draft> {
    vec![
        Draft::gauge("CPU")
            .about("Share of all cores at work, on the busiest host.")
            .query(&format!("max({})", cpu_used()), "used"),
        Draft::gauge("Memory")
            .about("Share of memory in use, caches not counted, on the fullest host.")
            .query(&format!("max({})", memory_used()), "used")
            .alert("HighMemoryUsage"),
        Draft::gauge("Least free disk")
            .about("Share of space that is free on the fullest file system.")
            .query(&format!("min({})", space_free()), "free")
            .alert("DiskSpaceLow"),
        Draft::stat("Load for each core")
            .about("Tasks that run or wait, over five minutes, divided by the cores. Above 1 some wait.")
            .query(&format!("max({})", load_per_cpu()), "load"),
        Draft::gauge("Open files")
            .about("Share of the files that the kernel may open.")
            .query(
                &format!("max(node_filefd_allocated{{{HOSTS}}} / (node_filefd_maximum{{{HOSTS}}} > 0))"),
                "open",
            ),
        Draft::stat("Up since")
            .about("How long ago the host started.")
            .unit(Unit::Duration)
            .query(
                &format!("node_time_seconds{{{HOSTS}}} - node_boot_time_seconds{{{HOSTS}}}"),
                "{{instance}}",
            ),
    ]
}

fn cpu_and_memory() -> Vec<Draft> {
    let memory = |metric: &str| format!("sum(node_memory_{metric}_bytes{{{HOSTS}}})");
    vec![
        Draft::stacked("CPU by mode")
            .about("Cores at work, by what they do. Much iowait: the disk is slow. Much steal: other machines take the time.")
            .query(
                &format!(
                    "sum by (mode) ({})",
                    rate("node_cpu_seconds_total", &format!("{HOSTS},mode!=\"idle\""))
                ),
                "{{mode}}",
            ),
        Draft::lines("Load")
            .about("Tasks that run or wait for the CPU or a disk, over 1, 5 and 15 minutes.")
            .from_zero()
            .query(&format!("node_load1{{{HOSTS}}}"), "{{instance}} 1m")
            .query(&format!("node_load5{{{HOSTS}}}"), "{{instance}} 5m")
            .query(&format!("node_load15{{{HOSTS}}}"), "{{instance}} 15m"),
        Draft::lines("Memory in use")
            .about("Share of memory in use, caches not counted. At 1 the kernel ends processes.")
            .shares()
            .query(&memory_used(), "{{instance}}")
            .alert("HighMemoryUsage"),
        Draft::stacked("Memory by use")
            .about("What the memory is used for. Caches are given back when they are needed.")
            .unit(Unit::Bytes)
            .query(
                &format!("{} - {}", memory("MemTotal"), memory("MemAvailable")),
                "used",
            )
            .query(&format!("{} - {}", memory("MemAvailable"), memory("MemFree")), "caches")
            .query(&memory("MemFree"), "free")
            .near("HighMemoryUsage"),
    ]
}

fn disks() -> Vec<Draft> {
    vec![
        Draft::lines("Free space")
            .about("Share of each file system that is free. A line that falls straight tells when it will be full.")
            .shares()
            .query(&space_free(), "{{instance}} {{mountpoint}}")
            .alert("DiskSpaceLow"),
        Draft::table(
            "File systems",
            ("mountpoint", "Mounted on"),
            vec![
                Column {
                    name: "Size",
                    expr: format!("max by (mountpoint) (node_filesystem_size_bytes{{{REAL_DISKS}}})"),
                    unit: Unit::Bytes,
                },
                Column {
                    name: "Free",
                    expr: format!("min by (mountpoint) (node_filesystem_avail_bytes{{{REAL_DISKS}}})"),
                    unit: Unit::Bytes,
                },
                Column {
                    name: "Share free",
                    expr: format!("min by (mountpoint) ({})", space_free()),
                    unit: Unit::Share,
                },
            ],
        )
        .about("Size and free space of each file system; of several hosts the least free one.")
        .near("DiskSpaceLow"),
        Draft::lines("Disk throughput")
            .about("Bytes read and written each second, by device.")
            .unit(Unit::BytesPerSecond)
            .query(&rate("node_disk_read_bytes_total", REAL_DEVICES), "{{device}} read")
            .query(&rate("node_disk_written_bytes_total", REAL_DEVICES), "{{device}} written"),
        Draft::lines("Disk at work")
            .about("Share of time in which a device had something to do. Near 1 a simple disk is at its limit.")
            .shares()
            .query(&rate("node_disk_io_time_seconds_total", REAL_DEVICES), "{{device}}"),
        Draft::bar_gauge("Free files")
            .about("Share of the files that a file system can still hold. Without any, nothing can be created on free space either.")
            .shares()
            .size(12, 8)
            .query(&disk_free("node_filesystem_files_free", "node_filesystem_files"), "{{instance}} {{mountpoint}}")
            .now_only()
            .near("DiskSpaceLow"),
        Draft::lines("Time of a disk operation")
            .about("How long one read or write takes on average. The disk's own time and its queue.")
            .unit(Unit::Seconds)
            .query(&per_operation("read"), "{{device}} read")
            .query(&per_operation("write"), "{{device}} write"),
    ]
}

fn per_operation(kind: &str) -> String {
    let count = match kind {
        "read" => "node_disk_reads_completed_total",
        _ => "node_disk_writes_completed_total",
    };
    let time = format!("node_disk_{kind}_time_seconds_total");
    // An idle device has taken no time for nothing.
    format!(
        "({time} or 0 * {count}) / clamp_min({count}, 1e-9)",
        time = rate(&time, REAL_DEVICES),
        count = rate(count, REAL_DEVICES)
    )
}

fn network() -> Vec<Draft> {
    let both = |what: &str| {
        (
            rate(&format!("node_network_receive_{what}_total"), REAL_DEVICES),
            rate(&format!("node_network_transmit_{what}_total"), REAL_DEVICES),
        )
    };
    let (received, sent) = both("bytes");
    let (receive_errors, transmit_errors) = both("errs");
    let (receive_drops, transmit_drops) = both("drop");
    vec![
        Draft::lines("Network throughput")
            .about("Bytes received and sent each second, by interface.")
            .unit(Unit::BytesPerSecond)
            .query(&received, "{{device}} received")
            .query(&sent, "{{device}} sent"),
        Draft::lines("Network errors")
            .about("Packets each second that were damaged or dropped. More than a few: cable, driver or a full queue.")
            .unit(Unit::CountPerSecond)
            .query(&format!("{receive_errors} + {receive_drops}"), "{{device}} received")
            .query(&format!("{transmit_errors} + {transmit_drops}"), "{{device}} sent"),
    ]
}

fn kernel() -> Vec<Draft> {
    vec![
        Draft::lines("Processes")
            .about("Processes that run, and that wait for a disk.")
            .from_zero()
            .query(&format!("node_procs_running{{{HOSTS}}}"), "{{instance}} running")
            .query(&format!("node_procs_blocked{{{HOSTS}}}"), "{{instance}} blocked"),
        Draft::lines("Context switches and interrupts")
            .about("How often the kernel changes what runs, and is interrupted by devices.")
            .unit(Unit::CountPerSecond)
            .query(&rate("node_context_switches_total", HOSTS), "{{instance}} switches")
            .query(&rate("node_intr_total", HOSTS), "{{instance}} interrupts"),
        Draft::lines("Pages fetched from disk")
            .about("Pages each second that had to be read before a process could go on, and pages moved to swap and back.")
            .unit(Unit::CountPerSecond)
            .query(&rate("node_vmstat_pgmajfault", HOSTS), "{{instance}} fetched")
            .query(&rate("node_vmstat_pswpin", HOSTS), "{{instance}} from swap")
            .query(&rate("node_vmstat_pswpout", HOSTS), "{{instance}} to swap")
            .near("HighMemoryUsage"),
        Draft::stat("Ended for want of memory")
            .about("Processes that the kernel ended within the time shown because memory ran out.")
            .size(12, 8)
            .query(&format!("sum(increase(node_vmstat_oom_kill{{{HOSTS}}}[$__range]))"), "ended")
            .now_only()
            .near("HighMemoryUsage"),
    ]
}
