//! Which of the two text formats a target answers in.
//!
//! Protobuf is neither asked for nor recognised: the text formats carry all that the sidecar keeps.

/// An exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Prometheus text format 0.0.4 (and 1.0.0, which adds quoted UTF-8 names):
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    #[default]
    PrometheusText,
    /// OpenMetrics 1.0: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    OpenMetrics,
}

impl Format {
    /// The format a `Content-Type` names, or `None` when it names none that is known.
    pub fn recognise(content_type: &str) -> Option<Self> {
        let mut parts = content_type.split(';');
        let media_type = parts.next().unwrap_or_default().trim();
        if !parts.all(is_parameter) {
            return None;
        }
        if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
            Some(Self::OpenMetrics)
        } else if media_type.eq_ignore_ascii_case("text/plain") {
            Some(Self::PrometheusText)
        } else {
            None
        }
    }

    /// `openmetrics` or `prometheus-text`: the spelling of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusText => "prometheus-text",
            Self::OpenMetrics => "openmetrics",
        }
    }

    /// The reverse of [`Format::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::PrometheusText, Self::OpenMetrics]
            .into_iter()
            .find(|format| format.as_str() == name)
    }
}

/// `name=value` or `name="value"` of a media type; a trailing `;` is forgiven.
fn is_parameter(text: &str) -> bool {
    let text = text.trim();
    let token = |text: &str| {
        !text.is_empty() && !text.contains(|c: char| c.is_ascii_whitespace() || "\"=,".contains(c))
    };
    text.is_empty()
        || text.split_once('=').is_some_and(|(name, value)| {
            let unquoted = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            token(name) && unquoted.map_or_else(|| token(value), |inner| !inner.contains('"'))
        })
}

#[cfg(test)]
mod tests {
    use super::Format::{self, OpenMetrics, PrometheusText};

    #[test]
    fn content_types_choose_the_format() {
        for (content_type, format) in [
            ("", None),
            ("text/plain", Some(PrometheusText)),
            (
                "text/plain; version=0.0.4; charset=utf-8",
                Some(PrometheusText),
            ),
            ("application/openmetrics-text", Some(OpenMetrics)),
            (
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
                Some(OpenMetrics),
            ),
            (
                "application/openmetrics-text;version=\"1.0.0\";",
                Some(OpenMetrics),
            ),
            (
                "APPLICATION/OpenMetrics-Text ; version=0.0.1",
                Some(OpenMetrics),
            ),
            ("application/openmetrics-text; version", None),
            ("application/openmetrics-text; a b=1", None),
            ("application/openmetrics-textual", None),
            ("text/html", None),
            ("application/vnd.google.protobuf", None),
        ] {
            assert_eq!(Format::recognise(content_type), format, "{content_type:?}");
        }
    }

    #[test]
    fn names_round_trip() {
        for format in [PrometheusText, OpenMetrics] {
            assert_eq!(Format::from_name(format.as_str()), Some(format));
        }
        assert_eq!(Format::from_name("protobuf"), None);
    }
}
