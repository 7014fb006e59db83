//! A chart as SVG: a pure function of its data, bounded in size whatever they are.
//!
//! ```text
//!   title                                   (badge)
//!   subtitle                                    day
//!   tick ┬────────────────────────────────┐
//!        │  pending ░░ firing ▒▒▒▒ ── line ● value at the end
//!        │ ─ ─ threshold ─ ─ ─ ─ ─ ─ ─ ─  │
//!      0 ┴──10:10────10:20────10:30───────┘
//!   ▬ series   ▬ others   ┅ threshold   ░ pending
//! ```

mod canvas;
mod frame;
mod legend;
pub mod paper;

#[cfg(test)]
mod tests;

use self::canvas::{Anchor, Canvas, TextStyle};
use self::frame::Frame;
use self::paper::{Paper, Sheet};
use super::axis;
use super::chart::{
    Chart, Emphasis, Level, MAX_LINES, MAX_POINTS, MAX_RELOADS, MAX_SHADES, ShadeKind, Threshold,
    Tone, comparison,
};
use super::text::{fit, width};
use super::theme::{Palette, Theme};
use super::unit::not_finite;
use crate::model::sample::Sample;
use crate::promql::ast::BinaryOp;

/// Width of every picture, in pixels at scale 1.
pub const WIDTH: u32 = 720;
/// Height of every picture.
pub const HEIGHT: u32 = 360;

/// The most lines whose value at the end is written.
const MAX_END_LABELS: usize = 5;
const TICK_SIZE: f64 = 11.5;
const END_SIZE: f64 = 13.0;

/// Draws a chart as a picture.
pub fn draw(chart: &Chart, theme: Theme) -> String {
    draw_on(chart, Paper::picture(theme))
}

/// Draws a chart as the picture that a page asks for.
pub fn draw_sheet(chart: &Chart, sheet: Sheet) -> String {
    draw_on(chart, sheet.paper())
}

/// Draws a chart on a picture, or on a place of a page. On a page each line is a group with the attribute `data-series`,
/// its place among the lines, and its name as title; the drawing's own attributes say where the axes are.
pub fn draw_on(chart: &Chart, paper: Paper<'_>) -> String {
    let palette = paper.palette;
    let legend = legend::layout(chart, &paper);
    let ends = ends(chart, &paper);
    let frame = Frame::of(chart, legend.height(), &ends, &paper);
    let title = fit(&chart.title, 2000.0, 12.0, false);
    let mut canvas = Canvas::new(&title, &describe(chart), &frame.facts(), &paper);
    if paper.is_picture {
        draw_head(&mut canvas, chart, &paper);
    }
    draw_shades(&mut canvas, chart, &frame, palette);
    draw_grid(&mut canvas, chart, &frame, &paper);
    draw_reloads(&mut canvas, chart, &frame, &paper);
    if let Some(threshold) = &chart.threshold {
        draw_breach(&mut canvas, chart, threshold, &frame, palette);
    }
    // What is pale lies under what is not.
    let lines = || chart.lines.iter().take(MAX_LINES).enumerate();
    for (index, _) in lines().filter(|(_, line)| line.emphasis == Emphasis::Pale) {
        draw_series(&mut canvas, chart, index, &frame, &paper);
    }
    if let Some(threshold) = &chart.threshold {
        draw_threshold(&mut canvas, chart, threshold, &frame, palette);
    }
    // The first one is the most important: it lies on top.
    for (index, _) in lines()
        .rev()
        .filter(|(_, line)| line.emphasis != Emphasis::Pale)
    {
        draw_series(&mut canvas, chart, index, &frame, &paper);
    }
    draw_ends(&mut canvas, &frame, &ends, palette);
    if !chart.lines.iter().any(|line| !line.points.is_empty()) {
        let style = TextStyle::new(palette.muted, 14.0).anchor(Anchor::Middle);
        let (x, y) = frame.center();
        canvas.text(x, y, "no data in this time", &style);
    }
    legend.draw(&mut canvas, &paper);
    canvas.finish()
}

/// What a screen reader says.
fn describe(chart: &Chart) -> String {
    let mut text = chart.title.clone();
    if !chart.subtitle.is_empty() {
        text.push_str(&format!(", {}", chart.subtitle));
    }
    if let Some(threshold) = &chart.threshold
        && let Some(level) = threshold.level.last()
    {
        let level = chart.unit.value(level);
        text.push_str(&format!(", threshold {} {level}", comparison(threshold.op)));
    }
    if let Some(last) = chart.reloads.last() {
        text.push_str(&format!(", rules last loaded {}", axis::moment(*last)));
    }
    if let Some(last) = chart.lines.first().and_then(|line| line.points.last()) {
        text.push_str(&format!(", last value {}", chart.unit.value(last.value)));
    }
    fit(&text, 4000.0, 12.0, false)
}

/// The colour of a line by its place.
fn color<'p>(chart: &Chart, index: usize, palette: &'p Palette) -> &'p str {
    match chart.lines[index].emphasis {
        Emphasis::Strong => palette.strong,
        Emphasis::Pale => palette.pale,
        Emphasis::Plain => palette.series[index % palette.series.len()],
    }
}

/// Beyond the colours that there are, dashes tell lines apart.
fn dashes(chart: &Chart, index: usize) -> &'static str {
    let colors = Theme::Light.palette().series.len();
    match (chart.lines[index].emphasis, index / colors) {
        (Emphasis::Strong | Emphasis::Pale, _) | (_, 0) => "",
        (_, 1) => " stroke-dasharray=\"9 4\"",
        (_, _) => " stroke-dasharray=\"2 4\"",
    }
}

/// How a page's legend shows a line: the number of its colour, from 1, and which dashes it has, 0 for none.
pub fn look(index: usize) -> (usize, usize) {
    let colors = Theme::Light.palette().series.len();
    (index % colors + 1, (index / colors).min(2))
}

fn draw_series(
    canvas: &mut Canvas<'_>,
    chart: &Chart,
    index: usize,
    frame: &Frame,
    paper: &Paper<'_>,
) {
    let line = &chart.lines[index];
    let points = line.thinned(paper.points());
    let thickness = match line.emphasis {
        Emphasis::Strong => 2.4,
        Emphasis::Plain => 1.7,
        Emphasis::Pale => 1.1,
    };
    let stroke = Stroke {
        color: color(chart, index, paper.palette),
        thickness,
        dashes: dashes(chart, index),
    };
    if paper.is_picture {
        draw_line(canvas, chart, frame, &points, stroke);
        return;
    }
    let name = fit(&line.name, 1200.0, 12.0, false);
    canvas.begin_group(&format!(" data-series=\"{index}\""), &name);
    draw_line(canvas, chart, frame, &points, stroke);
    canvas.end_group();
}

/// How a line is drawn.
#[derive(Clone, Copy)]
struct Stroke<'p> {
    color: &'p str,
    thickness: f64,
    dashes: &'static str,
}

fn draw_head(canvas: &mut Canvas<'_>, chart: &Chart, paper: &Paper<'_>) {
    let palette = paper.palette;
    let (left, right) = (paper.margin, paper.w() - paper.margin);
    let mut room = right - left;
    if let Some(badge) = &chart.badge {
        let text = fit(&badge.text, 180.0, 11.5, true);
        let wide = width(&text, 11.5, true) + 20.0;
        let x = right - wide;
        let fill = match badge.tone {
            Tone::Bad => palette.bad,
            Tone::Good => palette.good,
        };
        canvas.rect((x, 14.0), (wide, 22.0), 11.0, &format!("fill=\"{fill}\""));
        let style = TextStyle::new("#ffffff", 11.5)
            .bold()
            .anchor(Anchor::Middle);
        canvas.text(x + wide / 2.0, 29.2, &text, &style);
        room -= wide + 16.0;
    }
    let title = fit(&chart.title, room, 16.0, true);
    canvas.text(
        left,
        31.0,
        &title,
        &TextStyle::new(palette.text, 16.0).bold(),
    );
    let days = axis::days(chart.start, chart.end);
    let style = TextStyle::new(palette.muted, 12.0).anchor(Anchor::End);
    canvas.text(right, 51.0, &days, &style);
    let room = right - left - 20.0 - width(&days, 12.0, false);
    let subtitle = fit(&chart.subtitle, room, 12.5, false);
    canvas.text(left, 51.0, &subtitle, &TextStyle::new(palette.muted, 12.5));
}

fn draw_shades(canvas: &mut Canvas<'_>, chart: &Chart, frame: &Frame, palette: &Palette) {
    for shade in chart.shades.iter().take(MAX_SHADES) {
        let (from, until) = (frame.x(shade.start.millis()), frame.x(shade.end.millis()));
        let wide = (until - from).max(1.5);
        let area = ((from, frame.top), (wide, frame.bottom - frame.top));
        let (color, opacity) = match shade.kind {
            ShadeKind::Pending => (palette.pending, 0.13),
            ShadeKind::Firing => (palette.firing, 0.16),
        };
        canvas.rect(
            area.0,
            area.1,
            0.0,
            &format!("fill=\"{color}\" fill-opacity=\"{opacity}\""),
        );
        if shade.kind == ShadeKind::Pending {
            let hatch = canvas.fill("pending");
            canvas.rect(area.0, area.1, 0.0, &hatch);
        }
        let strip = ((from, frame.top - 4.0), (wide, 4.0));
        canvas.rect(strip.0, strip.1, 0.0, &format!("fill=\"{color}\""));
    }
}

fn draw_grid(canvas: &mut Canvas<'_>, chart: &Chart, frame: &Frame, paper: &Paper<'_>) {
    let palette = paper.palette;
    let style = TextStyle::new(palette.muted, TICK_SIZE).anchor(Anchor::End);
    for (value, label) in &frame.values.ticks {
        let y = frame.y(*value);
        let is_zero = value.abs() < (frame.values.high - frame.values.low) * 1e-9;
        let color = if is_zero { palette.axis } else { palette.grid };
        canvas.line((frame.left, y), (frame.right, y), color, "");
        canvas.text(frame.left - 9.0, y + 4.0, label, &style);
    }
    let most = ((frame.right - frame.left) / if paper.is_narrow() { 62.0 } else { 80.0 }) as usize;
    let y = frame.bottom + 18.0;
    let middle = TextStyle::new(palette.muted, TICK_SIZE).anchor(Anchor::Middle);
    let date = TextStyle::new(palette.text, TICK_SIZE)
        .anchor(Anchor::Middle)
        .bold();
    for tick in axis::times(chart.start, chart.end, most) {
        let x = frame.x(tick.at.millis());
        canvas.line((x, frame.bottom), (x, frame.bottom + 4.0), palette.axis, "");
        let half = width(&tick.label, TICK_SIZE, tick.is_date) / 2.0;
        let x = x.clamp(2.0 + half, paper.w() - 2.0 - half);
        canvas.text(
            x,
            y,
            &tick.label,
            if tick.is_date { &date } else { &middle },
        );
    }
    canvas.line(
        (frame.left, frame.bottom),
        (frame.right, frame.bottom),
        palette.axis,
        "",
    );
}

/// A dotted line down, with a mark on top that no shade has.
fn draw_reloads(canvas: &mut Canvas<'_>, chart: &Chart, frame: &Frame, paper: &Paper<'_>) {
    let color = paper.palette.muted;
    let shown = chart.reloads.iter().rev().take(MAX_RELOADS);
    for at in shown.filter(|at| frame.contains(at.millis())) {
        let x = frame.x(at.millis());
        let name = format!("rules loaded {}", axis::moment(*at));
        canvas.begin_group(" class=\"reload\"", &name);
        let extra = " stroke-width=\"1.2\" stroke-dasharray=\"1.5 3\"";
        canvas.line((x, frame.top), (x, frame.bottom), color, extra);
        let top = frame.top - 5.0;
        canvas.triangle([(x - 4.0, top), (x + 4.0, top), (x, top + 7.0)], color);
        canvas.end_group();
    }
}

/// A breath of colour on the side of the threshold that the alert is about.
fn draw_breach(
    canvas: &mut Canvas<'_>,
    chart: &Chart,
    threshold: &Threshold,
    frame: &Frame,
    palette: &Palette,
) {
    let Level::Fixed(level) = threshold.level else {
        return;
    };
    if !level.is_finite() || chart.extent().is_none() {
        return;
    }
    let y = frame.y(level);
    const REACH: f64 = 26.0;
    let (from, until, gradient) = match threshold.op {
        BinaryOp::Gt | BinaryOp::Ge => ((y - REACH).max(frame.top), y, "above"),
        BinaryOp::Lt | BinaryOp::Le => (y, (y + REACH).min(frame.bottom), "below"),
        _ => return,
    };
    if until > from {
        canvas.gradients(palette.threshold);
        let fill = canvas.fill(gradient);
        canvas.rect(
            (frame.left, from),
            (frame.right - frame.left, until - from),
            0.0,
            &fill,
        );
    }
}

fn draw_threshold(
    canvas: &mut Canvas<'_>,
    chart: &Chart,
    threshold: &Threshold,
    frame: &Frame,
    palette: &Palette,
) {
    let points: Vec<Sample> = threshold
        .level
        .samples(chart.start, chart.end)
        .into_iter()
        .take(MAX_POINTS)
        .collect();
    let reach = match threshold.level {
        Level::Fixed(_) => i64::MAX,
        Level::Moving(_) => chart.reach_ms(),
    };
    let strokes = strokes(&points, reach);
    for stroke in strokes.iter().filter(|stroke| stroke.len() > 1) {
        let path = frame.path(stroke);
        canvas.path(
            &path,
            palette.threshold,
            1.6,
            " stroke-dasharray=\"6 4\" class=\"threshold\"",
        );
    }
    let Some(first) = points.iter().find(|point| point.value.is_finite()) else {
        return;
    };
    let y = frame.y(first.value);
    let text = format!(
        "{} {}",
        comparison(threshold.op),
        chart.unit.value(first.value)
    );
    let below = matches!(threshold.op, BinaryOp::Lt | BinaryOp::Le);
    // On the side of the breach, where there is room for it.
    let y = if (below && y + 18.0 < frame.bottom) || y - 18.0 < frame.top {
        y + 15.0
    } else {
        y - 6.0
    };
    let style = TextStyle::new(palette.threshold, 12.0)
        .bold()
        .halo(palette.background);
    let x = frame.x(first.timestamp_ms) + 7.0;
    canvas.text(x, y, &fit(&text, 200.0, 12.0, true), &style);
}

fn draw_line(
    canvas: &mut Canvas<'_>,
    chart: &Chart,
    frame: &Frame,
    points: &[Sample],
    stroke: Stroke<'_>,
) {
    let Stroke {
        color, thickness, ..
    } = stroke;
    let within = |point: &&Sample| frame.contains(point.timestamp_ms);
    let shown: Vec<Sample> = points.iter().filter(within).copied().collect();
    for run in strokes(&shown, chart.reach_ms()) {
        if let [alone] = run {
            let (x, y) = (frame.x(alone.timestamp_ms), frame.y(alone.value));
            canvas.circle((x, y), thickness.max(1.6), color, "");
        } else {
            canvas.path(&frame.path(run), color, thickness, stroke.dashes);
        }
    }
    // What is infinite is off the chart: an arrow at the edge says where.
    for point in shown.iter().filter(|point| point.value.is_infinite()) {
        let x = frame.x(point.timestamp_ms);
        let (edge, tip) = if point.value > 0.0 {
            (frame.top + 7.0, frame.top + 1.0)
        } else {
            (frame.bottom - 7.0, frame.bottom - 1.0)
        };
        canvas.triangle([(x - 3.5, edge), (x + 3.5, edge), (x, tip)], color);
    }
}

/// The runs of finite points that lie within reach of each other.
fn strokes(points: &[Sample], reach_ms: i64) -> Vec<&[Sample]> {
    let together = |a: &Sample, b: &Sample| {
        a.value.is_finite()
            && b.value.is_finite()
            && b.timestamp_ms.saturating_sub(a.timestamp_ms) <= reach_ms
    };
    points
        .chunk_by(together)
        .filter(|run| run[0].value.is_finite())
        .collect()
}

/// The value at the end of a line.
struct End<'p> {
    at_ms: i64,
    value: f64,
    text: String,
    color: &'p str,
}

/// None where there is no room for them.
fn ends<'p>(chart: &Chart, paper: &Paper<'p>) -> Vec<End<'p>> {
    if paper.is_narrow() {
        return Vec::new();
    }
    let lines = chart.lines.iter().enumerate().take(MAX_LINES);
    let told: Vec<End<'p>> = lines
        .filter(|(_, line)| line.emphasis != Emphasis::Pale)
        .filter_map(|(index, line)| {
            let last = line.points.last()?;
            Some(End {
                at_ms: last.timestamp_ms,
                value: last.value,
                text: chart.unit.value(last.value),
                color: color(chart, index, paper.palette),
            })
        })
        .collect();
    if told.len() > MAX_END_LABELS {
        return Vec::new();
    }
    told
}

fn draw_ends(canvas: &mut Canvas<'_>, frame: &Frame, ends: &[End<'_>], palette: &Palette) {
    let mut placed: Vec<(f64, &End<'_>)> = ends
        .iter()
        .map(|end| {
            let y = match not_finite(end.value) {
                Some("+Inf") => frame.top + 6.0,
                Some("NaN" | _) => frame.bottom - 6.0,
                None => frame.y(end.value),
            };
            if end.value.is_finite() && frame.contains(end.at_ms) {
                let extra = format!(" stroke=\"{}\" stroke-width=\"1.5\"", palette.background);
                canvas.circle((frame.x(end.at_ms), y), 4.2, end.color, &extra);
            }
            (y, end)
        })
        .collect();
    placed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // Pushed apart downwards, then the whole pile up again where it fell out of the frame.
    let mut floor = f64::NEG_INFINITY;
    for (y, _) in &mut placed {
        *y = y.max(floor);
        floor = *y + END_SIZE + 2.0;
    }
    let fallen = placed
        .last()
        .map_or(0.0, |(y, _)| y - frame.bottom)
        .max(0.0);
    for (y, end) in placed {
        let style = TextStyle::new(end.color, END_SIZE).bold();
        canvas.text(frame.right + 10.0, y - fallen + 4.5, &end.text, &style);
    }
}
