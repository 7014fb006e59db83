//! Markdown as chats read it: text that stays text, links that stay links.

use crate::template::functions::Functions;

/// Puts a backslash before the characters that have a meaning.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|[]<>".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A link; characters that would end it early are percent-encoded.
pub fn link(text: &str, url: &str) -> String {
    let mut target = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' => target.push_str("%28"),
            ')' => target.push_str("%29"),
            ' ' => target.push_str("%20"),
            '<' => target.push_str("%3C"),
            '>' => target.push_str("%3E"),
            '\\' => target.push_str("%5C"),
            c if c.is_control() => {}
            c => target.push(c),
        }
    }
    format!("[{}]({target})", escape(text))
}

/// A span of code.
pub fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('\n', " "))
}

/// The functions `markdownEscape`, `markdownLink` and `markdownCode`.
pub fn functions(functions: Functions) -> Functions {
    functions
        .with("markdownEscape", |_, args| match args {
            [value] => Ok(escape(&value.to_string()).into()),
            _ => Err("markdownEscape wants one argument".into()),
        })
        .with("markdownCode", |_, args| match args {
            [value] => Ok(code(&value.to_string()).into()),
            _ => Err("markdownCode wants one argument".into()),
        })
        .with("markdownLink", |_, args| match args {
            [text, url] => Ok(link(&text.to_string(), &url.to_string()).into()),
            _ => Err("markdownLink wants a text and an address".into()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_text() {
        assert_eq!(escape("a_b *c* [d](e) `f`"), r"a\_b \*c\* \[d\](e) \`f\`");
        assert_eq!(
            link("Run [book]", "http://x/a(b) c\n"),
            r"[Run \[book\]](http://x/a%28b%29%20c)"
        );
        assert_eq!(code("a`b\nc"), "`a'b c`");
    }
}
