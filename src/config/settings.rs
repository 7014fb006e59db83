//! The settings of the process itself: everything in `outrigger.yml` that is not scraping, rules or routing.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::alerts::enrich::{self, Enrichment};
use crate::alerts::limits::{self, Limits};
use crate::alerts::quiet::{self, QuietConfig};
use crate::alerts::run as dispatcher;
use crate::auth::config::{self as auth, AuthConfig};
use crate::charts::pictures::PictureConfig;
use crate::charts::theme::Theme;
use crate::db::sql::config as sql;
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::document::fields::{Fields, Value};
use crate::http::definitions::cache::config::CacheConfig;
use crate::http::limits::config::{self as rate_limits, LimitsConfig};
use crate::http::live::MAX_STREAMS;
use crate::http::server::MAX_CONNECTIONS;
use crate::model::duration;
use crate::model::labels::Labels;
use crate::model::signature::LateSigner;
use crate::notify::delivery::{self, Delivery};
use crate::notify::heartbeat::{self, HeartbeatConfig};
use crate::scrape::config::Global;
use crate::scrape::node::NodeConfig;
use crate::telemetry::logs::{self, LogFormat, LogsConfig};
use crate::telemetry::traces::TracesConfig;

use super::definitions::{self, CatalogSettings};
use super::overrides::{Overrides, StateOverrides};
use super::{EVALUATION_INTERVAL, mistake};

/// Settings of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Defaults of scraping.
    pub global: Global,
    /// How often rules are evaluated where their group does not say.
    pub evaluation_interval: Duration,
    /// Labels of alerts that leave.
    pub external_labels: Labels,
    /// Address to bind, as written.
    pub listen: String,
    /// Where people reach this process, as written.
    pub external_url: Option<String>,
    /// The path that everything is served below, as written; that of the external URL where absent.
    pub route_prefix: Option<String>,
    /// Connections open at a time.
    pub max_connections: usize,
    /// Pages that may be told at a time what has moved; the others show it when they are loaded again.
    pub max_event_streams: usize,
    /// Whether another address than loopback may be bound without authentication.
    pub insecure: bool,
    /// The data directory.
    pub data: PathBuf,
    /// How long samples are kept.
    pub retention: Duration,
    /// The most series in memory.
    pub series_limit: usize,
    /// How far instant selectors look back.
    pub lookback: Duration,
    /// The longest a query may take.
    pub query_timeout: Duration,
    /// The most samples a query may hold.
    pub query_samples: usize,
    /// Queries that may run at once.
    pub query_concurrency: usize,
    /// Logs.
    pub logs: LogsConfig,
    /// Traces.
    pub traces: TracesConfig,
    /// The `alertmanager.yml`; the embedded console routing where absent.
    pub routing_file: Option<PathBuf>,
    /// Whether requests to receivers carry nothing that Alertmanager's would not.
    pub upstream_only: bool,
    /// Whether a Slack bot's messages are changed and answered where the routing file does not say.
    pub slack_threads: bool,
    /// What Alertmanager's flags say of its state.
    pub state: StateOverrides,
    /// How much people are told: throttling, storms, flapping.
    pub limits: Limits,
    /// How notifications are delivered.
    pub delivery: Delivery,
    /// How long ledger entries and finished notifications are kept.
    pub ledger_retention: Duration,
    /// The most ledger entries kept.
    pub ledger_entries: u32,
    /// What is added to alerts that others post; nothing where absent.
    pub alert_enrichment: Option<Enrichment>,
    /// Who may do what.
    pub auth: AuthConfig,
    /// How answers of the definition API are kept.
    pub definition_cache: CacheConfig,
    /// How much a client may ask.
    pub rate_limits: LimitsConfig,
    /// Which database definitions and accounts are in.
    pub definitions: sql::Settings,
    /// Acks and silences.
    pub quiet: QuietConfig,
    /// Signs links in messages.
    pub signer: LateSigner,
    /// The dead man's switch.
    pub heartbeat: Option<HeartbeatConfig>,
    /// Pictures in messages; the external URL and labels are filled in by the application.
    pub pictures: PictureConfig,
    /// Where definitions come from, and who is told of changes.
    pub catalog: CatalogSettings,
    /// Runbooks; the embedded ones where absent.
    pub runbooks: Option<PathBuf>,
    /// Whether Outrigger scrapes itself.
    pub scrape_self: bool,
    /// The host's collector.
    pub node: NodeConfig,
    /// How long shutdown may take.
    pub shutdown_deadline: Duration,
    /// The downward API's directory.
    pub podinfo: PathBuf,
}

/// Reads the settings; scraping, rules and `enrich` are read by others from the same root.
pub(super) fn read(
    root: &Fields<'_>,
    base: &Path,
    zero_config: bool,
    warnings: &mut Vec<Diagnostic>,
) -> Settings {
    let mut settings = Settings::default_of(zero_config);
    if let Some(global) = root.get("global").and_then(|value| value.fields()) {
        settings.global = Global::read(&global);
        if let Some(value) = global.get("evaluation_interval") {
            settings.evaluation_interval =
                value.duration_above_zero().unwrap_or(EVALUATION_INTERVAL);
        }
        if let Some(pairs) = global
            .get("external_labels")
            .and_then(|value| value.pairs())
        {
            let text = |(name, value): (&str, Value<'_>)| {
                Some((name.to_owned(), value.text()?.to_owned()))
            };
            settings.external_labels = Labels::from_pairs(pairs.into_iter().filter_map(text));
        }
        let offset = "rule_query_offset";
        global.refuse(
            offset,
            "each group says it",
            "write query_offset in the group",
        );
        global.refuse("query_log_file", "queries are not logged", "remove it");
        global.finish();
    }
    settings.rate_limits = rate_limits::read(root);
    if let Some(web) = root.get("web").and_then(|value| value.fields()) {
        if let Some(listen) = web.text("listen") {
            settings.listen = listen;
        }
        settings.external_url = web.text("external_url");
        settings.route_prefix = web.text("route_prefix");
        settings.insecure = web.bool("insecure").unwrap_or(false);
        if let Some(most) = web.number_in("max_connections", 1..=1_000_000) {
            settings.max_connections = most;
        }
        if let Some(most) = web.number_in("max_event_streams", 0..=100_000) {
            settings.max_event_streams = most;
        }
        settings.rate_limits.trusted_proxies = rate_limits::read_proxies(&web);
        web.finish();
    }
    if let Some(data) = root.text("data") {
        settings.data = base.join(data);
    }
    if let Some(storage) = root.get("storage").and_then(|value| value.fields()) {
        settings.read_storage(&storage);
        storage.finish();
    }
    if let Some(query) = root.get("query").and_then(|value| value.fields()) {
        if let Some(value) = query.get("lookback") {
            settings.lookback = value.duration_above_zero().unwrap_or(settings.lookback);
        }
        if let Some(value) = query.get("timeout") {
            settings.query_timeout = value
                .duration_above_zero()
                .unwrap_or(settings.query_timeout);
        }
        settings.query_samples = count(&query, "max_samples").unwrap_or(settings.query_samples);
        settings.query_concurrency =
            count(&query, "max_concurrency").unwrap_or(settings.query_concurrency);
        query.finish();
    }
    if let Some(logs) = root.get("logs").and_then(|value| value.fields()) {
        if let Some(level) = logs.text("level") {
            settings.logs.filter = level;
        }
        if let Some(value) = logs.get("format")
            && let Some(format) = value.parse("write text or json", log_format)
        {
            settings.logs.format = format;
        }
        logs.finish();
    }
    if let Some(traces) = root.get("traces").and_then(|value| value.fields()) {
        settings.traces.otlp_endpoint = traces.text("otlp_endpoint");
        if let Some(name) = traces.text("service_name") {
            settings.traces.service_name = name;
        }
        if let Some(value) = traces.get("sample_ratio")
            && let Some(ratio) = value.float()
        {
            if (0.0..=1.0).contains(&ratio) {
                settings.traces.sample_ratio = ratio;
            } else {
                value.error("sample_ratio is out of range", "write a number from 0 to 1");
            }
        }
        traces.finish();
    }
    settings.routing_file = root.text("alertmanager_config").map(|path| base.join(path));
    settings.limits = limits::read(root);
    settings.delivery = delivery::read(root);
    if let Some(slack) = root.get("slack").and_then(|value| value.fields()) {
        settings.slack_threads = slack.bool("threads").unwrap_or(true);
        slack.finish();
    }
    if let Some(ledger) = root.get("ledger").and_then(|value| value.fields()) {
        if let Some(value) = ledger.get("retention") {
            settings.ledger_retention = value
                .duration_above_zero()
                .unwrap_or(settings.ledger_retention);
        }
        if let Some(value) = ledger.get("max_entries") {
            match value.unsigned().map(u32::try_from) {
                Some(Ok(number)) if number > 0 => settings.ledger_entries = number,
                Some(_) => value.error(
                    "max_entries is out of range",
                    "write a number from 1 to 4294967295",
                ),
                None => {}
            }
        }
        ledger.finish();
    }
    settings.alert_enrichment = Some(enrich::read(root));
    settings.auth = auth::read(root);
    (
        settings.definitions,
        settings.definition_cache,
        settings.catalog,
    ) = definitions::read(root, base);
    settings.quiet = quiet::read(root);
    settings.heartbeat = heartbeat::read(root, base);
    if let Some(pictures) = root.get("pictures").and_then(|value| value.fields()) {
        settings.pictures.enabled = pictures.bool("enabled").unwrap_or(true);
        if let Some(value) = pictures.get("theme")
            && let Some(theme) = value.parse("write light or dark", Theme::parse)
        {
            settings.pictures.theme = theme;
        }
        pictures.finish();
    }
    if let Some(value) = root.get("runbooks")
        && let Some(path) = value.text()
    {
        let path = base.join(path);
        if !path.is_dir() {
            value.error(
                format!("no folder of runbooks {}", path.display()),
                "name a folder of .md files, relative to this file",
            );
        }
        settings.runbooks = Some(path);
    }
    settings.scrape_self = root.bool("scrape_self").unwrap_or(true);
    if let Some(value) = root.get("node") {
        settings.node = NodeConfig::read(&value);
    }
    if let Some(value) = root.get("shutdown_deadline") {
        settings.shutdown_deadline = value
            .duration_above_zero()
            .unwrap_or(settings.shutdown_deadline);
    }
    read_prometheus_sections(root, warnings);
    settings
}

/// Sections of a `prometheus.yml` that Outrigger does another way, or not yet.
fn read_prometheus_sections(root: &Fields<'_>, warnings: &mut Vec<Diagnostic>) {
    if let Some(value) = root.get("alerting") {
        warnings.push(
            value
                .diagnostic("alerting is not used: Outrigger routes alerts itself")
                .remedy("give the routes with --alertmanager-config"),
        );
    }
    for (key, reason) in [
        ("remote_write", "samples stay on this machine"),
        ("remote_read", "queries read the local store"),
        ("scrape_config_files", "one file holds all jobs"),
        ("tracing", "traces are set under `traces`"),
        ("otlp", "metrics are scraped, not pushed"),
        ("runtime", "it tunes Go's runtime"),
    ] {
        root.refuse(key, reason, "remove it");
    }
}

impl Settings {
    pub(super) fn default_of(zero_config: bool) -> Self {
        Self {
            global: if zero_config {
                Global::zero_config()
            } else {
                Global::default()
            },
            evaluation_interval: if zero_config {
                Duration::from_secs(15)
            } else {
                EVALUATION_INTERVAL
            },
            external_labels: Labels::empty(),
            listen: "127.0.0.1:9797".to_owned(),
            external_url: None,
            route_prefix: None,
            max_connections: MAX_CONNECTIONS,
            max_event_streams: MAX_STREAMS,
            insecure: false,
            data: PathBuf::from("data"),
            retention: Duration::from_secs(26 * 3600),
            series_limit: 200_000,
            lookback: Duration::from_secs(5 * 60),
            query_timeout: Duration::from_secs(2 * 60),
            query_samples: 50_000_000,
            query_concurrency: 20,
            logs: LogsConfig::default(),
            traces: TracesConfig::default(),
            routing_file: None,
            upstream_only: false,
            slack_threads: true,
            state: StateOverrides::default(),
            limits: Limits::default(),
            delivery: Delivery::default(),
            ledger_retention: dispatcher::Config::default().retention,
            ledger_entries: dispatcher::Config::default().ledger_entries,
            alert_enrichment: Some(Enrichment::default()),
            auth: AuthConfig::default(),
            definition_cache: CacheConfig::default(),
            rate_limits: LimitsConfig::default(),
            definitions: sql::Settings::default(),
            quiet: QuietConfig::default(),
            signer: LateSigner::default(),
            heartbeat: None,
            pictures: PictureConfig {
                enabled: true,
                ..PictureConfig::default()
            },
            catalog: CatalogSettings::default(),
            runbooks: None,
            scrape_self: true,
            node: NodeConfig::default(),
            shutdown_deadline: Duration::from_secs(20),
            podinfo: PathBuf::from("/etc/podinfo"),
        }
    }

    fn read_storage(&mut self, storage: &Fields<'_>) {
        if let Some(value) = storage.get("retention") {
            self.retention = value.duration_above_zero().unwrap_or(self.retention);
        }
        self.series_limit = count(storage, "series_limit").unwrap_or(self.series_limit);
        // Prometheus's own place for the retention.
        if let Some(tsdb) = storage.get("tsdb").and_then(|value| value.fields()) {
            tsdb.refuse(
                "out_of_order_time_window",
                "samples are taken in order",
                "let the target send them in order",
            );
            if let Some(retention) = tsdb.get("retention").and_then(|value| value.fields()) {
                if let Some(value) = retention.get("time") {
                    self.retention = value.duration_above_zero().unwrap_or(self.retention);
                }
                retention.refuse("size", "retention is by time", "write time, such as 26h");
                retention.finish();
            }
            tsdb.finish();
        }
        storage.refuse("exemplars", "exemplars are read, not kept", "remove it");
    }

    /// Lays environment and flags over the file's word.
    pub(super) fn apply(&mut self, overrides: &Overrides, diagnostics: &Diagnostics) {
        let report = |name: &str, message: String, remedy: &str| {
            diagnostics.push(mistake(name, message, remedy));
        };
        if let Some(listen) = &overrides.listen {
            self.listen.clone_from(listen);
        }
        if let Some(address) = &overrides.external_url {
            self.external_url = Some(address.clone());
        }
        if let Some(prefix) = &overrides.route_prefix {
            self.route_prefix = Some(prefix.clone());
        }
        if let Some(prefix) = &self.route_prefix
            && prefix.contains(|c: char| !(c.is_ascii_alphanumeric() || "/-._~".contains(c)))
        {
            let message = format!("not a path: {prefix:?}");
            report("route prefix", message, "write a path such as /monitoring");
        }
        self.insecure |= overrides.insecure;
        self.state = overrides.state;
        if let Some(data) = &overrides.data {
            self.data.clone_from(data);
        }
        if let Some(level) = &overrides.log_level {
            self.logs.filter.clone_from(level);
        }
        if let Some(format) = &overrides.log_format {
            match log_format(format) {
                Ok(format) => self.logs.format = format,
                Err(message) => report("--log-format", message, "write text or json"),
            }
        }
        if let Some(retention) = &overrides.retention {
            match duration::parse(retention) {
                Ok(retention) if !retention.is_zero() => self.retention = retention,
                Ok(_) => report(
                    "--retention",
                    "retention is zero".to_owned(),
                    "write a time such as 26h",
                ),
                Err(error) => report("--retention", error.to_string(), "write a time such as 26h"),
            }
        }
        if let Some(endpoint) = &overrides.otlp_endpoint {
            self.traces.otlp_endpoint = Some(endpoint.clone());
        }
        if let Some(file) = &overrides.alertmanager_config {
            self.routing_file = Some(file.clone());
        }
        if let Some(url) = &overrides.definitions_url {
            if let Err(message) = sql::check_address(url.expose()) {
                let remedy = "write postgres://user@host:5432/database";
                report("OUTRIGGER_DEFINITIONS_DATABASE_URL", message, remedy);
            }
            let config = &mut self.definitions.postgres;
            let address = sql::Address::Inline(url.clone());
            match config {
                Some(config) => config.address = address,
                None => *config = Some(sql::Config::at(address)),
            }
        }
        if let (Some(password), Some(config)) = (
            &overrides.definitions_password,
            &mut self.definitions.postgres,
        ) {
            config.password = Some(password.clone());
        }
        if let Err(error) = logs::check_filter(&self.logs.filter) {
            report(
                "log level",
                error.to_string(),
                "or directives such as info,outrigger::scrape=debug",
            );
        }
        if let Err(error) = self.traces.check_endpoint() {
            report(
                "OTLP endpoint",
                error.reason,
                "write the base address of an OTLP/HTTP receiver, such as http://127.0.0.1:4318",
            );
        }
        let full = |address: &String| {
            address
                .parse::<url::Url>()
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        };
        if let Some(address) = &self.external_url
            && !full(address)
        {
            let message = format!("not an address: {address:?}");
            report(
                "external URL",
                message,
                "write it in full, such as http://monitor.example.org:9797",
            );
        }
    }

    /// The address to bind: loopback, or another where the user says that he means it.
    pub(super) fn listen(&self, diagnostics: &Diagnostics) -> Option<SocketAddr> {
        let text = self
            .listen
            .strip_prefix(':')
            .map_or(self.listen.clone(), |port| format!("0.0.0.0:{port}"));
        let address = match text
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
        {
            Some(address) => address,
            None => {
                let message = format!("cannot listen on {:?}", self.listen);
                diagnostics.push(mistake(
                    "listen address",
                    message,
                    "write host and port, such as 127.0.0.1:9797",
                ));
                return None;
            }
        };
        let loopback = match address.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        if !loopback && !self.insecure && !self.auth.enabled {
            let message = format!(
                "refusing to listen on {address}: everyone who reaches it could read and reload"
            );
            let remedy = "listen on 127.0.0.1, set auth.enabled, or add --web.insecure where the network is trusted";
            diagnostics.push(mistake("listen address", message, remedy));
            return None;
        }
        Some(address)
    }

    /// The path that everything is served below, such as `/monitoring`; empty for the root.
    pub fn route_prefix(&self) -> String {
        let path = match &self.route_prefix {
            Some(path) => path.clone(),
            None => {
                let url = self.external_url.as_ref().and_then(|url| url.parse().ok());
                url.map_or_else(String::new, |url: url::Url| url.path().to_owned())
            }
        };
        match path.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        }
    }

    /// Where people reach this process; no slash at the end.
    pub(super) fn external_url(&self, listen: SocketAddr) -> String {
        match &self.external_url {
            Some(address) => address.trim_end_matches('/').to_owned(),
            None if listen.ip().is_unspecified() => format!("http://localhost:{}", listen.port()),
            None => format!("http://{listen}"),
        }
    }
}

fn count(fields: &Fields<'_>, key: &'static str) -> Option<usize> {
    fields
        .unsigned(key)
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" | "logfmt" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("unknown log format {other:?}")),
    }
}
