use super::super::ast::{BinaryOp, Cardinality, DurationKind};
use super::*;

/// Every evaluation of Prometheus's own test data that is not meant to fail must parse.
#[test]
fn every_query_of_the_conformance_data_parses() {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/conformance/promql/json"
    );
    let Ok(files) = std::fs::read_dir(directory) else {
        eprintln!("not run: {directory} is not there");
        return;
    };
    let (mut parsed, mut refused) = (0, Vec::new());
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let commands: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        for command in &commands {
            let Some(query) = command["expr"].as_str() else {
                continue;
            };
            match parse(query) {
                Ok(expr) => {
                    parsed += 1;
                    let printed = expr.to_string();
                    let again = parse(&printed).expect(&printed).to_string();
                    assert_eq!(again, printed, "{query}");
                }
                // Those that fail there fail at evaluation, or where we are stricter: a string that is not UTF-8.
                Err(_) if command["fail"].is_array() => {}
                Err(error) => refused.push(format!("{query}\n    {error}")),
            }
        }
    }
    eprintln!("{parsed} queries parse, {} do not", refused.len());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn hostile_queries_are_errors_and_never_overflow_the_stack() {
    let check = |query: String| {
        let error = parse(&query).expect_err(&query[..20]);
        assert!(error.message.len() < 300, "{error}");
        assert!(!error.excerpt(&query).is_empty());
    };
    for times in [300, 10_000, 300_000] {
        check("(".repeat(times));
        check(format!("{}1{}", "(".repeat(times), ")".repeat(times)));
        check("-".repeat(times));
        check(format!("{}m", "-".repeat(times)));
        check(format!("1{}", "^1".repeat(times)));
        check(format!("1{}", "+1".repeat(times)));
        check("abs(".repeat(times));
        check("sum(".repeat(times));
        check(format!("m{}", "[1m:]".repeat(times)));
        check(format!("m[{}1m", "(".repeat(times)));
        check(format!("m[{}1m", "-".repeat(times)));
        check(format!("m[1m{}]", "+1m".repeat(times)));
        check(format!("m[1m{}]", "^1m".repeat(times)));
        check(format!("m offset {}1m", "-".repeat(times)));
        check(format!("m offset {}1m", "(".repeat(times)));
        check(format!("m[{}1m", "min_of(".repeat(times)));
    }
    check("x".repeat(MAX_QUERY_BYTES + 1));
    check("\"".repeat(MAX_QUERY_BYTES));
    check(format!("{}!", "1 ".repeat(MAX_QUERY_BYTES / 2 - 1)));
    // As deep as is allowed.
    let depth = usize::try_from(MAX_DEPTH).unwrap() - 4;
    let query = format!("{}m{}", "abs(".repeat(depth), ")".repeat(depth));
    assert!(parse(&query).is_ok());
    assert!(parse(&format!("m{}", " or m".repeat(depth))).is_ok());
}

#[test]
fn excerpts_mark_the_fault_in_its_line() {
    let check = |query: &str, want: &str| {
        let error = parse(query).expect_err(query);
        assert_eq!(error.excerpt(query), want, "{query}");
    };
    check("rat(up)", "rat(up)\n^^^");
    check("sum(\n\trate(up)\n)", " rate(up)\n      ^^");
    check("sum(up", "sum(up\n      ^");
    check("\"é\" + up[5m", "\"é\" + up[5m\n           ^");
    check("", "\n^");
    let long = format!("{}rat(up)", "up or ".repeat(100));
    let excerpt = parse(&long).expect_err(&long).excerpt(&long);
    let (line, mark) = excerpt.split_once('\n').unwrap();
    assert!(line.len() <= 120);
    assert_eq!(&line[mark.find('^').unwrap()..], "rat(up)");
}

#[test]
fn operators_bind_as_in_prometheus() {
    let check = |query: &str, want: &str| {
        assert_eq!(braced(&parse(query).expect(query)), want, "{query}");
    };
    check("a + b * c ^ d ^ e", "(a + (b * (c ^ (d ^ e))))");
    check("a - b - c", "((a - b) - c)");
    check("-a ^ b", "(-(a ^ b))");
    check("-a * b", "((-a) * b)");
    check("2 ^ -a * b", "((2 ^ (-a)) * b)");
    check("a == b + c", "(a == (b + c))");
    check("a or b and c unless d", "(a or ((b and c) unless d))");
    check("a > 1 and b </ 2", "((a > 1) and (b </ 2))");
    check("a % b atan2 c / d", "(((a % b) atan2 c) / d)");
    check("1 + -1", "(1 + -1)");
    check("a offset 5m * 2", "(a offset 5m * 2)");
    check("a @ 5 ^ 2", "(a @ 5.000 ^ 2)");
    check("A AND B Or C", "((A and B) or C)");
}

fn braced(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Binary(binary) => format!(
            "({} {} {})",
            braced(&binary.left),
            binary.op.as_str(),
            braced(&binary.right)
        ),
        ExprKind::Unary { expr, .. } => format!("(-{})", braced(expr)),
        _ => expr.to_string(),
    }
}

#[test]
fn spans_lead_back_to_the_text() {
    let query = "sum by (a) (rate(up{b='c'}[5m] offset 1h)) + on (a) -(m)";
    let expr = parse(query).unwrap();
    assert_eq!(expr.span, 0..query.len());
    let ExprKind::Binary(binary) = expr.kind else {
        panic!("{expr:?}");
    };
    assert_eq!(binary.op, BinaryOp::Add);
    assert_eq!(binary.matching.cardinality, Cardinality::OneToOne);
    let text = |expr: &Expr| &query[expr.span.clone()];
    assert_eq!(text(&binary.right), "-(m)");
    let ExprKind::Aggregate(sum) = &binary.left.kind else {
        panic!("{:?}", binary.left);
    };
    assert_eq!(
        text(&binary.left),
        "sum by (a) (rate(up{b='c'}[5m] offset 1h))"
    );
    let ExprKind::Call { args, .. } = &sum.expr.kind else {
        panic!("{sum:?}");
    };
    assert_eq!(text(&args[0]), "up{b='c'}[5m] offset 1h");
    let ExprKind::Matrix { range, .. } = &args[0].kind else {
        panic!("{args:?}");
    };
    assert_eq!(range.kind, DurationKind::Millis(300_000));
    assert_eq!(&query[range.span.clone()], "5m");
}

#[test]
fn selectors_are_read_for_the_query_api() {
    let check = |text: &str, want: &[&str]| {
        let matchers = parse_selector(text).expect(text);
        let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
        assert_eq!(texts, want, "{text}");
    };
    check("up", &["__name__=\"up\""]);
    check("up{job=~\"a|b\",}", &["__name__=\"up\"", "job=~\"a|b\""]);
    check("{'my.metric'}", &["__name__=\"my.metric\""]);
    check("sum", &["__name__=\"sum\""]);
    for bad in [
        "",
        "{}",
        "{a=''}",
        "up[5m]",
        "up offset 5m",
        "1",
        "sum(up)",
        "up or up",
        "{a!~'.+'}",
    ] {
        assert!(parse_selector(bad).is_err(), "{bad}");
    }
}
