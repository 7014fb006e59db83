use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::charts::chart::{Badge, Line, Shade};
use crate::charts::png::{self, Painter};
use crate::charts::unit::Unit;
use crate::model::timestamp::Timestamp;

const START: i64 = 1_795_165_200_000;
const MINUTE: i64 = 60_000;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(START + minutes * MINUTE)
}

/// One sample a minute; `None` leaves one out.
fn points(values: impl IntoIterator<Item = Option<f64>>) -> Vec<Sample> {
    let samples = values.into_iter().enumerate();
    samples
        .filter_map(|(index, value)| {
            Some(Sample {
                timestamp_ms: START + i64::try_from(index).unwrap() * MINUTE,
                value: value?,
            })
        })
        .collect()
}

fn line(emphasis: Emphasis, points: Vec<Sample>) -> Line {
    Line {
        name: "errors".to_owned(),
        emphasis,
        points,
    }
}

fn chart(lines: Vec<Line>) -> Chart {
    Chart {
        title: "HighErrorRate".to_owned(),
        start: at(0),
        end: at(60),
        step: Duration::from_secs(60),
        lines,
        ..Chart::default()
    }
}

fn count(svg: &str, what: &str) -> usize {
    svg.matches(what).count()
}

#[test]
fn gaps_and_lone_points_are_not_joined() {
    let check = |values: &[Option<f64>], strokes: usize, circles: usize| {
        let drawing = draw(
            &chart(vec![line(Emphasis::Pale, points(values.iter().copied()))]),
            Theme::Light,
        );
        assert_eq!(count(&drawing, "<path"), strokes, "{values:?}\n{drawing}");
        assert_eq!(count(&drawing, "<circle"), circles, "{values:?}\n{drawing}");
    };
    let some = Some(1.0);
    check(&[some, some, some], 1, 0);
    check(&[some, some, None, some, some], 2, 0);
    check(&[some, some, Some(f64::NAN), some], 1, 1);
    check(&[None, some, None], 0, 1);
    check(&[], 0, 0);
}

#[test]
fn what_is_infinite_is_marked_at_the_edge() {
    let values = [
        Some(1.0),
        Some(f64::INFINITY),
        Some(f64::NEG_INFINITY),
        Some(2.0),
    ];
    let drawing = draw(
        &chart(vec![line(Emphasis::Pale, points(values))]),
        Theme::Dark,
    );
    assert_eq!(count(&drawing, "<polygon"), 2, "{drawing}");
}

#[test]
fn the_threshold_is_dashed_and_says_which_way() {
    let check = |op: BinaryOp, level: Level, want: &[&str]| {
        let mut chart = chart(vec![line(Emphasis::Strong, points([Some(1.0), Some(7.0)]))]);
        chart.unit = Unit::Seconds;
        chart.threshold = Some(Threshold { op, level });
        let drawing = draw(&chart, Theme::Light);
        for part in want {
            assert!(drawing.contains(part), "{part} is not in {drawing}");
        }
    };
    let fixed = Level::Fixed(5.0);
    check(
        BinaryOp::Gt,
        fixed.clone(),
        &["class=\"threshold\"", ">&gt; 5 s<", "url(#above)"],
    );
    check(BinaryOp::Le, fixed, &["threshold ≤ 5 s", "url(#below)"]);
    let moving = Level::Moving(points([Some(4.0), Some(4.5)]));
    check(
        BinaryOp::Gt,
        moving,
        &["class=\"threshold\"", "threshold &gt; 4.5 s"],
    );
}

#[test]
fn shades_have_a_legend_and_pending_is_hatched() {
    let mut chart = chart(vec![line(Emphasis::Strong, points([Some(1.0), Some(7.0)]))]);
    let shade = |kind, start, end| Shade {
        kind,
        start: at(start),
        end: at(end),
    };
    chart.shades = vec![
        shade(ShadeKind::Pending, 10, 15),
        shade(ShadeKind::Firing, 15, 90),
    ];
    let drawing = draw(&chart, Theme::Light);
    // Once in the plot, once in the legend.
    assert_eq!(count(&drawing, "url(#pending)"), 2, "{drawing}");
    assert!(drawing.contains(">pending<") && drawing.contains(">firing<"));
}

#[test]
fn a_reload_is_a_named_line_with_a_mark_and_stands_in_the_legend() {
    let mut chart = chart(vec![line(Emphasis::Plain, points([Some(1.0), Some(7.0)]))]);
    chart.reloads = vec![at(-5), at(20)];
    let drawing = draw(&chart, Theme::Light);
    assert_eq!(count(&drawing, "class=\"reload\""), 1, "{drawing}");
    assert_eq!(count(&drawing, "<polygon"), 2, "{drawing}");
    assert!(drawing.contains("<title>rules loaded 2026-11-20 09:20:00 UTC</title>"));
    assert!(drawing.contains(">rules loaded<"), "{drawing}");
    chart.reloads = (0..60).map(at).collect();
    let drawing = draw(&chart, Theme::Light);
    assert_eq!(count(&drawing, "class=\"reload\""), MAX_RELOADS);
}

#[test]
fn a_small_sheet_is_as_wide_as_a_phone_and_nothing_leaves_it() {
    for (text, want) in [
        ("light", Some((Theme::Light, false))),
        ("dark-small", Some((Theme::Dark, true))),
        ("-small", None),
        ("small", None),
        ("dark-small-small", None),
        ("", None),
    ] {
        let found = Sheet::parse(text).map(|sheet| (sheet.theme, sheet.small));
        assert_eq!(found, want, "{text}");
    }
    let long = "a_rather_long_name_of_a_series{instance=\"somewhere:9100\"}";
    let mut lines: Vec<Line> = Vec::new();
    for _ in 0..9 {
        lines.push(Line {
            name: long.repeat(3),
            ..line(Emphasis::Plain, points([Some(1.0), Some(7.0)]))
        });
    }
    let mut chart = chart(lines);
    chart.title = long.repeat(3);
    let small = draw_sheet(&chart, Sheet::parse("light-small").unwrap());
    assert!(small.contains("viewBox=\"0 0 380 340\""), "{small}");
    valid(&small);
    for text in small.split("<text x=\"").skip(1) {
        let x: f64 = text.split('"').next().unwrap().parse().unwrap();
        let words = text.split_once('>').unwrap().1;
        let words = words.split_once("</text>").unwrap().0;
        let words = words.replace("&quot;", "\"").replace("&#34;", "\"");
        if !text.contains("text-anchor") {
            let end = x + width(&words, 12.0, false);
            assert!(end <= 380.0 + 6.0, "{words} ends at {end}");
        }
    }
}

#[test]
fn the_alerts_own_line_is_drawn_last_and_its_end_is_labelled() {
    let pale = (0..40).map(|_| line(Emphasis::Pale, points([Some(3.0), Some(3.0)])));
    let strong = line(Emphasis::Strong, points([Some(1.0), Some(0.25)]));
    let mut chart = chart(std::iter::once(strong).chain(pale).collect());
    chart.unit = Unit::Ratio;
    chart.more_lines = 100;
    let drawing = draw(&chart, Theme::Light);
    assert_eq!(count(&drawing, "<path"), MAX_LINES, "{drawing}");
    let palette = Theme::Light.palette();
    let last = drawing
        .lines()
        .rfind(|line| line.contains("<path"))
        .unwrap();
    assert!(last.contains(palette.strong), "{last}");
    assert!(drawing.contains(">25%<"), "{drawing}");
    assert!(drawing.contains("140 other series, 23 shown"), "{drawing}");
}

#[test]
fn hostile_texts_are_inert() {
    let hostile = "</svg><script>alert(1)</script>\u{0}\u{202e}\"'&".repeat(1000);
    let mut chart = chart(vec![line(Emphasis::Plain, points([Some(1.0)]))]);
    chart.title = hostile.clone();
    chart.subtitle = hostile.clone();
    chart.lines[0].name = hostile.clone();
    chart.badge = Some(Badge {
        text: hostile,
        tone: Tone::Bad,
    });
    let drawing = draw(&chart, Theme::Light);
    assert!(!drawing.contains("<script") && !drawing.contains('\u{202e}'));
    assert_eq!(count(&drawing, "</svg>"), 1);
    assert!(drawing.len() < 64 * 1024, "{}", drawing.len());
    valid(&drawing);
}

#[test]
fn a_png_has_the_size_asked_for_and_is_not_empty() {
    let values = (0..60).map(|index| Some(f64::from(index)));
    let chart = chart(vec![line(Emphasis::Strong, points(values))]);
    let painter = Painter::new();
    let png = painter.png(&draw(&chart, Theme::Light), 1.0).unwrap();
    assert_eq!(png::size(&png), Some((WIDTH, HEIGHT)));
    assert!(png.len() > 5_000, "text was drawn: {}", png.len());
    assert!(
        painter.png(&draw(&chart, Theme::Light), 50.0).is_err(),
        "bounded"
    );
}

#[test]
fn on_a_page_colours_are_the_pages_and_names_of_parts_are_its_own() {
    let mut chart = chart(vec![
        line(Emphasis::Plain, points([Some(1.0), Some(2.0)])),
        line(Emphasis::Plain, points([Some(1.0), Some(1.0)])),
    ]);
    chart.threshold = Some(Threshold {
        op: BinaryOp::Gt,
        level: Level::Fixed(1.5),
    });
    chart.shades = vec![Shade {
        kind: ShadeKind::Pending,
        start: at(1),
        end: at(5),
    }];
    for paper in [Paper::wide("a"), Paper::narrow("b")] {
        let drawing = draw_on(&chart, paper);
        assert!(!drawing.contains("=\"#"), "a colour of its own: {drawing}");
        assert!(
            !drawing.contains("style=") && !drawing.contains("<style"),
            "what the policy forbids: {drawing}"
        );
        let ids = drawing.split(" id=\"").skip(1);
        let ids: Vec<&str> = ids.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| id.starts_with(paper.id)));
        for name in ["title", "what", "pending", "above"] {
            assert!(
                drawing.contains(&format!("{}-{name}", paper.id))
                    || drawing.contains(&format!("#{}{name}", paper.id)),
                "{name} in {drawing}"
            );
        }
        assert_eq!(count(&drawing, "<g data-series="), 2, "{drawing}");
        assert!(drawing.contains("<title>errors</title>"));
        valid(&drawing);
    }
}

#[test]
fn more_lines_than_colours_have_dashes() {
    let lines = (0..20).map(|_| line(Emphasis::Plain, points([Some(1.0), Some(2.0)])));
    let drawing = draw(&chart(lines.collect()), Theme::Light);
    let path = |what: &str| {
        let paths = drawing.lines().filter(|line| line.contains("<path"));
        paths.filter(|line| line.contains(what)).count()
    };
    assert_eq!((path("\"9 4\""), path("\"2 4\"")), (8, 4), "{drawing}");
    assert_eq!(
        [look(0), look(7), look(8), look(23)],
        [(1, 0), (8, 0), (1, 1), (8, 2)]
    );
}

#[test]
fn a_line_that_stays_level_is_short() {
    let level = (0..60).map(|_| Some(1.0));
    let drawing = draw(
        &chart(vec![line(Emphasis::Strong, points(level))]),
        Theme::Light,
    );
    let path = drawing.lines().find(|line| line.contains("<path")).unwrap();
    assert!(path.len() < 200, "{path}");
}

/// Reads it as XML does, and looks at each number.
#[track_caller]
fn valid(drawing: &str) {
    let options = resvg::usvg::Options::default();
    resvg::usvg::Tree::from_str(drawing, &options)
        .unwrap_or_else(|error| panic!("{error}: {drawing}"));
    for word in ["NaN\"", "inf\"", "NaN ", "inf "] {
        assert!(
            !drawing.contains(&format!("=\"{word}")),
            "{word} in {drawing}"
        );
    }
    for name in [
        " x=\"",
        " y=\"",
        " x1=\"",
        " y2=\"",
        " cx=\"",
        " cy=\"",
        " width=\"",
        " d=\"",
    ] {
        for (place, _) in drawing.match_indices(name) {
            let value = &drawing[place + name.len()..];
            let value = value.split('"').next().unwrap();
            for part in value.split([' ', 'M', 'l']) {
                if !part.is_empty() {
                    let number: f64 = part.parse().unwrap_or_else(|_| panic!("{name}{value}"));
                    assert!(
                        number.is_finite() && number.abs() <= 4096.0,
                        "{name}{value}"
                    );
                }
            }
        }
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![
            0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324, 1e-310,
        ]),
    ]
}

prop_compose! {
    fn any_chart()(
        lines in prop::collection::vec(
            prop::collection::vec((any_value(), 0..5_000_000_i64), 0..40), 0..6),
        start in prop_oneof![Just(START), any::<i64>()],
        span in prop_oneof![0..100_000_000_i64, any::<i64>()],
        step in 0..100_000_u64,
        level in prop::option::of(any_value()),
        unit in prop::sample::select(vec![
            Unit::Plain, Unit::Seconds, Unit::Bytes, Unit::Ratio, Unit::Percent, Unit::PerSecond]),
        shades in prop::collection::vec((any::<i64>(), any::<i64>()), 0..4),
        title in any::<String>(),
    ) -> Chart {
        let emphases = [Emphasis::Strong, Emphasis::Pale, Emphasis::Plain];
        let lines = lines.into_iter().enumerate().map(|(index, samples)| {
            let mut points: Vec<Sample> = samples
                .into_iter()
                .map(|(value, offset)| Sample { timestamp_ms: start.saturating_add(offset), value })
                .collect();
            points.sort_by_key(|point| point.timestamp_ms);
            Line { name: title.clone(), emphasis: emphases[index % 3], points }
        });
        Chart {
            reloads: shades.iter().map(|(at, _)| Timestamp::from_millis(*at)).collect(),
            title: title.clone(),
            subtitle: title.clone(),
            badge: None,
            start: Timestamp::from_millis(start),
            end: Timestamp::from_millis(start.saturating_add(span)),
            step: Duration::from_millis(step),
            unit,
            lines: lines.collect(),
            more_lines: 0,
            threshold: level.map(|level| Threshold { op: BinaryOp::Ge, level: Level::Fixed(level) }),
            shades: shades
                .into_iter()
                .map(|(start, end)| Shade {
                    kind: ShadeKind::Pending,
                    start: Timestamp::from_millis(start),
                    end: Timestamp::from_millis(end),
                })
                .collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_chart_is_valid_xml_with_finite_coordinates(chart in any_chart()) {
        let drawing = draw(&chart, Theme::Dark);
        valid(&drawing);
        prop_assert_eq!(&drawing, &draw(&chart, Theme::Dark), "the same data is the same picture");
    }
}
