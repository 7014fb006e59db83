//! What people write: names, notes, comments.

/// Whether a character turns the direction of writing, so that what follows reads as another text.
pub fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character moves a terminal's cursor or turns the direction of writing, so that a text looks like another.
/// Line ends and tabs do not count: notes have them.
pub fn is_unprintable(c: char) -> bool {
    turns(c) || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}
