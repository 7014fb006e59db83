use super::RelabelAction::{
    Drop, DropEqual, HashMod, Keep, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
    Uppercase,
};
use super::{RelabelAction, RelabelConfig, RelabelError, RelabelParts, apply};
use crate::model::labels::{Labels, LabelsBuilder};

/// `a=1,b=2` as a label set.
fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|pair| pair.split_once('=')))
}

fn parts(action: RelabelAction) -> RelabelParts {
    RelabelParts {
        action,
        ..RelabelParts::default()
    }
}

impl RelabelParts {
    fn from(mut self, labels: &[&str]) -> Self {
        self.source_labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self
    }

    fn to(mut self, target: &str) -> Self {
        self.target_label = Some(target.to_owned());
        self
    }

    fn on(mut self, regex: &str) -> Self {
        self.regex = Some(regex.to_owned());
        self
    }

    fn with(mut self, replacement: &str) -> Self {
        self.replacement = Some(replacement.to_owned());
        self
    }

    fn by(mut self, separator: &str) -> Self {
        self.separator = Some(separator.to_owned());
        self
    }

    fn modulo(mut self, modulus: u64) -> Self {
        self.modulus = Some(modulus);
        self
    }
}

/// Runs `steps` over `before`; `after` is `None` when the set is dropped.
#[track_caller]
fn check(before: &str, steps: &[RelabelParts], after: Option<&str>) {
    let configs: Vec<RelabelConfig> = steps
        .iter()
        .map(|parts| RelabelConfig::new(parts.clone()).expect("a valid step"))
        .collect();
    let mut builder = LabelsBuilder::from(&labels(before));
    let kept = apply(&configs, &mut builder);
    let got = kept.then(|| builder.build());
    assert_eq!(got, after.map(labels), "{before} through {steps:?}");
}

#[test]
fn replace_writes_what_the_groups_captured() {
    let step = || parts(Replace).from(&["a"]).to("d");
    check(
        "a=foo,b=bar",
        &[step().on("f(.*)").with("ch${1}-ch${1}")],
        Some("a=foo,b=bar,d=choo-choo"),
    );
    check(
        "a=foo,b=bar",
        &[parts(Replace)
            .from(&["a", "b"])
            .on("f(.*);(.*)r")
            .to("a")
            .with("b${1}${2}m")],
        Some("a=boobam,b=bar"),
    );
    check("a=abc", &[step().on(".*(b).*")], Some("a=abc,d=b"));
    check("a=foo", &[step()], Some("a=foo,d=foo"));
    check(
        "a=x y",
        &[parts(Replace).from(&["a", "a"]).by("|").to("d")],
        Some("a=x y,d=x y|x y"),
    );
    check(
        "a=x",
        &[parts(Replace).from(&["a", "none"]).to("d")],
        Some("a=x,d=x;"),
    );
}

#[test]
fn replace_without_a_match_changes_nothing() {
    check(
        "a=boo",
        &[parts(Replace).from(&["a"]).on("o").to("b").with("bar")],
        Some("a=boo"),
    );
    check(
        "a=boo",
        &[parts(Replace).from(&["a"]).on("b").to("b").with("bar")],
        Some("a=boo"),
    );
}

#[test]
fn replace_with_nothing_removes_the_label() {
    check(
        "a=foo,f=baz",
        &[parts(Replace).from(&["a"]).on("(f).*").to("$1").with("$2")],
        Some("a=foo"),
    );
    check(
        "a=foo,b=bar",
        &[parts(Replace).to("b").with("")],
        Some("a=foo"),
    );
    check("a=foo,b=bar", &[parts(Replace).to("b")], Some("a=foo"));
}

#[test]
fn replace_sets_a_constant_whatever_the_input() {
    check(
        "a=foo",
        &[parts(Replace).to("b").with("bar")],
        Some("a=foo,b=bar"),
    );
    check(
        "a=1\n2",
        &[parts(Replace).from(&["a"]).to("b").with("bar")],
        Some("a=1\n2,b=bar"),
    );
}

#[test]
fn replace_computes_its_target() {
    let step = |target: &str, replacement: &str| {
        parts(Replace)
            .from(&["a"])
            .on("some-([^-]+)-([^,]+)")
            .to(target)
            .with(replacement)
    };
    check(
        "a=some-name-value",
        &[step("${1}", "${2}")],
        Some("a=some-name-value,name=value"),
    );
    check(
        "a=some-name-value",
        &[step("${1}", "${3}")],
        Some("a=some-name-value"),
    );
    check(
        "a=some-name-0",
        &[step("${3}", "${1}")],
        Some("a=some-name-0"),
    );
    check(
        "a=some-é.b-0",
        &[step("x ${1}", "${2}")],
        Some("a=some-é.b-0,x é.b=0"),
    );
}

#[test]
fn names_are_utf8() {
    check(
        "é.x=1",
        &[parts(Replace).from(&["é.x"]).to("b c")],
        Some("é.x=1,b c=1"),
    );
    check(
        "é.x=1",
        &[parts(LabelMap).on(r"é\.(.*)").with("ö.$1")],
        Some("é.x=1,ö.x=1"),
    );
}

#[test]
fn keep_and_drop_match_the_whole_input() {
    let step = |action, regex: &str| parts(action).from(&["a"]).on(regex);
    check("a=foo", &[step(Drop, ".*o.*")], None);
    check("a=foo", &[step(Drop, "f|o")], Some("a=foo"));
    check("a=foo", &[step(Drop, "no-match")], Some("a=foo"));
    check("a=foo", &[step(Keep, "no-match")], None);
    check("a=foo", &[step(Keep, "fo")], None);
    check("a=foo", &[step(Keep, "^foo$")], Some("a=foo"));
    check("a=1\n2", &[step(Keep, "1.2")], Some("a=1\n2"));
    check("b=1", &[step(Keep, "")], Some("b=1"));
    check("b=1", &[step(Drop, "")], None);
    check(
        "a=foo",
        &[step(Drop, "foo"), parts(Replace).to("b").with("c")],
        None,
    );
}

#[test]
fn keepequal_and_dropequal_compare_with_the_target() {
    let before = "tmp=1234,p1=1234,p2=5678";
    let step = |action, target: &str| parts(action).from(&["tmp"]).to(target);
    check(before, &[step(KeepEqual, "p1")], Some(before));
    check(before, &[step(KeepEqual, "p2")], None);
    check(before, &[step(DropEqual, "p1")], None);
    check(before, &[step(DropEqual, "p2")], Some(before));
    check("a=1", &[step(KeepEqual, "absent")], Some("a=1"));
}

#[test]
fn hashmod_agrees_with_prometheus() {
    let step = |modulus| parts(HashMod).from(&["c"]).to("d").modulo(modulus);
    check("c=baz", &[step(1000)], Some("c=baz,d=976"));
    check("c=foo\nbar", &[step(1000)], Some("c=foo\nbar,d=734"));
    check("c=baz", &[step(1)], Some("c=baz,d=0"));
}

#[test]
fn labelmap_copies_and_keeps_the_original() {
    check(
        "a=foo,b1=bar,b2=baz",
        &[parts(LabelMap).on("(b.*)").with("bar_${1}")],
        Some("a=foo,b1=bar,b2=baz,bar_b1=bar,bar_b2=baz"),
    );
    check(
        "__meta_my_bar=aaa,__meta_other=ccc",
        &[parts(LabelMap).on("__meta_(my.*)")],
        Some("__meta_my_bar=aaa,__meta_other=ccc,my_bar=aaa"),
    );
    // What was copied is not copied again.
    check(
        "a=1",
        &[parts(LabelMap).on("(.*)").with("x$1")],
        Some("a=1,xa=1"),
    );
    check("a=1", &[parts(LabelMap).on("(x)?.*")], Some("a=1"));
}

#[test]
fn labeldrop_and_labelkeep_look_at_names() {
    check(
        "a=foo,b1=bar,b2=baz",
        &[parts(LabelDrop).on("b.*")],
        Some("a=foo"),
    );
    check(
        "a=foo,b1=bar,b2=baz",
        &[parts(LabelKeep).on("(b.*)")],
        Some("b1=bar,b2=baz"),
    );
    check(
        "a=foo,b1=bar",
        &[parts(LabelDrop).on("b")],
        Some("a=foo,b1=bar"),
    );
    check("a=foo", &[parts(LabelDrop)], Some(""));
}

#[test]
fn a_dropped_label_can_be_set_again() {
    check(
        "name=foo,port=9091",
        &[
            parts(LabelDrop).on("^name$"),
            parts(Replace)
                .from(&["port"])
                .on("(.+)")
                .to("name")
                .with("metrics"),
            parts(Keep).from(&["name"]).on("metrics"),
        ],
        Some("name=metrics,port=9091"),
    );
}

#[test]
fn letters_change_case_one_by_one() {
    let steps = [
        parts(Uppercase).from(&["a"]).to("u"),
        parts(Lowercase).from(&["a"]).to("l"),
    ];
    check(
        "a=bAr123Foo",
        &steps,
        Some("a=bAr123Foo,l=bar123foo,u=BAR123FOO"),
    );
    check(
        "a=Straße Σ",
        &steps,
        Some("a=Straße Σ,l=straße σ,u=STRAßE Σ"),
    );
    check("b=1,u=2", &steps[..1], Some("b=1"));
}

#[test]
fn what_prometheus_rejects_is_rejected() {
    for (step, error) in [
        (
            parts(Replace),
            "relabel action replace needs a target_label",
        ),
        (
            parts(HashMod).to("a"),
            "relabel action hashmod needs a modulus above 0",
        ),
        (
            parts(HashMod).to("a").modulo(0),
            "relabel action hashmod needs a modulus above 0",
        ),
        (
            parts(HashMod).modulo(1),
            "relabel action hashmod needs a target_label",
        ),
        (
            parts(Lowercase),
            "relabel action lowercase needs a target_label",
        ),
        (
            parts(Uppercase).to(""),
            "relabel action uppercase needs a target_label",
        ),
        (
            parts(KeepEqual),
            "relabel action keepequal needs a target_label",
        ),
        (
            parts(LabelMap).with(""),
            "relabel action labelmap needs a replacement that is not empty",
        ),
        (
            parts(Lowercase).to("a").with("b"),
            "relabel action lowercase does not use replacement, remove it",
        ),
        (
            parts(DropEqual).to("a").on("b"),
            "relabel action dropequal does not use regex, remove it",
        ),
        (
            parts(KeepEqual).to("a").by("b"),
            "relabel action keepequal does not use separator, remove it",
        ),
        (
            parts(KeepEqual).to("a").modulo(1),
            "relabel action keepequal does not use modulus, remove it",
        ),
        (
            parts(LabelDrop).from(&["a"]),
            "relabel action labeldrop does not use source_labels, remove it",
        ),
        (
            parts(LabelKeep).to("a"),
            "relabel action labelkeep does not use target_label, remove it",
        ),
        (
            parts(LabelKeep).with("a"),
            "relabel action labelkeep does not use replacement, remove it",
        ),
        (
            parts(Keep).from(&[""]),
            "source_labels holds an empty label name",
        ),
    ] {
        let got = RelabelConfig::new(step.clone()).expect_err(error);
        assert_eq!(got.to_string(), error, "{step:?}");
    }
    for action in [Replace, Keep, Drop, LabelMap, LabelDrop, LabelKeep] {
        let step = parts(action).to("a").on("(");
        let step = if matches!(action, LabelDrop | LabelKeep) {
            parts(action).on("(")
        } else {
            step
        };
        assert!(
            matches!(RelabelConfig::new(step), Err(RelabelError::Regex(_))),
            "{action}"
        );
    }
}

#[test]
fn actions_have_names_in_any_case() {
    for action in RelabelAction::ALL {
        assert_eq!(action.as_str().parse(), Ok(action));
        assert_eq!(action.as_str().to_uppercase().parse(), Ok(action));
    }
    assert_eq!(
        "tokeep"
            .parse::<RelabelAction>()
            .expect_err("no action")
            .to_string(),
        "unknown relabel action \"tokeep\", use one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, \
         labeldrop, labelkeep, lowercase, uppercase"
    );
}
