//! `outrigger alertmanager`: Alertmanager's own flags, for those who swap the one for the other.
//!
//! `--cluster.peer` and those of `--enable-feature` that change something are taken and say that they do nothing; what tunes
//! Alertmanager's inside is taken silently.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::config::overrides::{Environment, Overrides, StateOverrides};
use crate::config::{ConsoleStyle, Mode, Sources};
use crate::model::duration;

use super::terminal::complain;

#[derive(Debug, Args)]
#[command(rename_all = "kebab-case", disable_version_flag = true)]
pub(super) struct AlertmanagerArgs {
    /// The configuration file.
    #[arg(
        long = "config.file",
        default_value = "alertmanager.yml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// Where state is kept.
    #[arg(long = "storage.path", default_value = "data/", value_name = "DIR")]
    storage: PathBuf,
    /// Address to listen on; the last one given counts.
    #[arg(
        long = "web.listen-address",
        default_value = ":9093",
        value_name = "ADDR"
    )]
    listen: Vec<String>,
    /// Where people reach it, for links in messages.
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// The path that everything is served below; that of --web.external-url unless given.
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// How long ended silences are kept, and what receivers were told.
    #[arg(long = "data.retention", default_value = "120h", value_name = "TIME", value_parser = time)]
    retention: Duration,
    /// How often what is over is removed.
    #[arg(long = "data.maintenance-interval", default_value = "15m", value_name = "TIME", value_parser = time)]
    maintenance_interval: Duration,
    /// How long after the start nothing is sent.
    #[arg(long = "dispatch.start-delay", default_value = "0s", value_name = "TIME", value_parser = wait)]
    start_delay: Duration,
    /// Experimental features, separated by commas.
    #[arg(long = "enable-feature", value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
    /// What is logged: debug, info, warn, error.
    #[arg(long = "log.level", default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// How it is logged: logfmt (text) or json.
    #[arg(long = "log.format", default_value = "logfmt", value_name = "FORMAT")]
    log_format: String,
    #[command(flatten)]
    ignored: IgnoredArgs,
}

/// Flags that change nothing here.
#[derive(Debug, Args)]
struct IgnoredArgs {
    #[arg(long = "alerts.gc-interval", value_name = "TIME", hide = true)]
    gc_interval: Option<String>,
    #[arg(long = "web.get-concurrency", value_name = "N", hide = true)]
    get_concurrency: Option<String>,
    #[arg(long = "web.timeout", value_name = "N", hide = true)]
    timeout: Option<String>,
    #[arg(long = "cluster.listen-address", value_name = "ADDR", hide = true)]
    cluster_listen: Option<String>,
    #[arg(long = "cluster.advertise-address", value_name = "ADDR", hide = true)]
    cluster_advertise: Option<String>,
    #[arg(long = "cluster.peer", value_name = "ADDR", hide = true)]
    cluster_peers: Vec<String>,
    #[arg(long = "cluster.peer-timeout", value_name = "TIME", hide = true)]
    cluster_peer_timeout: Option<String>,
    #[arg(long = "cluster.gossip-interval", value_name = "TIME", hide = true)]
    cluster_gossip_interval: Option<String>,
    #[arg(long = "cluster.pushpull-interval", value_name = "TIME", hide = true)]
    cluster_pushpull_interval: Option<String>,
    #[arg(long = "cluster.tcp-timeout", value_name = "TIME", hide = true)]
    cluster_tcp_timeout: Option<String>,
    #[arg(long = "cluster.probe-timeout", value_name = "TIME", hide = true)]
    cluster_probe_timeout: Option<String>,
    #[arg(long = "cluster.probe-interval", value_name = "TIME", hide = true)]
    cluster_probe_interval: Option<String>,
    #[arg(long = "cluster.settle-timeout", value_name = "TIME", hide = true)]
    cluster_settle_timeout: Option<String>,
    #[arg(long = "cluster.reconnect-interval", value_name = "TIME", hide = true)]
    cluster_reconnect_interval: Option<String>,
    #[arg(long = "cluster.reconnect-timeout", value_name = "TIME", hide = true)]
    cluster_reconnect_timeout: Option<String>,
    #[arg(long = "cluster.label", value_name = "LABEL", hide = true)]
    cluster_label: Option<String>,
}

impl AlertmanagerArgs {
    /// What Alertmanager would read; the environment's settings are not Alertmanager's and stay out.
    pub(super) fn into_sources(self, environment: Environment) -> Sources {
        if !self.ignored.cluster_peers.is_empty() {
            complain(
                "warning: --cluster.peer does nothing: Outrigger does not gossip; two of them notify twice unless one is the \
                 other's spare\n",
            );
        }
        for feature in self.enable_feature.iter().filter(|name| !name.is_empty()) {
            if let Some(text) = feature_says(feature) {
                complain(&format!("warning: --enable-feature={feature}: {text}\n"));
            }
        }
        let console = match std::io::stdout().is_terminal() && !environment.no_color {
            true => ConsoleStyle::Colored,
            false => ConsoleStyle::Json,
        };
        Sources {
            file: None,
            mode: Mode::RoutesOnly,
            console,
            no_color: environment.no_color,
            overrides: Overrides {
                alertmanager_config: Some(self.config),
                data: Some(self.storage),
                listen: self.listen.last().cloned(),
                external_url: self.external_url,
                route_prefix: self.route_prefix,
                state: StateOverrides {
                    retention: Some(self.retention),
                    maintenance_interval: Some(self.maintenance_interval),
                    start_delay: self.start_delay,
                },
                // As Alertmanager listens.
                insecure: true,
                log_level: Some(self.log_level),
                log_format: Some(self.log_format),
                ..Overrides::default()
            },
            ..Sources::default()
        }
    }
}

/// What Alertmanager's feature means here; `None` where it changes nothing that could be seen.
fn feature_says(name: &str) -> Option<&'static str> {
    Some(match name {
        "auto-gomemlimit" | "auto-gomaxprocs" => return None,
        "receiver-name-in-metrics" => {
            "does nothing: metrics of notifications always name the integration, the ledger the receiver"
        }
        "alert-names-in-metrics" | "group-key-in-metrics" => {
            "does nothing: /api/v2/ledger tells of every alert and group"
        }
        "classic-mode" => {
            "does nothing: matchers are read by the UTF-8 grammar first and by the classic one where it fails"
        }
        "utf8-strict-mode" => {
            "does nothing: matchers that only the classic grammar reads are taken too"
        }
        "event-recorder" => "does nothing: the ledger records what was decided",
        _ => "is not known",
    })
}

/// A time above zero, such as `120h`.
fn time(text: &str) -> Result<Duration, String> {
    match wait(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        time => Ok(time),
    }
}

/// A time, such as `0s`.
fn wait(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// The arguments with the subcommand put in, where the program is called by Alertmanager's name.
pub(super) fn by_name(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == "alertmanager" || name == "prometheus-alertmanager") {
        arguments.insert(1, "alertmanager".into());
    }
    arguments
}
