//! Table tests. The tables in `tests/data/template` hold a template and, below it, `= ` and what it renders to, or
//! `! ` and a part of the error. What renders was compared with Go's own packages.

use jiff::Timestamp;
use proptest::prelude::*;

use super::error::{ErrorKind, TemplateError};
use super::functions::Functions;
use super::kv::Kv;
use super::prometheus::QuerySample;
use super::value::{List, Map, Object, Value};
use super::{Context, Limits, TemplateSet};

fn now() -> Timestamp {
    "2024-05-06T08:08:09Z".parse().unwrap()
}

fn data() -> Value {
    let time = "2024-05-06T07:08:09.123456789+00:00[UTC]"
        .parse::<jiff::Zoned>()
        .unwrap();
    let inner: Map = [("b", Value::from("deep"))].into_iter().collect();
    let deep: Map = [("a", Value::from(inner))].into_iter().collect();
    let numbers: List = [1, 2, 3].into_iter().map(Value::Int).collect();
    let fields: Map = [
        ("Name", Value::from("O'Reilly <b>&")),
        ("Value", 1_234_567.0.into()),
        ("Small", 0.1.into()),
        ("Tiny", 1e-7.into()),
        ("Inf", f64::INFINITY.into()),
        ("NegInf", f64::NEG_INFINITY.into()),
        ("NaN", f64::NAN.into()),
        ("Three", 3.0.into()),
        ("Half", 0.5.into()),
        ("Hundred", 100_000.0.into()),
        ("Million", 1e6.into()),
        ("Int", 42.into()),
        ("Neg", (-7).into()),
        ("True", true.into()),
        ("False", false.into()),
        ("Items", Value::texts(["a", "b", "c"])),
        ("Ints", numbers.into()),
        (
            "Labels",
            Map::strings([("job", "api"), ("instance", "host:80")]).into(),
        ),
        ("EmptyMap", Map::strings::<&str, &str>([]).into()),
        ("Nil", Value::Nil),
        ("Empty", Value::texts::<&str>([])),
        ("Deep", deep.into()),
        ("Duration", Value::Duration(3_723_500_000_000)),
        ("Time", time.into()),
        ("Url", "https://x.test/a?b=c d&e=\"f\"".into()),
        ("Js", "javascript:alert(1)".into()),
        ("Script", "</script><x>".into()),
        (
            "Kv",
            Kv::new([("job", "api"), ("alertname", "Down"), ("zone", "z1")]).into(),
        ),
    ]
    .into_iter()
    .collect();
    fields.into()
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            (c, _) => out.push(c),
        }
    }
    out
}

/// Runs a table; all differences are reported at once.
fn check_table(table: &str, render: impl Fn(&str) -> Result<String, TemplateError>) {
    let mut wrong = String::new();
    let mut lines = table.lines();
    while let Some(text) = lines.next() {
        if text.starts_with("# ") || text.is_empty() {
            continue;
        }
        let wanted = lines.next().unwrap_or_default();
        let got = render(text);
        let shown = match &got {
            Ok(text) => format!("= {text:?}"),
            Err(error) => format!("! {error}"),
        };
        let fits = match (got, wanted.split_at(2)) {
            (Ok(got), ("= ", wanted)) => got == unescape(wanted),
            (Err(error), ("! ", wanted)) => error.to_string().contains(wanted),
            _ => false,
        };
        if !fits {
            wrong.push_str(&format!("{text}\n  wanted {wanted}\n  got    {shown}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn text(set: Functions, text: &str) -> Result<String, TemplateError> {
    TemplateSet::new(set).render_text(text, &data(), &Context::at(now()))
}

#[test]
fn texts_render_as_with_go() {
    check_table(
        include_str!("../../tests/data/template/text.txt"),
        |template| text(Functions::none(), template),
    );
}

#[test]
fn html_is_escaped_as_with_go() {
    check_table(
        include_str!("../../tests/data/template/html.txt"),
        |template| {
            TemplateSet::new(Functions::alertmanager()).render_html(
                template,
                &data(),
                &Context::at(now()),
            )
        },
    );
}

fn vector(expression: &str) -> Result<Vec<QuerySample>, String> {
    match expression {
        "up" => Ok(vec![
            QuerySample::new([("job", "api"), ("instance", "b:80")], 1.0),
            QuerySample::new([("job", "api"), ("instance", "a:80")], 0.5),
        ]),
        "none" => Ok(Vec::new()),
        _ => Err("parse error".to_string()),
    }
}

#[test]
fn rule_functions_are_those_of_prometheus() {
    check_table(
        include_str!("../../tests/data/template/prometheus.txt"),
        |template| {
            let context = Context {
                external_url: "https://prom.test/base",
                query: Some(&vector),
                ..Context::at(now())
            };
            TemplateSet::new(Functions::prometheus()).render_text(template, &data(), &context)
        },
    );
}

#[test]
fn notification_functions_are_those_of_alertmanager() {
    check_table(
        include_str!("../../tests/data/template/alertmanager.txt"),
        |template| text(Functions::alertmanager(), template),
    );
}

fn set(texts: &[(&str, &str)]) -> TemplateSet {
    let mut set = TemplateSet::new(Functions::alertmanager());
    for (name, text) in texts {
        set.add(name, text).unwrap();
    }
    set
}

#[test]
fn later_definitions_replace_earlier_ones() {
    let set = set(&[
        (
            "a.tmpl",
            r#"{{ define "title" }}one{{ end }}{{ define "body" }}<{{ template "title" . }}>{{ end }}"#,
        ),
        ("b.tmpl", r#"{{ define "title" }}two{{ end }}"#),
        ("c.tmpl", r#"{{ define "title" }} {{ end }}"#),
        ("d.tmpl", "own body"),
    ]);
    let render = |text: &str| {
        set.render_text(text, &Value::Nil, &Context::at(now()))
            .unwrap()
    };
    assert_eq!(render(r#"{{ template "body" }}"#), "<two>");
    assert_eq!(
        render(r#"{{ define "title" }}mine{{ end }}{{ template "body" }}"#),
        "<mine>"
    );
    assert_eq!(
        render(r#"{{ template "body" }}"#),
        "<two>",
        "what a text defines stays in it"
    );
    assert_eq!(render(r#"{{ template "d.tmpl" }}"#), "own body");
    assert_eq!(set.names().collect::<Vec<_>>(), ["body", "d.tmpl", "title"]);
}

#[test]
fn a_compiled_template_renders_from_many_threads() {
    let set = set(&[(
        "t",
        r#"{{ define "row" }}<b>{{ .Name }}{{ range .Items }}{{ . }}{{ end }}</b>{{ end }}"#,
    )]);
    let template = set
        .compile(
            "page",
            r#"{{ range $i, $x := .Items }}{{ template "row" $ }}{{ end }}"#,
        )
        .unwrap();
    let expected = "<b>O&#39;Reilly &lt;b&gt;&amp;abc</b>".repeat(3);
    let data = data();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(
                        template.render_html(&data, &Context::at(now())).unwrap(),
                        expected
                    );
                }
            });
        }
    });
}

#[test]
fn errors_name_the_text_they_are_in() {
    let mut set = set(&[(
        "lib.tmpl",
        "{{ define \"x\" }}\n\n  é{{ .Name.Foo }}{{ end }}",
    )]);
    let context = Context::at(now());
    let template = set
        .compile("slack title", "a\n{{ template \"x\" . }}")
        .unwrap();
    let expected = TemplateError {
        template: "lib.tmpl".to_string(),
        line: 3,
        column: 7,
        kind: ErrorKind::Run,
        message: "can't evaluate field Foo in type string".to_string(),
    };
    assert_eq!(
        template.render_text(&data(), &context),
        Err(expected.clone())
    );
    assert_eq!(template.render_html(&data(), &context), Err(expected));
    let error = set
        .add("bad.tmpl", "{{ define \"x\" }}new{{ end }}\n{{ if }}")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "template: bad.tmpl:2:4: unclosed {{if}}: missing {{end}}"
    );
    let kept = set.compile("", r#"{{ template "x" . }}"#).unwrap();
    assert!(
        kept.render_text(&data(), &context).is_err(),
        "a text that fails adds nothing"
    );
}

#[test]
fn nothing_runs_away() {
    let small = Limits {
        output: 1000,
        steps: 10_000,
    };
    let doubling = "{{ $x := \"ab\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}";
    let nesting = "{{ $x := args 1 }}{{ range 60 }}{{ $x = args $x $x }}{{ end }}{{ $x }}";
    let wide = "{{ $x := args 1 }}{{ range 20 }}{{ $x = args $x $x }}{{ end }}{{ $x }}";
    let bracketed = format!(
        "{{{{ define \"r\" }}}}{{{{ {}tmpl \"r\" .{} }}}}{{{{ end }}}}{{{{ template \"r\" . }}}}",
        "(".repeat(90),
        ")".repeat(90)
    );
    let cases = [
        &*bracketed,
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 1000000000000 }}x{{ end }}",
        "{{ range 1000 }}xxxxxxxxxx{{ end }}",
        "{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}",
        "{{ printf \"%100000d\" 1 }}",
        "{{ printf \"%*d\" 1000000 1 }}",
        "{{ printf \"%.100000f\" 1.0 }}",
        "{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}",
        "{{ define \"r\" }}{{ template \"r\" . }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}",
        "{{ define \"r\" }}{{ tmpl \"r\" . }}{{ end }}{{ template \"r\" . }}",
        "{{ reReplaceAll \"\" \"0123456789012345678901234567890123456789\" (printf \"%500d\" 1) }}",
        "{{ range 10000 }}{{ match \"a\" \"b\" }}{{ end }}",
        doubling,
        nesting,
        wide,
    ];
    for case in cases {
        let template = TemplateSet::new(Functions::prometheus())
            .compile("", case)
            .unwrap();
        let context = Context {
            limits: small,
            ..Context::at(now())
        };
        for result in [
            template.render_text(&Value::Nil, &context),
            template.render_html(&Value::Nil, &context),
        ] {
            assert_eq!(
                result.map_err(|error| error.kind),
                Err(ErrorKind::Limit),
                "{case}"
            );
        }
    }
}

#[test]
fn texts_that_nest_without_end_are_refused() {
    let deep = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(5000), close.repeat(5000))
    };
    let cases = [
        deep("{{ if true }}", "x", "{{ end }}"),
        format!(
            "{{{{ if 1 }}}}{}{{{{ end }}}}",
            "{{ else if 1 }}x".repeat(5000)
        ),
        format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)),
        "x".repeat(2 << 20),
    ];
    for case in cases {
        let error = TemplateSet::new(Functions::none())
            .compile("", &case)
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Parse);
    }
}

#[derive(Debug)]
struct Alerts(Vec<(&'static str, Kv)>);

impl Object for Alerts {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let status = match (name, args) {
            ("Firing", []) => "firing",
            ("Resolved", []) => "resolved",
            _ => return None,
        };
        let chosen = self
            .0
            .iter()
            .filter(|(of, _)| *of == status)
            .map(|(_, labels)| labels.clone().into());
        Some(Ok(chosen.collect::<List>().into()))
    }

    fn contents(&self) -> Option<Value> {
        Some(
            self.0
                .iter()
                .map(|(_, labels)| labels.clone().into())
                .collect::<List>()
                .into(),
        )
    }
}

#[test]
fn typed_data_has_methods_and_contents() {
    let alerts = Alerts(vec![
        ("firing", Kv::new([("alertname", "A"), ("x", "<1>")])),
        ("resolved", Kv::new([("alertname", "B")])),
    ]);
    let data: Map = [("Alerts", Value::object(alerts))].into_iter().collect();
    let text = "{{ len .Alerts }}{{ .Alerts.Firing | len }}{{ range .Alerts.Resolved }}{{ .alertname }}{{ end }}\
                {{ range .Alerts }}[{{ .SortedPairs.Values | join \",\" }}]{{ end }}{{ (index .Alerts.Firing 0).x }}";
    let set = set(&[]);
    let data = data.into();
    let context = Context::at(now());
    assert_eq!(
        set.render_text(text, &data, &context).unwrap(),
        "21B[A,<1>][B]<1>"
    );
    assert_eq!(
        set.render_html(text, &data, &context).unwrap(),
        "21B[A,&lt;1&gt;][B]&lt;1&gt;"
    );
}

/// Texts made of pieces that mean something in templates and HTML, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{ ",
        " }}",
        "{{/*",
        "*/}}",
        "if ",
        "else ",
        "else if ",
        "end",
        "range ",
        "with ",
        "define \"a\"",
        "template \"a\" ",
        "block \"b\" .",
        "break",
        "continue",
        "$x",
        " := ",
        " = ",
        ", ",
        ".",
        ".Items",
        ".Labels",
        ".Name",
        ".Value",
        ".Kv.",
        "SortedPairs",
        "$",
        "|",
        "(",
        ")",
        "\"",
        "'",
        "`",
        "1",
        "-5",
        "1.5",
        "1e3",
        "0x",
        "nil",
        "true",
        " print ",
        " printf \"%*.3[1]d %v\" ",
        " index ",
        " slice ",
        " len ",
        " and ",
        " eq ",
        " lt ",
        " html ",
        " args ",
        " humanize ",
        " query ",
        " match \"a*\" ",
        "<a href=\"",
        "<script>",
        "</script>",
        "<style>",
        "'",
        ">",
        "é",
        "\u{1f600}",
        "\n",
        "\\",
        "{{ range .Items }}",
        "{{ end }}",
        "{{ if . }}",
        "{{ . }}",
        "{{ else }}",
        "{{ range 5 }}",
        "{{ $x := args $ . }}",
        "{{ $x = print $x $x }}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_panics_or_exceeds_its_limits(text in prop_oneof![pieces(), any::<String>()]) {
        let limits = Limits { output: 2000, steps: 5000 };
        let context = Context { limits, query: Some(&vector), ..Context::at(now()) };
        if let Ok(template) = TemplateSet::new(Functions::prometheus()).compile("p", &text) {
            for result in [template.render_text(&data(), &context), template.render_html(&data(), &context)] {
                prop_assert!(result.map_or(0, |text| text.len()) <= limits.output);
            }
        }
    }

    #[test]
    fn well_formed_texts_render_within_their_limits(
        format in "%[-+# 0]{0,3}[0-9]{0,6}(\\.[0-9]{0,6})?[vTdsqxXobcUtfFeEgG%zé]",
        number in any::<f64>(), int in any::<i64>(), text in any::<String>(),
    ) {
        let data: Map = [("F", number.into()), ("I", int.into()), ("S", text.into()), ("P", format.into())]
            .into_iter()
            .collect();
        let template = "{{ printf .P .F }}{{ printf .P .I }}{{ printf .P .S }}{{ .S | reReplaceAll \"(.)\" \"$1-\" }}\
                        {{ humanize .F }}{{ humanizeDuration .F }}{{ title .S }}{{ stripDomain .S }}{{ urlquery .S }}";
        let limits = Limits { output: 100_000, steps: 5000 };
        let context = Context { limits, ..Context::at(now()) };
        let result = TemplateSet::new(Functions::prometheus()).render_text(template, &data.into(), &context);
        match result {
            Ok(text) => prop_assert!(text.len() <= limits.output),
            Err(error) => prop_assert_eq!(error.kind, ErrorKind::Limit),
        }
    }
}
