//! Elements of SVG, written by hand.

use std::fmt::Write;

use super::Paper;
use crate::charts::text::escape;

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
pub(super) struct Canvas<'p> {
    out: String,
    id: &'p str,
}

impl<'p> Canvas<'p> {
    /// `facts` are attributes for scripts.
    pub(super) fn new(title: &str, description: &str, facts: &str, paper: &Paper<'p>) -> Self {
        let (title, description) = (escape(title), escape(description));
        let Paper {
            width, height, id, ..
        } = paper;
        let mut out = String::with_capacity(16 * 1024);
        out.push_str(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" "
        ));
        let size = format!("width=\"{width}\" height=\"{height}\"");
        if paper.is_picture {
            out.push_str(&format!(
                "{size} font-family=\"{FONTS}\"><title>{description}</title>"
            ));
        } else {
            // A page's fonts are its own, and its style sheet says how wide the chart is.
            out.push_str(&format!(
                "class=\"plot\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-what\"{facts}>\
                 <title id=\"{id}-title\">{title}</title><desc id=\"{id}-what\">{description}</desc>"
            ));
        }
        out.push_str(&format!(
            "<defs><pattern id=\"{id}pending\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"6\" fill=\"{}\" fill-opacity=\"0.3\"/>\
             </pattern></defs><rect {size} fill=\"{}\"/>\n",
            paper.palette.pending, paper.palette.background,
        ));
        Self { out, id }
    }

    /// The fill with one of the drawing's own patterns.
    pub(super) fn fill(&self, name: &str) -> String {
        format!("fill=\"url(#{}{name})\"", self.id)
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    /// The two gradients that lead away from a threshold.
    pub(super) fn gradients(&mut self, color: &str) {
        for (id, from, until) in [("above", "1", "0"), ("below", "0", "1")] {
            let name = self.id;
            self.push(&format!(
                "<defs><linearGradient id=\"{name}{id}\" x1=\"0\" x2=\"0\" y1=\"{from}\" y2=\"{until}\">\
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

    /// What follows, up to [`Canvas::end_group`], is one thing, with a name for the pointer.
    pub(super) fn begin_group(&mut self, attributes: &str, name: &str) {
        self.push(&format!("<g{attributes}><title>{}</title>", escape(name)));
    }

    pub(super) fn end_group(&mut self) {
        self.push("</g>");
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
