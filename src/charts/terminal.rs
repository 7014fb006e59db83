//! A chart as text: two by four dots in each character (Unicode's Braille patterns).
//!
//! ```text
//!  100% ┤      ⡠⠒⠤
//!       │  ⢀⠤⠒⠉
//!     0 ┤⠒⠁
//!       └┬────────┬──
//!      10:00    10:30
//! ```

use super::axis::{self, Values};
use super::chart::{Chart, LARGEST, MAX_LINES};
use super::text::clean;
use crate::model::sample::Sample;

/// How large, and whether in colours.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Characters across, labels included.
    pub width: usize,
    /// Lines down, without the legend.
    pub height: usize,
    /// Whether lines have colours (ANSI).
    pub color: bool,
}

/// The fewest and the most characters that a chart is drawn in.
const WIDTHS: (usize, usize) = (30, 400);
const HEIGHTS: (usize, usize) = (5, 100);
/// Lines that are drawn; a terminal has no more colours.
const MAX_DRAWN: usize = 8;
/// ANSI colours that can be told apart without seeing red or green; the first is the terminal's cyan.
const COLORS: [&str; MAX_DRAWN] = ["36", "33", "35", "34", "32", "31", "96", "95"];
/// Marks of the legend for each line, where there are no colours.
const LETTERS: [char; MAX_DRAWN] = ['1', '2', '3', '4', '5', '6', '7', '8'];

/// Draws a chart.
pub fn draw(chart: &Chart, style: Style) -> String {
    let axis = Values::over(chart.extent(), chart.unit, style.height.clamp(10, 50) / 4);
    let labels = axis.ticks.iter().map(|(_, label)| label.chars().count());
    let margin = labels.max().unwrap_or(0) + 1;
    let width = style.width.clamp(WIDTHS.0, WIDTHS.1);
    let columns = width.saturating_sub(margin + 2).max(10);
    let rows = style.height.clamp(HEIGHTS.0, HEIGHTS.1);
    let mut dots = Dots::new(columns, rows);
    for (index, line) in chart.lines.iter().take(MAX_DRAWN).enumerate().rev() {
        dots.line(&line.points, chart, &axis, index);
    }
    let mut out = String::new();
    if !chart.title.is_empty() {
        out.push_str(&clean(&chart.title, width));
        out.push('\n');
    }
    let mut at_row: Vec<Option<&str>> = vec![None; rows];
    for (value, label) in &axis.ticks {
        let row = ((1.0 - axis.share(*value)) * (rows - 1) as f64).round() as usize;
        at_row[row.min(rows - 1)].get_or_insert(label);
    }
    for (row, label) in at_row.iter().enumerate() {
        let (label, joint) = label.map_or(("", '│'), |label| (label, '┤'));
        let padding = " ".repeat(margin - label.chars().count());
        out.push_str(&format!("{padding}{label} {joint}"));
        dots.write_row(&mut out, row, style.color);
        out.push('\n');
    }
    write_times(&mut out, chart, columns, margin);
    write_legend(&mut out, chart, width, style.color);
    out
}

fn write_times(out: &mut String, chart: &Chart, columns: usize, margin: usize) {
    let ticks = axis::times(chart.start, chart.end, columns / 10);
    let span = (chart.end.millis() as f64 - chart.start.millis() as f64).max(1.0);
    let mut rule: Vec<char> = vec!['─'; columns];
    let mut labels = String::new();
    let mut free_from = 0;
    for tick in &ticks {
        let share = (tick.at.millis() as f64 - chart.start.millis() as f64) / span;
        let column = (share * (columns - 1) as f64).round() as usize;
        rule[column.min(columns - 1)] = '┬';
        let length = tick.label.chars().count();
        // The last one may not stick out.
        let most = (margin + 2 + columns).saturating_sub(length);
        let from = (margin + 2 + column).saturating_sub(length / 2).min(most);
        if from >= free_from {
            labels.push_str(&" ".repeat(from - labels.chars().count()));
            labels.push_str(&tick.label);
            free_from = from + length + 1;
        }
    }
    let rule: String = rule.into_iter().collect();
    out.push_str(&format!("{} └{rule}\n{labels}\n", " ".repeat(margin)));
    let days = axis::days(chart.start, chart.end);
    out.push_str(&format!("{}{days}\n", " ".repeat(margin + 2)));
}

fn write_legend(out: &mut String, chart: &Chart, width: usize, color: bool) {
    for (index, line) in chart.lines.iter().take(MAX_DRAWN).enumerate() {
        let last = line.points.last();
        let last = last.map_or_else(String::new, |point| {
            format!("{}  ", chart.unit.value(point.value))
        });
        let text = clean(&format!("{last}{}", line.name), width.saturating_sub(3));
        if color {
            out.push_str(&format!("\x1b[{}m━━\x1b[0m {text}\n", COLORS[index]));
        } else {
            out.push_str(&format!("{}: {text}\n", LETTERS[index]));
        }
    }
    let drawn = chart.lines.len().min(MAX_DRAWN);
    let more = chart.lines.len() - drawn + chart.more_lines;
    if more > 0 {
        out.push_str(&format!("and {more} more series\n"));
    }
}

/// A raster of dots, each character cell with the line that was drawn into it last.
struct Dots {
    columns: usize,
    cells: Vec<(u8, Option<usize>)>,
    across: usize,
    down: usize,
}

impl Dots {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            cells: vec![(0, None); columns * rows],
            across: columns * 2,
            down: rows * 4,
        }
    }

    fn line(&mut self, points: &[Sample], chart: &Chart, axis: &Values, index: usize) {
        let span = (chart.end.millis() as f64 - chart.start.millis() as f64).max(1.0);
        let mut last: Option<(i64, (f64, f64))> = None;
        for point in points {
            let share = (point.timestamp_ms as f64 - chart.start.millis() as f64) / span;
            if !point.value.is_finite() || !(0.0..=1.0).contains(&share) {
                last = None;
                continue;
            }
            let x = share * (self.across - 1) as f64;
            let up = axis.share(point.value.clamp(-LARGEST, LARGEST));
            let y = (1.0 - up) * (self.down - 1) as f64;
            let near =
                last.filter(|(at, _)| point.timestamp_ms.saturating_sub(*at) <= chart.reach_ms());
            let (from_x, from_y) = near.map_or((x, y), |(_, from)| from);
            let steps = (x - from_x).abs().max((y - from_y).abs()).ceil().max(1.0);
            for step in 0..=(steps as usize) {
                let share = step as f64 / steps;
                self.dot(
                    from_x + (x - from_x) * share,
                    from_y + (y - from_y) * share,
                    index,
                );
            }
            last = Some((point.timestamp_ms, (x, y)));
        }
    }

    fn dot(&mut self, x: f64, y: f64, index: usize) {
        // Bits of the eight dots: <https://www.unicode.org/charts/PDF/U2800.pdf>.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (x, y) = (
            (x.round() as usize).min(self.across - 1),
            (y.round() as usize).min(self.down - 1),
        );
        let cell = &mut self.cells[y / 4 * self.columns + x / 2];
        cell.0 |= BITS[y % 4][x % 2];
        cell.1 = Some(index);
    }

    fn write_row(&self, out: &mut String, row: usize, color: bool) {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let end = cells.iter().rposition(|(bits, _)| *bits != 0);
        let cells = end.map_or(&cells[..0], |end| &cells[..=end]);
        for run in cells.chunk_by(|a, b| a.1 == b.1) {
            let text: String = run
                .iter()
                .map(|(bits, _)| match bits {
                    0 => ' ',
                    bits => char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' '),
                })
                .collect();
            match run[0].1 {
                Some(index) if color => {
                    out.push_str(&format!("\x1b[{}m{text}\x1b[0m", COLORS[index]));
                }
                _ => out.push_str(&text),
            }
        }
    }
}

const _: () = assert!(MAX_DRAWN <= MAX_LINES);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::charts::chart::Line;
    use crate::model::timestamp::Timestamp;

    fn chart(values: &[f64]) -> Chart {
        let points = values.iter().enumerate();
        let points = points.map(|(index, value)| Sample {
            timestamp_ms: 1_795_165_200_000 + i64::try_from(index).unwrap() * 60_000,
            value: *value,
        });
        Chart {
            title: "up".to_owned(),
            start: Timestamp::from_millis(1_795_165_200_000),
            end: Timestamp::from_millis(1_795_165_200_000 + 3_600_000),
            step: Duration::from_secs(60),
            lines: vec![Line {
                name: "up{job=\"a\"}".to_owned(),
                points: points.collect(),
                ..Line::default()
            }],
            ..Chart::default()
        }
    }

    #[test]
    fn a_rising_line_rises() {
        let values: Vec<f64> = (0..=60).map(f64::from).collect();
        let style = Style {
            width: 60,
            height: 10,
            color: false,
        };
        let text = draw(&chart(&values), style);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows[0], "up");
        let first_dot = |row: &str| {
            row.chars()
                .position(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
        };
        let places: Vec<usize> = rows.iter().filter_map(|row| first_dot(row)).collect();
        assert!(
            places.len() > 4 && places.is_sorted_by(|a, b| a > b),
            "{places:?}\n{text}"
        );
        assert!(
            text.contains("09:30") && text.contains("2026-11-20 UTC"),
            "{text}"
        );
        assert!(text.contains("60  up{job=\"a\"}"), "{text}");
        assert!(rows.iter().all(|row| row.chars().count() <= 60), "{text}");
    }

    #[test]
    fn nothing_and_what_is_no_number_is_drawn_as_nothing() {
        let style = Style {
            width: 0,
            height: 0,
            color: true,
        };
        for values in [&[][..], &[f64::NAN], &[f64::INFINITY, 1e308]] {
            let text = draw(&chart(values), style);
            assert!(text.contains('└'), "{text}");
        }
    }
}
