//! JUnit XML, which CI systems read. Only what a test of rules needs.
//!
//! <https://llg.cubic.org/docs/junit/>

use std::time::Duration;

/// The results of one file.
#[derive(Debug, Default)]
pub(super) struct Suite {
    /// The file.
    pub(super) name: String,
    /// Why none of its tests ran.
    pub(super) error: Option<String>,
    /// The tests that ran.
    pub(super) cases: Vec<Case>,
}

/// The result of one test.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name.
    pub(super) name: String,
    /// How long it took.
    pub(super) elapsed: Duration,
    /// What went wrong; empty where it passed.
    pub(super) failures: Vec<String>,
}

impl Suite {
    /// Whether everything passed.
    pub(super) fn is_good(&self) -> bool {
        self.error.is_none() && self.cases.iter().all(|case| case.failures.is_empty())
    }
}

/// Writes the results.
pub(super) fn to_xml(suites: &[Suite]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        let failed = suite.cases.iter().filter(|case| !case.failures.is_empty());
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
            escaped(&suite.name),
            suite.cases.len(),
            failed.count(),
            u8::from(suite.error.is_some()),
        ));
        for case in &suite.cases {
            out.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">\n",
                escaped(&suite.name),
                escaped(&case.name),
                case.elapsed.as_secs_f64(),
            ));
            for failure in &case.failures {
                let first = failure.lines().next().unwrap_or_default();
                out.push_str(&format!(
                    "      <failure message=\"{}\">{}</failure>\n",
                    escaped(first),
                    escaped(failure)
                ));
            }
            out.push_str("    </testcase>\n");
        }
        if let Some(error) = &suite.error {
            out.push_str(&format!(
                "    <testcase classname=\"{0}\" name=\"load\">\n      <error>{1}</error>\n    </testcase>\n",
                escaped(&suite.name),
                escaped(error)
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for content and attributes; what XML cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if u32::from(c) < 0x20 && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_with_their_counts() {
        let case = |name: &str, failures: &[&str]| Case {
            name: name.to_owned(),
            elapsed: Duration::from_millis(1500),
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
        };
        let suites = [
            Suite {
                name: "a.yml".to_owned(),
                error: None,
                cases: vec![case("good", &[]), case("<bad>", &["x \"1\"\n\u{1}y"])],
            },
            Suite {
                name: "b.yml".to_owned(),
                error: Some("unreadable".to_owned()),
                cases: Vec::new(),
            },
        ];
        assert!(!suites[0].is_good());
        let want = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="a.yml" tests="2" failures="1" errors="0">
    <testcase classname="a.yml" name="good" time="1.500">
    </testcase>
    <testcase classname="a.yml" name="&lt;bad&gt;" time="1.500">
      <failure message="x &quot;1&quot;">x &quot;1&quot;&#10;�y</failure>
    </testcase>
  </testsuite>
  <testsuite name="b.yml" tests="0" failures="0" errors="1">
    <testcase classname="b.yml" name="load">
      <error>unreadable</error>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(to_xml(&suites), want);
    }
}
