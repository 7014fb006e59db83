//! Colours, light and dark.
//!
//! Series take those of Okabe and Ito, which people who see no red or no green can tell apart
//! (<https://jfly.uni-koeln.de/color/>), each darkened or lightened until it stands out from the background. What must
//! not be missed is never colour alone: pending is hatched, the threshold is dashed, the end has a number.

/// Light or dark.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Theme {
    /// Dark on white: messages.
    #[default]
    Light,
    /// Light on black.
    Dark,
}

/// The colours of a theme.
#[derive(Debug)]
pub struct Palette {
    /// Behind everything.
    pub background: &'static str,
    /// The headline.
    pub text: &'static str,
    /// Labels and legend.
    pub muted: &'static str,
    /// Lines of the grid.
    pub grid: &'static str,
    /// The zero line and ticks.
    pub axis: &'static str,
    /// The line that the chart is about.
    pub strong: &'static str,
    /// Lines for comparison.
    pub pale: &'static str,
    /// The threshold.
    pub threshold: &'static str,
    /// While pending.
    pub pending: &'static str,
    /// While firing.
    pub firing: &'static str,
    /// A badge that something is bad; white text stands on it.
    pub bad: &'static str,
    /// A badge that all is well; white text stands on it.
    pub good: &'static str,
    /// Lines in colours of their own.
    pub series: [&'static str; 8],
}

impl Theme {
    /// Reads `light` or `dark`.
    ///
    /// # Errors
    /// Any other word.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "light" => Ok(Self::Light),
            "dark" => Ok(Self::Dark),
            other => Err(format!("unknown theme {other:?}")),
        }
    }

    /// Its colours.
    pub const fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
        }
    }
}

static LIGHT: Palette = Palette {
    background: "#ffffff",
    text: "#1b2027",
    muted: "#5d6673",
    grid: "#e9ecf0",
    axis: "#c5ccd5",
    strong: "#0067ac",
    pale: "#b4bdc9",
    threshold: "#b3261e",
    pending: "#e69f00",
    firing: "#d55e00",
    bad: "#c4321c",
    good: "#0b7a57",
    series: [
        "#0072b2", "#d98200", "#008f68", "#b8578f", "#2f9fdc", "#c44f00", "#6a5acd", "#7a7300",
    ],
};

static DARK: Palette = Palette {
    background: "#14181e",
    text: "#eceff3",
    muted: "#9aa5b3",
    grid: "#252c36",
    axis: "#3f4a58",
    strong: "#5cbcf2",
    pale: "#4d5969",
    threshold: "#ff8a75",
    pending: "#f0b429",
    firing: "#ff7a33",
    bad: "#c4321c",
    good: "#0b7a57",
    series: [
        "#56b4e9", "#f0a830", "#2fc79b", "#df8fc0", "#4f9be0", "#ff8652", "#a79bff", "#d6cc3c",
    ],
};

/// On a page the style sheet has the colours (`--chart-*`), so that a chart follows the page's theme.
pub static PAGE: Palette = Palette {
    background: "var(--chart-back)",
    text: "var(--chart-text)",
    muted: "var(--chart-muted)",
    grid: "var(--chart-grid)",
    axis: "var(--chart-axis)",
    strong: "var(--chart-strong)",
    pale: "var(--chart-pale)",
    threshold: "var(--chart-threshold)",
    pending: "var(--chart-pending)",
    firing: "var(--chart-firing)",
    bad: "var(--bad)",
    good: "var(--good)",
    series: [
        "var(--chart-1)",
        "var(--chart-2)",
        "var(--chart-3)",
        "var(--chart-4)",
        "var(--chart-5)",
        "var(--chart-6)",
        "var(--chart-7)",
        "var(--chart-8)",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance: <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>.
    fn luminance(color: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&color[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out_from_the_background() {
        for theme in [Theme::Light, Theme::Dark] {
            let palette = theme.palette();
            for text in [
                palette.text,
                palette.muted,
                palette.threshold,
                palette.strong,
            ] {
                assert!(
                    contrast(text, palette.background) >= 4.5,
                    "{theme:?} text {text}"
                );
            }
            for line in palette.series {
                assert!(
                    contrast(line, palette.background) >= 2.8,
                    "{theme:?} line {line}: {}",
                    contrast(line, palette.background)
                );
            }
            for badge in [palette.bad, palette.good] {
                assert!(contrast("#ffffff", badge) >= 4.5, "{theme:?} badge {badge}");
            }
        }
    }
}
