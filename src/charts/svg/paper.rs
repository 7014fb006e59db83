//! What a chart is drawn on: a picture of its own, or a place on a page.

use crate::charts::theme::{PAGE, Palette, Theme};

/// Size, colours, and what is drawn beside the lines.
#[derive(Clone, Copy, Debug)]
pub struct Paper<'a> {
    /// Pixels across, at scale 1.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// In front of the names of its parts, so that several charts stand on one page; empty for a picture.
    pub(super) id: &'a str,
    pub(super) palette: &'static Palette,
    /// Whether it is a picture: with headline, badge and legend.
    pub(super) is_picture: bool,
    /// Left free at both sides.
    pub(super) margin: f64,
}

/// The picture of a chart that a page asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sheet {
    /// Its colours.
    pub theme: Theme,
    /// As wide as a phone, so that its words are as large as the text around it.
    pub small: bool,
}

impl Sheet {
    /// Pixels across and down of a small one.
    pub const SMALL_SIZE: (u32, u32) = (380, 340);
    /// What stands behind the theme's name in the address of a small one.
    pub const SMALL: &str = "-small";

    /// Reads `light`, `dark`, `light-small` or `dark-small`.
    pub fn parse(text: &str) -> Option<Self> {
        let (theme, small) = match text.strip_suffix(Self::SMALL) {
            Some(theme) => (theme, true),
            None => (text, false),
        };
        let theme = Theme::parse(theme).ok()?;
        Some(Self { theme, small })
    }

    /// What it is drawn on.
    pub fn paper(self) -> Paper<'static> {
        match self.small {
            true => Paper {
                width: Self::SMALL_SIZE.0,
                height: Self::SMALL_SIZE.1,
                margin: 10.0,
                ..Paper::picture(self.theme)
            },
            false => Paper::picture(self.theme),
        }
    }
}

impl<'a> Paper<'a> {
    /// A picture: with its headline and its legend, in colours of its own.
    pub const fn picture(theme: Theme) -> Self {
        Self {
            width: super::WIDTH,
            height: super::HEIGHT,
            id: "",
            palette: theme.palette(),
            is_picture: true,
            margin: 20.0,
        }
    }

    /// A place on a page as wide as a desk's screen. The page's own text says what is shown; its style sheet has the
    /// colours. `id` must be unique on the page and be made of letters, digits and `-`.
    pub const fn wide(id: &'a str) -> Self {
        Self::page(id, 960, 320)
    }

    /// The same on a phone: as wide as it is, so that its labels are as large as the text around it.
    pub const fn narrow(id: &'a str) -> Self {
        Self::page(id, 380, 260)
    }

    const fn page(id: &'a str, width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            id,
            palette: &PAGE,
            is_picture: false,
            margin: 6.0,
        }
    }

    /// The most points of a line that can be told apart.
    pub(super) fn points(&self) -> usize {
        usize::try_from(self.width)
            .unwrap_or(usize::MAX)
            .min(crate::charts::chart::MAX_POINTS)
    }

    pub(super) fn is_narrow(&self) -> bool {
        self.width < 500
    }

    pub(super) fn w(&self) -> f64 {
        f64::from(self.width)
    }

    pub(super) fn h(&self) -> f64 {
        f64::from(self.height)
    }
}
