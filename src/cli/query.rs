//! `outrigger query EXPR`: one value each, or their course, from a running Outrigger (or Prometheus).

mod drawing;

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::charts::theme::Theme;
use crate::promql::parser;

use super::ask::{self, Server};
use super::exit;
use super::terminal::{Paint, complain, print};

#[derive(Clone, Debug, Args)]
pub(super) struct QueryArgs {
    /// The expression.
    #[arg(required_unless_present = "chart")]
    expr: Option<String>,
    /// Where Outrigger listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9797")]
    url: String,
    /// Time of evaluation: seconds since the epoch or RFC 3339; now where absent.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Values of so long a time until then, such as 1h.
    #[arg(long, value_name = "TIME")]
    range: Option<String>,
    /// Time between the values of a range; what the chart can show where absent.
    #[arg(long, value_name = "TIME", requires = "range")]
    step: Option<String>,
    /// Draw the range [range default: 1h]: here in the terminal, or into a file, .svg or .png.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "", conflicts_with = "json")]
    chart: Option<String>,
    /// Draw the range into a file, .svg or .png, with --chart in the terminal too [range default: 1h].
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Colours of a drawn file: light or dark.
    #[arg(long, value_name = "THEME", default_value = "light", value_parser = Theme::parse)]
    theme: Theme,
    /// Print Prometheus's JSON answer as it came.
    #[arg(long)]
    json: bool,
}

impl QueryArgs {
    fn expr(&self) -> &str {
        self.expr.as_deref().unwrap_or_default()
    }

    /// Whether a chart is drawn in the terminal.
    fn draws_here(&self) -> bool {
        self.chart.as_deref() == Some("")
    }

    /// With what follows `--chart` where it belongs: a file's name is where to draw, and of an expression it took nothing.
    fn settled(mut self) -> Result<Self, String> {
        let Some(text) = self.chart.as_ref().filter(|text| !text.is_empty()) else {
            return match self.expr {
                Some(_) => Ok(self),
                None => Err("give an expression".to_owned()),
            };
        };
        if text.ends_with(".svg") || text.ends_with(".png") {
            if self.output.is_some() {
                return Err(format!("--chart {text}: --output names a file already"));
            }
            self.output = Some(PathBuf::from(text));
            self.chart = None;
        } else if self.expr.is_none() {
            self.expr = self.chart.replace(String::new());
        } else {
            return Err(format!("--chart {text}: the name must end in .svg or .png"));
        }
        match self.expr {
            Some(_) => Ok(self),
            None => Err("give an expression before --chart".to_owned()),
        }
    }
}

pub(super) fn query(args: &QueryArgs, no_color: bool) -> u8 {
    let args = match args.clone().settled() {
        Ok(args) => args,
        Err(message) => {
            complain(&format!("{message}\n"));
            return exit::MISTAKES;
        }
    };
    let args = &args;
    // A mistake in the expression is told here, with its place, without asking anyone.
    if let Err(error) = parser::parse(args.expr()) {
        complain(&format!(
            "{}\n{}\n",
            Paint::stderr(no_color).bad(&error.to_string()),
            error.excerpt(args.expr())
        ));
        return exit::MISTAKES;
    }
    let window = match drawing::window(args) {
        Ok(window) => window,
        Err(message) => {
            complain(&format!("{message}\n"));
            return exit::MISTAKES;
        }
    };
    match ask::wait(ask(args, window)) {
        Ok(answer)
            if answer["status"] == "success" && (args.draws_here() || args.output.is_some()) =>
        {
            drawing::draw(args, &answer, window, no_color)
        }
        Ok(answer) if answer["status"] == "success" => {
            if args.json {
                print(&format!("{answer}\n"));
            } else {
                let lines = plain(&answer);
                if lines.is_empty() {
                    complain("no series matches\n");
                }
                print(&lines);
            }
            exit::OK
        }
        Ok(answer) => {
            let kind = answer["errorType"].as_str().unwrap_or("error");
            complain(&format!(
                "{kind}: {}\n",
                answer["error"].as_str().unwrap_or("no reason given")
            ));
            exit::FAILED
        }
        Err(error) => {
            complain(&format!("ask {}: {error:#}\n", args.url));
            exit::FAILED
        }
    }
}

async fn ask(args: &QueryArgs, window: Option<drawing::Window>) -> anyhow::Result<Value> {
    if let Some(window) = window {
        let times = window.parameters();
        let mut pairs = vec![("query", args.expr())];
        pairs.extend(times.iter().map(|(name, value)| (*name, value.as_str())));
        return Server::new(&args.url)?
            .post("/api/v1/query_range", &pairs)
            .await;
    }
    let mut pairs = vec![("query", args.expr())];
    if let Some(time) = &args.time {
        pairs.push(("time", time));
    }
    Server::new(&args.url)?.post("/api/v1/query", &pairs).await
}

/// One line a series: `metric{labels} => value`.
fn plain(answer: &Value) -> String {
    let result = &answer["data"]["result"];
    let mut out = String::new();
    for key in ["warnings", "infos"] {
        for note in answer[key].as_array().into_iter().flatten() {
            out.push_str(&format!("# {}\n", note.as_str().unwrap_or_default()));
        }
    }
    match answer["data"]["resultType"].as_str() {
        Some("scalar" | "string") => out.push_str(&format!("{}\n", text(&result[1]))),
        _ => {
            for series in result.as_array().into_iter().flatten() {
                let labels: crate::model::labels::Labels =
                    serde_json::from_value(series["metric"].clone()).unwrap_or_default();
                if series["value"].is_array() {
                    out.push_str(&format!("{labels} => {}\n", text(&series["value"][1])));
                }
                for point in series["values"].as_array().into_iter().flatten() {
                    out.push_str(&format!("{labels} => {} @{}\n", text(&point[1]), point[0]));
                }
            }
        }
    }
    out
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: QueryArgs,
    }

    #[test]
    fn what_follows_chart_is_a_file_or_the_expression() {
        let check = |words: &[&str], want: Result<(&str, bool, Option<&str>), &str>| {
            let words = [&["query"], words].concat();
            let settled = Command::try_parse_from(&words).unwrap().args.settled();
            let found = settled.as_ref().map(|args| {
                let output = args.output.as_ref().and_then(|path| path.to_str());
                (args.expr(), args.draws_here(), output)
            });
            assert_eq!(found.map_err(String::as_str), want, "{words:?}");
        };
        check(&["up"], Ok(("up", false, None)));
        check(&["up", "--chart"], Ok(("up", true, None)));
        check(&["--chart", "up"], Ok(("up", true, None)));
        check(
            &["up", "--chart", "a.svg"],
            Ok(("up", false, Some("a.svg"))),
        );
        check(
            &["--chart", "a.png", "up"],
            Ok(("up", false, Some("a.png"))),
        );
        check(
            &["up", "--chart", "--output", "a.png"],
            Ok(("up", true, Some("a.png"))),
        );
        check(
            &["up", "--chart", "a.gif"],
            Err("--chart a.gif: the name must end in .svg or .png"),
        );
        check(
            &["--chart", "a.png"],
            Err("give an expression before --chart"),
        );
        assert!(Command::try_parse_from(["query"]).is_err());
    }
}
