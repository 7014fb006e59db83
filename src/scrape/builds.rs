//! Finding the target's own build info in its body, before the body is appended.

use crate::enrich::build;
use crate::exposition::format::Format;
use crate::exposition::labels::LabelBuf;
use crate::exposition::{Entry, Parser};
use crate::model::labels::METRIC_NAME;

/// The wanted labels of the first series that tells of the target's own build; empty where there is none.
pub(super) fn find(body: &[u8], wanted: &[String]) -> Vec<(String, String)> {
    let finder = memchr::memmem::Finder::new(build::SUFFIX);
    let mut labels = LabelBuf::new();
    for at in finder.find_iter(body) {
        let start = memchr::memrchr(b'\n', &body[..at]).map_or(0, |newline| newline + 1);
        let line = &body[start..];
        let line = &line[..memchr::memchr(b'\n', line).map_or(line.len(), |end| end + 1)];
        if line.starts_with(b"#") {
            continue;
        }
        // A line alone is a whole text body; OpenMetrics differs in nothing that matters here.
        let mut parser = Parser::new(line, Format::PrometheusText);
        let Ok(Some(Entry::Sample(sample))) = parser.next_entry() else {
            continue;
        };
        if sample.value != 1.0 || sample.labels(&mut labels).is_err() {
            continue;
        }
        if build::is_build_info(labels.get(METRIC_NAME).unwrap_or_default()) {
            return build::select(wanted, labels.iter());
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_build_of_the_target_itself_counts() {
        let body = b"# HELP shop_build_info x\n# TYPE shop_build_info gauge\ngo_build_info{version=\"0\"} 1\nshop_build_info{version=\"1.2\",revision=\"a\"} 1\nother_build_info{version=\"3\"} 1\n";
        let wanted = ["version".to_owned()];
        let found = find(body, &wanted);
        assert_eq!(found, [("version".to_owned(), "1.2".to_owned())]);
        assert_eq!(find(b"a 1\n", &wanted), []);
    }
}
