//! Unit tests of rules, run as their users run them.

use std::path::Path;

use crate::support::outrigger::run_to_end;
use crate::support::place::Place;

/// Exit code, standard output and standard error of `outrigger test rules`.
fn test_rules(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments: Vec<&str> = ["test", "rules"]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let output = run_to_end(directory, &arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_shipped_rules_pass_their_tests() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(repository.join("tests/rules"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let (code, said, complaint) = test_rules(repository, &files);
    assert_eq!(code, Some(0), "{complaint}");
    assert_eq!(said.matches("  SUCCESS\n").count(), files.len());
}

const RULES: &str = "groups: [{name: g, owner: me, rules: [{alert: Up, expr: up == 1}]}]\n";
const TESTS: &str = "rule_files: ['*_rules.yml']
tests:
- name: right
  input_series: [{series: up, values: 1}]
  alert_rule_test: [{alertname: Up, exp_alerts: [{}]}]
- name: wrong
  input_series: [{series: up, values: 1}]
  promql_expr_test: [{expr: up, exp_samples: [{labels: up, value: 2}]}]
";

#[test]
fn options_choose_tests_and_how_they_are_told() {
    let place = Place::new();
    place.write("a_rules.yml", RULES);
    place.write("a_test.yml", TESTS);
    let run = |arguments: &[&str]| test_rules(place.path(), arguments);

    let (code, _, complaint) = run(&["a_test.yml"]);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("a_rules.yml:1:20: groups[0].owner: unknown key \"owner\""),
        "{complaint}"
    );
    let lenient = "--ignore-unknown-fields";
    let (code, _, complaint) = run(&[lenient, "a_test.yml"]);
    assert_eq!(code, Some(1));
    let wanted =
        "a_test.yml:8:22: wrong: \"up\" at 0s\n    exp:\n        up 2\n    got:\n        up 1\n";
    assert!(complaint.contains(wanted), "{complaint}");
    let (code, _, complaint) = run(&[lenient, "--diff", "a_test.yml"]);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("at 0s\n    - up 2\n    + up 1\n"),
        "{complaint}"
    );
    let (code, said, complaint) = run(&[lenient, "--run", "^r", "--run", "^x", "a_test.yml"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "Unit Testing:  a_test.yml\n  SUCCESS\n\n"),
        "{complaint}"
    );
    let (_, _, complaint) = run(&[lenient, "--debug", "--run", "right", "a_test.yml"]);
    let wanted = "ALERTS{alertname=\"Up\", alertstate=\"firing\"} =>\n1 @[0]\n";
    assert!(complaint.contains(wanted), "{complaint}");

    let (code, _, _) = run(&[lenient, "--junit", "out.xml", "a_test.yml"]);
    assert_eq!(code, Some(1));
    let xml = std::fs::read_to_string(place.join("out.xml")).unwrap();
    assert!(
        xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""),
        "{xml}"
    );
}

#[test]
fn files_that_are_missing_or_wrong_fail() {
    let place = Place::new();
    place.write("named_test.yml", "rule_files: [missing.yml]\n");
    place.write("pattern_test.yml", "rule_files: ['missing*.yml']\n");
    place.write("wrong_test.yml", "testss: []\ntests: [{intervall: 1m}]\n");
    let check = |file: &str, code: i32, wanted: &str| {
        let (exit, _, complaint) = test_rules(place.path(), &[file]);
        assert_eq!(exit, Some(code), "{complaint}");
        assert!(complaint.contains(wanted), "{complaint}");
    };
    check("nowhere_test.yml", 1, "nowhere_test.yml: open file: ");
    check("named_test.yml", 1, "missing.yml: open file: ");
    check(
        "pattern_test.yml",
        0,
        "WARNING: no file matches missing*.yml",
    );
    check("wrong_test.yml", 1, "did you mean \"tests\"?");
    check("wrong_test.yml", 1, "did you mean \"interval\"?");
}

#[test]
fn rule_files_alone_are_checked() {
    let place = Place::new();
    place.write("good.yml", &RULES.replace("owner: me, ", ""));
    place.write("unknown.yml", RULES);
    place.write(
        "bad.yml",
        "groups: [{name: g, rules: [{alert: A}, {record: r, expr: 'up['}]}]\n",
    );
    let check = |arguments: &[&str], code: i32, wanted: &[&str]| {
        let arguments = [&["check", "rules"], arguments].concat();
        let output = run_to_end(place.path(), &arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for wanted in wanted {
            assert!(said.contains(wanted), "{said}\nlacks\n{wanted}");
        }
    };
    let good = "SUCCESS: 1 alerting and 0 recording rules in 1 groups";
    check(&["good.yml"], 0, &[good]);
    check(&["unknown.yml"], 2, &["unknown key \"owner\""]);
    check(&["--ignore-unknown-fields", "unknown.yml"], 0, &[good]);
    check(
        &["good.yml", "bad.yml"],
        2,
        &[good, "missing key \"expr\"", "bad PromQL", "2 mistakes"],
    );
    place.write(
        "twice.yml",
        "groups: [{name: g, rules: [{alert: A, expr: up}, {alert: A, expr: up}]}]\n",
    );
    let warning =
        "warning: twice.yml:1:50: groups[0].rules[1]: rule \"A\" repeats the one on line 1";
    check(&["twice.yml"], 0, &[warning, "SUCCESS: 2 alerting"]);
    check(&["missing.yml"], 2, &["missing.yml: open file: "]);
}
