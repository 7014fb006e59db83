//! `outrigger alertmanager`: Alertmanager's own flags, for those who swap the one for the other.
//!
//! `--cluster.peer`, `--data.retention`, `--dispatch.start-delay` and `--enable-feature` are taken and say that they do
//! nothing; what tunes Alertmanager's inside is taken silently.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::overrides::{Environment, Overrides};
use crate::config::{ConsoleStyle, Mode, Sources};

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
    /// Only / is supported.
    #[arg(long = "web.route-prefix", value_name = "PATH", value_parser = root_prefix)]
    route_prefix: Option<String>,
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
    /// Ended silences are kept for 120 hours, finished notifications for 14 days.
    #[arg(long = "data.retention", value_name = "TIME", hide = true)]
    retention: Option<String>,
    #[arg(long = "data.maintenance-interval", value_name = "TIME", hide = true)]
    maintenance_interval: Option<String>,
    #[arg(long = "alerts.gc-interval", value_name = "TIME", hide = true)]
    gc_interval: Option<String>,
    #[arg(long = "dispatch.start-delay", value_name = "TIME", hide = true)]
    start_delay: Option<String>,
    #[arg(long = "enable-feature", value_name = "NAMES", hide = true)]
    enable_feature: Vec<String>,
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
        for (given, text) in [
            (
                self.ignored.retention.is_some(),
                "--data.retention does nothing: ended silences are kept for 120 hours, finished notifications for 14 days",
            ),
            (
                self.ignored.start_delay.is_some(),
                "--dispatch.start-delay does nothing: the notification log survives a restart and knows what was told",
            ),
            (
                !self.ignored.enable_feature.is_empty(),
                "--enable-feature does nothing: no feature is behind a flag",
            ),
        ] {
            if given {
                complain(&format!("warning: {text}\n"));
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

fn root_prefix(text: &str) -> Result<String, String> {
    match text.trim_matches('/') {
        "" => Ok("/".to_owned()),
        _ => Err("only / is supported; let a proxy strip the prefix".to_owned()),
    }
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
