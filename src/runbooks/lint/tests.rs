use super::*;

const GOOD: &str = "---\nalert: DiskFull\nseverity: [warning]\nowner: team\ndashboards: [api]\nupdated: 2026-01-31\ntested: never\n---\n# DiskFull\n\n\
## What it means\n\nText.\n\n```promql\nup == 0\n```\n\n## Symptoms\n\n- one\n\n## Impact\n\n- one\n\n## Quick check (2 minutes)\n\n1. Look: `outrigger query 'up'`\n\n\
## Diagnosis\n\n1. See [impact](#impact) and [this](disk-full.md#symptoms).\n\n## Resolution\n\n### 1. Restart\n\n- **Verify:** up.\n- **Roll back:** nothing.\n\n\
## Escalation\n\n|level|who|when|\n|-|-|-|\n|L1|a|now|\n|L2|b|15 m|\n|L3|c|45 m|\n\n## Communication\n\nInternal:\n\n> x\n\nStatus page:\n\n> y\n\n## Prevention\n\n- one\n\n\
## Related alerts\n\n- none\n";

fn rule(alert: &str, severity: &str) -> AlertRule {
    AlertRule {
        alert: alert.to_owned(),
        severity: Some(severity.to_owned()),
        runbook_url: Some("{{ $externalURL }}/runbooks/disk-full".to_owned()),
        file: "r.yml".to_owned(),
        line: 4,
    }
}

fn faults(files: &[(&str, &str)], rules: &[AlertRule]) -> Vec<String> {
    let diagnostics = Diagnostics::default();
    let files: Vec<(String, String)> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    lint(&files, rules, &["api"], &diagnostics);
    diagnostics
        .into_sorted()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Each fault begins and goes on with these.
fn check(text: &str, expected: &[&str]) {
    let found = faults(&[("b/disk-full.md", text)], &[rule("DiskFull", "warning")]);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found:?} is not {expected:?}");
    }
}

#[test]
fn a_whole_runbook_has_no_mistake() {
    check(GOOD, &[]);
}

#[test]
fn mistakes_are_told_with_their_line() {
    check(
        &GOOD.replace("dashboards: [api]", "dashboards: []"),
        &["b/disk-full.md:5:1: front matter lacks dashboards; list names or addresses"],
    );
    check(
        &GOOD.replace("[api]", "[apy]"),
        &["b/disk-full.md:5:1: there is no dashboard apy; write one of api"],
    );
    check(
        &GOOD.replace("tested: never", "tested: soon"),
        &["b/disk-full.md:7:1: tested is no day: soon"],
    );
    check(
        &GOOD.replace("[warning]", "[critical]"),
        &["b/disk-full.md:3:1: severity is [critical], its rules say [warning]"],
    );
    check(
        &GOOD.replace("## Impact\n\n- one\n", ""),
        &[
            "b/disk-full.md:19:1: section \"Impact\" is missing; write it",
            "b/disk-full.md:30:1: disk-full has no heading #impact",
        ],
    );
    check(
        &GOOD.replace("## Symptoms", "## Signs"),
        &[
            "b/disk-full.md:11:1: section \"Symptoms\" is missing",
            "b/disk-full.md:19:1: section \"Signs\" is none of a runbook's",
            "b/disk-full.md:33:1: disk-full has no heading #symptoms",
        ],
    );
    check(
        &GOOD.replace("- **Roll back:** nothing.\n", ""),
        &["b/disk-full.md:37:1: \"1. Restart\" lacks **Roll back:**"],
    );
    check(
        &GOOD.replace("|L2|b|15 m|\n", ""),
        &["b/disk-full.md:42:1: the table of the escalation lacks L2"],
    );
    check(
        &GOOD.replace("Status page:", "Public:"),
        &["b/disk-full.md:50:1: words for \"Status page:\" are missing"],
    );
    check(
        &GOOD.replace("- none", ""),
        &["b/disk-full.md:64:1: section \"Related alerts\" is empty"],
    );
    check(
        &GOOD.replace("up == 0", "up =="),
        &["b/disk-full.md:16:1: query: "],
    );
    check(
        &GOOD.replace("query 'up'", "query 'up{'"),
        &["b/disk-full.md:29:1: query: "],
    );
    check(
        &GOOD.replace("disk-full.md#symptoms", "../else.md"),
        &["b/disk-full.md:33:1: the link to ../else.md leads nowhere"],
    );
}

#[test]
fn sections_in_another_order_are_told() {
    let swapped = GOOD
        .replace("## Symptoms", "## X")
        .replace("## Impact", "## Symptoms")
        .replace("## X", "## Impact");
    check(
        &swapped,
        &["b/disk-full.md:19:1: section \"Impact\" is out of order"],
    );
}

#[test]
fn every_rule_has_a_runbook_and_every_runbook_a_rule() {
    let good = ("disk-full.md", GOOD);
    let found = faults(
        &[good],
        &[rule("DiskFull", "warning"), rule("Other", "info")],
    );
    assert_eq!(
        found,
        [
            "r.yml:4:1: Other: the alert has no runbook; write a file with `alert: Other` in its front matter"
        ]
    );
    let found = faults(&[good], &[]);
    assert_eq!(
        found,
        ["disk-full.md:2:1: no rule raises DiskFull; correct the name, or remove the runbook"]
    );
    let elsewhere = AlertRule {
        runbook_url: Some("{{ $externalURL }}/runbooks/disk?x=1".to_owned()),
        ..rule("DiskFull", "warning")
    };
    let found = faults(&[good], &[elsewhere]);
    assert!(
        found[0].contains("runbook_url leads to disk, which is not"),
        "{found:?}"
    );
    let twice = ("disk-full-2.md", GOOD);
    let found = faults(&[good, twice], &[rule("DiskFull", "warning")]);
    assert!(
        found[0].contains("has a runbook already: disk-full.md"),
        "{found:?}"
    );
    let index = ("README.md", "# All\n\nnothing\n");
    let found = faults(&[good, index], &[rule("DiskFull", "warning")]);
    assert!(
        found[0].starts_with("README.md:4:1: disk-full.md is not listed"),
        "{found:?}"
    );
}

#[test]
fn guides_and_files_that_cannot_be_read_are_told_apart() {
    let guide = ("guide.md", "# Guide\n\nNo sections, [no such](x.md).\n");
    let broken = ("a b.md", "# X\n");
    let found = faults(&[guide, broken], &[]);
    assert!(
        found[0].starts_with("a b.md: the name may hold"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("guide.md:3:1: the link to x.md"),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
}
