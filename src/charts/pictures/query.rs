//! Pictures of any expression, for who follows a signed link in a message, a runbook or a wiki.
//!
//! ```text
//!   /render/query.png?expr=<expression>&range=<ms>[&end=<ms>][&step=<ms>]&theme=light|dark&token=<token>     or .svg
//! ```
//!
//! Without an end the picture is of the time in which it is asked for, drawn anew every [`FRESH`].

use std::sync::Arc;
use std::time::Duration;

use super::{LINK_LIFETIME, PictureError, Pictures, SCALE, TIMEOUT};
use crate::charts::alert::{ChartError, Sight};
use crate::charts::course::{self, Wish};
use crate::charts::metrics::Outcome;
use crate::charts::png::Painter;
use crate::charts::svg;
use crate::charts::theme::Theme;
use crate::clock::Stopwatch;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::ValueType;
use crate::promql::eval::{Deadline, QueryRange};
use crate::promql::{parser, support, typecheck};

/// How long a picture without an end stays as it is.
pub const FRESH: Duration = Duration::from_secs(15);
/// What a signature is for.
const PURPOSE: &str = "query picture";
/// The longest expression that a link carries, in bytes.
const LONGEST: usize = 4000;
/// The most values of a line.
const POINTS: i64 = 2000;

/// What a picture is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Pixels.
    Png,
    /// Shapes.
    Svg,
}

impl Format {
    /// By the name of the file.
    pub fn of_file(file: &str) -> Option<Self> {
        match file {
            "query.png" => Some(Self::Png),
            "query.svg" => Some(Self::Svg),
            _ => None,
        }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Png => "query.png",
            Self::Svg => "query.svg",
        }
    }
}

/// A picture's own name: which expression, which time, in which form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryAddress {
    /// The expression.
    pub expression: String,
    /// How far back, in milliseconds.
    pub range_ms: i64,
    /// The right edge; the time of the asking where absent.
    pub end: Option<Timestamp>,
    /// Between values, in milliseconds; what fits where absent.
    pub step_ms: Option<i64>,
    /// Light or dark.
    pub theme: Theme,
    /// PNG or SVG.
    pub format: Format,
}

impl QueryAddress {
    /// The path with its parameters, without the token: what is signed.
    fn text(&self) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs
            .append_pair("expr", &self.expression)
            .append_pair("range", &self.range_ms.to_string());
        if let Some(end) = self.end {
            pairs.append_pair("end", &end.millis().to_string());
        }
        if let Some(step_ms) = self.step_ms {
            pairs.append_pair("step", &step_ms.to_string());
        }
        let theme = match self.theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        pairs.append_pair("theme", theme);
        format!("/render/{}?{}", self.format.file(), pairs.finish())
    }

    fn window(&self, now: Timestamp) -> Option<QueryRange> {
        let fresh_ms = i64::try_from(FRESH.as_millis()).unwrap_or(1);
        let end_ms = match self.end {
            Some(end) => end.millis(),
            None => now.millis() / fresh_ms * fresh_ms,
        };
        let fitting = (self.range_ms / 240).max(1000) / 1000 * 1000;
        let step_ms = self.step_ms.unwrap_or(fitting);
        let steps = self.range_ms.checked_div(step_ms)?;
        let is_drawable = self.range_ms > 0 && step_ms > 0 && (1..=POINTS).contains(&steps);
        is_drawable.then(|| QueryRange {
            start_ms: end_ms.saturating_sub(steps * step_ms),
            end_ms,
            step_ms,
        })
    }
}

impl Pictures {
    /// The path of an expression's picture; `None` where pictures are off, or it has none: too long, no vector, too many
    /// values.
    pub fn query_link(&self, address: &QueryAddress, now: Timestamp) -> Option<String> {
        let is_drawable = self.config().enabled
            && address.expression.len() <= LONGEST
            && address.window(now).is_some();
        if !is_drawable {
            return None;
        }
        let text = address.text();
        let signer = &self.0.with.signer;
        let token = signer.sign(PURPOSE, &text, now + LINK_LIFETIME);
        Some(format!("{text}&token={token}"))
    }

    /// The picture that a signed link names.
    ///
    /// # Errors
    /// Where the link is not ours or too old, there is nothing to draw, or it takes too long.
    pub async fn of_query(
        &self,
        address: QueryAddress,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<[u8]>, PictureError> {
        // Not counted: what others make up says nothing about our pictures.
        let signer = &self.0.with.signer;
        signer.verify(PURPOSE, &address.text(), token, now)?;
        let outcome = self.query_picture(address, now).await;
        self.counted(outcome)
    }

    async fn query_picture(
        &self,
        address: QueryAddress,
        now: Timestamp,
    ) -> Result<(Arc<[u8]>, Outcome), PictureError> {
        if !self.config().enabled {
            return Err(PictureError::Disabled);
        }
        let Some(window) = address.window(now) else {
            return Err(PictureError::Query("there are too many values".to_owned()));
        };
        let key = format!("{}@{}", address.text(), window.end_ms);
        if let Some(picture) = self.0.cache.lock().get(&key) {
            return Ok((picture, Outcome::Cached));
        }
        let inner = Arc::clone(&self.0);
        let deadline = Deadline::after(TIMEOUT);
        let drawing = async {
            let Ok(place) = Arc::clone(&inner.places).acquire_owned().await else {
                return Err(PictureError::Timeout);
            };
            if let Some(picture) = inner.cache.lock().get(&key) {
                return Ok((picture, Outcome::Cached));
            }
            let work = tokio::task::spawn_blocking(move || {
                let drawn = inner.draw_query(&address, window, &deadline);
                let drawn = drawn.map(|picture| {
                    let picture: Arc<[u8]> = picture.into();
                    inner.keep(key, &picture);
                    (picture, Outcome::Drawn)
                });
                drop(place);
                drawn
            });
            work.await.unwrap_or(Err(PictureError::Panicked))
        };
        match tokio::time::timeout(TIMEOUT, drawing).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PictureError::Timeout),
        }
    }
}

impl super::Inner {
    /// Evaluates and draws. Blocking.
    fn draw_query(
        &self,
        address: &QueryAddress,
        range: QueryRange,
        deadline: &Deadline,
    ) -> Result<Vec<u8>, PictureError> {
        let stopwatch = Stopwatch::start();
        let text = &address.expression;
        let wrong = |message: String| PictureError::Query(message);
        let expr = parser::parse(text).map_err(|error| wrong(error.to_string()))?;
        support::check(&expr).map_err(|error| wrong(error.to_string()))?;
        if !matches!(
            typecheck::type_of(&expr),
            ValueType::Scalar | ValueType::Vector
        ) {
            return Err(wrong("a range vector or a text has no course".to_owned()));
        }
        let sight = Sight {
            storage: &self.with.storage,
            engine: &self.with.engine,
            deadline,
            external_labels: &[],
        };
        let wish = Wish {
            text,
            expr: &expr,
            range,
            alerts: &[],
        };
        let course = course::evaluate(&wish, sight).map_err(ChartError::Evaluation)?;
        let drawing = svg::draw(&course.chart(&wish), address.theme);
        let picture = match address.format {
            Format::Svg => drawing.into_bytes(),
            Format::Png => Painter::new().png(&drawing, SCALE)?,
        };
        self.with.metrics.took(stopwatch.elapsed());
        Ok(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> QueryAddress {
        QueryAddress {
            expression: "up > 0".to_owned(),
            range_ms: 3_600_000,
            end: None,
            step_ms: None,
            theme: Theme::Dark,
            format: Format::Svg,
        }
    }

    #[test]
    fn an_address_names_all_that_is_drawn() {
        assert_eq!(
            address().text(),
            "/render/query.svg?expr=up+%3E+0&range=3600000&theme=dark"
        );
        let fixed = QueryAddress {
            end: Some(Timestamp::from_millis(5)),
            step_ms: Some(7),
            format: Format::Png,
            ..address()
        };
        assert_eq!(
            fixed.text(),
            "/render/query.png?expr=up+%3E+0&range=3600000&end=5&step=7&theme=dark"
        );
    }

    #[test]
    fn without_an_end_the_picture_is_of_the_last_quarter_of_a_minute() {
        let end = |now| {
            let window = address().window(Timestamp::from_millis(now)).unwrap();
            assert_eq!(
                (window.end_ms - window.start_ms, window.step_ms),
                (3_600_000, 15_000)
            );
            window.end_ms
        };
        assert_eq!(end(1_795_165_200_000), end(1_795_165_214_999));
        assert_ne!(end(1_795_165_200_000), end(1_795_165_215_000));
        for (range_ms, step_ms) in [
            (0, None),
            (-5, None),
            (i64::MAX, Some(1)),
            (5, Some(0)),
            (5, Some(-1)),
        ] {
            let wrong = QueryAddress {
                range_ms,
                step_ms,
                ..address()
            };
            assert_eq!(
                wrong.window(Timestamp::from_millis(0)).map(|_| ()),
                None,
                "{range_ms}"
            );
        }
    }
}
