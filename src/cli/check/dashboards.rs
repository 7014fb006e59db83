//! `outrigger check dashboards`: what is wrong with dashboards, and which of their panels are empty.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::clock::Clock;
use crate::config::files;
use crate::dashboards::interpolate::{Intervals, Values};
use crate::dashboards::lint::lint;
use crate::dashboards::lint::read::{self, Board, PanelView, Variable};
use crate::dashboards::shipped;
use crate::dashboards::variables::DEFAULT_OUTRIGGER;
use crate::document::diagnostics::Diagnostics;
use crate::model::duration;

use super::super::ask::{self, Server};
use super::super::exit;
use super::super::terminal::{Paint, complain, print};
use super::{count, print_warning};

/// Points of a query's range.
const POINTS: u64 = 120;
/// Samples that a rate's range holds at least where the target is scraped every 15 s; Grafana takes four scrapes.
const RATE_WINDOW: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(super) struct DashboardsArgs {
    /// Run every query on this Outrigger or Prometheus, and name the panels that show nothing. Exits with 1 where there is one.
    #[arg(long, value_name = "URL")]
    live: Option<String>,
    /// The time looked at by --live, until now.
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "live")]
    range: String,
    /// Take advice for mistakes.
    #[arg(long)]
    strict: bool,
    /// Dashboards, or folders of them; the shipped ones where none is given.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks dashboards; returns the exit code.
pub(super) fn check(args: &DashboardsArgs, no_color: bool) -> u8 {
    let diagnostics = Diagnostics::default();
    let texts = match args.files.is_empty() {
        true => of_shipped(),
        false => files::texts(&args.files, &["json"], &diagnostics),
    };
    lint(&texts, &diagnostics);
    let advice = diagnostics.take_warnings();
    let mistakes = diagnostics.into_sorted();
    let out = Paint::stdout(no_color);
    for one in &advice {
        print_warning(one, out);
    }
    let err = Paint::stderr(no_color);
    for mistake in &mistakes {
        complain(&format!("{} {mistake}\n", err.bad("error:")));
    }
    let wrong = !mistakes.is_empty() || (args.strict && !advice.is_empty());
    if wrong {
        complain(&format!(
            "{}, {}\n",
            count(mistakes.len(), "mistake"),
            advised(advice.len())
        ));
    } else {
        print(&format!(
            "{} {}, {}\n",
            out.good("ok:"),
            count(texts.len(), "dashboard"),
            advised(advice.len())
        ));
    }
    let live = args
        .live
        .as_deref()
        .map(|url| run_live(url, args, &texts, out));
    match (wrong, live) {
        (true, _) => exit::MISTAKES,
        (false, Some(code)) => code,
        (false, None) => exit::OK,
    }
}

fn advised(pieces: usize) -> String {
    let plural = if pieces == 1 { "" } else { "s" };
    format!("{pieces} piece{plural} of advice")
}

fn of_shipped() -> Vec<(String, String)> {
    let all = shipped::all(DEFAULT_OUTRIGGER);
    let named = |dashboard| (shipped::file_name(dashboard), dashboard.to_json());
    all.iter().map(named).collect()
}

fn run_live(url: &str, args: &DashboardsArgs, texts: &[(String, String)], paint: Paint) -> u8 {
    let range = match duration::parse(&args.range) {
        Ok(range) if !range.is_zero() => range,
        _ => {
            complain("--range is no length of time; write such as 1h\n");
            return exit::MISTAKES;
        }
    };
    match ask::wait(empty_panels(url, range, texts)) {
        Ok(found) => {
            for line in &found.empty {
                print(&format!("{} {line}\n", paint.warn("empty:")));
            }
            let shown = found.panels - found.empty.len();
            print(&format!(
                "{shown} of {} show something on {url}\n",
                count(found.panels, "panel")
            ));
            if found.empty.is_empty() {
                exit::OK
            } else {
                exit::FAILED
            }
        }
        Err(error) => {
            complain(&format!("ask {url}: {error:#}\n"));
            exit::FAILED
        }
    }
}

/// What running the queries found.
struct Found {
    panels: usize,
    empty: Vec<String>,
}

async fn empty_panels(
    url: &str,
    range: Duration,
    texts: &[(String, String)],
) -> anyhow::Result<Found> {
    let server = Server::new(url)?;
    let now = Clock::system().now().millis();
    let range_ms = u64::try_from(range.as_millis())?;
    let window = Window {
        end: now,
        start: now - i64::try_from(range_ms)?,
        step_ms: (range_ms / POINTS).max(1000),
    };
    let mut found = Found {
        panels: 0,
        empty: Vec::new(),
    };
    for (file, text) in texts {
        // What cannot be read was told already.
        let Ok(board) = read::read(text) else {
            continue;
        };
        let values = values_to_run(&server, &board, range_ms, window.step_ms).await?;
        for panel in &board.panels {
            let targets = panel.targets.iter().filter(|target| !target.hide);
            let targets: Vec<_> = targets
                .filter(|target| target.is_promql(panel, &board))
                .collect();
            if targets.is_empty() {
                continue;
            }
            found.panels += 1;
            let mut reasons = Vec::new();
            for target in targets {
                let query = values.replace(&target.expr).text;
                match window.shows(&server, &query, target.instant).await? {
                    Outcome::Something => {
                        reasons.clear();
                        break;
                    }
                    Outcome::Nothing => reasons.push(format!("no series for {query}")),
                    Outcome::Refused(error) => reasons.push(format!("{error} for {query}")),
                }
            }
            if !reasons.is_empty() {
                found.empty.push(told(file, panel, &reasons));
            }
        }
    }
    Ok(found)
}

fn told(file: &str, panel: &PanelView, reasons: &[String]) -> String {
    let mut line = format!("{file}: {}", panel.name());
    for reason in reasons {
        line.push_str("\n    ");
        line.push_str(reason);
    }
    line
}

/// Values for the variables, asked of the server where Grafana would ask.
async fn values_to_run(
    server: &Server,
    board: &Board,
    range_ms: u64,
    step_ms: u64,
) -> anyhow::Result<Values> {
    let rate_ms = u64::try_from(RATE_WINDOW.as_millis())?;
    let mut values = Values::of(Intervals {
        rate_ms,
        step_ms,
        range_ms,
    });
    for variable in &board.variables {
        let saved = variable.first_value().map(str::to_owned);
        let value = match variable.kind.as_str() {
            // "All" covers whatever is there.
            "query" if variable.include_all => None,
            "query" => first_of(server, variable, &values).await?.or(saved),
            _ => saved,
        };
        let quoted = value.clone().unwrap_or_else(|| ".*".to_owned());
        let bare = value.unwrap_or_else(|| match variable.kind.as_str() {
            "interval" => "5m".to_owned(),
            _ => "job".to_owned(),
        });
        values.set(&variable.name, &quoted, &bare);
    }
    Ok(values)
}

/// The first value that `label_values(...)` yields.
async fn first_of(
    server: &Server,
    variable: &Variable,
    values: &Values,
) -> anyhow::Result<Option<String>> {
    let query = values.replace(&variable.query).text;
    let inner = query
        .trim()
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else {
        return Ok(None);
    };
    let (selector, label) = inner
        .rsplit_once(',')
        .map_or((None, inner), |(selector, label)| (Some(selector), label));
    let pairs: Vec<(&str, &str)> = selector
        .map(|selector| ("match[]", selector.trim()))
        .into_iter()
        .collect();
    let label: String = url::form_urlencoded::byte_serialize(label.trim().as_bytes()).collect();
    let answer = server
        .get(&format!("/api/v1/label/{label}/values"), &pairs)
        .await?;
    Ok(answer["data"][0].as_str().map(str::to_owned))
}

struct Window {
    start: i64,
    end: i64,
    step_ms: u64,
}

enum Outcome {
    Something,
    Nothing,
    Refused(String),
}

impl Window {
    async fn shows(&self, server: &Server, query: &str, instant: bool) -> anyhow::Result<Outcome> {
        let seconds =
            |millis: i64| format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
        let answer = if instant {
            let pairs = [("query", query), ("time", &seconds(self.end))];
            server.post("/api/v1/query", &pairs).await?
        } else {
            // Aligned to the end, so that the newest samples count.
            let pairs = [
                ("query", query),
                ("start", &seconds(self.start)),
                ("end", &seconds(self.end)),
                ("step", &format!("{}ms", self.step_ms)),
            ];
            server.post("/api/v1/query_range", &pairs).await?
        };
        if answer["status"] != "success" {
            let error = answer["error"].as_str().unwrap_or("refused");
            return Ok(Outcome::Refused(error.to_owned()));
        }
        let result = &answer["data"]["result"];
        let shows = match answer["data"]["resultType"].as_str() {
            Some("scalar" | "string") => true,
            _ => result.as_array().into_iter().flatten().any(has_number),
        };
        Ok(if shows {
            Outcome::Something
        } else {
            Outcome::Nothing
        })
    }
}

/// Whether a series has a value that can be drawn.
fn has_number(series: &Value) -> bool {
    let values = series["values"].as_array().into_iter().flatten();
    let mut points = values.chain([&series["value"]]);
    points.any(|point| {
        point[1]
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
            .is_some_and(f64::is_finite)
    })
}
