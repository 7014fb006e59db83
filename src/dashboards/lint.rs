//! What is wrong with a dashboard, anybody's: every finding with its file, its panel, and what to do.
//!
//! Mistakes are what does not work: a query that does not parse, a variable that is not there, panels over each other, an
//! identity twice. Advice is what works badly: no description, no unit, a rate over a fixed range. Where a dashboard is of
//! another format, or a panel asks another kind of data source, that part is left alone.

pub mod read;

use std::collections::BTreeMap;

use crate::document::Position;
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::promql::ast::{DurationKind, Expr, ExprKind, FunctionId};
use crate::promql::{parser, walk};

use super::interpolate::{Intervals, Values};
use super::layout::COLUMNS;
use super::unit;

use self::read::{Board, PanelView, Variable};

/// The longest identity that Grafana takes.
const MAX_UID: usize = 40;

/// Lengths of time that nobody writes, so that what came from a variable can be told from what was written.
const MARKED: Intervals = Intervals {
    rate_ms: 300_007,
    step_ms: 60_013,
    range_ms: 3_600_011,
};
/// What stands for a variable of type `interval`.
const MARKED_CHOICE_MS: u64 = 300_017;

/// Kinds of panels that show no values.
const WITHOUT_VALUES: [&str; 10] = [
    "row",
    "text",
    "news",
    "logs",
    "traces",
    "dashlist",
    "alertlist",
    "annolist",
    "nodeGraph",
    "welcome",
];

/// Judges files together: name and text of each. Findings go to `diagnostics`: mistakes as such, advice as warnings.
pub fn lint(files: &[(String, String)], diagnostics: &Diagnostics) {
    let mut uids: BTreeMap<String, &str> = BTreeMap::new();
    for (file, text) in files {
        let lint = Lint { file, diagnostics };
        let board = match read::read(text) {
            Ok(board) => board,
            Err(error) => {
                lint.mistake("", error.to_string(), error.remedy());
                continue;
            }
        };
        lint.identity(&board);
        if let Some(other) = uids.insert(board.uid.clone(), file)
            && !board.uid.is_empty()
        {
            lint.mistake(
                "",
                format!("uid {:?} is that of {other} too", board.uid),
                "give each dashboard its own",
            );
        }
        lint.board(&board);
    }
}

/// Values for the variables of a dashboard that its queries can be parsed with.
fn values_to_parse(board: &Board) -> Values {
    let mut values = Values::of(MARKED);
    for variable in &board.variables {
        let bare = variable.bare_value(&format!("{MARKED_CHOICE_MS}ms"));
        values.set(&variable.name, ".*", &bare);
    }
    values
}

struct Lint<'a> {
    file: &'a str,
    diagnostics: &'a Diagnostics,
}

impl Lint<'_> {
    fn mistake(&self, path: &str, message: impl Into<String>, remedy: &str) {
        self.diagnostics
            .push(Diagnostic::new(self.file, Position::default(), path, message).remedy(remedy));
    }

    fn advice(&self, path: &str, message: impl Into<String>, remedy: &str) {
        self.diagnostics
            .warn(Diagnostic::new(self.file, Position::default(), path, message).remedy(remedy));
    }

    fn identity(&self, board: &Board) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if board.uid.is_empty() {
            let remedy = "give it one: links and updates depend on it";
            self.advice("", "the dashboard has no uid", remedy);
        } else if board.uid.len() > MAX_UID || !board.uid.chars().all(fits) {
            self.mistake(
                "",
                format!("uid {:?} is none that Grafana takes", board.uid),
                "use letters, digits, '-' and '_', at most 40",
            );
        }
        if board.title.is_empty() {
            self.mistake("", "the dashboard has no title", "give it one");
        }
    }

    fn board(&self, board: &Board) {
        let values = values_to_parse(board);
        let mut ids: BTreeMap<i64, String> = BTreeMap::new();
        for panel in &board.panels {
            let path = panel.name();
            if let Some(id) = panel.id
                && let Some(other) = ids.insert(id, path.clone())
            {
                self.mistake(
                    &path,
                    format!("id {id} is that of {other} too"),
                    "give each panel its own number",
                );
            }
            self.texts(panel, &path);
            self.place(panel, &path);
            self.sources(panel, board, &path);
            for target in &panel.targets {
                if target.is_promql(panel, board) {
                    self.query(&target.expr, &target.ref_id, board, &values, &path);
                }
            }
        }
        self.overlaps(board);
        for variable in &board.variables {
            let path = format!("variable {:?}", variable.name);
            if let Some(source) = &variable.datasource {
                self.source(source, board, &path);
            }
        }
    }

    fn texts(&self, panel: &PanelView, path: &str) {
        if panel.kind == "row" {
            return;
        }
        if panel.title.is_empty() && panel.kind != "text" {
            self.advice(path, "the panel has no title", "say what it shows");
        }
        if WITHOUT_VALUES.contains(&panel.kind.as_str()) || panel.is_library {
            return;
        }
        if panel.description.is_empty() {
            let remedy = "say what it means and what to look for";
            self.advice(path, "the panel has no description", remedy);
        }
        for unit in &panel.units {
            if !unit::is_known(unit) {
                let remedy = match unit::nearest(unit) {
                    Some(near) => format!("write {near}"),
                    None => {
                        "choose one of Grafana's, or write suffix:… for one of your own".to_owned()
                    }
                };
                self.mistake(
                    path,
                    format!("unit {unit:?} is none that Grafana knows"),
                    &remedy,
                );
            }
        }
        if panel.units.is_empty() && !panel.targets.is_empty() {
            let remedy = "choose one; short is that of a plain number";
            self.advice(path, "the panel has no unit", remedy);
        }
        if panel.targets.is_empty() && !panel.is_from_other_panel {
            self.mistake(
                path,
                "the panel has no query",
                "add one, or remove the panel",
            );
        }
    }

    fn place(&self, panel: &PanelView, path: &str) {
        let Some(place) = panel.place else {
            return self.advice(path, "the panel has no place", "give it a gridPos");
        };
        let right = place.x.saturating_add(place.w);
        if place.w == 0 || place.h == 0 || right > u64::from(COLUMNS) {
            self.mistake(
                path,
                format!("columns {} to {right} are not in the grid", place.x),
                "x + w may be 24 at most, w and h at least 1",
            );
        }
    }

    fn overlaps(&self, board: &Board) {
        for (position, panel) in board.panels.iter().enumerate() {
            for other in &board.panels[..position] {
                if panel.folded_into == other.folded_into
                    && let (Some(a), Some(b)) = (panel.place, other.place)
                    && a.overlaps(b)
                {
                    self.mistake(
                        &panel.name(),
                        format!("the panel lies over {}", other.name()),
                        "move one of them",
                    );
                }
            }
        }
    }

    fn sources(&self, panel: &PanelView, board: &Board, path: &str) {
        let mut seen: Vec<&str> = Vec::new();
        let of_targets = panel.targets.iter().filter_map(|t| t.datasource.as_ref());
        for source in panel.datasource.iter().chain(of_targets) {
            if !seen.contains(&source.uid.as_str()) {
                seen.push(&source.uid);
                self.source(source, board, path);
            }
        }
    }

    fn source(&self, source: &read::Source, board: &Board, path: &str) {
        let Some(name) = source.variable() else {
            return;
        };
        match board.variable(name) {
            Some(variable) if variable.kind == "datasource" => {}
            // Exports that ask for the data source while they are imported.
            None if name.starts_with("DS_") && board.inputs.iter().any(|input| input == name) => {}
            Some(_) => self.mistake(
                path,
                format!("the data source is ${name}, a variable of another type"),
                "name a variable of type datasource",
            ),
            None => self.mistake(
                path,
                format!("the data source is ${name}, which is no variable of this dashboard"),
                "add a variable of type datasource with that name",
            ),
        }
    }

    fn query(&self, query: &str, letter: &str, board: &Board, values: &Values, path: &str) {
        let path = format!("{path}, query {letter}");
        if query.trim().is_empty() {
            return self.mistake(&path, "the query is empty", "write one, or remove it");
        }
        let replaced = values.replace(query);
        for name in &replaced.unknown {
            self.mistake(
                &path,
                format!("${name} is no variable of this dashboard"),
                "add it, or correct its name",
            );
        }
        if !replaced.unknown.is_empty() {
            return;
        }
        match parser::parse(&replaced.text) {
            Err(error) => self.diagnostics.push(
                Diagnostic::new(self.file, Position::default(), path, error.to_string())
                    .remedy("correct the query")
                    .excerpt(error.excerpt(&replaced.text)),
            ),
            Ok(expr) => self.ranges(&expr, board, &path),
        }
    }

    /// Rates over ranges that do not follow the time shown.
    fn ranges(&self, expr: &Expr, board: &Board, path: &str) {
        let mut told = false;
        walk::visit(expr, &mut |part| {
            let ExprKind::Call { function, args } = &part.kind else {
                return;
            };
            let is_rate = matches!(
                function.id,
                FunctionId::Rate | FunctionId::Irate | FunctionId::Increase
            );
            let range = match args.first().map(|arg| &arg.kind) {
                Some(ExprKind::Matrix { range, .. }) if is_rate => &range.kind,
                _ => return,
            };
            let DurationKind::Millis(millis) = range else {
                return;
            };
            let millis = u64::try_from(*millis).unwrap_or(0);
            let chosen = [
                MARKED.rate_ms,
                MARKED.range_ms,
                MARKED.range_ms / 1000 * 1000,
                MARKED_CHOICE_MS,
            ];
            if told || chosen.contains(&millis) || board.chooses_duration(millis) {
                return;
            }
            told = true;
            let message = if millis == MARKED.step_ms {
                format!(
                    "{} is taken over $__interval, which may hold a single sample",
                    function.name
                )
            } else {
                format!(
                    "{} is taken over a fixed range, which skips samples where the step is longer",
                    function.name
                )
            };
            self.advice(path, message, "write [$__rate_interval]");
        });
    }
}

impl Variable {
    /// What stands for it outside of texts.
    fn bare_value(&self, interval: &str) -> String {
        match self.kind.as_str() {
            "interval" => interval.to_owned(),
            _ => self.first_value().unwrap_or("job").to_owned(),
        }
    }
}
