//! Metrics of the process as a whole, and the text of `/metrics`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Clock;

/// The media type of [`encode`]'s text.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of [`encode_text`]'s text.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A registry that holds the process's own metrics; components add theirs.
pub fn registry(clock: &Clock) -> Registry {
    let mut registry = Registry::default();
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register(
        "outrigger_build",
        "Version of the running binary",
        Info::new(version),
    );
    registry.register_collector(Box::new(Process {
        start_seconds: clock.now().seconds(),
    }));
    registry
}

/// Writes all metrics as OpenMetrics 1.0.
///
/// # Errors
/// Where a collector fails to write, which ours do not.
pub fn encode(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

/// Writes all metrics in the text format 0.0.4, for readers that do not ask for OpenMetrics: types and names as that
/// format wants them, no `# EOF`, no units, no exemplars.
///
/// # Errors
/// As for [`encode`].
pub fn encode_text(registry: &Registry) -> Result<String, std::fmt::Error> {
    let openmetrics = encode(registry)?;
    let mut text = String::with_capacity(openmetrics.len());
    // In OpenMetrics a counter's family lacks the suffix `_total` that its samples carry, an info's `_info`; the older
    // format names the samples.
    let types: std::collections::HashMap<&str, &str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    for line in openmetrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some(rest) = line
            .strip_prefix("# HELP ")
            .or_else(|| line.strip_prefix("# TYPE "))
        {
            let (family, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let suffix = match types.get(family) {
                Some(&"counter") => "_total",
                Some(&"info") => "_info",
                _ => "",
            };
            let keyword = &line[..7];
            let rest = if keyword == "# TYPE " {
                match rest {
                    "info" | "stateset" => "gauge",
                    "unknown" => "untyped",
                    known => known,
                }
            } else {
                rest.strip_suffix('.').unwrap_or(rest)
            };
            text.push_str(&format!("{keyword}{family}{suffix} {rest}\n"));
            continue;
        }
        // No metric of ours carries exemplars, so a sample reads the same in both formats.
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// CPU, memory and descriptors of this process, under the names every client library uses.
#[derive(Debug)]
struct Process {
    start_seconds: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: f64| {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)
        };
        gauge(
            "process_start_time",
            "Start time of the process since the Unix epoch",
            Some(&Unit::Seconds),
            self.start_seconds,
        )?;
        if let Some(usage) = usage() {
            gauge(
                "process_resident_memory",
                "Resident memory",
                Some(&Unit::Bytes),
                usage.resident_bytes,
            )?;
            gauge(
                "process_virtual_memory",
                "Virtual memory",
                Some(&Unit::Bytes),
                usage.virtual_bytes,
            )?;
            gauge(
                "process_open_fds",
                "Open file descriptors",
                None,
                usage.open_fds,
            )?;
            gauge("process_threads", "Threads", None, usage.threads)?;
            let cpu = ConstCounter::new(usage.cpu_seconds);
            let metric = encoder.encode_descriptor(
                "process_cpu",
                "User and system CPU time",
                Some(&Unit::Seconds),
                cpu.metric_type(),
            )?;
            cpu.encode(metric)?;
        }
        Ok(())
    }
}

/// Bytes of memory that this process holds; `None` on systems without `/proc`.
pub fn resident_bytes() -> Option<f64> {
    usage().map(|usage| usage.resident_bytes)
}

struct Usage {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    open_fds: f64,
    threads: f64,
}

/// Reads `/proc/self`; `None` on systems without it.
fn usage() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Fields behind the command's name, which may hold blanks; the first one is field 3 of proc(5).
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    Some(Usage {
        cpu_seconds: (number(14)? + number(15)?) / ticks,
        virtual_bytes: number(23)?,
        resident_bytes: number(24)? * rustix::param::page_size() as f64,
        threads: number(20)?,
        open_fds: std::fs::read_dir("/proc/self/fd").ok()?.count() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;

    #[test]
    fn the_text_format_names_counters_as_their_samples() {
        let mut registry = registry(&Clock::system());
        let counter = Family::<[(String, String); 1], Counter>::default();
        registry.register("outrigger_things", "Things counted", counter.clone());
        counter
            .get_or_create(&[("what".to_owned(), "a } # b".to_owned())])
            .inc();
        let text = encode_text(&registry).unwrap();
        for line in [
            "# TYPE outrigger_things_total counter",
            "# HELP outrigger_things_total Things counted",
            "outrigger_things_total{what=\"a } # b\"} 1",
            "# TYPE outrigger_build_info gauge",
        ] {
            assert!(
                text.lines().any(|candidate| candidate == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
        assert!(encode(&registry).unwrap().ends_with("# EOF\n"));
    }
}
