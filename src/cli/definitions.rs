//! `outrigger definitions`: metric definitions, domains and objectives in files and in the database.

mod origin;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::clock::Clock;
use crate::config::definitions::CHECKS;
use crate::config::overrides::Environment;
use crate::config::settings::Settings;
use crate::config::{self, Sources};
use crate::db::sql::Sql;
use crate::db::{DbError, definitions as rows};
use crate::definitions::catalog::{self, Item};
use crate::definitions::check::{Finding, Findings};
use crate::definitions::policy;
use crate::definitions::resource::Resource;
use crate::definitions::store::batch::ItemReport;
use crate::definitions::store::{Author, Outcome, Store};
use crate::http::openapi;

use self::origin::{File, Origin};
use super::ask::wait;
use super::check::report;
use super::terminal::{Paint, complain, print};
use super::{SourceArgs, exit};

#[derive(Debug, Args)]
pub(super) struct DefinitionsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Take over definitions from YAML or JSON files: all of them, or none. Exits with 2 on mistakes.
    Import(ImportArgs),
    /// Print all definitions as a catalog that imports unchanged.
    Export(ExportArgs),
    /// Check files; the database is not touched. Exits with 2 on mistakes.
    Check(CheckArgs),
    /// Write the policies made of metrics, for the Open Policy Agent.
    Policies(PoliciesArgs),
    /// Print or write the rules made of thresholds and objectives: an ordinary rule file.
    Rules(rules::RulesArgs),
    /// Print the OpenAPI document of the API.
    Openapi(OpenapiArgs),
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// Catalogs, lists or single definitions.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say what would happen, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Who changes the definitions, for their history.
    #[arg(long, value_name = "NAME", default_value = "cli")]
    author: String,
    #[command(flatten)]
    sources: SourceArgs,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// In which format.
    #[arg(long, value_enum, default_value = "yaml")]
    format: Format,
    #[command(flatten)]
    sources: SourceArgs,
}

#[derive(Debug, Args)]
struct OpenapiArgs {
    /// In which format.
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

#[derive(Debug, Args)]
struct PoliciesArgs {
    /// Where to: a bundle where it ends in `.tar.gz`, else a directory for a file each.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    sources: SourceArgs,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Catalogs, lists or single definitions.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Does what the arguments name; returns the exit code.
pub(super) fn definitions(args: DefinitionsArgs, environment: Environment) -> u8 {
    let no_color = environment.no_color;
    match args.what {
        What::Check(args) => check(&args.files, no_color),
        What::Import(args) => {
            let (files, author, dry_run) = (args.files, args.author, args.dry_run);
            with_settings(&args.sources.into_sources(environment), |settings| {
                import(settings, &files, &author, dry_run, no_color)
            })
        }
        What::Export(args) => with_settings(&args.sources.into_sources(environment), |settings| {
            export(settings, args.format)
        }),
        What::Rules(args) => {
            let (out, check) = (args.out, args.check);
            with_settings(&args.sources.into_sources(environment), |settings| {
                rules::rules(settings, out.as_deref(), check, no_color)
            })
        }
        What::Openapi(args) => written(&openapi::document(true), args.format).map_or_else(
            |error| {
                complain(&format!("error: {error:#}\n"));
                exit::FAILED
            },
            |text| {
                print(&text);
                exit::OK
            },
        ),
        What::Policies(args) => {
            let out = args.out;
            with_settings(&args.sources.into_sources(environment), |settings| {
                policies(settings, &out)
            })
        }
    }
}

/// Runs an action with the settings that say which database is meant.
fn with_settings(sources: &Sources, action: impl FnOnce(&Settings) -> anyhow::Result<u8>) -> u8 {
    let settings = match config::load(sources, Clock::system().now()) {
        Ok(config) => config.settings,
        Err(mistakes) => {
            report(&mistakes, sources);
            return exit::MISTAKES;
        }
    };
    action(&settings).unwrap_or_else(|error| {
        complain(&format!("error: {error:#}\n"));
        exit::FAILED
    })
}

async fn open(settings: &Settings) -> Result<Sql, DbError> {
    let file = settings.data.join("outrigger.db");
    Sql::open(&settings.definitions, &file).await
}

fn check(files: &[PathBuf], no_color: bool) -> u8 {
    let Some((items, origins)) = read(files, no_color) else {
        return exit::MISTAKES;
    };
    let reports = items.into_iter().map(|item| {
        let mut findings = item.findings.clone();
        let resource = Resource::read(item.kind, &item.value, CHECKS, &mut findings);
        let id = resource.as_ref().map_or("", Resource::id).to_owned();
        ItemReport {
            place: item.place,
            kind: item.kind,
            id,
            outcome: resource.map(|_| Outcome::Unchanged),
            revision: None,
            refusal: None,
            findings,
        }
    });
    let reports: Vec<ItemReport> = reports.collect();
    let refused = tell(&reports, &origins, |_| "ok".to_owned(), no_color);
    print(&format!(
        "{} checked, {refused} with mistakes\n",
        reports.len()
    ));
    if refused == 0 {
        exit::OK
    } else {
        exit::MISTAKES
    }
}

fn import(
    settings: &Settings,
    files: &[PathBuf],
    author: &str,
    dry_run: bool,
    no_color: bool,
) -> anyhow::Result<u8> {
    let Some((items, origins)) = read(files, no_color) else {
        return Ok(exit::MISTAKES);
    };
    let author = Author {
        name: author,
        source: "cli",
    };
    let reports = wait(async {
        let database = open(settings).await?;
        let store = Store::new(database.clone(), CHECKS);
        let reports = store
            .import(&items, dry_run, author, Clock::system().now())
            .await;
        database.close().await;
        Ok(reports?)
    })?;
    let refused = tell(&reports, &origins, told, no_color);
    let count = |wanted: fn(&Outcome) -> bool| {
        let outcomes = reports.iter().filter_map(|report| report.outcome.as_ref());
        outcomes.filter(|outcome| wanted(outcome)).count()
    };
    let created = count(|outcome| matches!(outcome, Outcome::Created));
    let updated = count(|outcome| matches!(outcome, Outcome::Updated { .. }));
    let unchanged = count(|outcome| matches!(outcome, Outcome::Unchanged));
    let end = match (dry_run, refused) {
        (true, _) => "; nothing was written: dry run",
        (false, 0) => "",
        (false, _) => "; nothing was written: correct the mistakes first",
    };
    print(&format!(
        "{created} created, {updated} updated, {unchanged} unchanged, {refused} refused{end}\n"
    ));
    Ok(if refused == 0 {
        exit::OK
    } else {
        exit::MISTAKES
    })
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Created => "created".to_owned(),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Removed => "removed".to_owned(),
        Outcome::Updated { fields, version } => {
            let version = version.as_ref().map(|version| format!(" to {version}"));
            format!(
                "updated{}: {}",
                version.unwrap_or_default(),
                fields.join(", ")
            )
        }
    }
}

/// Prints what becomes of each item, and where it came from; returns how many are refused.
fn tell(
    reports: &[ItemReport],
    origins: &[Origin],
    word: impl Fn(&Outcome) -> String,
    no_color: bool,
) -> usize {
    let (out, err) = (Paint::stdout(no_color), Paint::stderr(no_color));
    for (report, origin) in reports.iter().zip(origins) {
        let what = |place: String| {
            let what = format!("{place}: {} {}", report.kind.as_str(), report.id);
            what.trim_end().to_owned()
        };
        if let Some(outcome) = &report.outcome {
            print(&format!("{}: {}\n", what(origin.text()), word(outcome)));
        }
        if let Some(refusal) = &report.refusal {
            let what = what(origin.text_at(""));
            complain(&format!("{} {what}: {refusal}\n", err.bad("error:")));
        }
        let at = |field: &str| what(origin.text_at(field));
        complain_of(at, &report.findings, err);
        for warning in &report.findings.warnings {
            let what = at(&warning.field);
            print(&format!("{} {what}: {warning}\n", out.warn("warning:")));
        }
    }
    reports
        .iter()
        .filter(|report| report.outcome.is_none())
        .count()
}

/// `at` says where a field stands.
fn complain_of(at: impl Fn(&str) -> String, findings: &Findings, paint: Paint) {
    let say = |finding: &Finding| {
        let what = at(&finding.field);
        complain(&format!("{} {what}: {finding}\n", paint.bad("error:")));
    };
    findings.mistakes.iter().for_each(say);
    if findings.untold > 0 {
        complain(&format!("{}: and {} more\n", at(""), findings.untold));
    }
}

/// The resources of catalogs.
///
/// # Errors
/// Where a file cannot be read or holds a mistake; which one is told by `outrigger definitions check`.
pub(super) fn resources(files: &[PathBuf]) -> anyhow::Result<Vec<Resource>> {
    let mut all = Vec::new();
    for path in files {
        let name = path.display();
        let file = File::read(path).context("read definitions")?;
        let (items, findings) = catalog::items(&file.value);
        let mut good = findings.mistakes.is_empty();
        for item in items {
            let mut findings = item.findings;
            let resource = Resource::read(item.kind, &item.value, CHECKS, &mut findings);
            good &= resource.is_some();
            all.extend(resource);
        }
        anyhow::ensure!(
            good,
            "{name} holds mistakes; outrigger definitions check {name} tells them"
        );
    }
    Ok(all)
}

/// The items of files, and where each stands; `None` where a file cannot be read, which is told.
fn read(files: &[PathBuf], no_color: bool) -> Option<(Vec<Item>, Vec<Origin>)> {
    let paint = Paint::stderr(no_color);
    let (mut all, mut origins) = (Vec::new(), Vec::new());
    let mut failed = false;
    for path in files {
        let file = match File::read(path) {
            Ok(file) => file,
            Err(error) => {
                complain(&format!("{} {error:#}\n", paint.bad("error:")));
                failed = true;
                continue;
            }
        };
        let (items, findings) = catalog::items(&file.value);
        let whole = file.origin("");
        complain_of(|field| whole.text_at(field), &findings, paint);
        failed |= !findings.mistakes.is_empty();
        for warning in &findings.warnings {
            let (what, paint) = (whole.text_at(&warning.field), Paint::stdout(no_color));
            print(&format!("{} {what}: {warning}\n", paint.warn("warning:")));
        }
        origins.extend(items.iter().map(|item| file.origin(&item.place)));
        all.extend(items);
    }
    (!failed).then_some((all, origins))
}

fn policies(settings: &Settings, out: &Path) -> anyhow::Result<u8> {
    let (metrics, generation) = wait(async {
        let database = open(settings).await?;
        let generation = rows::generation(&database).await;
        let metrics = Store::new(database.clone(), CHECKS).metrics().await;
        database.close().await;
        Ok((metrics?, generation?))
    })?;
    let modules = policy::modules(&metrics);
    let wrote = |path: &Path| format!("write {}", path.display());
    if out.to_string_lossy().ends_with(".tar.gz") {
        let bundle = policy::bundle(&modules, &format!("g{generation}"))?;
        fs::write(out, bundle).with_context(|| wrote(out))?;
    } else {
        fs::create_dir_all(out).with_context(|| wrote(out))?;
        for module in &modules {
            let path = out.join(format!("{}.rego", module.name));
            fs::write(&path, &module.text).with_context(|| wrote(&path))?;
        }
    }
    print(&format!(
        "{} policies written to {}\n",
        modules.len(),
        out.display()
    ));
    Ok(exit::OK)
}

fn export(settings: &Settings, format: Format) -> anyhow::Result<u8> {
    let resources = wait(async {
        let database = open(settings).await?;
        let resources = Store::new(database.clone(), CHECKS).all().await;
        database.close().await;
        Ok(resources?)
    })?;
    print(&written(&catalog::catalog(&resources), format)?);
    Ok(exit::OK)
}

fn written(value: &Value, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Yaml => serde_yaml::to_string(value)?,
        Format::Json => format!("{value:#}\n"),
    })
}
