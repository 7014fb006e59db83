//! What is asked for among the alerts, and the rows of one page.

use std::cmp::Reverse;
use std::ops::Range;

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

/// The alerts that are asked for.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// How many there are of each state, were none chosen.
    pub(super) counts: [usize; State::ALL.len()],
    /// How many rows they are: an alert stands in each of its groups.
    pub(super) total: usize,
    /// By the place of their group, in the order of the groups; all in one where they stand one by one. Their own order is
    /// made where it is looked at.
    groups: Vec<(Option<usize>, Vec<Ranked<'a>>)>,
}

/// What needs somebody comes first: severe, then new.
type Rank<'a> = (bool, u8, Reverse<Timestamp>, &'a Labels);

/// An alert's rank, and its place.
type Ranked<'a> = (Rank<'a>, usize);

pub(super) fn find<'a>(scene: &'a Scene, wanted: &Wanted) -> Found<'a> {
    let mut found = Found::default();
    let mut taken: Vec<Ranked<'a>> = Vec::new();
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
    if wanted.form.flat {
        found.total = taken.len();
        found.groups.push((None, taken));
        return found;
    }
    let mut members: Vec<Vec<Ranked<'a>>> = vec![Vec::new(); scene.groups.len()];
    let mut nowhere = Vec::new();
    for ranked in taken {
        let groups = &scene.alerts[ranked.1].groups;
        if groups.is_empty() {
            nowhere.push(ranked);
        }
        for group in groups.iter().copied() {
            if any_receiver || in_receiver(group) {
                members[group].push(ranked);
            }
        }
    }
    // Groups stand in the order of their first alert; pending ones, in no group, at the end.
    let groups = members.into_iter().enumerate();
    let mut groups: Vec<_> = groups
        .filter_map(|(group, members)| Some((*members.iter().min()?, group, members)))
        .collect();
    groups.sort_unstable_by(|(a, in_a, _), (b, in_b, _)| {
        a.cmp(b)
            .then_with(|| scene.groups[*in_a].name().cmp(&scene.groups[*in_b].name()))
    });
    let groups = groups
        .into_iter()
        .map(|(_, group, members)| (Some(group), members));
    found.groups = groups.chain([(None, nowhere)]).collect();
    found.total = found.groups.iter().map(|(_, members)| members.len()).sum();
    found
}

impl Found<'_> {
    /// The rows of this range: for each group that has some its place, how many rows it has in all, and the places of the alerts.
    pub(super) fn window(&mut self, rows: Range<usize>) -> Vec<(Option<usize>, usize, Vec<usize>)> {
        let mut shown = Vec::new();
        let mut before = 0;
        for (group, members) in &mut self.groups {
            let all = members.len();
            let start = rows.start.saturating_sub(before).min(all);
            let end = rows.end.saturating_sub(before).min(all);
            before += all;
            if start < end {
                let places = sorted(members, start..end).iter().map(|(_, place)| *place);
                shown.push((*group, all, places.collect()));
            }
        }
        shown
    }
}

/// What stands in this range were all sorted; only that is, for of ten thousand fifty are looked at.
fn sorted<T: Ord>(all: &mut [T], range: Range<usize>) -> &[T] {
    if range.start > 0 {
        all.select_nth_unstable(range.start);
    }
    let rest = &mut all[range.start..];
    if range.len() < rest.len() {
        rest.select_nth_unstable(range.len());
    }
    let shown = &mut rest[..range.len()];
    shown.sort_unstable();
    shown
}

fn rank(seen: &Seen) -> Rank<'_> {
    let alert = &seen.alert;
    (
        !seen.states.has(State::Active),
        severity_rank(alert.labels.value("severity")),
        Reverse(alert.starts_at),
        &alert.labels,
    )
}

#[cfg(test)]
mod tests {
    use super::sorted;

    #[test]
    fn a_part_is_sorted_as_if_all_were() {
        let numbers: Vec<u32> = (0..97).map(|number| number * 37 % 97).collect();
        for start in 0..97 {
            for end in start + 1..=97 {
                let want: Vec<u32> = (0..97).collect();
                let mut mixed = numbers.clone();
                assert_eq!(sorted(&mut mixed, start..end), &want[start..end]);
            }
        }
    }
}
