//! What is asked for among the alerts, and the rows of one page.

use std::cmp::Reverse;

use super::scene::{Scene, Seen, States};
use super::{Form, Mistake, State};
use crate::alerts::matchers;
use crate::http::pages::paged::{Address, refusal, tidy};
use crate::http::params::Params;
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::notification::severity_rank;
use crate::model::timestamp::Timestamp;

/// The longest text in which a fault is shown.
const LONGEST_EXCERPT: usize = 300;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) form: Form,
    pub(super) mistake: Option<Mistake>,
    matchers: Vec<Matcher>,
    text: String,
    states: States,
}

impl Wanted {
    pub(super) fn read(params: &Params) -> Self {
        let filters: Vec<&str> = params
            .all("filter")
            .filter(|text| !text.is_empty())
            .collect();
        let text = |name: &str| params.get(name).unwrap_or_default().trim().to_owned();
        let word = |word: &str| State::ALL.into_iter().find(|state| state.word() == word);
        let states: Vec<State> = params.all("state").filter_map(word).collect();
        let mut wanted = Self {
            form: Form {
                filter: filters.join(", "),
                text: text("q"),
                severity: text("severity"),
                receiver: text("receiver"),
                states: states.iter().map(|state| state.word()).collect(),
                flat: params.get("view") == Some("flat"),
            },
            states: States::of(&states),
            ..Self::default()
        };
        let form = &mut wanted.form;
        for (name, field) in [
            ("matchers", &mut form.filter),
            ("text", &mut form.text),
            ("severity", &mut form.severity),
            ("receiver", &mut form.receiver),
        ] {
            if let Some(reason) = refusal(field) {
                field.clear();
                wanted.mistake = Some(Mistake {
                    message: format!("{name}: {reason}"),
                    excerpt: None,
                });
            }
        }
        wanted.text = form.text.to_lowercase();
        match matchers::parse(&form.filter) {
            Ok(read) => wanted.matchers = read,
            Err(message) => wanted.mistake = Some(mistake(&form.filter, &message)),
        }
        wanted
    }

    /// Whether an alert is asked for, its state and groups aside.
    fn takes(&self, seen: &Seen) -> bool {
        let labels = &seen.alert.labels;
        let severity = &self.form.severity;
        (severity.is_empty() || labels.value("severity") == severity)
            && self
                .matchers
                .iter()
                .all(|matcher| matcher.matches_labels(labels))
            && (self.text.is_empty() || self.is_in(seen))
    }

    fn is_in(&self, seen: &Seen) -> bool {
        let holds = |text: &str| text.to_lowercase().contains(&self.text);
        let alert = &seen.alert;
        alert.labels.iter().any(|(_, value)| holds(value))
            || holds(alert.annotations.value("summary"))
    }

    /// Its address, without the page.
    pub(super) fn address(&self) -> Address {
        let form = &self.form;
        let view = if form.flat { "flat" } else { "" };
        let mut address = Address::new("/alerts")
            .with("filter", &*form.filter)
            .with("q", &*form.text)
            .with("severity", &*form.severity)
            .with("receiver", &*form.receiver)
            .with("view", view);
        for state in &form.states {
            address = address.with("state", *state);
        }
        address
    }
}

/// Where a text is wrong.
pub(in crate::http::pages) fn mistake(text: &str, message: &str) -> Mistake {
    let at = matchers::fault(text);
    let excerpt = at.filter(|_| text.len() <= LONGEST_EXCERPT).map(|at| {
        let before = text[..at].chars().count();
        format!("{}\n{}^", tidy(text, LONGEST_EXCERPT), " ".repeat(before))
    });
    Mistake {
        message: format!("matchers: {}", tidy(message, LONGEST_EXCERPT)),
        excerpt,
    }
}

/// The alerts that are asked for, in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many there are of each state, were none chosen.
    pub(super) counts: [usize; State::ALL.len()],
    /// The place of the group, where they stand in groups, and of the alert.
    pub(super) rows: Vec<(Option<usize>, usize)>,
}

/// What needs somebody comes first: severe, then new.
type Rank = (bool, u8, Reverse<Timestamp>, Labels);

pub(super) fn find(scene: &Scene, wanted: &Wanted) -> Found {
    let mut found = Found::default();
    let mut taken: Vec<(Rank, usize)> = Vec::new();
    let in_receiver = |group: usize| *scene.groups[group].receiver == *wanted.form.receiver;
    let any_receiver = wanted.form.receiver.is_empty();
    for (place, seen) in scene.alerts.iter().enumerate() {
        let routed = any_receiver || seen.groups.iter().any(|group| in_receiver(*group));
        if !routed || !wanted.takes(seen) {
            continue;
        }
        for (count, state) in found.counts.iter_mut().zip(State::ALL) {
            *count += usize::from(seen.states.has(state));
        }
        if wanted.form.states.is_empty() || seen.states.meets(wanted.states) {
            taken.push((rank(seen), place));
        }
    }
    taken.sort_unstable();
    if wanted.form.flat {
        found.rows = taken.into_iter().map(|(_, place)| (None, place)).collect();
        return found;
    }
    // Groups stand in the order of their first alert; pending ones, in no group, at the end.
    let mut order: Vec<Option<usize>> = Vec::with_capacity(scene.groups.len() + 1);
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); scene.groups.len() + 1];
    for (_, place) in taken {
        let groups = &scene.alerts[place].groups;
        let groups = groups
            .iter()
            .copied()
            .filter(|group| any_receiver || in_receiver(*group))
            .map(Some);
        let nowhere = scene.alerts[place].groups.is_empty().then_some(None);
        for group in groups.chain(nowhere) {
            let of_group = &mut members[group.unwrap_or(scene.groups.len())];
            if of_group.is_empty() && group.is_some() {
                order.push(group);
            }
            of_group.push(place);
        }
    }
    order.push(None);
    for group in order {
        let of_group = &members[group.unwrap_or(scene.groups.len())];
        found
            .rows
            .extend(of_group.iter().map(|place| (group, *place)));
    }
    found
}

fn rank(seen: &Seen) -> Rank {
    let alert = &seen.alert;
    (
        !seen.states.has(State::Active),
        severity_rank(alert.labels.value("severity")),
        Reverse(alert.starts_at),
        alert.labels.clone(),
    )
}
