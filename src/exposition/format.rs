//! Which of the two text formats a target answers in.
//!
//! Protobuf is neither asked for nor recognised: the text formats carry all that the sidecar keeps.

/// The `Accept` header of a scrape: what Prometheus 3 sends by default (OpenMetrics first, anything as a last resort;
/// UTF-8 names unescaped), see <https://prometheus.io/docs/instrumenting/content_negotiation/>.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
    text/plain;version=0.0.4;q=0.3,\
    */*;q=0.2";

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
    /// The format a `Content-Type` names. A missing, malformed or unknown one falls back to the text format, which
    /// nearly every such target speaks.
    pub fn from_content_type(content_type: Option<&str>) -> Self {
        content_type
            .and_then(Self::recognise)
            .unwrap_or(Self::PrometheusText)
    }

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
            (None, PrometheusText),
            (Some(""), PrometheusText),
            (Some("text/plain"), PrometheusText),
            (
                Some("text/plain; version=0.0.4; charset=utf-8"),
                PrometheusText,
            ),
            (Some("application/openmetrics-text"), OpenMetrics),
            (
                Some(
                    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
                ),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;version=\"1.0.0\";"),
                OpenMetrics,
            ),
            (
                Some("APPLICATION/OpenMetrics-Text ; version=0.0.1"),
                OpenMetrics,
            ),
            (
                Some("application/openmetrics-text; version"),
                PrometheusText,
            ),
            (Some("application/openmetrics-text; a b=1"), PrometheusText),
            (Some("application/openmetrics-textual"), PrometheusText),
            (Some("text/html"), PrometheusText),
            (Some("application/vnd.google.protobuf"), PrometheusText),
        ] {
            assert_eq!(
                Format::from_content_type(content_type),
                format,
                "{content_type:?}"
            );
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
