//! Text in pictures: how wide it is, and what of it may stand there.

/// Advance widths of the printable ASCII characters, in hundredths of the size: the regular embedded font, then the bold.
const WIDTHS: [[u8; 95]; 2] = [
    [
        28, 28, 40, 63, 64, 81, 64, 22, 36, 36, 50, 66, 28, 46, 28, 36, 62, 46, 61, 64, 64, 61, 62,
        57, 62, 62, 28, 28, 66, 66, 66, 51, 94, 68, 65, 73, 72, 60, 59, 74, 74, 26, 54, 65, 56, 89,
        75, 76, 63, 76, 64, 64, 64, 74, 68, 95, 64, 66, 62, 36, 36, 36, 47, 45, 50, 56, 62, 56, 62,
        58, 36, 61, 59, 24, 24, 54, 24, 87, 59, 60, 61, 61, 37, 52, 36, 58, 56, 81, 54, 56, 54, 36,
        33, 36, 66,
    ],
    [
        25, 31, 40, 64, 65, 84, 66, 21, 39, 39, 54, 67, 30, 47, 29, 38, 67, 48, 62, 65, 67, 63, 65,
        59, 65, 65, 29, 30, 67, 67, 67, 54, 100, 72, 66, 74, 72, 61, 59, 75, 74, 27, 56, 68, 57,
        91, 74, 77, 64, 78, 65, 65, 66, 73, 72, 101, 69, 70, 65, 39, 38, 39, 48, 47, 50, 57, 63,
        58, 63, 59, 38, 63, 61, 26, 26, 57, 26, 90, 61, 61, 62, 62, 40, 55, 38, 61, 58, 84, 56, 58,
        56, 39, 36, 39, 67,
    ],
];
/// Any other character, wide ones of East Asia excepted.
const OTHER_WIDTH: f64 = 0.66;
const FULL_WIDTH: f64 = 1.0;
/// Browsers show a chart in a font of theirs where they lack this one; common ones are this much wider.
const SPARE: f64 = 1.14;

/// The room that a text takes in the embedded font and in those that stand in for it, near enough for a layout.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    let table = &WIDTHS[usize::from(bold)];
    let one = |c: char| match u32::from(c) {
        code @ 0x20..=0x7e => f64::from(table[code as usize - 0x20]) / 100.0,
        0x1100.. => FULL_WIDTH,
        _ => OTHER_WIDTH,
    };
    text.chars().map(one).sum::<f64>() * size * SPARE
}

/// The text, cut with an ellipsis where it is wider than the room.
pub fn fit(text: &str, room: f64, size: f64, bold: bool) -> String {
    // A character is at least a fifth of its size wide: what is beyond this cannot fit, however long the text.
    let most = (room.max(0.0) / size * 5.0) as usize + 1;
    let text = clean(text, most + 1);
    if width(&text, size, bold) <= room {
        return text;
    }
    let mut room = room - width("…", size, bold);
    let mut out = String::new();
    for c in text.chars() {
        room -= width(c.encode_utf8(&mut [0; 4]), size, bold);
        if room < 0.0 {
            break;
        }
        out.push(c);
    }
    let mut out = out.trim_end().to_owned();
    out.push('…');
    out
}

/// At most so many characters on one line, without those that XML forbids, control the terminal or turn the direction.
pub fn clean(text: &str, limit: usize) -> String {
    text.chars()
        .take(limit)
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Escapes a text for XML, in elements and attributes alike.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_the_room_it_has() {
        assert_eq!(fit("short", 100.0, 12.0, false), "short");
        let cut = fit(&"wide ".repeat(1_000_000), 100.0, 12.0, true);
        assert!(
            cut.ends_with('…') && width(&cut, 12.0, true) <= 100.0,
            "{cut}"
        );
        assert_eq!(fit("x", 0.0, 12.0, false), "…");
    }

    #[test]
    fn what_turns_or_breaks_a_line_is_taken_out() {
        assert_eq!(
            clean("a\nb\u{202e}c\u{0}d\u{7f}", 99),
            "a b\u{fffd}c\u{fffd}d\u{fffd}"
        );
        assert_eq!(escape("<a b='\"'>&"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;");
    }
}
