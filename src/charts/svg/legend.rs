//! The legend: what each line and each shade is.

use super::canvas::{Canvas, TextStyle};
use super::{Paper, color, dashes};
use crate::charts::chart::{Chart, Emphasis, MAX_LINES, ShadeKind, comparison};
use crate::charts::text::{fit, width};
use crate::charts::theme::Palette;

const SIZE: f64 = 12.0;
const ROW: f64 = 19.0;
const MAX_ROWS: usize = 3;
/// The same where they hold little.
const MAX_SMALL_ROWS: usize = 5;
const SWATCH: f64 = 22.0;
const SPACE: f64 = 18.0;
/// The widest an entry may be that is not the chart's subject: two fit into a row.
const MAX_ENTRY: f64 = 331.0;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Swatch<'p> {
    Line(&'p str, f64, &'static str),
    Dashes(&'p str),
    Area(&'p str, bool),
    Mark(&'p str),
    None,
}

#[derive(Debug)]
struct Entry<'p> {
    swatch: Swatch<'p>,
    text: String,
    strong: bool,
}

/// Entries in rows.
#[derive(Debug)]
pub(super) struct Legend<'p> {
    rows: Vec<Vec<Entry<'p>>>,
}

/// Nothing on a page: it has a legend of its own.
pub(super) fn layout<'p>(chart: &Chart, paper: &Paper<'p>) -> Legend<'p> {
    let palette = paper.palette;
    if !paper.is_picture {
        return Legend { rows: Vec::new() };
    }
    let room = paper.w() - 2.0 * paper.margin;
    let most_rows = match paper.is_narrow() {
        true => MAX_SMALL_ROWS,
        false => MAX_ROWS,
    };
    let entries = entries(chart, palette);
    let count = entries.len();
    let mut rows: Vec<Vec<Entry<'p>>> = Vec::new();
    let mut left = 0.0;
    let mut placed = 0;
    for mut entry in entries {
        let most = if entry.strong {
            room
        } else {
            MAX_ENTRY.min(room)
        };
        entry.text = fit(&entry.text, most - SWATCH, SIZE, entry.strong);
        let wide = SWATCH + width(&entry.text, SIZE, entry.strong);
        if rows.is_empty() || wide > left + 0.5 {
            if rows.len() == most_rows {
                break;
            }
            rows.push(Vec::new());
            left = room;
        }
        left -= wide + SPACE;
        placed += 1;
        if let Some(row) = rows.last_mut() {
            row.push(entry);
        }
    }
    if placed < count
        && let Some(row) = rows.last_mut()
    {
        row.pop();
        let text = format!("and {} more", count - placed + 1);
        row.push(Entry {
            swatch: Swatch::None,
            text,
            strong: false,
        });
    }
    Legend { rows }
}

fn entries<'p>(chart: &Chart, palette: &'p Palette) -> Vec<Entry<'p>> {
    let mut entries = Vec::new();
    let mut pale = 0;
    for (index, line) in chart.lines.iter().take(MAX_LINES).enumerate() {
        if line.emphasis == Emphasis::Pale {
            pale += 1;
            continue;
        }
        let strong = line.emphasis == Emphasis::Strong;
        entries.push(Entry {
            swatch: Swatch::Line(
                color(chart, index, palette),
                if strong { 2.6 } else { 2.0 },
                dashes(chart, index),
            ),
            text: line.name.clone(),
            strong,
        });
    }
    let others = pale + chart.more_lines + chart.lines.len().saturating_sub(MAX_LINES);
    if others > 0 {
        let drawn = if others > pale {
            format!(", {pale} shown")
        } else {
            String::new()
        };
        entries.push(Entry {
            swatch: Swatch::Line(palette.pale, 1.5, ""),
            text: format!("{others} other series{drawn}"),
            strong: false,
        });
    }
    if let Some(threshold) = &chart.threshold
        && let Some(level) = threshold.level.last()
    {
        entries.push(Entry {
            swatch: Swatch::Dashes(palette.threshold),
            text: format!(
                "threshold {} {}",
                comparison(threshold.op),
                chart.unit.value(level)
            ),
            strong: false,
        });
    }
    for (kind, color, text) in [
        (ShadeKind::Pending, palette.pending, "pending"),
        (ShadeKind::Firing, palette.firing, "firing"),
    ] {
        if chart.shades.iter().any(|shade| shade.kind == kind) {
            entries.push(Entry {
                swatch: Swatch::Area(color, kind == ShadeKind::Pending),
                text: text.to_owned(),
                strong: false,
            });
        }
    }
    if !chart.reloads.is_empty() {
        entries.push(Entry {
            swatch: Swatch::Mark(palette.muted),
            text: "rules loaded".to_owned(),
            strong: false,
        });
    }
    entries
}

impl Legend<'_> {
    /// The height it takes.
    pub(super) fn height(&self) -> f64 {
        ROW * self.rows.len() as f64
    }

    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, paper: &Paper<'_>) {
        let palette = paper.palette;
        let mut y = paper.h() - 14.0 - ROW * (self.rows.len().max(1) - 1) as f64;
        for row in &self.rows {
            let mut x = paper.margin;
            for entry in row {
                x += self.draw_entry(canvas, entry, (x, y), palette);
            }
            y += ROW;
        }
    }

    fn draw_entry(
        &self,
        canvas: &mut Canvas<'_>,
        entry: &Entry<'_>,
        (x, y): (f64, f64),
        palette: &Palette,
    ) -> f64 {
        let middle = y - 4.2;
        match entry.swatch {
            Swatch::Line(color, thickness, dashes) => {
                let extra =
                    format!(" stroke-width=\"{thickness}\" stroke-linecap=\"round\"{dashes}");
                canvas.line((x + 1.0, middle), (x + 15.0, middle), color, &extra);
            }
            Swatch::Dashes(color) => {
                let extra = " stroke-width=\"1.8\" stroke-dasharray=\"4 3\"";
                canvas.line((x, middle), (x + 16.0, middle), color, extra);
            }
            Swatch::Area(color, hatched) => {
                let area = ((x + 2.0, middle - 5.5), (12.0, 11.0));
                let fill = format!("fill=\"{color}\" fill-opacity=\"0.3\"");
                canvas.rect(area.0, area.1, 2.0, &fill);
                if hatched {
                    let hatch = canvas.fill("pending");
                    canvas.rect(area.0, area.1, 2.0, &hatch);
                }
                canvas.rect(area.0, (12.0, 3.0), 1.0, &format!("fill=\"{color}\""));
            }
            Swatch::Mark(color) => {
                let corners = [(x + 4.0, middle - 4.0), (x + 12.0, middle - 4.0)];
                canvas.triangle([corners[0], corners[1], (x + 8.0, middle + 3.0)], color);
            }
            Swatch::None => {}
        }
        let swatch = match entry.swatch {
            Swatch::None => 0.0,
            _ => SWATCH,
        };
        let style = if entry.strong {
            TextStyle::new(palette.text, SIZE).bold()
        } else {
            TextStyle::new(palette.muted, SIZE)
        };
        canvas.text(x + swatch, y, &entry.text, &style);
        swatch + width(&entry.text, SIZE, entry.strong) + SPACE
    }
}
