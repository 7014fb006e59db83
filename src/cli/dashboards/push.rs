//! `outrigger dashboards push`: dashboards into a Grafana, through its HTTP API.
//!
//! Each one is compared with what is there by its uid; the same is left alone, so that a push may be repeated. The token comes
//! from a file and goes to no other host: redirects are not followed.
//! <https://grafana.com/docs/grafana/latest/developer-resources/api-reference/http-api/dashboard/>

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::dashboards::shipped;
use crate::dashboards::variables::DEFAULT_OUTRIGGER;
use crate::model::secret::Secret;

use super::super::ask;
use super::super::exit;
use super::super::terminal::{complain, print};

const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// The most differences of one dashboard that are told.
const MAX_TOLD: usize = 10;
/// What Grafana writes into a dashboard by itself.
const GRAFANAS_OWN: [&str; 2] = ["id", "version"];

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The address of Grafana, with its path where it is served below one.
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with the token of a service account that may write dashboards.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The folder in Grafana; made where it is not there.
    #[arg(long, value_name = "NAME", default_value = "Outrigger")]
    folder: String,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where a browser reaches Outrigger, for links of the shipped ones.
    #[arg(long, value_name = "URL", default_value = DEFAULT_OUTRIGGER)]
    external_url: String,
    /// Dashboards; the shipped ones where none is given.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn push(args: &PushArgs) -> u8 {
    let pushed = given(args).and_then(|dashboards| ask::wait(push_all(args, dashboards)));
    match pushed {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&format!("{error:#}\n"));
            exit::FAILED
        }
    }
}

fn given(args: &PushArgs) -> anyhow::Result<Vec<Value>> {
    let texts: Vec<String> = if args.files.is_empty() {
        let all = shipped::all(&args.external_url);
        all.iter().map(|dashboard| dashboard.to_json()).collect()
    } else {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
        };
        args.files.iter().map(read).collect::<anyhow::Result<_>>()?
    };
    let mut dashboards = Vec::new();
    for text in texts {
        let dashboard: Value = serde_json::from_str(&text).context("read JSON of a dashboard")?;
        let uid = dashboard["uid"].as_str().unwrap_or_default();
        anyhow::ensure!(
            !uid.is_empty() && dashboard["panels"].is_array(),
            "a file holds no dashboard with a uid; outrigger check dashboards says more"
        );
        dashboards.push(dashboard);
    }
    Ok(dashboards)
}

async fn push_all(args: &PushArgs, dashboards: Vec<Value>) -> anyhow::Result<()> {
    let grafana = Grafana::new(&args.url, &args.token_file)?;
    let folder = grafana.folder(&args.folder, args.dry_run).await?;
    let (mut made, mut changed, mut same) = (0, 0, 0);
    for dashboard in dashboards {
        let uid = dashboard["uid"].as_str().unwrap_or_default().to_owned();
        let path = format!("/api/dashboards/uid/{}", encoded(&uid));
        let found = grafana.ask(Method::GET, &path, None).await?;
        let differences = match &found {
            None => {
                made += 1;
                print(&format!("new: {uid}\n"));
                None
            }
            Some(found) => {
                let mut differences = differences(&found["dashboard"], &dashboard);
                let there = found["meta"]["folderUid"].as_str().unwrap_or_default();
                if there != folder {
                    differences.insert(0, format!("folder: {there:?} becomes {folder:?}"));
                }
                if differences.is_empty() {
                    same += 1;
                    continue;
                }
                changed += 1;
                print(&format!("changed: {uid}\n"));
                Some(differences)
            }
        };
        for line in differences.iter().flatten().take(MAX_TOLD) {
            print(&format!("    {line}\n"));
        }
        let untold = differences.map_or(0, |all| all.len().saturating_sub(MAX_TOLD));
        if untold > 0 {
            print(&format!("    and {untold} more\n"));
        }
        if !args.dry_run {
            grafana.write(dashboard, &folder).await?;
        }
    }
    let end = if args.dry_run {
        "; nothing was written: dry run"
    } else {
        ""
    };
    print(&format!(
        "{made} new, {changed} changed, {same} unchanged{end}\n"
    ));
    Ok(())
}

struct Grafana {
    address: String,
    client: reqwest::Client,
    token: Secret,
}

impl Grafana {
    fn new(url: &str, token_file: &Path) -> anyhow::Result<Self> {
        crate::app::install_crypto();
        let parsed: url::Url = url.parse().context("read --url")?;
        anyhow::ensure!(
            matches!(parsed.scheme(), "http" | "https"),
            "--url must begin with http:// or https://"
        );
        let token = std::fs::read_to_string(token_file)
            .with_context(|| format!("read {}", token_file.display()))?;
        anyhow::ensure!(
            !token.trim().is_empty(),
            "{} is empty",
            token_file.display()
        );
        Ok(Self {
            address: url.trim_end_matches('/').to_owned(),
            client: reqwest::Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            token: Secret::new(token.trim().to_owned()),
        })
    }

    /// The folder's uid; it is made where it is not there.
    async fn folder(&self, name: &str, dry_run: bool) -> anyhow::Result<String> {
        let folders = self
            .ask(Method::GET, "/api/folders?limit=1000", None)
            .await?;
        let folders = folders.unwrap_or_default();
        let mut folders = folders.as_array().into_iter().flatten();
        if let Some(folder) = folders.find(|folder| folder["title"] == name) {
            return Ok(folder["uid"].as_str().unwrap_or_default().to_owned());
        }
        print(&format!("new: folder {name:?}\n"));
        if dry_run {
            return Ok(String::new());
        }
        let made = self
            .ask(Method::POST, "/api/folders", Some(json!({"title": name})))
            .await?;
        let uid = made.as_ref().and_then(|made| made["uid"].as_str());
        Ok(uid
            .context("make the folder: the answer names no uid")?
            .to_owned())
    }

    async fn write(&self, mut dashboard: Value, folder: &str) -> anyhow::Result<()> {
        // Grafana numbers it itself.
        if let Some(fields) = dashboard.as_object_mut() {
            fields.remove("version");
            fields.insert("id".to_owned(), Value::Null);
        }
        let body = json!({
            "dashboard": dashboard,
            "folderUid": folder,
            "overwrite": true,
            "message": "outrigger dashboards push",
        });
        let answer = self
            .ask(Method::POST, "/api/dashboards/db", Some(body))
            .await?;
        answer.context("write a dashboard: Grafana knows no such path; is --url right?")?;
        Ok(())
    }

    /// The JSON of an answer; `None` where there is no such thing.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Option<Value>> {
        let what = format!("{method} {}{path}", self.address);
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.address))
            .bearer_auth(self.token.expose())
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let mut response = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| what.clone())?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.with_context(|| what.clone())? {
            anyhow::ensure!(
                answer.len() + chunk.len() <= MAX_ANSWER_BYTES,
                "{what}: the answer is larger than 32 MiB"
            );
            answer.extend_from_slice(&chunk);
        }
        let json: Value = serde_json::from_slice(&answer).unwrap_or_default();
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                anyhow::bail!("{what}: {status}; the token of --token-file may not do that")
            }
            status if status.is_success() && !json.is_null() => Ok(Some(json)),
            status => {
                let said = json["message"].as_str().unwrap_or("no reason given");
                anyhow::bail!("{what}: {status}: {said}")
            }
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Where two dashboards differ, but for what Grafana writes itself.
fn differences(found: &Value, wanted: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let own = |json: &Value| {
        let mut json = json.clone();
        if let Some(fields) = json.as_object_mut() {
            for name in GRAFANAS_OWN {
                fields.remove(name);
            }
        }
        json
    };
    compare(&own(found), &own(wanted), "", &mut told);
    told
}

fn compare(found: &Value, wanted: &Value, path: &str, told: &mut Vec<String>) {
    match (found, wanted) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in right {
                compare(
                    left.get(name).unwrap_or(&Value::Null),
                    value,
                    &format!("{path}/{name}"),
                    told,
                );
            }
            for name in left.keys().filter(|name| !right.contains_key(*name)) {
                told.push(format!("{path}/{name}: goes"));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(left, right, &format!("{path}/{index}"), told);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            told.push(format!(
                "{path}: {} entries become {}",
                left.len(),
                right.len()
            ));
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => {}
        _ if found != wanted => told.push(format!(
            "{path}: {} becomes {}",
            short(found),
            short(wanted)
        )),
        _ => {}
    }
}

/// A value on one line, cut where it is long.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
