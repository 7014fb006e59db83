//! Panels as they are written down: what they show and which alert judges it. The layout gives them place and number.

use super::alerts::{AlertUse, Alerts, As};
use super::model::{
    Color, DataSource, Empty, FieldConfig, FieldDefaults, FieldMatcher, GridPos, Link, MappedValue,
    MappedValues, Mapping, Organize, Override, Panel, Property, Target, TargetFormat, Thresholds,
    Transformation,
};
use super::options::{
    BarGauge, Cells, CustomField, Effects, Exemplars, FilterValues, Gauge, Heatmap, HeatmapColor,
    HeatmapTooltip, Legend, Lines, Options, PieChart, PieLegend, Reduce, RowsFrame, ShowLegend,
    SortBy, Stacking, Stat, StateTimeline, States, Table, ThresholdsStyle, TimeSeries, Tooltip,
    YAxis,
};
use super::unit::Unit;

/// A panel without place and number.
#[derive(Clone, Debug)]
pub struct Draft {
    panel: Panel,
    alerts: Vec<AlertUse>,
    /// Colours that no alert gives.
    colours: Option<Thresholds>,
    /// Columns and lines.
    pub(super) size: (u32, u32),
}

/// A column of a table: a query's values.
#[derive(Clone, Debug)]
pub struct Column {
    /// What stands above it.
    pub name: &'static str,
    /// Where its values come from.
    pub expr: String,
    /// Their unit.
    pub unit: Unit,
}

impl Draft {
    fn new(title: &str, options: Options, custom: CustomField, size: (u32, u32)) -> Self {
        let by_thresholds = !matches!(custom, CustomField::Lines(_));
        let color = match &options {
            Options::PieChart(_) => "palette-classic-by-name",
            _ if by_thresholds => "thresholds",
            _ => "palette-classic",
        };
        let defaults = FieldDefaults {
            unit: Unit::Number,
            decimals: None,
            min: None,
            max: None,
            no_value: None,
            color: Color { mode: color },
            thresholds: Alerts::default().thresholds(&[]),
            mappings: Vec::new(),
            custom,
        };
        Self {
            panel: Panel {
                id: 0,
                kind: options.kind(),
                title: title.to_owned(),
                description: String::new(),
                datasource: DataSource::CHOSEN,
                grid_pos: GridPos::default(),
                field_config: FieldConfig {
                    defaults,
                    overrides: Vec::new(),
                },
                options,
                targets: Vec::new(),
                transformations: Vec::new(),
                links: Vec::new(),
            },
            alerts: Vec::new(),
            colours: None,
            size,
        }
    }

    /// Lines over time.
    pub fn lines(title: &str) -> Self {
        let options = Options::TimeSeries(TimeSeries {
            legend: Legend::values(),
            tooltip: Tooltip::all(),
        });
        Self::new(title, options, CustomField::Lines(Lines::plain()), (12, 8))
    }

    /// Lines that stand on each other.
    pub fn stacked(title: &str) -> Self {
        let mut draft = Self::lines(title);
        if let CustomField::Lines(lines) = &mut draft.panel.field_config.defaults.custom {
            lines.fill_opacity = 40;
            lines.stacking = Stacking {
                mode: "normal",
                group: "A",
            };
        }
        draft
    }

    /// Bars over time.
    pub fn bars(title: &str) -> Self {
        let mut draft = Self::stacked(title);
        if let CustomField::Lines(lines) = &mut draft.panel.field_config.defaults.custom {
            lines.draw_style = "bars";
            lines.fill_opacity = 70;
        }
        draft
    }

    /// A large value over its course.
    pub fn stat(title: &str) -> Self {
        let options = Options::Stat(Stat {
            reduce_options: Reduce::last(),
            orientation: "auto",
            color_mode: "value",
            graph_mode: "area",
            justify_mode: "auto",
            text_mode: "auto",
            wide_layout: true,
            show_percent_change: false,
            percent_change_color_mode: "standard",
        });
        Self::new(title, options, CustomField::None {}, (4, 4))
    }

    /// A needle between nothing and all.
    pub fn gauge(title: &str) -> Self {
        let options = Options::Gauge(Gauge {
            reduce_options: Reduce::last(),
            orientation: "auto",
            shape: "gauge",
            bar_shape: "flat",
            bar_width_factor: 0.5,
            effects: Effects {},
            segment_count: 1,
            segment_spacing: 0.3,
            show_threshold_labels: false,
            show_threshold_markers: true,
            sizing: "auto",
            min_viz_width: 75,
            min_viz_height: 75,
        });
        Self::new(title, options, CustomField::None {}, (4, 4)).shares()
    }

    /// Bars side by side, of what is now.
    pub fn bar_gauge(title: &str) -> Self {
        let options = Options::BarGauge(BarGauge {
            reduce_options: Reduce::last(),
            orientation: "horizontal",
            display_mode: "gradient",
            value_mode: "color",
            name_placement: "auto",
            show_unfilled: true,
            sizing: "auto",
            min_viz_width: 8,
            min_viz_height: 16,
            max_viz_height: 300,
            legend: Legend {
                show_legend: false,
                ..Legend::names()
            },
        });
        Self::new(title, options, CustomField::None {}, (8, 8))
    }

    /// A ring of shares of what is now.
    pub fn pie(title: &str) -> Self {
        let options = Options::PieChart(PieChart {
            reduce_options: Reduce::last(),
            orientation: "auto",
            pie_type: "donut",
            display_labels: ["percent"],
            sort: "desc",
            legend: PieLegend {
                calcs: Vec::new(),
                display_mode: "table",
                placement: "right",
                show_legend: true,
                values: vec!["value", "percent"],
            },
            tooltip: Tooltip::all(),
        });
        Self::new(title, options, CustomField::None {}, (8, 8))
    }

    /// States over time: words for values.
    pub fn states(title: &str, words: &[(&'static str, &'static str, &'static str)]) -> Self {
        let options = Options::StateTimeline(StateTimeline {
            align_value: "left",
            merge_values: true,
            row_height: 0.8,
            show_value: "auto",
            legend: Legend::names(),
            tooltip: Tooltip {
                mode: "single",
                sort: "none",
            },
        });
        let custom = CustomField::States(States {
            fill_opacity: 70,
            line_width: 0,
        });
        Self::new(title, options, custom, (12, 8)).words(words)
    }

    /// The buckets of a histogram over time; the unit is that of their bounds.
    pub fn heatmap(title: &str, bounds: Unit, buckets: &str) -> Self {
        let options = Options::Heatmap(Heatmap {
            calculate: false,
            cell_gap: 1,
            cell_values: Cells { unit: Unit::Number },
            color: HeatmapColor {
                mode: "scheme",
                scheme: "Oranges",
                fill: "dark-orange",
                scale: "exponential",
                exponent: 0.5,
                steps: 64,
                reverse: false,
            },
            exemplars: Exemplars {
                color: "rgba(255,0,255,0.7)",
            },
            filter_values: FilterValues { le: 1e-9 },
            legend: ShowLegend { show: true },
            rows_frame: RowsFrame { layout: "auto" },
            show_value: "never",
            tooltip: HeatmapTooltip {
                mode: "single",
                show_color_scale: false,
                y_histogram: false,
            },
            y_axis: YAxis {
                axis_placement: "left",
                reverse: false,
                unit: bounds,
            },
        });
        let mut draft = Self::new(title, options, CustomField::None {}, (12, 8))
            .unit(bounds)
            .query(buckets, "{{le}}");
        if let Some(target) = draft.panel.targets.last_mut() {
            target.format = TargetFormat::Heatmap;
        }
        draft
    }

    /// One row for each value of a label, one column for each query, sorted by the first.
    pub fn table(title: &str, key: (&str, &str), columns: Vec<Column>) -> Self {
        let options = Options::Table(Table {
            show_header: true,
            cell_height: "sm",
            frame_index: 0,
            sort_by: columns
                .first()
                .map(|column| SortBy {
                    display_name: column.name.to_owned(),
                    desc: true,
                })
                .into_iter()
                .collect(),
        });
        let mut draft = Self::new(title, options, CustomField::None {}, (12, 8));
        let mut rename = vec![(key.0.to_owned(), key.1.to_owned())];
        let several = columns.len() > 1;
        for column in columns {
            draft = draft.query(&column.expr, "");
            if let Some(target) = draft.panel.targets.last_mut() {
                target.format = TargetFormat::Table;
                target.instant = true;
                target.range = false;
                // A single query's column has no letter.
                let name = match several {
                    true => format!("Value #{}", target.ref_id),
                    false => "Value".to_owned(),
                };
                rename.push((name, column.name.to_owned()));
            }
            draft.panel.field_config.overrides.push(Override {
                matcher: FieldMatcher {
                    id: "byName",
                    options: column.name.to_owned(),
                },
                properties: vec![Property::Unit(column.unit)],
            });
        }
        draft.panel.transformations = vec![
            Transformation::Merge(Empty {}),
            Transformation::Organize(Organize {
                exclude: vec!["Time".to_owned()],
                rename,
            }),
        ];
        draft
    }

    /// What it means, and what to look for.
    #[must_use]
    pub fn about(mut self, description: impl Into<String>) -> Self {
        self.panel.description = description.into();
        self
    }

    /// The unit of its values.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.panel.field_config.defaults.unit = unit;
        self
    }

    /// Values are shares from nothing to all.
    #[must_use]
    pub fn shares(mut self) -> Self {
        let defaults = &mut self.panel.field_config.defaults;
        defaults.unit = Unit::Share;
        (defaults.min, defaults.max) = (Some(0.0), Some(1.0));
        self
    }

    /// The axis begins at zero.
    #[must_use]
    pub fn from_zero(mut self) -> Self {
        self.panel.field_config.defaults.min = Some(0.0);
        self
    }

    /// What is shown where nothing came.
    #[must_use]
    pub fn where_nothing(mut self, text: &str) -> Self {
        self.panel.field_config.defaults.no_value = Some(text.to_owned());
        self
    }

    /// Words for values: value, word, colour.
    #[must_use]
    pub fn words(mut self, words: &[(&'static str, &'static str, &'static str)]) -> Self {
        let mapped = words
            .iter()
            .zip(0..)
            .map(|((value, text, color), index)| (*value, MappedValue { text, color, index }));
        self.panel.field_config.defaults.mappings = vec![Mapping {
            kind: "value",
            options: MappedValues(mapped.collect()),
        }];
        self
    }

    /// A query, and what its series are called.
    #[must_use]
    pub fn query(mut self, expr: &str, legend: &str) -> Self {
        let letter = u8::try_from(self.panel.targets.len()).map_or('Z', |count| {
            char::from(b'A'.saturating_add(count).min(b'Z'))
        });
        self.panel.targets.push(Target {
            ref_id: letter.to_string(),
            datasource: DataSource::CHOSEN,
            expr: expr.to_owned(),
            legend_format: legend.to_owned(),
            instant: false,
            range: true,
            format: TargetFormat::TimeSeries,
            editor_mode: "code",
        });
        self
    }

    /// One value each is enough for its queries.
    #[must_use]
    pub fn now_only(mut self) -> Self {
        for target in &mut self.panel.targets {
            (target.instant, target.range) = (true, false);
        }
        self
    }

    /// Columns and lines.
    #[must_use]
    pub fn size(mut self, columns: u32, lines: u32) -> Self {
        self.size = (columns, lines);
        self
    }

    /// Colours of its own, in place of those of alerts.
    #[must_use]
    pub fn coloured(mut self, thresholds: Thresholds) -> Self {
        self.colours = Some(thresholds);
        self
    }

    /// Links of its own, before those of alerts.
    #[must_use]
    pub fn leading_to(mut self, links: Vec<Link>) -> Self {
        self.panel.links = links;
        self
    }

    /// The alert that judges these values.
    #[must_use]
    pub fn alert(self, alert: &'static str) -> Self {
        self.judged(alert, None, As::Threshold)
    }

    /// One severity of an alert whose severities judge different things.
    #[must_use]
    pub fn alert_of(self, alert: &'static str, severity: &'static str) -> Self {
        self.judged(alert, Some(severity), As::Threshold)
    }

    /// The alert that judges one minus these values.
    #[must_use]
    pub fn alert_on_rest(self, alert: &'static str) -> Self {
        self.judged(alert, None, As::Complement)
    }

    /// An alert on something near.
    #[must_use]
    pub fn near(self, alert: &'static str) -> Self {
        self.judged(alert, None, As::Link)
    }

    fn judged(mut self, alert: &'static str, severity: Option<&'static str>, as_what: As) -> Self {
        self.alerts.push(AlertUse {
            alert,
            severity,
            as_what,
        });
        self
    }

    /// Which alerts it names.
    pub(super) fn alerts(&self) -> &[AlertUse] {
        &self.alerts
    }

    /// The panel, at its place.
    pub(super) fn place(self, id: u32, grid_pos: GridPos, alerts: &Alerts) -> Panel {
        let mut panel = self.panel;
        panel.id = id;
        panel.grid_pos = grid_pos;
        panel.links.extend(alerts.links(&self.alerts));
        let of_alerts = || alerts.thresholds(&self.alerts);
        let thresholds = self.colours.unwrap_or_else(of_alerts);
        let defaults = &mut panel.field_config.defaults;
        if thresholds.steps.len() > 1
            && let CustomField::Lines(lines) = &mut defaults.custom
            && lines.stacking.mode == "none"
        {
            lines.thresholds_style = ThresholdsStyle { mode: "dashed" };
        }
        defaults.thresholds = thresholds;
        panel
    }
}
