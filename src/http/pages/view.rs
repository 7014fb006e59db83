//! What the templates share: bounded lists, times and numbers as people read them, classes of badges.

use std::cmp::Ordering;
use std::time::Duration;

use super::shell::Theme;
use crate::charts::svg::{self, paper::Sheet};
use crate::charts::text::escape;
use crate::model::alert::AlertState;
use crate::model::labels::Labels;
use crate::model::runbook_link;
use crate::model::timestamp::Timestamp;
use crate::model::words::turns;

/// The rows a list shows.
pub const MAX_ROWS: usize = 100;

/// The first rows of a list, and how many follow.
#[derive(Clone, Debug)]
pub struct Bounded<T> {
    /// At most [`MAX_ROWS`].
    pub rows: Vec<T>,
    /// How many are not shown.
    pub more: usize,
}

impl<T> Bounded<T> {
    /// Makes rows of the first items; the others are counted only.
    pub fn map<I: IntoIterator>(items: I, row: impl FnMut(I::Item) -> T) -> Self {
        let mut items = items.into_iter();
        let rows = items.by_ref().take(MAX_ROWS).map(row).collect();
        Self {
            rows,
            more: items.count(),
        }
    }
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            more: 0,
        }
    }
}

impl<T> FromIterator<T> for Bounded<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::map(items, |item| item)
    }
}

/// The first ones in an order, sorted, and how many others there are: of ten thousand ten are looked at.
pub(super) fn first_by<T>(
    mut all: Vec<T>,
    most: usize,
    order: impl Fn(&T, &T) -> Ordering,
) -> (Vec<T>, usize) {
    let more = all.len().saturating_sub(most);
    if more > 0 {
        all.select_nth_unstable_by(most, &order);
        all.truncate(most);
    }
    all.sort_unstable_by(order);
    (all, more)
}

/// One alert, on the status page and above its runbook.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// The `alertname` label.
    pub name: String,
    /// Pending or firing.
    pub state: AlertState,
    /// The `severity` label.
    pub severity: Option<String>,
    /// The other labels.
    pub labels: Vec<(String, String)>,
    /// The `summary` annotation.
    pub summary: Option<String>,
    /// The value as Prometheus writes it.
    pub value: String,
    /// When it became pending or firing.
    pub since: Timestamp,
    /// The `runbook_url` annotation; shown where it is a web address or a path.
    pub runbook: Option<String>,
    /// The rule's expression.
    pub expression: Option<String>,
}

impl AlertRow {
    /// Makes the link to a runbook here, below this external URL, name the alert. For the rows that are shown only.
    pub(super) fn lead_to_runbook(&mut self, here: &str) {
        let severity = self.severity.as_deref().map(|value| ("severity", value));
        let others = self.labels.iter().map(|(name, value)| (&**name, &**value));
        let labels = Labels::from_pairs(others.chain(severity));
        if let Some(link) = self.runbook.as_deref().and_then(|address| {
            let path = address.strip_prefix(here).unwrap_or(address);
            runbook_link::with_labels(path, "", &labels)
        }) {
            self.runbook = Some(link);
        }
    }
}

/// Where the query page shows this expression.
pub fn graph_link(expression: &str) -> String {
    let parameters = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("g0.expr", expression), ("g0.tab", "1")])
        .finish();
    format!("/graph?{parameters}")
}

/// The link, where it is a web address or a path of this site; none where it could be a script or another site in disguise.
pub(super) fn safe_link(link: &str) -> Option<&str> {
    let plain = !link.contains(|c: char| c == '\\' || c.is_control());
    let lower = link
        .get(..8)
        .unwrap_or(link.get(..7).unwrap_or(""))
        .to_ascii_lowercase();
    let web = lower.starts_with("https://") || lower.starts_with("http://");
    let path = link.starts_with('/') && !link.starts_with("//");
    (plain && (web || path)).then_some(link)
}

/// A text in a field of a form, which comes back as it is: what turns the direction of writing is written as a number, which
/// [`super::write`] leaves alone. This is HTML.
pub(super) fn field(text: &str) -> String {
    let Ok(escaped) = askama::filters::escape(text, askama::filters::Html);
    let escaped = escaped.to_string();
    if !escaped.contains(turns) {
        return escaped;
    }
    let mut out = String::with_capacity(escaped.len() + 16);
    for c in escaped.chars() {
        match turns(c) {
            true => out.push_str(&format!("&#x{:x};", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// The class of a severity's badge.
pub(super) fn severity_class(severity: &str) -> &'static str {
    match severity {
        "critical" => "bad",
        "warning" => "warn",
        "info" => "info",
        _ => "idle",
    }
}

pub(super) fn alert_class(state: &AlertState) -> &'static str {
    match state {
        AlertState::Firing => "bad",
        AlertState::Pending => "warn",
        AlertState::Inactive => "good",
    }
}

/// `3m 20s`: the two largest units, for times that have passed.
pub(super) fn rough(duration: &Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A chart that is there in both themes and in two sizes: in the theme of the page, or of the browser, and as wide as the screen.
/// `before` and `after` stand around the theme's name in its address. This is HTML.
pub(super) fn chart(before: &str, after: &str, alt: &str) -> String {
    picture((before, after), alt, r#" loading="lazy""#)
}

/// The same where it is the first thing to see, or is replaced by a newer one: it is loaded at once.
pub(super) fn chart_at_once(before: &str, after: &str, alt: &str) -> String {
    picture((before, after), alt, "")
}

fn picture((before, after): (&str, &str), alt: &str, loading: &str) -> String {
    let address = |theme: &str, size: &str| escape(&format!("{before}{theme}{size}{after}"));
    let mut out = String::from("<picture>");
    let mut source = |media: &str, theme: &str| {
        for (most, size, (wide, high)) in [
            (" and (max-width: 40rem)", Sheet::SMALL, Sheet::SMALL_SIZE),
            ("", "", (svg::WIDTH, svg::HEIGHT)),
        ] {
            let address = address(theme, size);
            out.push_str(&format!(
                r#"<source media="screen{media}{most}" srcset="{address}" width="{wide}" height="{high}">"#
            ));
        }
    };
    match super::shell::current().theme {
        Theme::Light => source("", "light"),
        // Paper is white.
        Theme::Dark => source("", "dark"),
        Theme::Auto => {
            source(" and (prefers-color-scheme: dark)", "dark");
            source("", "light");
        }
    }
    let (wide, high) = (svg::WIDTH, svg::HEIGHT);
    out.push_str(&format!(
        r#"<img class="chart" src="{}" width="{wide}" height="{high}"{loading} alt="{}"></picture>"#,
        address("light", ""),
        escape(alt)
    ));
    out
}

/// The time between two instants.
pub(super) fn lasted(from: &Timestamp, until: &Timestamp) -> String {
    rough(&until.since(*from))
}

/// `in the future` where the clock stepped back.
pub(super) fn ago(now: &Timestamp, then: &Timestamp) -> String {
    match now.millis().cmp(&then.millis()) {
        std::cmp::Ordering::Less => "in the future".to_owned(),
        _ => match now.since(*then) {
            passed if passed < Duration::from_secs(1) => "just now".to_owned(),
            passed => format!("{} ago", rough(&passed)),
        },
    }
}

/// How long ago, with the instant for machines and for the pointer. This is HTML.
pub(super) fn time(now: &Timestamp, then: &Timestamp) -> String {
    format!(
        r#"<time datetime="{}" title="{}">{}</time>"#,
        then.to_rfc3339(),
        clock_text(then),
        ago(now, then)
    )
}

/// The class of a silence's badge.
pub(super) fn silence_class(state: &str) -> &'static str {
    match state {
        "active" => "info",
        "pending" => "warn",
        _ => "idle",
    }
}

/// How far ahead an instant is, with the instant for machines and for the pointer. This is HTML.
pub(super) fn ahead(now: &Timestamp, then: &Timestamp) -> String {
    if then <= now {
        return time(now, then);
    }
    format!(
        r#"<time datetime="{}" title="{}">in {}</time>"#,
        then.to_rfc3339(),
        clock_text(then),
        rough(&then.since(*now))
    )
}

/// As [`time`]; a dash where there was none. This is HTML.
pub(super) fn maybe_time(now: &Timestamp, then: &Option<Timestamp>) -> String {
    then.as_ref()
        .map_or_else(|| "never".to_owned(), |then| time(now, then))
}

/// `2026-11-20 06:55:00 UTC`.
pub(super) fn clock_text(at: &Timestamp) -> String {
    let text = at.to_rfc3339();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) if text.len() == 24 => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// The instant for people and for machines. This is HTML.
pub(super) fn clock(at: &Timestamp) -> String {
    format!(
        r#"<time datetime="{}">{}</time>"#,
        at.to_rfc3339(),
        clock_text(at)
    )
}

/// As [`exact`]; a dash where there is none.
pub(super) fn took(duration: &Option<Duration>) -> String {
    duration.as_ref().map_or_else(|| "–".to_owned(), exact)
}

/// A measured time in three digits: `1.23 ms`.
pub(super) fn exact(duration: &Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        _ if duration.is_zero() => return "0 s".to_owned(),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        _ => return rough(duration),
    };
    let digits = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {unit}")
}

/// `12.3 kB`.
pub(super) fn bytes(bytes: &usize) -> String {
    match *bytes as f64 {
        bytes if bytes < 1e3 => format!("{bytes} B"),
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes => format!("{:.1} MB", bytes / 1e6),
    }
}

/// A number in groups of three.
pub(super) fn number(number: &u64) -> String {
    count(&Some(*number))
}

/// A number in groups of three; a dash where there is none.
pub(super) fn count(number: &Option<u64>) -> String {
    let Some(number) = number else {
        return "–".to_owned();
    };
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 target answers`, `3 targets answer`.
pub(super) fn several(count: &usize, one: &str, many: &str) -> String {
    format!("{count} {}", if *count == 1 { one } else { many })
}

/// What a bounded list does not show; nothing where it shows all. This is HTML.
pub(super) fn more(rest: &usize, noun: &str) -> String {
    match rest {
        0 => String::new(),
        1 => format!(r#"<p class="more">and 1 more {noun}</p>"#),
        // One of our nouns is its own plural.
        _ if noun.ends_with('s') => format!(r#"<p class="more">and {rest} more {noun}</p>"#),
        _ => format!(r#"<p class="more">and {rest} more {noun}s</p>"#),
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_comes_back_as_it_was_and_turns_nothing_on_its_way() {
        for (text, want) in [
            ("plain", "plain"),
            ("a\"<b>&'", "a&#34;&#60;b&#62;&#38;&#39;"),
            ("שלום", "שלום"),
            ("x\u{202e}gpj.exe\u{2069}", "x&#x202e;gpj.exe&#x2069;"),
        ] {
            assert_eq!(field(text), want);
        }
    }
}
