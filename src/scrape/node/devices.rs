//! Network interfaces and disks, from `/proc/net/dev` and `/proc/diskstats`.

use std::sync::LazyLock;

use regex::Regex;

use super::kernel::number;
use crate::scrape::readings::Readings;

/// The columns of `/proc/net/dev`, receiving first.
const NETWORK: [&str; 16] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];

const SECTOR_BYTES: f64 = 512.0;
const MILLISECOND: f64 = 0.001;

/// The columns of `/proc/diskstats` behind the device's name, with what makes base units of them.
/// See <https://www.kernel.org/doc/Documentation/admin-guide/iostats.rst>.
const DISK: [(&str, f64); 17] = [
    ("node_disk_reads_completed_total", 1.0),
    ("node_disk_reads_merged_total", 1.0),
    ("node_disk_read_bytes_total", SECTOR_BYTES),
    ("node_disk_read_time_seconds_total", MILLISECOND),
    ("node_disk_writes_completed_total", 1.0),
    ("node_disk_writes_merged_total", 1.0),
    ("node_disk_written_bytes_total", SECTOR_BYTES),
    ("node_disk_write_time_seconds_total", MILLISECOND),
    ("node_disk_io_now", 1.0),
    ("node_disk_io_time_seconds_total", MILLISECOND),
    ("node_disk_io_time_weighted_seconds_total", MILLISECOND),
    ("node_disk_discards_completed_total", 1.0),
    ("node_disk_discards_merged_total", 1.0),
    ("node_disk_discarded_sectors_total", 1.0),
    ("node_disk_discard_time_seconds_total", MILLISECOND),
    ("node_disk_flush_requests_total", 1.0),
    ("node_disk_flush_requests_time_seconds_total", MILLISECOND),
];

/// node_exporter's default: partitions and devices that are no disks.
static DISK_EXCLUDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")
        .expect("the expression is constant and tested")
});

/// `/proc/net/dev`.
pub fn network(text: &str, into: &mut Readings) {
    for line in text.lines() {
        let Some((device, rest)) = line.split_once(':') else {
            continue;
        };
        let labels = [("device", device.trim())];
        for (name, value) in NETWORK.iter().zip(rest.split_ascii_whitespace()) {
            into.push(name, &labels, number(value));
        }
    }
}

/// `/proc/diskstats`.
pub fn disks(text: &str, into: &mut Readings) {
    for line in text.lines() {
        let mut parts = line.split_ascii_whitespace().skip(2);
        let Some(device) = parts.next() else { continue };
        if DISK_EXCLUDE.is_match(device) {
            continue;
        }
        let labels = [("device", device)];
        for ((name, scale), value) in DISK.iter().zip(parts) {
            into.push(name, &labels, number(value) * scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_and_disks_are_read_and_partitions_left_out() {
        let mut readings = Readings::default();
        network(
            "Inter-| Receive | Transmit\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
            &mut readings,
        );
        disks(
            "   8 0 sda 1 2 4 1000 5 6 7 8 9 10 11\n 8 1 sda1 1 1 1 1\n 7 0 loop0 1\n",
            &mut readings,
        );
        let all = readings.decoded();
        let get = |series: &str| {
            let found = all.iter().find(|(labels, _)| labels.to_string() == series);
            found.map(|(_, value)| *value)
        };
        assert_eq!(
            get("node_network_receive_bytes_total{device=\"eth0\"}"),
            Some(1.0)
        );
        assert_eq!(
            get("node_network_transmit_drop_total{device=\"eth0\"}"),
            Some(12.0)
        );
        assert_eq!(
            get("node_disk_read_bytes_total{device=\"sda\"}"),
            Some(2048.0)
        );
        assert_eq!(
            get("node_disk_read_time_seconds_total{device=\"sda\"}"),
            Some(1.0)
        );
        assert_eq!(all.len(), 16 + 11);
    }
}
