//! Elements of SVG, written by hand.

use std::fmt::Write;

use super::{HEIGHT, WIDTH};
use crate::charts::text::escape;
use crate::charts::theme::Palette;

/// The fonts: the embedded one, or what a browser has.
const FONTS: &str = "Inter, system-ui, sans-serif";

/// Where a text's point is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextStyle<'p> {
    color: &'p str,
    size: f64,
    bold: bool,
    anchor: Anchor,
    halo: Option<&'p str>,
}

impl<'p> TextStyle<'p> {
    pub(super) fn new(color: &'p str, size: f64) -> Self {
        Self {
            color,
            size,
            bold: false,
            anchor: Anchor::Start,
            halo: None,
        }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    /// Keeps lines away from it.
    pub(super) fn halo(self, color: &'p str) -> Self {
        Self {
            halo: Some(color),
            ..self
        }
    }
}

/// A drawing under way. Coordinates must be finite; what is not becomes 0.
#[derive(Debug)]
pub(super) struct Canvas {
    out: String,
}

impl Canvas {
    pub(super) fn new(description: &str, palette: &Palette) -> Self {
        let description = escape(description);
        let mut out = String::with_capacity(16 * 1024);
        out.push_str(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\" font-family=\"{FONTS}\"><title>{description}</title>\
             <defs><pattern id=\"pending\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"6\" fill=\"{}\" fill-opacity=\"0.3\"/>\
             </pattern></defs><rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"{}\"/>\n",
            palette.pending, palette.background,
        ));
        Self { out }
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    /// The two gradients that lead away from a threshold.
    pub(super) fn gradients(&mut self, color: &str) {
        for (id, from, until) in [("above", "1", "0"), ("below", "0", "1")] {
            self.push(&format!(
                "<defs><linearGradient id=\"{id}\" x1=\"0\" x2=\"0\" y1=\"{from}\" y2=\"{until}\">\
                 <stop offset=\"0\" stop-color=\"{color}\" stop-opacity=\"0.2\"/>\
                 <stop offset=\"1\" stop-color=\"{color}\" stop-opacity=\"0\"/></linearGradient></defs>"
            ));
        }
    }

    pub(super) fn rect(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        radius: f64,
        extra: &str,
    ) {
        let rounded = if radius > 0.0 {
            format!(" rx=\"{}\"", number(radius))
        } else {
            String::new()
        };
        self.push(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{rounded} {extra}/>",
            number(x),
            number(y),
            number(width.max(0.0)),
            number(height.max(0.0)),
        ));
    }

    pub(super) fn line(
        &mut self,
        (x1, y1): (f64, f64),
        (x2, y2): (f64, f64),
        color: &str,
        extra: &str,
    ) {
        self.push(&format!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{color}\"{extra}/>",
            number(x1),
            number(y1),
            number(x2),
            number(y2),
        ));
    }

    pub(super) fn path(&mut self, path: &str, color: &str, thickness: f64, extra: &str) {
        self.push(&format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{}\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\"{extra}/>",
            number(thickness),
        ));
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, color: &str, extra: &str) {
        self.push(&format!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{color}\"{extra}/>",
            number(x),
            number(y),
            number(radius),
        ));
    }

    pub(super) fn triangle(&mut self, corners: [(f64, f64); 3], color: &str) {
        let mut points = String::new();
        for (x, y) in corners {
            write!(points, "{},{} ", number(x), number(y)).expect("a string takes everything");
        }
        self.push(&format!(
            "<polygon points=\"{}\" fill=\"{color}\"/>",
            points.trim_end()
        ));
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: &TextStyle<'_>) {
        if text.is_empty() {
            return;
        }
        let weight = if style.bold {
            " font-weight=\"600\""
        } else {
            ""
        };
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let halo = style.halo.map_or_else(String::new, |color| {
            format!(
                " stroke=\"{color}\" stroke-width=\"3.5\" stroke-linejoin=\"round\" paint-order=\"stroke\""
            )
        });
        self.push(&format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{weight}{anchor}{halo}>{}</text>",
            number(x),
            number(y),
            number(style.size),
            style.color,
            escape(text),
        ));
    }

    fn push(&mut self, element: &str) {
        self.out.push_str(element);
        self.out.push('\n');
    }
}

/// A coordinate: two decimals at most, never a word.
pub(super) fn number(value: f64) -> String {
    let value = if value.is_finite() {
        value.clamp(-1e6, 1e6)
    } else {
        0.0
    };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}
