//! CPU, memory, load and other figures of the kernel, from the text of their files in `/proc` (proc(5)).

use crate::enrich::host::Host;
use crate::scrape::readings::Readings;

/// The columns of a `cpu` line, by node_exporter's names.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

/// `/proc/stat`.
pub fn stat(text: &str, ticks_per_second: f64, into: &mut Readings) {
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(' ') else {
            continue;
        };
        let mut numbers = rest.split_ascii_whitespace().map(number);
        if let Some(cpu) = key.strip_prefix("cpu") {
            if cpu.is_empty() {
                // The sum of the others.
                continue;
            }
            for (mode, ticks) in MODES.iter().zip(numbers.by_ref()) {
                let labels = [("cpu", cpu), ("mode", *mode)];
                into.push("node_cpu_seconds_total", &labels, ticks / ticks_per_second);
            }
            for (mode, ticks) in ["user", "nice"].iter().zip(numbers) {
                let labels = [("cpu", cpu), ("mode", *mode)];
                let seconds = ticks / ticks_per_second;
                into.push("node_cpu_guest_seconds_total", &labels, seconds);
            }
            continue;
        }
        let name = match key {
            "intr" => "node_intr_total",
            "ctxt" => "node_context_switches_total",
            "btime" => "node_boot_time_seconds",
            "processes" => "node_forks_total",
            "procs_running" => "node_procs_running",
            "procs_blocked" => "node_procs_blocked",
            _ => continue,
        };
        if let Some(value) = numbers.next() {
            into.push(name, &[], value);
        }
    }
}

/// `/proc/meminfo`: `MemFree: 123 kB` becomes `node_memory_MemFree_bytes`, `Active(anon)` becomes `Active_anon`.
pub fn memory(text: &str, into: &mut Readings) {
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(':') else {
            continue;
        };
        let mut parts = rest.split_ascii_whitespace();
        let Some(value) = parts.next().map(number) else {
            continue;
        };
        let (outer, inner) = match key.strip_suffix(')').and_then(|key| key.split_once('(')) {
            Some((outer, inner)) => (outer, inner),
            None => (key, ""),
        };
        let bar = if inner.is_empty() { "" } else { "_" };
        let (unit, scale) = match parts.next() {
            Some("kB") => ("_bytes", 1024.0),
            Some(_) | None => ("", 1.0),
        };
        let name = ["node_memory_", outer, bar, inner, unit];
        into.push_parts(&name, &[], value * scale);
    }
}

/// `/proc/loadavg`.
pub fn load(text: &str, into: &mut Readings) {
    let names = ["node_load1", "node_load5", "node_load15"];
    for (name, value) in names.iter().zip(text.split_ascii_whitespace()) {
        into.push(name, &[], number(value));
    }
}

/// `/proc/vmstat`, of which node_exporter takes paging, faults and kills.
pub fn vmstat(text: &str, into: &mut Readings) {
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else {
            continue;
        };
        let wanted = ["oom_kill", "pgpg", "pswp"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
            || (key.starts_with("pg") && key.contains("fault"));
        if wanted {
            into.push_parts(&["node_vmstat_", key], &[], number(value));
        }
    }
}

/// `/proc/sys/fs/file-nr`: allocated, unused, maximum.
pub fn file_descriptors(text: &str, into: &mut Readings) {
    let mut numbers = text.split_ascii_whitespace().map(number);
    if let (Some(allocated), Some(maximum)) = (numbers.next(), numbers.nth(1)) {
        into.push("node_filefd_allocated", &[], allocated);
        into.push("node_filefd_maximum", &[], maximum);
    }
}

/// `uname`.
pub fn uname(host: &Host, into: &mut Readings) {
    let labels = [
        ("domainname", host.domain.as_str()),
        ("machine", &host.machine),
        ("nodename", &host.hostname),
        ("release", &host.kernel),
        ("sysname", &host.system),
        ("version", &host.kernel_version),
    ];
    into.push("node_uname_info", &labels, 1.0);
}

/// A number of `/proc`; not a number where the kernel writes something else.
pub(super) fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn check(read: impl Fn(&mut Readings), want: &[(&str, f64)]) {
        let mut readings = Readings::default();
        read(&mut readings);
        let shown: Vec<_> = readings
            .decoded()
            .iter()
            .map(|(labels, value)| (labels.to_string(), *value))
            .collect();
        let want: Vec<_> = want.iter().map(|(l, v)| ((*l).to_owned(), *v)).collect();
        assert_eq!(shown, want);
    }

    #[test]
    fn proc_files_become_node_exporters_metrics() {
        let text = "cpu  9 9\ncpu0 100 0 50 7 0 0 0 1 3 0\nintr 9 0 1\nctxt 7\nbtime 1700000000\nprocs_running 2\nsoftirq 1\n";
        let cpu = |mode: &str| format!("node_cpu_seconds_total{{cpu=\"0\", mode=\"{mode}\"}}");
        let guest =
            |mode: &str| format!("node_cpu_guest_seconds_total{{cpu=\"0\", mode=\"{mode}\"}}");
        check(
            |into| stat(text, 100.0, into),
            &[
                (&cpu("user"), 1.0),
                (&cpu("nice"), 0.0),
                (&cpu("system"), 0.5),
                (&cpu("idle"), 0.07),
                (&cpu("iowait"), 0.0),
                (&cpu("irq"), 0.0),
                (&cpu("softirq"), 0.0),
                (&cpu("steal"), 0.01),
                (&guest("user"), 0.03),
                (&guest("nice"), 0.0),
                ("node_intr_total", 9.0),
                ("node_context_switches_total", 7.0),
                ("node_boot_time_seconds", 1.7e9),
                ("node_procs_running", 2.0),
            ],
        );
        check(
            |into| {
                memory(
                    "MemFree:  2 kB\nActive(anon): 1 kB\nHugePages_Total: 3\n",
                    into,
                )
            },
            &[
                ("node_memory_MemFree_bytes", 2048.0),
                ("node_memory_Active_anon_bytes", 1024.0),
                ("node_memory_HugePages_Total", 3.0),
            ],
        );
        check(
            |into| load("0.50 1.25 2 1/2 3", into),
            &[
                ("node_load1", 0.5),
                ("node_load5", 1.25),
                ("node_load15", 2.0),
            ],
        );
        check(
            |into| {
                vmstat(
                    "nr_free 1\npgpgin 2\npgfault 3\npgmajfault 4\noom_kill 5\n",
                    into,
                )
            },
            &[
                ("node_vmstat_pgpgin", 2.0),
                ("node_vmstat_pgfault", 3.0),
                ("node_vmstat_pgmajfault", 4.0),
                ("node_vmstat_oom_kill", 5.0),
            ],
        );
        check(
            |into| file_descriptors("10\t0\t20\n", into),
            &[
                ("node_filefd_allocated", 10.0),
                ("node_filefd_maximum", 20.0),
            ],
        );
    }
}
