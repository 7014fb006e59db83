//! What the environment and the flags say: over the file, flags over the environment. The only reader of the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::secret::Secret;

/// Settings given outside the file; `None` leaves the file's word.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Targets to scrape beside those of the file.
    pub targets: Vec<String>,
    /// The `alertmanager.yml`.
    pub alertmanager_config: Option<PathBuf>,
    /// The data directory.
    pub data: Option<PathBuf>,
    /// The address to bind.
    pub listen: Option<String>,
    /// Where people reach this process.
    pub external_url: Option<String>,
    /// The path that everything is served below.
    pub route_prefix: Option<String>,
    /// What `outrigger alertmanager` is told of its state.
    pub state: StateOverrides,
    /// Whether another address than loopback may be bound without authentication.
    pub insecure: bool,
    /// Log filter.
    pub log_level: Option<String>,
    /// Log format.
    pub log_format: Option<String>,
    /// How long samples are kept.
    pub retention: Option<String>,
    /// Base address of an OTLP/HTTP receiver.
    pub otlp_endpoint: Option<String>,
    /// The address of definitions' PostgreSQL.
    pub definitions_url: Option<Secret>,
    /// Its password.
    pub definitions_password: Option<Secret>,
    /// The downward API's variables: `POD_NAME` and so on.
    pub pod: BTreeMap<String, String>,
}

/// Alertmanager's flags about its state.
#[derive(Clone, Copy, Debug, Default)]
pub struct StateOverrides {
    /// How long ended silences are kept, and what receivers were told.
    pub retention: Option<Duration>,
    /// How often what is over is removed.
    pub maintenance_interval: Option<Duration>,
    /// How long after the start nothing is sent.
    pub start_delay: Duration,
}

/// Variables of the downward API that name the pod.
const POD_VARIABLES: [&str; 7] = [
    "POD_NAME",
    "POD_NAMESPACE",
    "NODE_NAME",
    "POD_IP",
    "POD_UID",
    "POD_SERVICE_ACCOUNT",
    "HOST_IP",
];

/// What the environment says: the configuration file, and the settings over it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `OUTRIGGER_CONFIG`.
    pub config: Option<PathBuf>,
    /// Whether colours are unwanted: `NO_COLOR` (<https://no-color.org>), or a terminal that has none.
    pub no_color: bool,
    /// `OUTRIGGER_TOKEN`: an API key or access token for commands that ask a running Outrigger.
    pub token: Option<Secret>,
    /// Whether it says how many heaps glibc makes: `MALLOC_ARENA_MAX` or `GLIBC_TUNABLES`.
    pub chooses_heaps: bool,
    /// Everything else.
    pub overrides: Overrides,
}

impl Environment {
    /// Reads the process's environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn read() -> Self {
        Self::from_variables(std::env::vars_os().filter_map(|(name, value)| {
            // Text that is not Unicode cannot be a setting of ours.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Reads from given variables.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables: BTreeMap<String, String> = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let text = |name: &str| variables.get(name).cloned();
        let targets = text("OUTRIGGER_TARGETS").unwrap_or_default();
        let overrides = Overrides {
            targets: targets
                .split([',', ' '])
                .filter(|target| !target.is_empty())
                .map(str::to_owned)
                .collect(),
            alertmanager_config: text("OUTRIGGER_ALERTMANAGER_CONFIG").map(PathBuf::from),
            data: text("OUTRIGGER_DATA").map(PathBuf::from),
            listen: text("OUTRIGGER_LISTEN"),
            external_url: text("OUTRIGGER_EXTERNAL_URL"),
            route_prefix: text("OUTRIGGER_ROUTE_PREFIX"),
            state: StateOverrides::default(),
            insecure: text("OUTRIGGER_WEB_INSECURE").is_some_and(|text| {
                matches!(
                    text.to_ascii_lowercase().as_str(),
                    "1" | "true" | "yes" | "on"
                )
            }),
            log_level: text("OUTRIGGER_LOG_LEVEL"),
            log_format: text("OUTRIGGER_LOG_FORMAT"),
            retention: text("OUTRIGGER_RETENTION"),
            otlp_endpoint: text("OUTRIGGER_OTLP_ENDPOINT"),
            definitions_url: text("OUTRIGGER_DEFINITIONS_DATABASE_URL").map(Secret::new),
            definitions_password: text("OUTRIGGER_DEFINITIONS_DATABASE_PASSWORD").map(Secret::new),
            pod: POD_VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), text(name)?)))
                .collect(),
        };
        Self {
            config: text("OUTRIGGER_CONFIG").map(PathBuf::from),
            no_color: text("NO_COLOR").is_some() || text("TERM").as_deref() == Some("dumb"),
            token: text("OUTRIGGER_TOKEN").map(Secret::new),
            chooses_heaps: ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"]
                .iter()
                .any(|name| variables.contains_key(*name)),
            overrides,
        }
    }
}

impl Overrides {
    /// These settings, with those of `flags` over them; targets add up.
    #[must_use]
    pub fn with(self, flags: Self) -> Self {
        Self {
            targets: self.targets.into_iter().chain(flags.targets).collect(),
            alertmanager_config: flags.alertmanager_config.or(self.alertmanager_config),
            data: flags.data.or(self.data),
            listen: flags.listen.or(self.listen),
            external_url: flags.external_url.or(self.external_url),
            route_prefix: flags.route_prefix.or(self.route_prefix),
            state: flags.state,
            insecure: flags.insecure || self.insecure,
            log_level: flags.log_level.or(self.log_level),
            log_format: flags.log_format.or(self.log_format),
            retention: flags.retention.or(self.retention),
            otlp_endpoint: flags.otlp_endpoint.or(self.otlp_endpoint),
            definitions_url: flags.definitions_url.or(self.definitions_url),
            definitions_password: flags.definitions_password.or(self.definitions_password),
            pod: if flags.pod.is_empty() {
                self.pod
            } else {
                flags.pod
            },
        }
    }

    /// Whether the process knows that it runs in a pod.
    pub fn in_pod(&self) -> bool {
        self.pod.contains_key("POD_NAME")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment_and_targets_add_up() {
        let pairs = [
            ("OUTRIGGER_LISTEN", "127.0.0.1:1"),
            ("OUTRIGGER_TARGETS", "http://a/metrics, http://b"),
            ("POD_NAME", "p"),
            ("OUTRIGGER_DATA", ""),
        ];
        let environment = Environment::from_variables(
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let flags = Overrides {
            listen: Some("127.0.0.1:2".to_owned()),
            targets: vec!["http://c".to_owned()],
            ..Overrides::default()
        };
        let overrides = environment.overrides.with(flags);
        assert_eq!(overrides.listen.as_deref(), Some("127.0.0.1:2"));
        assert_eq!(
            overrides.targets,
            ["http://a/metrics", "http://b", "http://c"]
        );
        assert_eq!(overrides.data, None, "an empty variable says nothing");
        assert!(overrides.in_pod());
    }

    #[test]
    fn who_speaks_of_heaps_chooses_their_number() {
        let check = |name: &str, value: &str, want: bool| {
            let pair = (name.to_owned(), value.to_owned());
            let found = Environment::from_variables([pair]).chooses_heaps;
            assert_eq!(found, want, "{name}={value}");
        };
        check("MALLOC_ARENA_MAX", "8", true);
        check("GLIBC_TUNABLES", "glibc.malloc.arena_max=2", true);
        check("MALLOC_ARENA_MAX", "", false);
        check("OUTRIGGER_DATA", "data", false);
    }

    #[test]
    fn switches_are_read_as_people_write_them() {
        let check = |name: &str, value: &str, want: (bool, bool)| {
            let pair = (name.to_owned(), value.to_owned());
            let found = Environment::from_variables([pair]);
            assert_eq!(
                (found.overrides.insecure, found.no_color),
                want,
                "{name}={value}"
            );
        };
        for yes in ["1", "true", "True", "YES", "on"] {
            check("OUTRIGGER_WEB_INSECURE", yes, (true, false));
        }
        for no in ["0", "false", "no", ""] {
            check("OUTRIGGER_WEB_INSECURE", no, (false, false));
        }
        check("NO_COLOR", "1", (false, true));
        check("NO_COLOR", "", (false, false));
        check("TERM", "dumb", (false, true));
        check("TERM", "xterm-256color", (false, false));
    }
}
