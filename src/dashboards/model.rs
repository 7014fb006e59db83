//! The JSON of a dashboard as types: what Grafana's `Dashboard` kind holds, as far as it is written here.
//!
//! Fields stand in the order in which they are written. What Grafana can do and nothing here needs is left out; reading
//! is the lint's, which takes anything. Types and names: `@grafana/schema`, `raw/dashboard`.

use serde::{Serialize, Serializer};

use super::options::{CustomField, Options};
use super::unit::Unit;

/// The version of the format.
pub const SCHEMA_VERSION: u32 = 42;

/// One dashboard.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Its identity in Grafana: letters, digits, `-` and `_`, at most 40.
    pub uid: String,
    /// Its name.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whether people may change it in Grafana.
    pub editable: bool,
    /// 1: the crosshair is shared by all panels.
    pub graph_tooltip: u8,
    /// How often it reloads.
    pub refresh: String,
    /// What it shows at first.
    pub time: TimeRange,
    /// `browser`.
    pub timezone: String,
    /// Links at the top.
    pub links: Vec<Link>,
    /// Events drawn over all panels.
    pub annotations: List<Annotation>,
    /// What can be chosen at the top.
    pub templating: List<Variable>,
    /// Panels and rows, from top to bottom.
    pub panels: Vec<Item>,
}

/// Grafana wraps some lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct List<T> {
    /// The entries.
    pub list: Vec<T>,
}

/// A time range in Grafana's words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeRange {
    /// Such as `now-3h`.
    pub from: String,
    /// Such as `now`.
    pub to: String,
}

/// A panel, or a row with or without panels folded into it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Item {
    /// A panel.
    Panel(Box<Panel>),
    /// A row.
    Row(Row),
}

/// A line with a title; folded, it holds the panels below it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Unique in the dashboard.
    pub id: u32,
    /// `row`.
    #[serde(rename = "type")]
    pub kind: RowKind,
    /// What it says.
    pub title: String,
    /// Whether it is folded.
    pub collapsed: bool,
    /// Where it stands.
    pub grid_pos: GridPos,
    /// Its panels while it is folded.
    pub panels: Vec<Panel>,
}

/// The one type of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// `row`
    Row,
}

/// A place in the grid of 24 columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
pub struct GridPos {
    /// Left column.
    pub x: u32,
    /// Upper line.
    pub y: u32,
    /// Columns.
    pub w: u32,
    /// Lines of 30 pixels.
    pub h: u32,
}

/// One panel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    /// Unique in the dashboard.
    pub id: u32,
    /// How it is drawn.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it shows.
    pub title: String,
    /// What it means, and what to look for.
    pub description: String,
    /// Where its queries go.
    pub datasource: DataSource,
    /// Where it stands.
    pub grid_pos: GridPos,
    /// Unit, thresholds and texts of its values.
    pub field_config: FieldConfig,
    /// What its kind of drawing asks for.
    pub options: Options,
    /// Its queries.
    pub targets: Vec<Target>,
    /// What is done with their results.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transformations: Vec<Transformation>,
    /// Where to read on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A data source, usually the one chosen at the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataSource {
    /// `prometheus`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `${datasource}`.
    pub uid: &'static str,
}

impl DataSource {
    /// The one chosen at the top.
    pub const CHOSEN: Self = Self {
        kind: "prometheus",
        uid: "${datasource}",
    };
}

/// A query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// `A`, `B`, …
    pub ref_id: String,
    /// Where it goes.
    pub datasource: DataSource,
    /// PromQL with Grafana's variables.
    pub expr: String,
    /// How series are called.
    pub legend_format: String,
    /// Whether one value each is asked for.
    pub instant: bool,
    /// Whether their course is asked for.
    pub range: bool,
    /// As what the result is read.
    pub format: TargetFormat,
    /// `code`: the text is edited as text.
    pub editor_mode: &'static str,
}

/// As what a result is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetFormat {
    /// Series over time.
    TimeSeries,
    /// Rows.
    Table,
    /// Buckets.
    Heatmap,
}

/// Unit, thresholds and texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldConfig {
    /// For all fields.
    pub defaults: FieldDefaults,
    /// For some.
    pub overrides: Vec<Override>,
}

/// What holds for all fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDefaults {
    /// The unit.
    pub unit: Unit,
    /// Digits behind the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// The lowest value of the axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// What is shown where nothing came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_value: Option<String>,
    /// How colours are chosen.
    pub color: Color,
    /// From where on which colour.
    pub thresholds: Thresholds,
    /// Words for values.
    pub mappings: Vec<Mapping>,
    /// What its kind of drawing asks for.
    pub custom: CustomField,
}

/// How colours are chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Color {
    /// `thresholds` or a palette.
    pub mode: &'static str,
}

/// From where on which colour.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// Values, not shares of the axis.
    pub mode: &'static str,
    /// The first has no value, the others rise.
    pub steps: Vec<Step>,
}

/// A colour and from where on it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Grafana's name of the colour.
    pub color: &'static str,
    /// From where on; below everything where absent.
    pub value: Option<f64>,
}

/// Words for values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mapping {
    /// `value`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The words.
    pub options: MappedValues,
}

/// Values and their words, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct MappedValues(pub Vec<(&'static str, MappedValue)>);

impl Serialize for MappedValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(value, shown)| (value, shown)))
    }
}

/// What is shown for a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MappedValue {
    /// The word.
    pub text: &'static str,
    /// Its colour.
    pub color: &'static str,
    /// Its place in legends.
    pub index: u32,
}

/// Another rule for some fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Override {
    /// Which fields.
    pub matcher: FieldMatcher,
    /// What holds for them.
    pub properties: Vec<Property>,
}

/// Which fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldMatcher {
    /// `byName`.
    pub id: &'static str,
    /// The name.
    pub options: String,
}

/// A property of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "id", content = "value", rename_all = "camelCase")]
pub enum Property {
    /// The unit.
    Unit(Unit),
    /// Digits behind the point.
    Decimals(u8),
    /// Thresholds of its own.
    Thresholds(Thresholds),
}

/// What is done with results.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "id", content = "options", rename_all = "camelCase")]
pub enum Transformation {
    /// Rows with the same labels become one.
    Merge(Empty),
    /// Columns are left out and renamed.
    Organize(Organize),
}

/// `{}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// Columns left out and renamed.
#[derive(Clone, Debug, PartialEq)]
pub struct Organize {
    /// Columns left out.
    pub exclude: Vec<String>,
    /// Old and new names.
    pub rename: Vec<(String, String)>,
}

impl Serialize for Organize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            exclude_by_name: serde_json::Map<String, serde_json::Value>,
            rename_by_name: serde_json::Map<String, serde_json::Value>,
        }
        let exclude = self.exclude.iter().map(|name| (name.clone(), true.into()));
        let rename = self
            .rename
            .iter()
            .map(|(old, new)| (old.clone(), new.clone().into()));
        Written {
            exclude_by_name: exclude.collect(),
            rename_by_name: rename.collect(),
        }
        .serialize(serializer)
    }
}

/// A link, or a menu of dashboards with certain tags.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What it says.
    pub title: String,
    /// `link` or `dashboards`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Grafana's name of an icon.
    pub icon: &'static str,
    /// More about it.
    pub tooltip: String,
    /// Where it leads; empty for a menu.
    pub url: String,
    /// Tags of the dashboards of a menu.
    pub tags: Vec<String>,
    /// Whether the menu folds.
    pub as_dropdown: bool,
    /// Whether it opens beside this page.
    pub target_blank: bool,
    /// Whether what was chosen goes along.
    pub include_vars: bool,
    /// Whether the time goes along.
    pub keep_time: bool,
}

/// Events drawn over all panels.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotation {
    /// What they are.
    pub name: String,
    /// Where the query goes.
    pub datasource: DataSource,
    /// Whether they are shown at first.
    pub enable: bool,
    /// Their colour.
    pub icon_color: &'static str,
    /// The query: an event where it has a value.
    pub expr: String,
    /// How far apart values are looked at.
    pub step: &'static str,
    /// What an event says.
    pub title_format: String,
    /// Labels shown as tags.
    pub tag_keys: String,
    /// Whether the value is the time of the event, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_value_for_time: Option<&'static str>,
}

/// What can be chosen at the top.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Variable {
    /// A data source of a kind.
    #[serde(rename_all = "camelCase")]
    DataSource {
        /// How queries call it.
        name: String,
        /// How people do.
        label: String,
        /// What it is for.
        description: String,
        /// The kind: `prometheus`.
        query: &'static str,
        /// 1: asked for when the dashboard loads.
        refresh: u8,
    },
    /// Values of a label.
    #[serde(rename_all = "camelCase")]
    Query {
        /// How queries call it.
        name: String,
        /// How people do.
        label: String,
        /// What it is for.
        description: String,
        /// Where the values come from.
        datasource: DataSource,
        /// What is asked, for Grafana's list.
        definition: String,
        /// What is asked.
        query: VariableQuery,
        /// 2: asked for whenever the time changes.
        refresh: u8,
        /// 1: sorted by name.
        sort: u8,
        /// Whether several can be chosen.
        multi: bool,
        /// Whether there is "All".
        include_all: bool,
        /// What "All" stands for.
        all_value: &'static str,
        /// What is chosen at first.
        current: VariableOption,
    },
    /// A text that nobody chooses.
    Constant {
        /// How links call it.
        name: String,
        /// How people do.
        label: String,
        /// What it is for.
        description: String,
        /// The text.
        query: String,
        /// 2: not shown.
        hide: u8,
        /// The text once more.
        current: VariableOption,
    },
}

/// A question for the values of a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VariableQuery {
    /// 1: values of a label.
    pub qry_type: u8,
    /// `label_values(metric, label)`.
    pub query: String,
    /// As Grafana's editor calls it.
    pub ref_id: &'static str,
}

/// What is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VariableOption {
    /// As people read it.
    pub text: OneOrMany,
    /// As queries read it.
    pub value: OneOrMany,
}

/// One text, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Dashboard {
    /// The file: indented JSON with a line break at its end.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("texts, numbers and lists serialise");
        text.push('\n');
        text
    }

    /// All panels, those folded into rows among them.
    pub fn all_panels(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().flat_map(|item| match item {
            Item::Panel(panel) => std::slice::from_ref(&**panel),
            Item::Row(row) => row.panels.as_slice(),
        })
    }
}
