use super::*;
use crate::model::signature::LateSigner;
use crate::template::functions::Functions;
use crate::template::{Context, TemplateSet};

fn surroundings(upstream_only: bool) -> Surroundings {
    Surroundings {
        external_url: "http://out:9797".to_owned(),
        upstream_only,
        signer: LateSigner::default(),
        templates: TemplateSet::new(Functions::alertmanager()),
    }
}

fn render(text: &str, index: usize) -> String {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let notification = &synthetic(now)[index];
    let at = jiff::Timestamp::from_millisecond(now.millis()).unwrap();
    TemplateSet::new(Functions::alertmanager())
        .render_text(
            text,
            &data(notification, &surroundings(false), now),
            &Context::at(at),
        )
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn templates_see_alertmanagers_data() {
    let check = |text: &str, want: &str| assert_eq!(render(text, 3), want, "{text}");
    check(
        "{{ .Status }} {{ .Receiver }} {{ .ExternalURL }}",
        "firing example http://out:9797",
    );
    check(
        "{{ len .Alerts }} {{ len .Alerts.Firing }} {{ .Alerts.Resolved | len }}",
        "3 2 1",
    );
    check(
        "{{ .GroupLabels.alertname }} {{ .CommonLabels.SortedPairs }}",
        "HighErrorRate job=example, severity=critical",
    );
    check(
        "{{ range .CommonLabels.Names }}{{ . }},{{ end }}",
        "job,severity,",
    );
    check(
        "{{ .CommonAnnotations.summary }}",
        "an example made up to try templates",
    );
    check("{{ (index .Alerts 0).Labels.instance }}", "api:8080");
    check(
        "{{ with index .Alerts 0 }}{{ .StartsAt.Format \"15:04:05\" }} {{ .EndsAt }}{{ end }}",
        "22:08:20 0001-01-01 00:00:00 +0000 UTC",
    );
    check(
        "{{ range .Alerts.Resolved }}{{ .Fingerprint | len }} {{ .EndsAt.IsZero }} {{ .GeneratorURL }}{{ end }}",
        "16 false http://localhost:9797/graph?g0.expr=up",
    );
    check(
        "{{ range .Alerts }}{{ .Status }} {{ end }}",
        "firing firing resolved ",
    );
}

#[test]
fn templates_see_what_is_only_here() {
    let check = |index: usize, text: &str, want: &str| {
        assert_eq!(render(text, index), want, "{text}");
    };
    check(
        1,
        "{{ .Severity }} {{ .Color }} {{ .NotificationReason }}",
        "critical #d92d20 first_notification",
    );
    check(2, "{{ .Severity }} {{ .Color }}", "critical #12a150");
    check(
        1,
        "{{ range .Alerts }}{{ .Name }} {{ .Value }} {{ .ValueText }} {{ .Lasting }}{{ end }}",
        "HighErrorRate 0.25 0.25 5m",
    );
    check(1, "{{ if .Digest }}digest{{ else }}plain{{ end }}", "plain");
    check(
        4,
        "{{ with .Digest }}{{ .Total }} {{ .Worst.Name }} {{ range .Counts }}{{ .Name }}={{ .Firing }}{{ end }} {{ range .New }}{{ .Name }}{{ end }}{{ end }}",
        "2 HighErrorRate HighErrorRate=1 DiskSpaceLow",
    );
    check(
        4,
        "{{ range .Digest.Counts }}{{ .RunbookURL }}{{ end }}{{ with .Digest.Storm }}storm{{ end }}",
        "http://localhost:9797/runbooks/example",
    );
    check(
        7,
        "{{ with .Digest.Storm }}{{ .Stage }} {{ .Alerts }} {{ .Kinds }} {{ .Summary }}{{ end }}",
        "began 312 4 312 alerts of 4 kinds in 2m",
    );
    check(8, "{{ .Digest.Storm.Stage }} {{ len .Alerts }}", "over 0");
    check(1, "{{ range .Alerts }}[{{ .Flapping }}]{{ end }}", "[]");
}

#[test]
fn templates_see_what_changed_and_what_the_value_went_through() {
    let check = |index: usize, text: &str, want: &str| {
        assert_eq!(render(text, index), want, "{text}");
    };
    let changed = "{{ range .New }}+{{ .Name }} {{ end }}{{ range .StillFiring }}={{ .Name }} {{ end }}\
                   {{ range .JustResolved }}-{{ .Name }} {{ end }}{{ .Lasting }}";
    check(1, changed, "+HighErrorRate 5m");
    check(2, changed, "-HighErrorRate 5m");
    check(5, changed, "=HighErrorRate 5m");
    check(6, changed, "+DiskSpaceLow =HighErrorRate -HighErrorRate 5m");
    check(
        6,
        "{{ len .Alerts.New }} {{ len .Alerts.StillFiring }} {{ len .Alerts.JustResolved }} {{ len .Alerts.Firing }} \
         {{ range .Alerts }}{{ .Change }} {{ end }}",
        "1 1 1 2 still_firing new just_resolved ",
    );
    let values = "{{ range .Alerts }}{{ .Value }} {{ .PeakValueText }} {{ .ResolvedValue }} {{ .ThresholdText }}{{ end }}";
    check(2, values, "0.25 0.5 0.01 0.05");
    check(1, values, "0.25 0.5 <no value> 0.05");
}

#[test]
fn json_of_the_data_is_alertmanagers_in_its_place() {
    let keys = |upstream_only: bool, text: &str| {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let all = synthetic(now);
        let data = data(&all[2], &surroundings(upstream_only), now);
        let at = jiff::Timestamp::from_millisecond(now.millis()).unwrap();
        let json = TemplateSet::new(Functions::alertmanager())
            .render_text(text, &data, &Context::at(at))
            .unwrap();
        let value: std::collections::BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&json).unwrap();
        value.into_keys().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        keys(true, "{{ toJson . }}"),
        "alerts commonAnnotations commonLabels externalURL groupLabels notificationReason receiver status"
    );
    assert_eq!(
        keys(true, "{{ index .Alerts 0 | toJson }}"),
        "annotations endsAt fingerprint generatorURL labels startsAt status"
    );
    assert!(keys(false, "{{ index .Alerts 0 | toJson }}").contains("peakValue"));
    let full = keys(false, "{{ toJson . }}");
    assert!(
        full.contains("truncatedAlerts") && !full.contains("new"),
        "{full}"
    );
}

#[test]
fn the_receiver_is_quoted_as_a_regular_expression() {
    assert_eq!(receiver_pattern("team-a.b (x)"), r"team-a\.b \(x\)");
}

#[test]
fn numbers_are_short() {
    let check = |value: f64, want: &str| assert_eq!(value_text(value), want);
    check(0.0, "0");
    check(0.05, "0.05");
    check(0.123_456, "0.1235");
    check(1.0, "1");
    check(97.0, "97");
    check(1234.56, "1235");
    check(12_345_678.0, "12345678");
    check(1e-9, "1.000e-9");
    check(1e15, "1.000e15");
    check(-2.5, "-2.5");
    check(f64::NAN, "NaN");
    check(f64::INFINITY, "+Inf");
}

#[test]
fn lengths_of_time_show_two_units() {
    let check = |seconds: u64, want: &str| {
        assert_eq!(duration_text(Duration::from_secs(seconds)), want);
    };
    check(0, "0s");
    check(59, "59s");
    check(60, "1m");
    check(61, "1m 1s");
    check(3661, "1h 1m");
    check(90_000, "1d 1h");
}

#[test]
fn only_what_is_equal_everywhere_is_common() {
    let all = synthetic(Timestamp::from_millis(0));
    assert_eq!(Common::of(&[]).labels, Labels::empty());
    assert_eq!(
        Common::of(&all[3].alerts).labels,
        Labels::from_pairs([("job", "example"), ("severity", "critical")])
    );
}
