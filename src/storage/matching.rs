//! Which slots pass matchers.
//!
//! As in Prometheus, a matcher that accepts the empty value also selects series without the label. Exact values are
//! looked up and intersected; other matchers go over the label's values, or, where few candidates are left, over the
//! candidates' labels.

use super::index::{Index, Values};
use crate::model::matcher::Matcher;

/// Slots, sorted, of the series that pass all matchers.
pub(super) fn resolve(index: &Index, matchers: &[Matcher]) -> Vec<u32> {
    let mut exact: Vec<Vec<&[u32]>> = Vec::new();
    let mut other: Vec<&Matcher> = Vec::new();
    for matcher in matchers {
        match matcher.accepted_values() {
            Some(accepted) if !matcher.matches_empty() => {
                let Some(values) = index.values(matcher.name()) else {
                    return Vec::new();
                };
                let lists: Vec<&[u32]> = accepted
                    .into_iter()
                    .filter_map(|value| values.get(value).map(Vec::as_slice))
                    .collect();
                if lists.is_empty() {
                    return Vec::new();
                }
                exact.push(lists);
            }
            _ => other.push(matcher),
        }
    }
    // The shortest first: the rest only thins it out.
    exact.sort_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>());
    let mut candidates: Option<Vec<u32>> = None;
    for lists in exact {
        candidates = Some(match candidates {
            None => union(lists),
            Some(mut slots) => {
                slots.retain(|slot| lists.iter().any(|list| list.binary_search(slot).is_ok()));
                slots
            }
        });
    }
    // Positive matchers first: they can begin where nothing is exact.
    other.sort_by_key(|matcher| matcher.matches_empty());
    for matcher in other {
        candidates = Some(narrow(index, candidates, matcher));
    }
    candidates.unwrap_or_else(|| index.all())
}

/// Slots, sorted, of the series that pass any of the matcher sets; all where there is none.
pub(super) fn resolve_any(index: &Index, sets: &[Vec<Matcher>]) -> Vec<u32> {
    match sets {
        [] => index.all(),
        [set] => resolve(index, set),
        sets => {
            let mut slots: Vec<u32> = sets.iter().flat_map(|set| resolve(index, set)).collect();
            slots.sort_unstable();
            slots.dedup();
            slots
        }
    }
}

fn narrow(index: &Index, candidates: Option<Vec<u32>>, matcher: &Matcher) -> Vec<u32> {
    let empty = Values::new();
    let values = index.values(matcher.name()).unwrap_or(&empty);
    match candidates {
        Some(mut slots) if slots.len() <= values.len() => {
            slots.retain(|slot| {
                index
                    .series(*slot)
                    .is_some_and(|(_, labels)| matcher.matches_labels(labels))
            });
            slots
        }
        candidates if matcher.matches_empty() => {
            let refused = union(
                values
                    .iter()
                    .filter(|(value, _)| !matcher.matches(value))
                    .map(|(_, slots)| slots.as_slice())
                    .collect(),
            );
            let mut slots = candidates.unwrap_or_else(|| index.all());
            slots.retain(|slot| refused.binary_search(slot).is_err());
            slots
        }
        candidates => {
            let accepted = union(
                values
                    .iter()
                    .filter(|(value, _)| matcher.matches(value))
                    .map(|(_, slots)| slots.as_slice())
                    .collect(),
            );
            match candidates {
                None => accepted,
                Some(mut slots) => {
                    slots.retain(|slot| accepted.binary_search(slot).is_ok());
                    slots
                }
            }
        }
    }
}

/// Lists of different values of one label share no slot, so a sort is all that is needed.
fn union(lists: Vec<&[u32]>) -> Vec<u32> {
    let mut all = lists.concat();
    if lists.len() > 1 {
        all.sort_unstable();
        // An alternative that is written twice names its list twice.
        all.dedup();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::labels::Labels;
    use crate::model::matcher::MatchOp;
    use proptest::prelude::*;

    fn matcher() -> impl Strategy<Value = Matcher> {
        let op = prop_oneof![
            Just(MatchOp::Equal),
            Just(MatchOp::NotEqual),
            Just(MatchOp::Regex),
            Just(MatchOp::NotRegex)
        ];
        let pattern = prop_oneof![
            "[abc]{0,1}",
            Just("a|b|a".to_owned()),
            Just("a|".to_owned()),
            Just(".*".to_owned()),
            Just(".+".to_owned()),
            Just("[ab].?".to_owned()),
        ];
        ("[xyz]", op, pattern).prop_map(|(name, op, pattern)| {
            Matcher::new(name, op, pattern).expect("a valid expression")
        })
    }

    proptest! {
        #[test]
        fn matchers_select_what_a_plain_filter_selects(
            sets in proptest::collection::vec(proptest::collection::vec(("[xyz]", "[abc]{1,2}"), 0..4), 0..30),
            matchers in proptest::collection::vec(matcher(), 0..4),
            removed in proptest::collection::vec(any::<bool>(), 30),
        ) {
            let mut index = Index::default();
            for pairs in &sets {
                index.get_or_create(&Labels::from_pairs(pairs.iter().map(|(n, v)| (n, v))), 1000);
            }
            let gone: Vec<_> = index.all().into_iter().filter(|slot| removed[*slot as usize])
                .filter_map(|slot| Some(index.series(slot)?.0)).collect();
            index.remove(&gone);
            let want: Vec<u32> = index.all().into_iter().filter(|slot| {
                let (_, labels) = index.series(*slot).expect("listed");
                matchers.iter().all(|matcher| matcher.matches_labels(labels))
            }).collect();
            prop_assert_eq!(resolve(&index, &matchers), want);
        }
    }
}
