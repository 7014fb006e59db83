//! Commands. The only module that prints.

mod accounts;
mod ack;
mod alertmanager;
mod apikey;
mod ask;
mod check;
mod dashboards;
mod definitions;
mod explain;
mod heap;
mod junit;
mod labels;
mod parse;
mod query;
mod routes;
mod run;
mod terminal;
mod test;
mod user;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::overrides::{Environment, Overrides};
use crate::config::{ConsoleStyle, Mode, Sources};

/// Exit codes a CI can use.
mod exit {
    /// All is well.
    pub(super) const OK: u8 = 0;
    /// It failed while running.
    pub(super) const FAILED: u8 = 1;
    /// The configuration, or what was asked, is wrong.
    pub(super) const MISTAKES: u8 = 2;
}

/// What the help says at its end.
const AFTER_HELP: &str = "\
Environment (over the file, under the flags):
  OUTRIGGER_CONFIG, OUTRIGGER_TARGETS, OUTRIGGER_ALERTMANAGER_CONFIG, OUTRIGGER_DATA,
  OUTRIGGER_LISTEN, OUTRIGGER_EXTERNAL_URL, OUTRIGGER_WEB_INSECURE, OUTRIGGER_RETENTION,
  OUTRIGGER_LOG_LEVEL, OUTRIGGER_LOG_FORMAT, OUTRIGGER_OTLP_ENDPOINT; NO_COLOR
  OUTRIGGER_TOKEN: an API key, for commands that ask a running Outrigger

Exit codes:
  0  all is well
  1  it failed while running
  2  the configuration or the command line is wrong; nothing was started";

/// One small binary beside your service: scrapes it, evaluates alert rules, tells people.
///
/// Without a subcommand it runs. Without any file it scrapes itself and the host, evaluates the shipped rules and prints
/// alerts.
#[derive(Debug, Parser)]
#[command(
    name = "outrigger",
    bin_name = "outrigger",
    version,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

// Only the arguments of the command that is given are made.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Run: scrape, evaluate, route, notify, serve.
    Run(RunArgs),
    /// Check configuration, rules and routing; tell every mistake with its place and remedy. Exits with 2 on mistakes.
    Check(check::CheckArgs),
    /// Evaluate a PromQL expression on a running Outrigger or Prometheus.
    Query(query::QueryArgs),
    /// Read an exposition from standard input and print its samples as JSON. Exits with 1 where it is refused.
    Parse(parse::ParseArgs),
    /// Show the routing, and say what it would do with an alert. Exits with 1 where the receivers are not those expected.
    Routes(routes::RoutesArgs),
    /// Take charge of alerts that fire on a running Outrigger: nobody is told of them again before they resolve.
    Ack(ack::AckArgs),
    /// Ask a running Outrigger why somebody was, or was not, told.
    Explain(explain::ExplainArgs),
    /// Run in Alertmanager's place, with its flags: routes, silences and receivers, nothing else. Also when the program is
    /// called by the name alertmanager.
    Alertmanager(Box<alertmanager::AlertmanagerArgs>),
    /// Make and change accounts, in the database of the data directory; Outrigger may run meanwhile.
    User(user::UserArgs),
    /// Make, list and revoke API keys, in the database of the data directory.
    Apikey(apikey::ApikeyArgs),
    /// Import, export and check metric definitions, domains and objectives.
    Definitions(Box<definitions::DefinitionsArgs>),
    /// Write dashboards for Grafana as files: the shipped ones, or one for any service.
    Dashboards(dashboards::DashboardsArgs),
    /// Run unit tests.
    Test(test::TestArgs),
    /// Print the version.
    Version,
}

/// Where the configuration comes from. Environment variables (`OUTRIGGER_CONFIG`, ...) say the same; flags win.
#[derive(Debug, Args)]
struct SourceArgs {
    /// A target to scrape, such as http://127.0.0.1:8080/metrics; may be repeated.
    #[arg(long = "target", value_name = "URL")]
    targets: Vec<String>,
    /// outrigger.yml, or a plain prometheus.yml. Without it outrigger.yml here is used, where there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A prometheus.yml, taken for exactly what it says: no job for Outrigger itself and the host, no shipped rules.
    #[arg(long = "config.file", value_name = "FILE", conflicts_with = "config")]
    prometheus_config: Option<PathBuf>,
    /// Who is told what, in Alertmanager's format. Without it alerts are printed.
    #[arg(long, value_name = "FILE")]
    alertmanager_config: Option<PathBuf>,
    /// Where samples and state are kept [default: ./data].
    #[arg(long, visible_alias = "storage.tsdb.path", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the one port [default: 127.0.0.1:9797].
    #[arg(long, visible_alias = "web.listen-address", value_name = "ADDR")]
    listen: Option<String>,
    /// Where people reach this Outrigger, for links in messages.
    #[arg(long, visible_alias = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// The path that everything is served below; that of the external URL unless given.
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Listen on an address that is not loopback, without authentication.
    #[arg(long = "web.insecure")]
    insecure: bool,
    /// How long samples are kept [default: 26h].
    #[arg(
        long,
        visible_alias = "storage.tsdb.retention.time",
        value_name = "TIME"
    )]
    retention: Option<String>,
    /// Base address of an OTLP/HTTP receiver of traces, such as http://127.0.0.1:4318.
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// What is logged: error, warn, info, debug, trace, or directives such as info,outrigger::scrape=debug.
    #[arg(long, visible_alias = "log.level", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How it is logged: text or json.
    #[arg(long, visible_alias = "log.format", value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    sources: SourceArgs,
}

impl SourceArgs {
    /// Lays the flags over the environment.
    fn into_sources(self, environment: Environment) -> Sources {
        let flags = Overrides {
            targets: self.targets,
            alertmanager_config: self.alertmanager_config,
            data: self.data,
            listen: self.listen,
            external_url: self.external_url,
            route_prefix: self.route_prefix,
            insecure: self.insecure,
            log_level: self.log_level,
            log_format: self.log_format,
            retention: self.retention,
            otlp_endpoint: self.otlp_endpoint,
            ..Overrides::default()
        };
        let mode = if self.prometheus_config.is_some() {
            Mode::Exactly
        } else {
            Mode::Full
        };
        let here = || Some(PathBuf::from("outrigger.yml")).filter(|path| path.exists());
        let file = self
            .config
            .or(self.prometheus_config)
            .or(environment.config)
            .or_else(here);
        let console = match (std::io::stdout().is_terminal(), environment.no_color) {
            (true, false) => ConsoleStyle::Colored,
            (true, true) => ConsoleStyle::Plain,
            (false, _) => ConsoleStyle::Json,
        };
        Sources {
            file,
            mode,
            console,
            no_color: environment.no_color,
            overrides: environment.overrides.with(flags),
            ..Sources::default()
        }
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse_from(alertmanager::by_name(std::env::args_os()));
    let environment = Environment::read();
    if matches!(
        cli.command,
        None | Some(Command::Run(_) | Command::Alertmanager(_))
    ) {
        heap::share(&environment);
    }
    let code = match cli.command {
        None => run::run(cli.run.sources.into_sources(environment)),
        Some(Command::Run(args)) => run::run(args.sources.into_sources(environment)),
        Some(Command::Check(args)) => args.check(environment),
        Some(Command::Query(args)) => query::query(&args, environment.no_color),
        Some(Command::Parse(args)) => parse::parse(&args),
        Some(Command::Routes(args)) => routes::routes(args, environment),
        Some(Command::Ack(args)) => ack::ack(&args),
        Some(Command::Explain(args)) => explain::explain(&args, environment.no_color),
        Some(Command::Alertmanager(args)) => run::run(args.into_sources(environment)),
        Some(Command::User(args)) => user::user(args, environment),
        Some(Command::Apikey(args)) => apikey::apikey(args, environment),
        Some(Command::Definitions(args)) => definitions::definitions(*args, environment),
        Some(Command::Dashboards(args)) => dashboards::dashboards(&args),
        Some(Command::Test(args)) => test::test(&args, environment.no_color),
        Some(Command::Version) => {
            terminal::print(&format!("outrigger {}\n", env!("CARGO_PKG_VERSION")));
            exit::OK
        }
    };
    ExitCode::from(code)
}
