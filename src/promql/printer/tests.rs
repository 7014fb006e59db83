use proptest::prelude::*;

use super::super::ast::{AggregateOp, Span};
use super::super::functions;
use super::super::parser::parse;
use super::*;

#[test]
fn expressions_print_as_prometheus_prints_them() {
    let check = |query: &str, want: &str| {
        let printed = parse(query).expect(query).to_string();
        assert_eq!(printed, want, "{query}");
        let again = parse(&printed).expect(&printed).to_string();
        assert_eq!(again, want, "{query}, printed twice");
    };
    let same = |query: &str| check(query, query);
    same("sum by (job) (rate(http_requests_total[5m]))");
    check(
        "SUM(rate(http_requests_total[300])) BY (job)",
        "sum by (job) (rate(http_requests_total[5m]))",
    );
    check("sum by () (up)", "sum(up)");
    same("sum without () (up)");
    same(r#"sum by ("my.label", job) (up)"#);
    same("topk(5, up)");
    same(r#"count_values("value", build_version)"#);
    check("a+on(x)group_left(y)b", "a + on (x) group_left (y) b");
    check(
        "a - ignoring() group_right b",
        "a - ignoring () group_right () b",
    );
    check("a and ignoring() b", "a and b");
    check("a > bool on() b", "a > bool on () b");
    check("1 + on() b", "1 + b");
    same("a + fill (0) b");
    check(
        "a + fill_right(1) fill_left(-2) b",
        "a + fill_left (-2) fill_right (1) b",
    );
    same("-a ^ 2");
    same("(-a) ^ 2");
    same("2 ^ -a");
    same("a </ 1 >/ 2");
    same("-1 + -a");
    check("-1^2", "-1 ^ 2");
    check("1h30m", "5400");
    check("0x1F + 1e3 + 0755", "31 + 1000 + 493");
    same("+Inf + -Inf + NaN");
    check("'a\\'b' ", r#""a'b""#);
    check(
        r#"up{job="x",a!="b",c=~"d|e",f!~"g"}"#,
        r#"up{a!="b",c=~"d|e",f!~"g",job="x"}"#,
    );
    check("up{}", "up");
    check(r#"{__name__="up"}"#, "up");
    check(
        r#"{"my.metric", "label.x"="v"}"#,
        r#"{"label.x"="v",__name__="my.metric"}"#,
    );
    check(r#"{"on"}"#, r#"{__name__="on"}"#);
    same(r#"{__name__=~"a|b"}"#);
    same(r#"{__name__!="b",__name__="a"}"#);
    same("up offset 5m");
    check("up offset -90s", "up offset -1m30s");
    check("up offset 0s", "up");
    check(
        "up offset 5m @ 1600000000.5",
        "up @ 1600000000.500 offset 5m",
    );
    check(
        "rate(a[5m] @ end() offset 1h)",
        "rate(a[5m] @ end() offset 1h)",
    );
    same("increase(a[1m] anchored)");
    check("a smoothed @ start()", "a @ start() smoothed");
    same("max_over_time(rate(a[1m])[30m:1m] offset 1d)");
    same("max_over_time(a[30m:])");
    same("count_over_time(a[min_of(step() + 1s, 1h)])");
    check("a[2m*(10+5)]", "a[2m * (10s + 5s)]");
    check("a offset -(step()*2)", "a offset (-(step() * 2s))");
    check("a offset -step()", "a offset (-step())");
    check("a offset (5m) * 2", "a offset (5m * 2s)");
    check("a offset (5m) * b", "a offset 5m * b");
    check("a offset -(5m) * 2", "a offset -5m * 2");
    check("RANGE()+Step()", "range() + step()");
    same("sum");
    same("sum + by + offset offset 5m");
    same("start + end");
    same(r#"sum by ("nan", on) (a)"#);
    check("a @ start() [5m]", "a[5m] @ start()");
    same(r#"info(a, {__name__="target_info",b="c"})"#);
    check("fill", "fill");
}

fn expr(kind: ExprKind) -> Expr {
    Expr { span: 0..0, kind }
}

fn leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        selector().prop_map(|selector| expr(ExprKind::Selector(selector))),
        any::<f64>().prop_map(|value| expr(ExprKind::Number(value))),
        (0..1000_i32).prop_map(|value| expr(ExprKind::Number(f64::from(value) / 8.0))),
        prop_oneof![
            Just(QueryTime::Step),
            Just(QueryTime::Range),
            Just(QueryTime::Start),
            Just(QueryTime::End)
        ]
        .prop_map(|time| expr(ExprKind::QueryTime(time))),
    ]
}

fn selector() -> impl Strategy<Value = Selector> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "up",
            "a:b",
            "sum",
            "offset",
            "on",
            "inf",
            "my.metric",
            "fill"
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,8}",
    ];
    let op = prop::sample::select(vec![
        MatchOp::Equal,
        MatchOp::NotEqual,
        MatchOp::Regex,
        MatchOp::NotRegex,
    ]);
    let label = prop_oneof![
        "[a-z_]{1,5}",
        Just("le.é \"x".to_owned()),
        Just("by".to_owned())
    ];
    let value = prop_oneof!["[a-z0-9|]{0,6}", "\\PC{0,4}"];
    let matchers = prop::collection::vec((label, op, value), 0..3);
    let extension = prop::option::weighted(
        0.1,
        prop::sample::select(vec![Extension::Anchored, Extension::Smoothed]),
    );
    (name, matchers, modifiers(), extension).prop_map(|(name, matchers, at, extension)| {
        let others = matchers
            .into_iter()
            .filter_map(|(label, op, value)| Matcher::new(label, op, value).ok());
        Selector {
            matchers: std::iter::once(Matcher::equal("__name__", name))
                .chain(others)
                .collect(),
            at,
            extension,
        }
    })
}

fn modifiers() -> impl Strategy<Value = TimeModifiers> {
    let at = prop_oneof![
        Just(AtModifier::Start),
        Just(AtModifier::End),
        (-2_000_000_000_000..2_000_000_000_000_i64).prop_map(AtModifier::Timestamp),
    ];
    (
        prop::option::weighted(0.2, duration()),
        prop::option::weighted(0.2, at),
    )
        .prop_map(|(offset, at)| TimeModifiers {
            offset: offset.filter(|offset| offset.kind != DurationKind::Millis(0)),
            at,
        })
}

fn duration() -> impl Strategy<Value = DurationExpr> {
    let wrap = |kind| DurationExpr { span: 0..0, kind };
    let leaf = prop_oneof![
        (1..10_000_000_000_i64).prop_map(DurationKind::Millis),
        Just(DurationKind::Query(QueryTime::Step)),
        Just(DurationKind::Query(QueryTime::Range)),
    ]
    .prop_map(wrap);
    leaf.prop_recursive(2, 6, 2, move |inner| {
        let boxed = inner.prop_map(Box::new);
        let op = prop::sample::select(vec![
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Div,
            BinaryOp::Mod,
            BinaryOp::Pow,
        ]);
        prop_oneof![
            (op, boxed.clone(), boxed.clone()).prop_map(|(op, left, right)| DurationKind::Binary {
                op,
                left,
                right
            }),
            (any::<bool>(), boxed.clone(), boxed.clone()).prop_map(|(larger, left, right)| {
                DurationKind::Pick {
                    larger,
                    left,
                    right,
                }
            }),
            boxed.prop_map(|expr| match expr.kind {
                DurationKind::Millis(millis) => DurationKind::Millis(-millis),
                _ => DurationKind::Unary { negate: true, expr },
            }),
        ]
        .prop_map(wrap)
    })
}

fn labels() -> impl Strategy<Value = Vec<String>> {
    let label = prop_oneof!["[a-z]{1,4}", Just("a.b".to_owned()), Just("on".to_owned())];
    prop::collection::vec(label, 0..3)
}

/// Any operator of vectors over two trees; what the types do not allow is sorted out by the parser.
fn binary(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Expr> {
    use BinaryOp as B;
    let op = prop::sample::select(vec![
        B::Add,
        B::Sub,
        B::Mul,
        B::Div,
        B::Mod,
        B::Pow,
        B::Atan2,
        B::Eq,
        B::Ne,
        B::Gt,
        B::Lt,
        B::Ge,
        B::Le,
        B::And,
        B::Or,
        B::Unless,
        B::TrimUpper,
        B::TrimLower,
    ]);
    let group = prop::option::weighted(0.2, any::<bool>());
    let fill = prop::option::weighted(0.2, -3..3_i8);
    (
        op,
        inner.clone(),
        inner,
        any::<bool>(),
        labels(),
        labels(),
        group,
        fill.clone(),
        fill,
    )
        .prop_map(
            |(op, left, right, flag, on, include, group, fill_left, fill_right)| {
                let mut matching = VectorMatching {
                    on: flag,
                    labels: on,
                    ..VectorMatching::default()
                };
                if op.is_set() {
                    matching.cardinality = Cardinality::ManyToMany;
                } else {
                    matching.fill_left = fill_left.map(f64::from);
                    matching.fill_right = fill_right.map(f64::from);
                    if let Some(left) = group {
                        matching.cardinality = match left {
                            true => Cardinality::ManyToOne,
                            false => Cardinality::OneToMany,
                        };
                        matching.include = include
                            .into_iter()
                            .filter(|label| !matching.labels.contains(label))
                            .collect();
                    }
                }
                expr(ExprKind::Binary(Box::new(Binary {
                    op,
                    left,
                    right,
                    return_bool: flag && op.is_comparison(),
                    matching,
                })))
            },
        )
}

fn tree() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(5, 40, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            3 => binary(inner.clone()),
            1 => boxed.clone().prop_map(|inner| expr(ExprKind::Paren(inner))),
            1 => (any::<bool>(), boxed.clone())
                .prop_map(|(negate, inner)| expr(ExprKind::Unary { negate, expr: inner })),
            1 => (boxed.clone(), labels(), any::<bool>()).prop_map(|(inner, labels, without)| {
                expr(ExprKind::Aggregate(Aggregate {
                    op: AggregateOp::Avg,
                    expr: inner,
                    param: None,
                    labels,
                    without,
                }))
            }),
            1 => (inner.clone(), boxed.clone()).prop_map(|(parameter, inner)| {
                expr(ExprKind::Aggregate(Aggregate {
                    op: AggregateOp::Topk,
                    expr: inner,
                    param: Some(Box::new(parameter)),
                    labels: Vec::new(),
                    without: false,
                }))
            }),
            1 => (selector(), duration()).prop_map(|(selector, range)| {
                let arg = match range.kind {
                    DurationKind::Millis(millis) if millis < 0 => {
                        expr(ExprKind::Selector(selector))
                    }
                    _ => {
                        let (at, extension) = (selector.at.clone(), selector.extension);
                        let selector = Selector { at, extension, ..selector };
                        expr(ExprKind::Matrix { selector, range })
                    }
                };
                expr(ExprKind::Call { function: functions::by_id(FunctionId::Rate), args: vec![arg] })
            }),
            1 => (boxed, prop::option::of(1..100_000_000_i64), modifiers()).prop_map(|(inner, step, at)| {
                let millis = |value| DurationExpr { span: 0..0, kind: DurationKind::Millis(value) };
                let query = expr(ExprKind::Subquery {
                    expr: inner,
                    range: millis(60_000),
                    step: step.map(millis),
                    at,
                });
                expr(ExprKind::Call { function: functions::by_id(FunctionId::Rate), args: vec![query] })
            }),
        ]
    })
}

/// A tree as text without spans, parentheses and the order of matchers, signs folded into their numbers.
fn shape(tree: &Expr) -> String {
    fn strip(expr: &mut Expr) {
        expr.span = 0..0;
        if let ExprKind::Paren(inner) = &mut expr.kind {
            *expr = (**inner).clone();
            return strip(expr);
        }
        match &mut expr.kind {
            ExprKind::Unary {
                negate,
                expr: inner,
            } => {
                strip(inner);
                if let ExprKind::Number(value) = inner.kind {
                    expr.kind = ExprKind::Number(if *negate { -value } else { value });
                }
            }
            ExprKind::Binary(binary) => {
                strip(&mut binary.left);
                strip(&mut binary.right);
            }
            ExprKind::Aggregate(aggregate) => {
                strip(&mut aggregate.expr);
                aggregate.param.iter_mut().for_each(|p| strip(p));
            }
            ExprKind::Call { args, .. } => args.iter_mut().for_each(strip),
            ExprKind::Subquery { expr: inner, .. } => strip(inner),
            ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
                selector.matchers.sort_by_key(ToString::to_string);
            }
            _ => {}
        }
    }
    let mut tree = tree.clone();
    strip(&mut tree);
    let text = format!("{tree:?}");
    // Durations hold spans too.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(position) = rest.find("span: ") {
        out.push_str(&rest[..position]);
        rest = &rest[position + 6..];
        rest = &rest[rest.find([',', '}']).unwrap_or(0)..];
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in tree()) {
        let printed = tree.to_string();
        // Syntax alone, since generated trees ignore types.
        match super::super::parser::parse_untyped(&printed) {
            Ok(parsed) => {
                prop_assert_eq!(shape(&parsed), shape(&tree), "{}", &printed);
                let again = super::super::parser::parse_untyped(&parsed.to_string()).expect("printed twice");
                prop_assert_eq!(shape(&again), shape(&parsed), "{}", &printed);
                prop_assert_eq!(again.to_string(), parsed.to_string());
                // Where the types fit, spans lie within the query and typing changes no text but matching.
                if let Ok(typed) = parse(&printed) {
                    let Span { start, end } = typed.span;
                    prop_assert!(start == 0 && end == printed.len());
                }
            }
            Err(error) => prop_assert!(false, "{}\n{}", error, error.excerpt(&printed)),
        }
    }

    #[test]
    fn any_text_is_a_query_or_an_error_with_a_place(text in "[-a-z0-9(){}\\[\\],=!~<>\"'`@:*/^% #.é\n]{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
            prop_assert!(error.excerpt(&text).lines().count() >= 1);
        }
    }
}
