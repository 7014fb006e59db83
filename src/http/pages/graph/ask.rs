//! What the query page is asked for: Prometheus's own parameters, so that links to its page lead to ours.
//!
//! ```text
//!   /graph?g0.expr=<expression>&g0.tab=0|1|graph|table&g0.range_input=1h&g0.end_input=<time>&g0.step_input=15s
//!          &g0.moment_input=<time>            shorter: expr, range, end, step, time
//!          &g1.expr=<expression>&g2.expr=…    further ones over the same time; &add=1 &remove=<n> of the form: an empty field more,
//!                                             without the one of this number
//! ```

use std::time::Duration;

use crate::http::params::Params;
use crate::model::duration;
use crate::model::timestamp::Timestamp;
use crate::promql::eval::QueryRange;

/// The range where none is given.
pub const RANGE: Duration = Duration::from_secs(3600);
/// The ranges that are one click away.
pub const RANGES: [&str; 7] = ["5m", "15m", "1h", "3h", "6h", "12h", "1d"];
/// Points of a line that a step of its own choice aims at.
const POINTS: u64 = 240;
/// The most points, as in Prometheus.
const MAX_POINTS: i64 = 11_000;
/// The longest range.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// The most expressions of a page.
pub const MAX_EXPRESSIONS: usize = 5;
/// Steps below a minute that people like, in seconds.
const STEPS: [u64; 8] = [1, 2, 5, 10, 15, 20, 30, 60];

/// How a result is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tab {
    /// Its course.
    Graph,
    /// Its values at one time.
    Table,
}

/// What is asked for. Texts are as they were given, for the form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The expression; may be empty.
    pub expression: String,
    /// Those in front of it on the page.
    pub before: Vec<String>,
    /// Those behind it on the page.
    pub after: Vec<String>,
    /// Whether the form has an empty field more.
    pub adds: bool,
    /// How it is shown.
    pub tab: Tab,
    /// How far back.
    pub range: Duration,
    /// Until when; now where absent.
    pub end: Option<Timestamp>,
    /// Time between values; what fits where absent.
    pub step: Option<Duration>,
}

impl Ask {
    /// Nothing but an expression.
    pub fn of(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            before: Vec::new(),
            after: Vec::new(),
            adds: false,
            tab: Tab::Graph,
            range: RANGE,
            end: None,
            step: None,
        }
    }

    /// Reads the parameters; where one is wrong, what can be read of them and what is wrong.
    pub fn read(params: &Params) -> (Self, Option<String>) {
        let get = |names: &[&str]| {
            let found = names.iter().find_map(|name| params.get(name));
            found.map(str::trim).filter(|text| !text.is_empty())
        };
        let mut wrong = None;
        let mut note = |name: &str, message: String| {
            wrong.get_or_insert(format!("{name}: {message}"));
        };
        let mut expressions = expressions(params).into_iter();
        let mut ask = Self::of(expressions.next().unwrap_or_default());
        ask.after.extend(expressions.map(str::to_owned));
        if ask.after.len() >= MAX_EXPRESSIONS {
            ask.after.truncate(MAX_EXPRESSIONS - 1);
            let message = format!("a page has {MAX_EXPRESSIONS} at most; the others were left out");
            note("expressions", message);
        }
        ask.adds = params.get("add").is_some() && ask.after.len() + 1 < MAX_EXPRESSIONS;
        let moment = get(&["g0.moment_input", "time"]);
        ask.tab = match get(&["g0.tab", "tab"]) {
            Some("1" | "table") => Tab::Table,
            Some("0" | "graph") => Tab::Graph,
            _ if moment.is_some() => Tab::Table,
            _ => Tab::Graph,
        };
        if let Some(text) = get(&["g0.range_input", "range"]) {
            match positive(text) {
                Ok(range) if range <= LONGEST => ask.range = range,
                Ok(_) => note("range", "longer than ten years".to_owned()),
                Err(message) => note("range", message),
            }
        }
        // On the table's own link its moment counts.
        let end = match ask.tab {
            Tab::Table => moment.or_else(|| get(&["g0.end_input", "end"])),
            Tab::Graph => get(&["g0.end_input", "end"]).or(moment),
        };
        if let Some(text) = end.filter(|text| *text != "now") {
            match time(text) {
                Some(end) => ask.end = Some(end),
                None => note(
                    "end",
                    format!("{:?} is no time; write 2026-11-20 06:55:00", short(text)),
                ),
            }
        }
        if let Some(text) = get(&["g0.step_input", "g0.res_step", "step"]) {
            match positive(text) {
                Ok(step) => ask.step = Some(step),
                Err(message) => note("step", message),
            }
        }
        (ask, wrong)
    }

    /// The times of the course that ends now or when it was asked for.
    ///
    /// # Errors
    /// Where there would be too many of them.
    pub fn window(&self, now: Timestamp) -> Result<QueryRange, String> {
        let end_ms = self.end.unwrap_or(now).millis();
        let range_ms = i64::try_from(self.range.as_millis()).unwrap_or(i64::MAX);
        let step = self.step.unwrap_or_else(|| fitting(self.range));
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let steps = range_ms / step_ms;
        if steps > MAX_POINTS {
            return Err(format!(
                "step: {steps} values for each series are more than {MAX_POINTS}; take a longer step"
            ));
        }
        Ok(QueryRange {
            start_ms: end_ms.saturating_sub(steps * step_ms),
            end_ms,
            step_ms,
        })
    }

    /// The page with all this.
    pub fn link(&self) -> String {
        format!("/graph?{}", self.parameters())
    }

    /// The parameters of [`Ask::link`].
    pub fn parameters(&self) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let tab = match self.tab {
            Tab::Graph => "0",
            Tab::Table => "1",
        };
        for (number, expression) in self.expressions().enumerate() {
            pairs.append_pair(&format!("g{number}.expr"), expression);
        }
        pairs
            .append_pair("g0.tab", tab)
            .append_pair("g0.range_input", &duration::format(self.range));
        if let Some(end) = self.end {
            pairs.append_pair("g0.end_input", &end.to_rfc3339());
        }
        if let Some(step) = self.step {
            pairs.append_pair("g0.step_input", &duration::format(step));
        }
        pairs.finish()
    }

    /// The same with another expression.
    #[must_use]
    pub fn with_expression(&self, expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            ..self.clone()
        }
    }

    /// All expressions of the page, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        let before = self.before.iter().map(String::as_str);
        let after = self.after.iter().map(String::as_str);
        before.chain([self.expression.as_str()]).chain(after)
    }

    /// The page seen from each of its expressions, in order.
    pub fn each(&self) -> impl Iterator<Item = Self> {
        let all: Vec<String> = self.expressions().map(str::to_owned).collect();
        (0..all.len()).map(move |number| Self {
            expression: all[number].clone(),
            before: all[..number].to_vec(),
            after: all[number + 1..].to_vec(),
            ..self.clone()
        })
    }

    /// Its expression without the others.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
            ..self.clone()
        }
    }

    /// The same as a table.
    #[must_use]
    pub fn table(&self) -> Self {
        Self {
            tab: Tab::Table,
            ..self.clone()
        }
    }

    /// The same at another time; a step is left to what fits.
    #[must_use]
    pub fn with_range(&self, range: Duration, end: Option<Timestamp>) -> Self {
        Self {
            range,
            end,
            step: None,
            tab: Tab::Graph,
            ..self.clone()
        }
    }
}

/// The expressions that are given, without the one that the form removes; those left empty do not count.
fn expressions(params: &Params) -> Vec<&str> {
    let removed = params.get("remove");
    let first = ["g0.expr", "expr", "query"];
    let first = first.iter().find_map(|name| params.get(name));
    let first = first.filter(|_| removed != Some("0"));
    let numbered = params.pairs().filter_map(|(name, text)| {
        let number = name.strip_prefix('g')?.strip_suffix(".expr")?;
        let is_number =
            matches!(number.len(), 1..=3) && number.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && number != "0" && removed != Some(number)).then_some(text)
    });
    let all = first.into_iter().chain(numbered);
    all.filter(|text| !text.trim().is_empty()).collect()
}

/// A step that gives some hundred points.
pub fn fitting(range: Duration) -> Duration {
    let least = range.as_secs().div_ceil(POINTS).max(1);
    let step = STEPS.into_iter().find(|step| *step >= least);
    Duration::from_secs(step.unwrap_or_else(|| least.next_multiple_of(60)))
}

fn positive(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => duration::parse(text).ok(),
    };
    match parsed {
        Some(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        Some(_) => Err("must be more than zero".to_owned()),
        None => Err(format!("{:?} is no duration; write 1h or 30s", short(text))),
    }
}

/// Seconds since 1970, RFC 3339, or a date and a time in UTC as forms and Prometheus's page write them.
fn time(text: &str) -> Option<Timestamp> {
    let at = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Timestamp::from_seconds(seconds),
        _ => Timestamp::parse_rfc3339(text)
            .or_else(|_| {
                let text = text.replacen(' ', "T", 1);
                let seconds = if text.len() == "2026-11-20T06:55".len() {
                    ":00"
                } else {
                    ""
                };
                Timestamp::parse_rfc3339(&format!("{text}{seconds}Z"))
            })
            .ok()?,
    };
    // Beyond these years nothing was measured, and differences stay finite.
    const YEAR: i64 = 31_557_600_000;
    (0..YEAR * 1000).contains(&at.millis()).then_some(at)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> (Ask, Option<String>) {
        Ask::read(&Params::of_query(query))
    }

    #[test]
    fn parameters_of_prometheus_pages_are_read_and_written() {
        let (ask, wrong) = read(
            "g0.expr=up+%3E+0&g0.tab=0&g0.range_input=2h&g0.end_input=2026-11-20+06:55:00&g0.step_input=30",
        );
        assert_eq!(wrong, None);
        assert_eq!(ask.expression, "up > 0");
        assert_eq!(
            (ask.tab, ask.range),
            (Tab::Graph, Duration::from_secs(7200))
        );
        assert_eq!(
            ask.end,
            Timestamp::parse_rfc3339("2026-11-20T06:55:00Z").ok()
        );
        assert_eq!(ask.step, Some(Duration::from_secs(30)));
        let (again, wrong) = read(&ask.parameters());
        assert_eq!((again, wrong), (ask, None));
        let table = |query| read(query).0.tab == Tab::Table;
        assert!(table("expr=up&tab=table") && table("g0.tab=1") && table("expr=up&time=5"));
        assert!(!table("expr=up") && !table("expr=up&tab=x"));
    }

    #[test]
    fn several_expressions_share_a_page_and_its_time() {
        let all = |query: &str| -> Vec<String> {
            let (ask, wrong) = read(query);
            assert_eq!(wrong, None, "{query}");
            ask.expressions().map(str::to_owned).collect()
        };
        assert_eq!(all("g0.expr=a&g1.expr=b&g7.expr=c"), ["a", "b", "c"]);
        // What was emptied or removed is gone, the others move up.
        assert_eq!(all("g0.expr=&g1.expr=b&g2.expr=+"), ["b"]);
        assert_eq!(all("g0.expr=a&g1.expr=b&remove=0"), ["b"]);
        assert_eq!(all("g0.expr=a&g1.expr=b&remove=1"), ["a"]);
        assert_eq!(all("g0.expr=a&remove=0"), [""]);
        assert_eq!(all("g0.expr=a&gx.expr=b&g.expr=c&g9999.expr=d"), ["a"]);

        let (ask, _) = read("g0.expr=a&g1.expr=b&g2.expr=c&g0.tab=1&g0.range_input=2h");
        let second = ask.each().nth(1).unwrap();
        assert_eq!(second.expression, "b");
        let other = second.with_expression("x").parameters();
        assert!(
            other.starts_with("g0.expr=a&g1.expr=x&g2.expr=c&g0.tab=1"),
            "{other}"
        );
        assert_eq!(read(&second.parameters()).0, ask);
        let alone: Vec<String> = second.alone().expressions().map(str::to_owned).collect();
        assert_eq!(alone, ["b"]);

        let many: Vec<String> = (0..9).map(|n| format!("g{n}.expr=up{n}")).collect();
        let (ask, wrong) = read(&many.join("&"));
        assert_eq!(ask.expressions().count(), MAX_EXPRESSIONS);
        assert!(wrong.unwrap().contains("5 at most"));
        assert!(!read(&format!("{}&add=1", many[..5].join("&"))).0.adds);
        assert!(read("g0.expr=a&add=1").0.adds);
    }

    #[test]
    fn what_is_wrong_is_told_and_the_rest_is_kept() {
        let check = |query: &str, want: &str| {
            let (ask, wrong) = read(query);
            let wrong = wrong.unwrap_or_default();
            assert!(wrong.starts_with(want), "{query}: {wrong}");
            assert_eq!(ask.expression, "up");
            assert_eq!(ask.range, RANGE);
        };
        check("expr=up&range=soon", "range: \"soon\" is no duration");
        check("expr=up&range=0", "range: must be more");
        check("expr=up&range=9e15", "range: ");
        check("expr=up&range=-1h", "range: ");
        check("expr=up&range=20y", "range: longer");
        check("expr=up&end=tomorrow", "end: \"tomorrow\" is no time");
        check("expr=up&end=9e300", "end: ");
        check("expr=up&end=NaN", "end: ");
        check("expr=up&step=%00", "step: ");
        let long = format!("expr=up&end={}", "x".repeat(1 << 20));
        assert!(read(&long).1.unwrap().len() < 200);
    }

    #[test]
    fn times_are_read_as_forms_write_them() {
        for text in [
            "2026-11-20T06:55",
            "2026-11-20 06:55",
            "2026-11-20T06:55:00",
            "2026-11-20T06:55:00Z",
            "1795157700",
        ] {
            let found = time(text).map(|at| at.to_rfc3339());
            assert_eq!(found.as_deref(), Some("2026-11-20T06:55:00.000Z"), "{text}");
        }
    }

    #[test]
    fn the_window_ends_with_a_step_and_has_some_hundred_points() {
        let now = Timestamp::from_millis(1_795_165_200_000);
        let check = |range: u64, step: u64, points: i64| {
            let ask = Ask::of("up").with_range(Duration::from_secs(range), None);
            let window = ask.window(now).unwrap();
            assert_eq!(
                window.step_ms,
                i64::try_from(step * 1000).unwrap(),
                "{range}"
            );
            assert_eq!((window.end_ms - window.start_ms) / window.step_ms, points);
            assert_eq!(window.end_ms, now.millis());
        };
        check(60, 1, 60);
        check(3600, 15, 240);
        check(6 * 3600, 120, 180);
        check(86_400, 360, 240);
        let dense = Ask {
            step: Some(Duration::from_millis(1)),
            ..Ask::of("up")
        };
        assert!(dense.window(now).is_err());
    }
}
