//! Which known names a mistyped one probably means.

/// Names longer than this are not compared: the cost grows with the product of the lengths.
const MAX_LENGTH: usize = 128;

/// At most `limit` of `names` that look like `wanted`, the likeliest first; none where nothing does.
pub(super) fn nearest<'a>(
    wanted: &str,
    names: impl Iterator<Item = &'a String>,
    limit: usize,
) -> Vec<String> {
    let wanted = fold(wanted);
    if wanted.is_empty() || wanted.len() > MAX_LENGTH {
        return Vec::new();
    }
    let mut found: Vec<(usize, &String)> = names
        .filter_map(|name| {
            let folded = fold(name);
            let away = distance(&wanted, &folded);
            let contained = folded.windows(wanted.len()).any(|part| part == wanted);
            // A third of the letters may differ; a part of a name counts as near however long the name.
            (contained || away <= wanted.len().div_ceil(3)).then_some((away, name))
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .take(limit)
        .map(|(_, name)| name.clone())
        .collect()
}

/// Letters and digits in lower case, so that `HighErrorRate` and `high-error-rate` are the same.
fn fold(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// Levenshtein's distance.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
