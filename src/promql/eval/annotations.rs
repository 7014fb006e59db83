//! What a query's answer should be taken with: warnings and infos, in Prometheus's words, with their place in the text.

use super::super::ast::Span;

/// The remarks of one query, each once.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    warnings: Vec<(String, usize)>,
    infos: Vec<(String, usize)>,
    monotonicity: Vec<ForcedMonotonicity>,
}

/// Buckets of a histogram that had to be raised, over all its samples.
#[derive(Clone, Debug)]
pub(super) struct ForcedMonotonicity {
    /// Where the histogram stands in the query.
    pub(super) place: usize,
    /// Lowest and highest bound of the buckets concerned.
    pub(super) buckets: (f64, f64),
    /// By how much at most.
    pub(super) difference: f64,
    /// The first and the last time.
    pub(super) times_ms: (i64, i64),
    /// At how many samples.
    pub(super) count: usize,
}

impl Annotations {
    pub(super) fn warn(&mut self, span: &Span, text: String) {
        add(&mut self.warnings, span.start, text);
    }

    pub(super) fn inform(&mut self, span: &Span, text: String) {
        add(&mut self.infos, span.start, text);
    }

    pub(super) fn forced_monotonicity(&mut self, new: ForcedMonotonicity) {
        let known = self
            .monotonicity
            .iter_mut()
            .find(|known| known.place == new.place);
        match known {
            None => self.monotonicity.push(new),
            Some(known) => {
                known.buckets.0 = known.buckets.0.min(new.buckets.0);
                known.buckets.1 = known.buckets.1.max(new.buckets.1);
                known.difference = known.difference.max(new.difference);
                known.times_ms.0 = known.times_ms.0.min(new.times_ms.0);
                known.times_ms.1 = known.times_ms.1.max(new.times_ms.1);
                known.count += new.count;
            }
        }
    }

    /// How many remarks there are.
    pub(super) fn count(&self) -> usize {
        self.warnings.len() + self.infos.len() + self.monotonicity.len()
    }

    /// Warnings and infos as sentences about the query `text`.
    pub(super) fn finish(self, text: &str) -> (Vec<String>, Vec<String>) {
        let mut infos = self.infos;
        for forced in self.monotonicity {
            infos.push((forced.to_string(), forced.place));
        }
        (
            sentences(self.warnings, "PromQL warning", text),
            sentences(infos, "PromQL info", text),
        )
    }
}

impl std::fmt::Display for ForcedMonotonicity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::model::go_float::format_general;
        let time = |millis: i64| {
            crate::model::timestamp::Timestamp::from_millis(millis / 1000 * 1000)
                .to_rfc3339()
                .replace(".000Z", "Z")
        };
        write!(
            f,
            "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/\
             prometheus/latest/querying/functions/#histogram_quantile), from buckets {} to {}, with a max diff of {}, \
             over {} samples from {} to {}",
            format_general(self.buckets.0),
            format_general(self.buckets.1),
            two_digits(self.difference),
            self.count,
            time(self.times_ms.0),
            time(self.times_ms.1),
        )
    }
}

/// `%.2g`.
fn two_digits(value: f64) -> String {
    let rounded = format!("{value:.1e}").parse().unwrap_or(value);
    if rounded >= 100.0 {
        let text = format!("{rounded:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{digits}e+{exponent:0>2}");
    }
    crate::model::go_float::format_general(rounded)
}

fn add(list: &mut Vec<(String, usize)>, place: usize, text: String) {
    if !list
        .iter()
        .any(|(known, at)| *at == place && *known == text)
    {
        list.push((text, place));
    }
}

fn sentences(list: Vec<(String, usize)>, kind: &str, text: &str) -> Vec<String> {
    list.into_iter()
        .map(|(sentence, place)| {
            let (line, column) = line_and_column(text, place);
            format!("{kind}: {sentence} ({line}:{column})")
        })
        .collect()
}

fn line_and_column(text: &str, place: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..place.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (line, before.len() - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_carry_line_and_column_and_are_made_once() {
        let mut annotations = Annotations::default();
        let text = "rate(\n  x[5m])";
        annotations.inform(&(8..13), "odd".to_owned());
        annotations.inform(&(8..13), "odd".to_owned());
        annotations.warn(&(0..4), "bad".to_owned());
        assert_eq!(
            annotations.finish(text),
            (
                vec!["PromQL warning: bad (1:1)".to_owned()],
                vec!["PromQL info: odd (2:3)".to_owned()]
            )
        );
    }

    #[test]
    fn forced_monotonicity_is_summed_up_over_samples() {
        let forced = |difference, time| ForcedMonotonicity {
            place: 0,
            buckets: (2.5, 100.0),
            difference,
            times_ms: (time, time),
            count: 1,
        };
        let mut annotations = Annotations::default();
        annotations.forced_monotonicity(forced(7.5, 1_733_011_200_000));
        annotations.forced_monotonicity(forced(10.0, 1_703_462_400_000));
        let (_, infos) = annotations.finish("x");
        assert!(
            infos[0].ends_with(
                "from buckets 2.5 to 100, with a max diff of 10, over 2 samples from \
                 2023-12-25T00:00:00Z to 2024-12-01T00:00:00Z (1:1)"
            ),
            "{infos:?}"
        );
        assert_eq!(two_digits(1234.0), "1.2e+03");
        assert_eq!(two_digits(0.01), "0.01");
    }
}
