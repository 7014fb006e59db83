//! SVG as PNG, with the embedded fonts alone: the same picture on every machine.

use std::sync::Arc;

use resvg::{tiny_skia, usvg};

/// Inter, cut down to Latin, Greek, Cyrillic and some symbols; licence in `assets/fonts/OFL.txt`.
const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");
/// The same in semi-bold, Latin alone.
const BOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");

/// The most pixels a picture may have.
const MAX_PIXELS: u32 = 8_000_000;
/// The most bytes a picture may have: a message must not grow without bound.
const MAX_BYTES: usize = 2 << 20;

/// Draws pictures; holds the fonts.
#[derive(Clone, Debug)]
pub struct Painter {
    fonts: Arc<usvg::fontdb::Database>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PaintError {
    /// The SVG cannot be read.
    #[error("read SVG: {0}")]
    Svg(#[from] usvg::Error),
    /// It would have too many pixels, or none.
    #[error("draw {width} x {height} pixels: at most {MAX_PIXELS}")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// It cannot be written.
    #[error("write PNG: {0}")]
    Encode(String),
    /// It has too many bytes.
    #[error("the picture has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
}

impl Painter {
    /// With the embedded fonts.
    pub fn new() -> Self {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(REGULAR.to_vec());
        fonts.load_font_data(BOLD.to_vec());
        fonts.set_sans_serif_family("Inter");
        Self {
            fonts: Arc::new(fonts),
        }
    }

    /// The picture of an SVG, `scale` pixels for each of its own. Blocking, for some milliseconds.
    ///
    /// # Errors
    /// Where the SVG is wrong, or the picture too large.
    pub fn png(&self, svg: &str, scale: f32) -> Result<Vec<u8>, PaintError> {
        let options = usvg::Options {
            fontdb: Arc::clone(&self.fonts),
            font_family: "Inter".to_owned(),
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_str(svg, &options)?;
        let size = tree.size().to_int_size();
        let (width, height) = (
            (size.width() as f32 * scale).round() as u32,
            (size.height() as f32 * scale).round() as u32,
        );
        let too_large = || PaintError::Size { width, height };
        if width
            .checked_mul(height)
            .is_none_or(|pixels| pixels > MAX_PIXELS)
        {
            return Err(too_large());
        }
        let mut pixels = tiny_skia::Pixmap::new(width, height).ok_or_else(too_large)?;
        let transform = tiny_skia::Transform::from_scale(scale, scale);
        resvg::render(&tree, transform, &mut pixels.as_mut());
        let png = pixels
            .encode_png()
            .map_err(|error| PaintError::Encode(error.to_string()))?;
        if png.len() > MAX_BYTES {
            return Err(PaintError::TooLarge(png.len()));
        }
        Ok(png)
    }
}

impl Default for Painter {
    fn default() -> Self {
        Self::new()
    }
}

/// Width and height in a PNG's header; `None` where it is none.
pub fn size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let (length_and_name, rest) = header.split_at_checked(8)?;
    if &length_and_name[4..] != b"IHDR" {
        return None;
    }
    let number = |at: usize| Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}
