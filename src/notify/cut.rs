//! Cutting texts to what a service takes. A cut is always said.

/// Cuts a text of many lines to a number of characters, at the end of a line where one is near, and says so.
pub fn lines(text: String, limit: usize, service: &str) -> String {
    if text.chars().count() <= limit {
        return text;
    }
    let note = note(service);
    let room = limit.saturating_sub(note.chars().count());
    let head = &text[..offset(&text, room)];
    let head = match head.rfind('\n') {
        Some(line_end) if line_end * 2 > head.len() => &head[..line_end],
        _ => head,
    };
    format!("{}{note}", head.trim_end())
}

/// Cuts a text of one line to a number of characters; an ellipsis says so.
pub fn line(text: String, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text;
    }
    let head = &text[..offset(&text, limit.saturating_sub(1))];
    format!("{}…", head.trim_end())
}

/// Cuts a text as Alertmanager does: to a number of characters of which the last is an ellipsis, and no word of it.
pub fn upstream(text: String, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text;
    }
    format!("{}…", &text[..offset(&text, limit.saturating_sub(1))])
}

/// Cuts a text until the message around it has no more bytes than a service takes.
///
/// # Errors
/// Where `encode` fails.
pub fn bytes<E>(
    mut text: String,
    limit: usize,
    service: &str,
    encode: impl Fn(&str) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    loop {
        let encoded = encode(&text)?;
        let length = text.chars().count();
        if encoded.len() <= limit || length == 0 {
            return Ok(encoded);
        }
        // Characters differ in how many bytes they take, so that the first guess may be too large; each is smaller.
        let guess = length.saturating_mul(limit) / encoded.len() * 9 / 10;
        text = lines(text, guess.min(length - 1), service);
        if guess <= note(service).chars().count() {
            text.clear();
        }
    }
}

/// What is said at the end of a text that was cut.
pub fn note(service: &str) -> String {
    format!("\n… cut: the message was too long for {service}")
}

fn offset(text: &str, chars: usize) -> usize {
    text.char_indices()
        .nth(chars)
        .map_or(text.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_line_and_say_so() {
        let text: String = (0..1000).map(|i| format!("line {i}\n")).collect();
        let short = lines(text, 4000, "Slack");
        assert!(short.chars().count() <= 4000);
        assert!(short.ends_with("too long for Slack"));
        assert!(short.lines().rev().nth(1).unwrap().starts_with("line "));
        assert_eq!(lines("é".repeat(100), 100, "Slack"), "é".repeat(100));
        assert!(lines("é".repeat(101), 100, "Slack").chars().count() <= 100);
    }

    #[test]
    fn a_line_ends_with_an_ellipsis() {
        assert_eq!(line("four".to_owned(), 4), "four");
        assert_eq!(line("fives".to_owned(), 4), "fiv…");
        assert_eq!(line("ééééé".to_owned(), 4), "ééé…");
    }

    #[test]
    fn the_whole_message_fits() {
        let check = |text: &str, limit: usize| {
            let encoded = bytes(text.to_owned(), limit, "it", |text| {
                serde_json::to_vec(&["frame", text])
            });
            let encoded = encoded.unwrap();
            assert!(encoded.len() <= limit, "{} > {limit}", encoded.len());
        };
        check("short", 1000);
        check(&"a".repeat(100_000), 1000);
        check(&"\u{1}".repeat(100_000), 1000);
        check(&"\n".repeat(100_000), 1000);
        check(&"é".repeat(100_000), 60);
    }
}
