//! `outrigger dashboards`: dashboards as files, the shipped ones or others, and into a Grafana.

mod push;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::dashboards::model::Dashboard;
use crate::dashboards::service::families::{self, About, Family, Gathering, MAX_FAMILIES};
use crate::dashboards::variables::DEFAULT_OUTRIGGER;
use crate::dashboards::{meaning, service, shipped};
use crate::exposition::MetricKind;
use crate::exposition::format::Format;
use crate::model::labels::{Labels, quote};

use super::ask::{self, Server};
use super::terminal::{complain, print};
use super::{definitions, exit};

/// The largest exposition that is read.
const MAX_EXPOSITION_BYTES: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct DashboardsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write dashboards as files that Grafana imports: the shipped ones, or one for each service asked for.
    Generate(GenerateArgs),
    /// Make and change dashboards in a Grafana through its HTTP API. What is there already and the same is left alone.
    Push(push::PushArgs),
}

#[derive(Debug, Args)]
struct GenerateArgs {
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "dashboards")]
    out: PathBuf,
    /// Write nothing; exit with 1 where a file is not what would be written.
    #[arg(long)]
    check: bool,
    /// Where a browser reaches Outrigger, for links to runbooks and rules.
    #[arg(long, value_name = "URL", default_value = DEFAULT_OUTRIGGER)]
    external_url: String,
    /// Make one for each job that this Outrigger or Prometheus scrapes, out of its metric families.
    #[arg(long, value_name = "URL")]
    from_live: Option<String>,
    /// Make one out of an exposition: a file with what /metrics answers, or - for standard input.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "from_live",
        requires = "job"
    )]
    from: Option<PathBuf>,
    /// Make one for each domain and objective in these catalogs of definitions.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_live", "from"])]
    definitions: Vec<PathBuf>,
    /// The job: which one of those scraped, or under which the exposition is.
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
}

pub(super) fn dashboards(args: &DashboardsArgs) -> u8 {
    let args = match &args.what {
        What::Generate(args) => args,
        What::Push(args) => return push::push(args),
    };
    let made = match make(args) {
        Ok(made) => made,
        Err(error) => {
            complain(&format!("{error:#}\n"));
            return exit::FAILED;
        }
    };
    let result = match args.check {
        true => differing(&args.out, &made),
        false => write(&args.out, &made),
    };
    match result {
        Ok(0) => exit::OK,
        Ok(_) => exit::FAILED,
        Err(error) => {
            complain(&format!("{error:#}\n"));
            exit::FAILED
        }
    }
}

fn make(args: &GenerateArgs) -> anyhow::Result<Vec<Dashboard>> {
    if let Some(url) = &args.from_live {
        let services = ask::wait(live(url, args.job.as_deref()))?;
        let one = |(job, families): (String, Vec<Family>)| {
            service::dashboard(&job, &families, &args.external_url)
        };
        return Ok(services.into_iter().map(one).collect());
    }
    if let (Some(file), Some(job)) = (&args.from, &args.job) {
        let body = read(file).with_context(|| format!("read {}", file.display()))?;
        let format = match body.trim_ascii_end().ends_with(b"# EOF") {
            true => Format::OpenMetrics,
            false => Format::PrometheusText,
        };
        let families = families::of_exposition(&body, format)
            .with_context(|| format!("read {}", file.display()))?;
        return Ok(vec![service::dashboard(job, &families, &args.external_url)]);
    }
    if !args.definitions.is_empty() {
        let resources = definitions::resources(&args.definitions)?;
        return Ok(meaning::all(&resources, &args.external_url));
    }
    Ok(shipped::all(&args.external_url))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let source: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(file)?),
    };
    source
        .take(MAX_EXPOSITION_BYTES + 1)
        .read_to_end(&mut body)?;
    let fits = u64::try_from(body.len()).is_ok_and(|length| length <= MAX_EXPOSITION_BYTES);
    anyhow::ensure!(fits, "it is larger than 64 MiB");
    Ok(body)
}

/// The jobs that are scraped, and their families.
async fn live(url: &str, only: Option<&str>) -> anyhow::Result<Vec<(String, Vec<Family>)>> {
    let server = Server::new(url)?;
    let data = |path: &'static str, pairs: Vec<(&'static str, String)>| {
        let server = &server;
        async move {
            let pairs: Vec<(&str, &str)> = pairs
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let mut answer = server
                .get(path, &pairs)
                .await
                .with_context(|| format!("ask {url}"))?;
            anyhow::ensure!(
                answer["status"] == "success",
                "ask {url}{path}: {}",
                answer["error"]
            );
            anyhow::Ok(answer["data"].take())
        }
    };
    let metadata = data("/api/v1/metadata", Vec::new()).await?;
    let about = about(&metadata);
    let jobs: Vec<String> = match only {
        Some(job) => vec![job.to_owned()],
        None => serde_json::from_value(data("/api/v1/label/job/values", Vec::new()).await?)?,
    };
    let mut services = Vec::new();
    for job in jobs {
        let series = data(
            "/api/v1/series",
            vec![("match[]", format!("{{job={}}}", quote(&job)))],
        )
        .await?;
        let mut gathering = Gathering::new(about.clone());
        for labels in series.as_array().into_iter().flatten() {
            let labels: Labels = serde_json::from_value(labels.clone()).context("read series")?;
            gathering.series(&labels);
        }
        let families = gathering.finish();
        anyhow::ensure!(
            only.is_none() || !families.is_empty(),
            "no series of job {job:?} within the last hours; is the job scraped there?"
        );
        if !families.is_empty() {
            services.push((job, families));
        }
    }
    Ok(services)
}

fn about(metadata: &Value) -> BTreeMap<String, About> {
    let kinds = [
        MetricKind::Counter,
        MetricKind::Gauge,
        MetricKind::Histogram,
        MetricKind::GaugeHistogram,
        MetricKind::Summary,
        MetricKind::Info,
        MetricKind::StateSet,
    ];
    let mut about = BTreeMap::new();
    for (family, entries) in metadata
        .as_object()
        .into_iter()
        .flatten()
        .take(MAX_FAMILIES * 10)
    {
        let kind = entries[0]["type"].as_str().unwrap_or_default();
        let kind = kinds.into_iter().find(|known| known.as_str() == kind);
        about.insert(
            family.clone(),
            About {
                kind: kind.unwrap_or_default(),
                help: entries[0]["help"].as_str().unwrap_or_default().to_owned(),
            },
        );
    }
    about
}

/// How many files are not what they would be.
fn differing(folder: &Path, made: &[Dashboard]) -> anyhow::Result<usize> {
    let mut differing = 0;
    for dashboard in made {
        let path = folder.join(shipped::file_name(dashboard));
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found != dashboard.to_json() {
            complain(&format!(
                "{} is not what would be written; run outrigger dashboards generate\n",
                path.display()
            ));
            differing += 1;
        }
    }
    let mut names: Vec<String> = made.iter().map(shipped::file_name).collect();
    names.sort();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(".json")
            && names
                .binary_search_by(|made| made.as_str().cmp(name))
                .is_err()
        {
            complain(&format!(
                "{} is no dashboard that would be written; remove it\n",
                path.display()
            ));
            differing += 1;
        }
    }
    if differing == 0 {
        print(&format!(
            "{} dashboards in {} are current\n",
            made.len(),
            folder.display()
        ));
    }
    Ok(differing)
}

fn write(folder: &Path, made: &[Dashboard]) -> anyhow::Result<usize> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    for dashboard in made {
        let path = folder.join(shipped::file_name(dashboard));
        std::fs::write(&path, dashboard.to_json())
            .with_context(|| format!("write {}", path.display()))?;
        print(&format!(
            "{}: {}, {} panels\n",
            path.display(),
            dashboard.title,
            dashboard.all_panels().count()
        ));
    }
    Ok(0)
}
