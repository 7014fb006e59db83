//! What most tests start from: a directory with a service to scrape, rules, and a webhook that is told of alerts.

use serde_json::Value;

use super::outrigger::Outrigger;
use super::place::Place;
use super::recorder::Recorder;
use super::service::Service;
use super::wait::{PATIENCE, wait_for, wait_until};

/// Settings for tests that wait for several scrapes and evaluations.
pub(crate) const FAST: &str = "\
global: {scrape_interval: 250ms, evaluation_interval: 250ms}
scrape_self: false
node: {enabled: false}
";

/// A service, a webhook, and the files that join them.
pub(crate) struct Scene {
    /// Holds `outrigger.yml`, `rules/service.yml`, `alertmanager.yml`.
    pub(crate) place: Place,
    /// Scraped as job `shop`.
    pub(crate) service: Service,
    /// Told of all alerts on `/hook`.
    pub(crate) recorder: Recorder,
}

impl Scene {
    /// A service with this exposition, judged by these rules (the list under `rules:`, indented by two).
    pub(crate) fn new(exposition: &str, rules: &str) -> Self {
        let scene = Self {
            place: Place::new(),
            service: Service::start(exposition),
            recorder: Recorder::start(),
        };
        scene.settings("");
        scene.rules(rules);
        scene.routing(
            "group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h",
        );
        scene
    }

    /// Writes `outrigger.yml`, with more keys.
    pub(crate) fn settings(&self, more: &str) {
        let target = self.service.address();
        let text = format!(
            "{FAST}alertmanager_config: alertmanager.yml\nrule_files: [rules/*.yml]\n\
             scrape_configs:\n- job_name: shop\n  static_configs: [{{targets: ['{target}']}}]\n{more}"
        );
        self.place.write("outrigger.yml", &text);
    }

    /// Writes `rules/service.yml`.
    pub(crate) fn rules(&self, rules: &str) {
        self.place.write("rules/service.yml", &rule_file(rules));
    }

    /// Writes `alertmanager.yml`: one route with these options, to the webhook.
    pub(crate) fn routing(&self, options: &str) {
        let url = self.recorder.url("/hook");
        let text = format!(
            "route: {{receiver: hook, {options}}}\n\
             receivers:\n- name: hook\n  webhook_configs: [{{url: '{url}', send_resolved: true}}]\n"
        );
        self.place.write("alertmanager.yml", &text);
    }

    /// Starts Outrigger on it.
    #[track_caller]
    pub(crate) fn start(&self) -> Outrigger {
        Outrigger::start(self.place.path(), &["--config", "outrigger.yml"])
    }

    /// Starts Outrigger on it, with more arguments.
    #[track_caller]
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Outrigger {
        Outrigger::start(
            self.place.path(),
            &[&["--config", "outrigger.yml"], arguments].concat(),
        )
    }

    /// What the webhook accepted.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.recorder.accepted("/hook")
    }

    /// Waits until the webhook has accepted so many messages.
    #[track_caller]
    pub(crate) fn wait_for_told(&self, count: usize) -> Vec<Value> {
        wait_for(
            &format!("{count} messages at the webhook"),
            PATIENCE,
            || {
                let told = self.told();
                (told.len() >= count).then_some(told)
            },
        )
    }
}

/// A rule file with one group.
pub(crate) fn rule_file(rules: &str) -> String {
    format!("groups:\n- name: service\n  rules:\n{rules}")
}

/// Waits until the first rule group was evaluated so many times more: what was to follow from anything before has.
#[track_caller]
pub(crate) fn wait_for_evaluations(outrigger: &Outrigger, count: usize) {
    let last = || outrigger.data("/api/v1/rules")["groups"][0]["lastEvaluation"].clone();
    let mut seen = last();
    let mut evaluations = 0;
    wait_until(&format!("{count} evaluations"), PATIENCE, || {
        let now = last();
        evaluations += usize::from(now != seen);
        seen = now;
        evaluations >= count
    });
}
