//! What each kind of drawing asks for: `options` and `fieldConfig.defaults.custom` of its panels.
//!
//! Only what differs from panel to panel is a parameter; the rest is what Grafana's editor writes for a new panel.
//! `@grafana/schema`, `raw/composable/*/panelcfg`; `.ci/check-dashboards` holds the files to it.

use serde::Serialize;

use super::unit::Unit;

/// `options` of a panel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Options {
    /// `timeseries`
    TimeSeries(TimeSeries),
    /// `stat`
    Stat(Stat),
    /// `gauge`
    Gauge(Gauge),
    /// `bargauge`
    BarGauge(BarGauge),
    /// `piechart`
    PieChart(PieChart),
    /// `table`
    Table(Table),
    /// `heatmap`
    Heatmap(Heatmap),
    /// `state-timeline`
    StateTimeline(StateTimeline),
}

/// Lines over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct TimeSeries {
    pub legend: Legend,
    pub tooltip: Tooltip,
}

/// Large values.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Stat {
    pub reduce_options: Reduce,
    pub orientation: &'static str,
    pub color_mode: &'static str,
    pub graph_mode: &'static str,
    pub justify_mode: &'static str,
    pub text_mode: &'static str,
    pub wide_layout: bool,
    pub show_percent_change: bool,
    pub percent_change_color_mode: &'static str,
}

/// A needle.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Gauge {
    pub reduce_options: Reduce,
    pub orientation: &'static str,
    pub shape: &'static str,
    pub bar_shape: &'static str,
    pub bar_width_factor: f64,
    pub effects: Effects,
    pub segment_count: u32,
    pub segment_spacing: f64,
    pub show_threshold_labels: bool,
    pub show_threshold_markers: bool,
    pub sizing: &'static str,
    pub min_viz_width: u32,
    pub min_viz_height: u32,
}

/// Effects of a gauge: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effects {}

/// Bars side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct BarGauge {
    pub reduce_options: Reduce,
    pub orientation: &'static str,
    pub display_mode: &'static str,
    pub value_mode: &'static str,
    pub name_placement: &'static str,
    pub show_unfilled: bool,
    pub sizing: &'static str,
    pub min_viz_width: u32,
    pub min_viz_height: u32,
    pub max_viz_height: u32,
    pub legend: Legend,
}

/// A ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct PieChart {
    pub reduce_options: Reduce,
    pub orientation: &'static str,
    pub pie_type: &'static str,
    pub display_labels: [&'static str; 1],
    pub sort: &'static str,
    pub legend: PieLegend,
    pub tooltip: Tooltip,
}

/// Rows and columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Table {
    pub show_header: bool,
    pub cell_height: &'static str,
    pub frame_index: u32,
    pub sort_by: Vec<SortBy>,
}

/// Buckets over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Heatmap {
    pub calculate: bool,
    pub cell_gap: u32,
    pub cell_values: Cells,
    pub color: HeatmapColor,
    pub exemplars: Exemplars,
    pub filter_values: FilterValues,
    pub legend: ShowLegend,
    pub rows_frame: RowsFrame,
    pub show_value: &'static str,
    pub tooltip: HeatmapTooltip,
    pub y_axis: YAxis,
}

/// States over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct StateTimeline {
    pub align_value: &'static str,
    pub merge_values: bool,
    pub row_height: f64,
    pub show_value: &'static str,
    pub legend: Legend,
    pub tooltip: Tooltip,
}

/// What stands below or beside the drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Legend {
    pub calcs: Vec<&'static str>,
    pub display_mode: &'static str,
    pub placement: &'static str,
    pub show_legend: bool,
}

/// A legend with the values of a ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct PieLegend {
    pub calcs: Vec<&'static str>,
    pub display_mode: &'static str,
    pub placement: &'static str,
    pub show_legend: bool,
    pub values: Vec<&'static str>,
}

/// What is shown under the pointer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Tooltip {
    pub mode: &'static str,
    pub sort: &'static str,
}

/// Which value of many is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Reduce {
    pub calcs: [&'static str; 1],
    pub fields: &'static str,
    pub values: bool,
}

/// By which column a table is sorted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct SortBy {
    pub display_name: String,
    pub desc: bool,
}

/// What a cell of a heatmap counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Cells {
    pub unit: Unit,
}

/// Colours of a heatmap.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct HeatmapColor {
    pub mode: &'static str,
    pub scheme: &'static str,
    pub fill: &'static str,
    pub scale: &'static str,
    pub exponent: f64,
    pub steps: u32,
    pub reverse: bool,
}

/// Colour of exemplars.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Exemplars {
    pub color: &'static str,
}

/// Cells below this are left blank.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct FilterValues {
    pub le: f64,
}

/// Whether there is a legend.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct ShowLegend {
    pub show: bool,
}

/// How buckets become rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct RowsFrame {
    pub layout: &'static str,
}

/// What is shown under the pointer of a heatmap.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct HeatmapTooltip {
    pub mode: &'static str,
    pub show_color_scale: bool,
    pub y_histogram: bool,
}

/// The axis of the buckets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct YAxis {
    pub axis_placement: &'static str,
    pub reverse: bool,
    pub unit: Unit,
}

/// `fieldConfig.defaults.custom` of a panel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CustomField {
    /// Of lines.
    Lines(Lines),
    /// Of states.
    States(States),
    /// Of anything else: nothing.
    None {},
}

/// How lines are drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Lines {
    pub draw_style: &'static str,
    pub line_interpolation: &'static str,
    pub line_width: u32,
    pub fill_opacity: u32,
    pub gradient_mode: &'static str,
    pub show_points: &'static str,
    pub span_nulls: bool,
    pub axis_placement: &'static str,
    pub stacking: Stacking,
    pub thresholds_style: ThresholdsStyle,
}

/// Whether lines stand on each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct Stacking {
    pub mode: &'static str,
    pub group: &'static str,
}

/// Whether thresholds are drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct ThresholdsStyle {
    pub mode: &'static str,
}

/// How states are drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "named as Grafana's editor names them")]
pub struct States {
    pub fill_opacity: u32,
    pub line_width: u32,
}

impl Options {
    /// The name of the kind of drawing.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TimeSeries(_) => "timeseries",
            Self::Stat(_) => "stat",
            Self::Gauge(_) => "gauge",
            Self::BarGauge(_) => "bargauge",
            Self::PieChart(_) => "piechart",
            Self::Table(_) => "table",
            Self::Heatmap(_) => "heatmap",
            Self::StateTimeline(_) => "state-timeline",
        }
    }
}

impl Legend {
    /// A table of mean, largest and last values below the drawing.
    pub fn values() -> Self {
        Self {
            calcs: vec!["mean", "max", "lastNotNull"],
            display_mode: "table",
            placement: "bottom",
            show_legend: true,
        }
    }

    /// Names only.
    pub fn names() -> Self {
        Self {
            calcs: Vec::new(),
            display_mode: "list",
            placement: "bottom",
            show_legend: true,
        }
    }
}

impl Tooltip {
    /// Of all series, the largest first.
    pub fn all() -> Self {
        Self {
            mode: "multi",
            sort: "desc",
        }
    }
}

impl Reduce {
    /// The last value.
    pub fn last() -> Self {
        Self {
            calcs: ["lastNotNull"],
            fields: "",
            values: false,
        }
    }
}

impl Lines {
    /// Thin lines over a light ground.
    pub fn plain() -> Self {
        Self {
            draw_style: "line",
            line_interpolation: "linear",
            line_width: 1,
            fill_opacity: 10,
            gradient_mode: "none",
            show_points: "auto",
            span_nulls: false,
            axis_placement: "auto",
            stacking: Stacking {
                mode: "none",
                group: "A",
            },
            thresholds_style: ThresholdsStyle { mode: "off" },
        }
    }
}
