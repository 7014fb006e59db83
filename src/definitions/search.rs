//! How well a definition fits the words somebody looks for: pure, over the texts that the database keeps for searching.
//!
//! Each word counts for the best place where it stands; a whole word more than the beginning of one, and that more than a
//! part. All words have to be there, or it does not fit at all.
//!
//! | place | whole | beginning | part |
//! |---|---|---|---|
//! | identifier | 100 | 40 | 20 |
//! | name | 60 | 30 | 15 |
//! | anywhere else | 10 | 5 | 2 |

use super::resource::Kind;
use crate::db::definitions::candidates::Candidate;

/// The words of a text, in lower case.
pub fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Those that fit with their score, the best first; equal ones by name, kind and identifier.
pub fn rank(found: Vec<(Kind, Candidate)>, words: &[String]) -> Vec<(u32, Kind, Candidate)> {
    let mut ranked: Vec<(u32, Kind, Candidate)> = found
        .into_iter()
        .filter_map(|(kind, candidate)| Some((score(&candidate, words)?, kind, candidate)))
        .collect();
    ranked.sort_by(|a, b| {
        let key = |(_, kind, candidate): &(u32, Kind, Candidate)| {
            (candidate.name.clone(), *kind, candidate.id.clone())
        };
        b.0.cmp(&a.0).then_with(|| key(a).cmp(&key(b)))
    });
    ranked
}

fn score(candidate: &Candidate, words: &[String]) -> Option<u32> {
    let id = candidate.id.to_lowercase();
    let name = candidate.name.to_lowercase();
    let mut total: u32 = 0;
    for word in words {
        let places = [
            if id == *word { 100 } else { 0 },
            fit(&id, word, [80, 40, 20]),
            fit(&name, word, [60, 30, 15]),
            fit(&candidate.search, word, [10, 5, 2]),
        ];
        let best = places.into_iter().max().unwrap_or(0);
        if best == 0 {
            return None;
        }
        total += best;
    }
    Some(total)
}

/// What a word counts in a text: as a whole word, at the beginning of one, anywhere.
fn fit(text: &str, word: &str, [whole, beginning, part]: [u32; 3]) -> u32 {
    let mut best = 0;
    for (at, _) in text.match_indices(word) {
        let starts = !text[..at]
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric);
        let rest = &text[at + word.len()..];
        let ends = !rest.chars().next().is_some_and(char::is_alphanumeric);
        best = best.max(match (starts, ends) {
            (true, true) => return whole,
            (true, false) => beginning,
            (false, _) => part,
        });
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, name: &str, rest: &str) -> (Kind, Candidate) {
        let candidate = Candidate {
            id: id.to_owned(),
            name: name.to_owned(),
            search: format!("{id}\n{name}\n{rest}").to_lowercase(),
        };
        (Kind::Metric, candidate)
    }

    #[test]
    fn the_better_place_comes_first_and_every_word_must_be_there() {
        let all = || {
            vec![
                candidate("A", "Checkouts lost", "how often"),
                candidate("B", "Latency", "of the checkout"),
                candidate("CHECKOUT", "Success", ""),
                candidate("D", "Checkout success", ""),
                candidate("E", "Precheckout", ""),
                candidate("CHECKOUT-RATE", "Rate", ""),
            ]
        };
        let check = |text: &str, want: &[&str]| {
            let ranked = rank(all(), &words(text));
            let found: Vec<&str> = ranked.iter().map(|(_, _, found)| &*found.id).collect();
            assert_eq!(found, want, "{text}");
        };
        check(
            "Checkout",
            &["CHECKOUT", "CHECKOUT-RATE", "D", "A", "E", "B"],
        );
        check("checkout success", &["CHECKOUT", "D"]);
        check("checkout nothing", &[]);
        check("of", &["B", "A"]);
        check("ÜBER", &[]);
    }
}
