//! What changed between two texts, line by line: bounded in work and in size, for people to read.

/// Lines that did not change, around those that did.
const AROUND: usize = 3;
/// The most pairs of lines that are compared; beyond it all lines between the first and the last change count as changed.
const MAX_PAIRS: usize = 1 << 20;

/// One line of a diff.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// In both.
    Same(String),
    /// In the old text alone.
    Removed(String),
    /// In the new text alone.
    Added(String),
    /// So many lines are in both, and not shown.
    Skipped(usize),
}

/// The changes with some lines around them; empty where nothing changed. Of more than `limit` lines the first, and how many
/// follow.
pub fn lines(old: &str, new: &str, limit: usize) -> (Vec<Line>, usize) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let (old_middle, new_middle) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    if old_middle.is_empty() && new_middle.is_empty() {
        return (Vec::new(), 0);
    }
    let mut all: Vec<Line> = same(&old[..head]).collect();
    all.extend(middle(old_middle, new_middle));
    all.extend(same(&old[old.len() - tail..]));
    let mut shown = shortened(all);
    let more = shown.len().saturating_sub(limit);
    shown.truncate(limit);
    (shown, more)
}

fn same<'a>(lines: &'a [&str]) -> impl Iterator<Item = Line> + 'a {
    lines.iter().map(|line| Line::Same((*line).to_owned()))
}

/// By the longest common subsequence.
fn middle(old: &[&str], new: &[&str]) -> Vec<Line> {
    let removed = |line: &&str| Line::Removed((*line).to_owned());
    let added = |line: &&str| Line::Added((*line).to_owned());
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        return old
            .iter()
            .map(removed)
            .chain(new.iter().map(added))
            .collect();
    }
    // How long the common subsequence of what follows each pair is.
    let across = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * across];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * across + j] = if old[i] == new[j] {
                common[(i + 1) * across + j + 1] + 1
            } else {
                common[(i + 1) * across + j].max(common[i * across + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            out.push(Line::Same(old[i].to_owned()));
            i += 1;
            j += 1;
        } else if common[(i + 1) * across + j] >= common[i * across + j + 1] {
            out.push(removed(&old[i]));
            i += 1;
        } else {
            out.push(added(&new[j]));
            j += 1;
        }
    }
    out.extend(old[i..].iter().map(removed));
    out.extend(new[j..].iter().map(added));
    out
}

/// Without the lines that are far from any change.
fn shortened(all: Vec<Line>) -> Vec<Line> {
    let changed: Vec<bool> = all
        .iter()
        .map(|line| !matches!(line, Line::Same(_)))
        .collect();
    let is_near = |index: usize| {
        let from = index.saturating_sub(AROUND);
        let until = (index + AROUND + 1).min(changed.len());
        changed[from..until].iter().any(|changed| *changed)
    };
    let near: Vec<bool> = (0..changed.len()).map(is_near).collect();
    let mut out = Vec::new();
    let mut skipped = 0;
    for (line, near) in all.into_iter().zip(near) {
        if !near {
            skipped += 1;
            continue;
        }
        if skipped > 0 {
            out.push(Line::Skipped(skipped));
            skipped = 0;
        }
        out.push(line);
    }
    if skipped > 0 {
        out.push(Line::Skipped(skipped));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(old: &str, new: &str) -> String {
        let lines = lines(old, new, 1000).0.into_iter().map(|line| match line {
            Line::Same(line) => format!(" {line}"),
            Line::Removed(line) => format!("-{line}"),
            Line::Added(line) => format!("+{line}"),
            Line::Skipped(count) => format!("@{count}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn changes_stand_among_the_lines_around_them() {
        let check = |old: &str, new: &str, want: &str| assert_eq!(text(old, new), want);
        check("a\nb\nc", "a\nb\nc", "");
        check("", "a", "+a");
        check("a\nb\nc", "a\nx\nc", " a\n-b\n+x\n c");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9",
            "1\n2\n3\n4\n5\n6\n7\n8",
            "@5\n 6\n 7\n 8\n-9",
        );
        check("a\nb\na", "a\na", " a\n-b\n a");
    }

    #[test]
    fn work_and_size_are_bounded() {
        let old: String = (0..20_000).map(|line| format!("old {line}\n")).collect();
        let new: String = (0..20_000).map(|line| format!("new {line}\n")).collect();
        let (shown, more) = lines(&old, &new, 300);
        assert_eq!((shown.len(), more), (300, 39_700));
    }

    proptest! {
        #[test]
        fn both_texts_can_be_told_from_it(
            old in prop::collection::vec("[ab]", 0..12), new in prop::collection::vec("[ab]", 0..12)
        ) {
            let both: Vec<&str> = old.iter().map(String::as_str).collect();
            let other: Vec<&str> = new.iter().map(String::as_str).collect();
            let diff = middle(&both, &other);
            let side = |removed: bool| -> Vec<String> {
                diff.iter().filter_map(|line| match line {
                    Line::Same(line) => Some(line.clone()),
                    Line::Removed(line) => removed.then(|| line.clone()),
                    Line::Added(line) => (!removed).then(|| line.clone()),
                    Line::Skipped(_) => None,
                }).collect()
            };
            prop_assert_eq!(side(true), old);
            prop_assert_eq!(side(false), new);
        }
    }
}
