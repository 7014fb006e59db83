use super::*;

/// What only a quoted word may carry.
const HOSTILE: &str = r#"a'; reboot; "$(x)" \ `y` | .*"#;

fn values(instance: &str) -> Values {
    Values::of(&Labels::from_pairs([("instance", instance)]))
}

fn check(language: Language, text: &str, instance: &str, expected: &str) {
    assert_eq!(
        fill(language, text, &values(instance)),
        expected,
        "{text:?} with {instance:?}"
    );
}

#[test]
fn a_plain_value_is_put_in_anywhere_but_in_part_of_a_longer_word() {
    let plain = |text, expected| {
        for language in [Language::Shell, Language::Other] {
            check(language, text, "10.0.0.7:8080", expected);
        }
    };
    plain(
        "curl http://INSTANCE/metrics",
        "curl http://10.0.0.7:8080/metrics",
    );
    plain("ping -h HOST; INSTANCE", "ping -h 10.0.0.7; 10.0.0.7:8080");
    plain(
        "INSTANCES OF_INSTANCE instance xINSTANCE",
        "INSTANCES OF_INSTANCE instance xINSTANCE",
    );
    plain("POD stays", "POD stays");
    check(Language::Prose, "on INSTANCE.", "it's <b>", "on it's <b>.");
}

#[test]
fn a_value_in_a_command_is_one_word_or_is_not_put_in() {
    let quoted = r#"'a'\''; reboot; "$(x)" \ `y` | .*'"#;
    let sh = |text: &str, expected: &str| check(Language::Shell, text, HOSTILE, expected);
    sh("ping INSTANCE", &format!("ping {quoted}"));
    // Here quoting would not be certain: the word stays.
    for text in [
        "curl http://INSTANCE/metrics",
        "ping \"INSTANCE\"",
        "ping 'INSTANCE'",
        "ls # INSTANCE",
        "cat <<END\nINSTANCE\nEND",
        "x=$(ping INSTANCE)",
        "echo ${x} INSTANCE",
        "echo \\\n INSTANCE",
        "echo $'\\'' INSTANCE",
    ] {
        sh(text, text);
    }
    check(Language::Other, "- INSTANCE", HOSTILE, "- INSTANCE");
    // An option is no name of a pod.
    check(
        Language::Shell,
        "kubectl delete pod INSTANCE",
        "--all",
        "kubectl delete pod INSTANCE",
    );
    check(Language::Shell, "rm INSTANCE", "-rf /", "rm INSTANCE");
}

#[test]
fn a_value_in_an_expression_is_text_and_no_pattern() {
    let promql = |text: &str, expected: &str| check(Language::Promql, text, "a\".*\\'b", expected);
    promql(r#"up{instance="INSTANCE"}"#, r#"up{instance="a\".*\\'b"}"#);
    promql(r#"up{instance='INSTANCE'}"#, r#"up{instance='a".*\\\'b'}"#);
    promql("up{instance=`INSTANCE`}", "up{instance=`a\".*\\'b`}");
    promql(
        r#"up{instance=~"INSTANCE"}"#,
        r#"up{instance=~"a\"\\.\\*\\\\'b"}"#,
    );
    promql("up * INSTANCE", "up * INSTANCE");
    check(
        Language::Promql,
        "up{instance=`INSTANCE`}",
        "a`b",
        "up{instance=`INSTANCE`}",
    );
    check(
        Language::Shell,
        r#"outrigger query 'up{instance="INSTANCE"}'"#,
        "it's \"x\"",
        r#"outrigger query 'up{instance="it'\''s \"x\""}'"#,
    );
}

#[test]
fn filled_expressions_parse_and_ask_for_the_very_value() {
    use crate::promql::ast::ExprKind;
    for hostile in [
        HOSTILE,
        "\\",
        "\"",
        "'",
        "\\\"",
        "a\\\"} or up{x=\"",
        "{{x}}",
        "日本",
    ] {
        for form in [r#"up{instance="INSTANCE"}"#, "up{instance='INSTANCE'}"] {
            let filled = fill(Language::Promql, form, &values(hostile));
            let expr = crate::promql::parser::parse(&filled).unwrap();
            let ExprKind::Selector(selector) = &expr.kind else {
                panic!("{filled} is no selector");
            };
            let matcher = selector.matchers.iter().find(|m| m.name() == "instance");
            assert!(matcher.unwrap().matches(hostile), "{filled}");
        }
        let filled = fill(
            Language::Promql,
            r#"up{instance=~"INSTANCE"}"#,
            &values(hostile),
        );
        let expr = crate::promql::parser::parse(&filled).unwrap();
        let ExprKind::Selector(selector) = &expr.kind else {
            panic!("{filled} is no selector");
        };
        let matcher = selector
            .matchers
            .iter()
            .find(|m| m.name() == "instance")
            .unwrap();
        assert!(
            matcher.matches(hostile) && !matcher.matches("else"),
            "{filled}"
        );
    }
}

#[test]
fn a_shell_reads_a_filled_command_as_it_was_meant() {
    for hostile in [
        HOSTILE, "'", "''", "a b", "$HOME", "!x", "*", "~", "#", "\\'", "&& false",
    ] {
        for (form, expected) in [
            ("printf %s INSTANCE", hostile.to_owned()),
            (
                r#"printf %s 'up{instance="INSTANCE"}'"#,
                format!(
                    "up{{instance=\"{}\"}}",
                    hostile.replace('\\', r"\\").replace('"', "\\\"")
                ),
            ),
        ] {
            let command = fill(Language::Shell, form, &values(hostile));
            let output = std::process::Command::new("sh")
                .args(["-c", &command])
                .output();
            let printed = output.unwrap().stdout;
            assert_eq!(String::from_utf8_lossy(&printed), expected, "{command}");
        }
    }
}

#[test]
fn what_could_pass_for_something_else_is_no_value() {
    for value in [
        "",
        "a\nb",
        "a\tb",
        "a\0b",
        "a\u{202e}b",
        "a\u{7f}",
        &"x".repeat(201),
    ] {
        assert_eq!(values(value), Values::default(), "{value:?}");
    }
    let host = |instance: &str| values(instance).get("HOST").map(str::to_owned);
    assert_eq!(host("[::1]:9797").as_deref(), Some("[::1]"));
    assert_eq!(host("db.example.org").as_deref(), Some("db.example.org"));
}

#[test]
fn the_words_that_stay_are_told() {
    let text = "INSTANCE POD http://INSTANCE/ POD";
    let told = |value| left(Language::Shell, text, &values(value));
    assert_eq!(told("a:1"), ["POD"]);
    // One of two stays where its quoting is not certain: not told, for the other says what it is.
    assert_eq!(told("a b"), ["POD"]);
    assert_eq!(
        left(Language::Shell, text, &Values::default()),
        ["INSTANCE", "POD"]
    );
}
