//! Facts about the machine: its name, its operating system, its kernel.

use std::path::Path;

/// The machine this process runs on. A fact that cannot be read is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// What `hostname` prints.
    pub hostname: String,
    /// `ID` of `/etc/os-release`, such as `debian`.
    pub os: String,
    /// `VERSION_ID` of `/etc/os-release`.
    pub os_version: String,
    /// What `uname -s` prints.
    pub system: String,
    /// What `uname -r` prints.
    pub kernel: String,
    /// What `uname -v` prints.
    pub kernel_version: String,
    /// What `uname -m` prints.
    pub machine: String,
    /// The NIS domain, `(none)` mostly.
    pub domain: String,
}

impl Host {
    /// Reads the facts; a few small files and one system call.
    pub fn detect() -> Self {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let release = std::fs::read_to_string(Path::new("/etc/os-release")).unwrap_or_default();
        Self {
            hostname: text(uname.nodename()),
            os: os_release(&release, "ID"),
            os_version: os_release(&release, "VERSION_ID"),
            system: text(uname.sysname()),
            kernel: text(uname.release()),
            kernel_version: text(uname.version()),
            machine: text(uname.machine()),
            domain: domain_name(),
        }
    }

    /// The facts as discovery labels, for relabelling.
    pub fn meta_labels(&self) -> Vec<(String, String)> {
        [
            ("hostname", &self.hostname),
            ("os", &self.os),
            ("os_version", &self.os_version),
            ("kernel", &self.kernel),
            ("machine", &self.machine),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (format!("__meta_outrigger_host_{name}"), value.clone()))
        .collect()
    }
}

fn domain_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/domainname").unwrap_or_default();
    name.trim().to_owned()
}

/// One value of an `os-release` file: `KEY=value` with optional quotes.
fn os_release(text: &str, key: &str) -> String {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_values_lose_their_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n";
        assert_eq!(os_release(text, "ID"), "debian");
        assert_eq!(os_release(text, "VERSION_ID"), "12");
        assert_eq!(os_release(text, "NAME"), "");
    }

    #[test]
    fn this_machine_has_a_name_and_a_kernel() {
        let host = Host::detect();
        assert!(!host.hostname.is_empty() && !host.kernel.is_empty());
        assert!(
            host.meta_labels()
                .iter()
                .any(|(name, _)| name == "__meta_outrigger_host_kernel")
        );
    }
}
