//! Reads dashboards that anybody wrote: what the lint and the live check look at, and nothing is required.

use serde_json::Value;

use crate::model::duration;

/// A dashboard as found.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// Its identity; empty where it has none.
    pub uid: String,
    /// Its name.
    pub title: String,
    /// What can be chosen.
    pub variables: Vec<Variable>,
    /// What is asked for while it is imported.
    pub inputs: Vec<String>,
    /// Rows and panels, also those folded into rows.
    pub panels: Vec<PanelView>,
}

/// A variable as found.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// How queries call it.
    pub name: String,
    /// `query`, `datasource`, `interval`, `custom`, …
    pub kind: String,
    /// What was chosen when it was saved, and what can be.
    pub values: Vec<String>,
    /// What a query variable asks.
    pub query: String,
    /// Whether there is "All".
    pub include_all: bool,
    /// Where it asks.
    pub datasource: Option<Source>,
}

/// A panel as found.
#[derive(Clone, Debug, Default)]
pub struct PanelView {
    /// Its number.
    pub id: Option<i64>,
    /// Its type.
    pub kind: String,
    /// What it shows.
    pub title: String,
    /// What it means.
    pub description: String,
    /// Units of all fields and of some.
    pub units: Vec<String>,
    /// Where it stands.
    pub place: Option<Place>,
    /// The row that it is folded into.
    pub folded_into: Option<usize>,
    /// Where its queries go.
    pub datasource: Option<Source>,
    /// Its queries.
    pub targets: Vec<TargetView>,
    /// Whether it is kept elsewhere, and only its place is here.
    pub is_library: bool,
    /// Whether it shows the results of another panel.
    pub is_from_other_panel: bool,
}

/// A query as found.
#[derive(Clone, Debug, Default)]
pub struct TargetView {
    /// `A`, `B`, …
    pub ref_id: String,
    /// The query.
    pub expr: String,
    /// Whether one value each is asked for.
    pub instant: bool,
    /// Whether it is not run.
    pub hide: bool,
    /// Where it goes, where it says so itself.
    pub datasource: Option<Source>,
}

/// A data source as found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `prometheus`, `loki`, …; empty where it is not said.
    pub kind: String,
    /// Its identity or, in older files, its name.
    pub uid: String,
}

/// Where a panel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the file")]
pub struct Place {
    pub x: u64,
    pub y: u64,
    pub w: u64,
    pub h: u64,
}

/// Why a file cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON.
    #[error("read JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but no dashboard.
    #[error("the file holds no dashboard: there are no panels")]
    NoDashboard,
    /// Grafana's newer format.
    #[error("the dashboard is in Grafana's format v2")]
    Version2,
    /// Of before panels had places of their own.
    #[error("the dashboard is in the format of Grafana 4, with rows of panels")]
    Version4,
}

impl ReadError {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Json(_) => "correct it at that place",
            Self::NoDashboard => "export it from Grafana with Share, Export, Save to file",
            Self::Version2 | Self::Version4 => "export it in the classic format",
        }
    }
}

/// Reads a dashboard: the classic format, by itself or as Grafana's API wraps it.
///
/// # Errors
/// Where it is none.
pub fn read(text: &str) -> Result<Board, ReadError> {
    let json: Value = serde_json::from_str(text)?;
    let spec = &json["spec"];
    if spec["elements"].is_object() || json["elements"].is_object() {
        return Err(ReadError::Version2);
    }
    let board = [&json["dashboard"], spec]
        .into_iter()
        .find(|inner| inner["panels"].is_array())
        .unwrap_or(&json);
    if !board["panels"].is_array() {
        return Err(match board["rows"].is_array() {
            true => ReadError::Version4,
            false => ReadError::NoDashboard,
        });
    }
    let mut panels = Vec::new();
    for (row, panel) in list(&board["panels"]).enumerate() {
        panels.push(read_panel(panel, None));
        if text_of(panel, "type") == "row" {
            let folded = list(&panel["panels"]).map(|panel| read_panel(panel, Some(row)));
            panels.extend(folded);
        }
    }
    let variables = list(&board["templating"]["list"]);
    let inputs = list(&board["__inputs"]).map(|input| text_of(input, "name"));
    Ok(Board {
        uid: text_of(board, "uid"),
        title: text_of(board, "title"),
        variables: variables.map(read_variable).collect(),
        inputs: inputs.collect(),
        panels,
    })
}

fn read_variable(variable: &Value) -> Variable {
    let mut values = texts(&variable["current"]["value"]);
    for option in list(&variable["options"]) {
        values.extend(texts(&option["value"]));
    }
    let kind = text_of(variable, "type");
    let query = match &variable["query"] {
        Value::String(text) => text.clone(),
        other => text_of(other, "query"),
    };
    if matches!(
        kind.as_str(),
        "custom" | "interval" | "constant" | "textbox"
    ) {
        let word = |word: &str| {
            let word = word.trim();
            // `name : value`
            word.split_once(" : ")
                .map_or(word, |(_, value)| value)
                .to_owned()
        };
        values.extend(query.split(',').map(word));
    }
    values.retain(|value| !value.is_empty() && !value.starts_with("$__"));
    Variable {
        name: text_of(variable, "name"),
        kind,
        values,
        query,
        include_all: variable["includeAll"] == true,
        datasource: read_source(&variable["datasource"]),
    }
}

fn read_panel(panel: &Value, folded_into: Option<usize>) -> PanelView {
    let defaults = &panel["fieldConfig"]["defaults"];
    let mut units = texts(&defaults["unit"]);
    for part in list(&panel["fieldConfig"]["overrides"]) {
        let properties = list(&part["properties"]).filter(|property| property["id"] == "unit");
        units.extend(properties.flat_map(|property| texts(&property["value"])));
    }
    units.retain(|unit| !unit.is_empty());
    let number = |key: &str| panel["gridPos"][key].as_u64();
    let place = (|| {
        Some(Place {
            x: number("x")?,
            y: number("y")?,
            w: number("w")?,
            h: number("h")?,
        })
    })();
    let datasource = read_source(&panel["datasource"]);
    let is_from_other_panel = datasource
        .as_ref()
        .is_some_and(|source| source.uid.starts_with("-- ") && source.uid != "-- Mixed --");
    PanelView {
        id: panel["id"].as_i64(),
        kind: text_of(panel, "type"),
        title: text_of(panel, "title"),
        description: text_of(panel, "description"),
        units,
        place,
        folded_into,
        datasource,
        targets: list(&panel["targets"]).map(read_target).collect(),
        is_library: panel["libraryPanel"].is_object(),
        is_from_other_panel,
    }
}

fn read_target(target: &Value) -> TargetView {
    TargetView {
        ref_id: text_of(target, "refId"),
        expr: text_of(target, "expr"),
        instant: target["instant"] == true && target["range"] != true,
        hide: target["hide"] == true,
        datasource: read_source(&target["datasource"]),
    }
}

fn read_source(source: &Value) -> Option<Source> {
    match source {
        Value::String(name) => Some(Source {
            kind: String::new(),
            uid: name.clone(),
        }),
        Value::Object(_) => Some(Source {
            kind: text_of(source, "type"),
            uid: text_of(source, "uid"),
        }),
        _ => None,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

impl Board {
    /// A variable by its name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Whether a length of time is one that can be chosen.
    pub(super) fn chooses_duration(&self, millis: u64) -> bool {
        let values = self.variables.iter().flat_map(|variable| &variable.values);
        values
            .filter_map(|value| duration::parse(value).ok())
            .any(|choice| choice.as_millis() == u128::from(millis))
    }
}

impl Variable {
    /// What was chosen, or can be.
    pub fn first_value(&self) -> Option<&str> {
        self.values.first().map(String::as_str)
    }
}

impl PanelView {
    /// How findings call it.
    pub fn name(&self) -> String {
        let what = if self.kind == "row" { "row" } else { "panel" };
        match (&self.title, self.id) {
            (title, _) if !title.is_empty() => format!("{what} {title:?}"),
            (_, Some(id)) => format!("{what} {id}"),
            _ => format!("{what} without title and id"),
        }
    }
}

impl TargetView {
    /// Whether it is PromQL, as far as can be told.
    pub fn is_promql(&self, panel: &PanelView, board: &Board) -> bool {
        let source = self.datasource.as_ref().or(panel.datasource.as_ref());
        let Some(source) = source else {
            // The default one: of a query with a text of PromQL's key, likely.
            return !self.expr.is_empty();
        };
        let kind = match source.variable().and_then(|name| board.variable(name)) {
            Some(variable) if source.kind.is_empty() => variable.query.as_str(),
            _ => source.kind.as_str(),
        };
        match kind {
            "prometheus" => !panel.is_from_other_panel,
            "" => !self.expr.is_empty(),
            _ => false,
        }
    }
}

impl Source {
    /// The variable that names it.
    pub fn variable(&self) -> Option<&str> {
        let uid = self.uid.as_str();
        uid.strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| uid.strip_prefix('$'))
    }
}

impl Place {
    /// Whether two share a cell.
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.x < other.x.saturating_add(other.w)
            && other.x < self.x.saturating_add(self.w)
            && self.y < other.y.saturating_add(other.h)
            && other.y < self.y.saturating_add(self.h)
    }
}
