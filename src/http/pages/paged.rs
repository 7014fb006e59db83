//! Lists that are searched and paged: addresses that keep what was asked for, numbers of pages, texts of bounded length.

use crate::charts::text::clean;
use crate::model::go_float;
use crate::model::words::is_unprintable;

/// The longest text that a page takes to search for, in bytes: it stands in each of its links.
pub const LONGEST_FILTER: usize = 2_000;

/// What a page does not search for, as it would stand in its form and links; `None` where it is short and can be printed.
pub fn refusal(text: &str) -> Option<String> {
    if text.len() > LONGEST_FILTER {
        return Some(format!("longer than {LONGEST_FILTER} bytes; shorten it"));
    }
    let unprintable = text.chars().any(is_unprintable);
    unprintable.then(|| "characters that cannot be printed; leave them out".to_owned())
}

/// A page's address with what is asked of it.
#[derive(Clone, Debug)]
pub struct Address {
    path: String,
    pairs: Vec<(&'static str, String)>,
}

impl Address {
    /// Nothing asked yet.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            pairs: Vec::new(),
        }
    }

    /// With one more parameter; an empty value is none.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.pairs.push((name, value));
        }
        self
    }

    /// Without a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.pairs.retain(|(other, _)| *other != name);
        self
    }

    /// As links carry it.
    pub fn text(&self) -> String {
        if self.pairs.is_empty() {
            return self.path.clone();
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.pairs)
            .finish();
        format!("{}?{query}", self.path)
    }
}

/// Which part of a list is shown.
#[derive(Clone, Debug)]
pub struct Paging {
    /// The page, from 1.
    pub page: usize,
    /// How many there are, at least 1.
    pub pages: usize,
    /// How many rows there are on all of them.
    pub total: usize,
    size: usize,
    address: Address,
}

impl Paging {
    /// The page that is wanted, or the last one where there are fewer.
    pub fn of(total: usize, size: usize, wanted: Option<&str>, address: Address) -> Self {
        let pages = total.div_ceil(size).max(1);
        let wanted = wanted.and_then(|text| text.parse().ok()).unwrap_or(1);
        Self {
            page: wanted.clamp(1, pages),
            pages,
            total,
            size,
            address: address.without("page"),
        }
    }

    /// The rows of this page.
    pub fn rows(&self) -> std::ops::Range<usize> {
        let first = (self.page - 1) * self.size;
        first..(first + self.size).min(self.total)
    }

    /// `51–100 of 812`.
    pub fn text(&self) -> String {
        let rows = self.rows();
        match self.total {
            0 => "none".to_owned(),
            total => format!("{}–{} of {total}", rows.start + 1, rows.end),
        }
    }

    /// The page before.
    pub fn previous(&self) -> Option<String> {
        (self.page > 1).then(|| self.link(self.page - 1))
    }

    /// The page behind.
    pub fn next(&self) -> Option<String> {
        (self.page < self.pages).then(|| self.link(self.page + 1))
    }

    fn link(&self, page: usize) -> String {
        let page = if page == 1 {
            String::new()
        } else {
            page.to_string()
        };
        self.address.clone().with("page", page).text()
    }
}

/// A text of bounded length, on one line, without what turns the direction of writing or has no sign of its own.
pub fn tidy(text: &str, limit: usize) -> String {
    let mut tidy = clean(text, limit);
    if text.chars().nth(limit).is_some() {
        tidy.push('…');
    }
    tidy
}

/// A number as people read it: six digits.
pub fn number(value: f64) -> String {
    let short: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    go_float::format_sample(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_there_is_the_nearest() {
        let check = |total, wanted: &str, want: &str, links: (Option<&str>, Option<&str>)| {
            let address = Address::new("/x").with("q", "a&b").with("page", "9");
            let paging = Paging::of(total, 10, Some(wanted), address);
            assert_eq!(paging.text(), want);
            assert_eq!(
                (paging.previous().as_deref(), paging.next().as_deref()),
                links,
                "{total} {wanted}"
            );
        };
        check(0, "1", "none", (None, None));
        check(10, "2", "1–10 of 10", (None, None));
        check(11, "1", "1–10 of 11", (None, Some("/x?q=a%26b&page=2")));
        check(11, "2", "11–11 of 11", (Some("/x?q=a%26b"), None));
        check(31, "0", "1–10 of 31", (None, Some("/x?q=a%26b&page=2")));
        check(31, "-", "1–10 of 31", (None, Some("/x?q=a%26b&page=2")));
        check(
            31,
            "99999999999999999999999",
            "1–10 of 31",
            (None, Some("/x?q=a%26b&page=2")),
        );
        check(31, "99", "31–31 of 31", (Some("/x?q=a%26b&page=3"), None));
    }

    #[test]
    fn numbers_are_short() {
        for (value, want) in [
            (0.987_654_32, "0.987654"),
            (1_234_567_890.0, "1234570000"),
            (990.0, "990"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), want);
        }
    }

    #[test]
    fn a_text_is_short_and_turns_nothing() {
        assert_eq!(tidy("abc", 3), "abc");
        assert_eq!(tidy("abcd", 3), "abc…");
        assert_eq!(tidy("a\u{202e}\0b\n", 9), "a\u{fffd}\u{fffd}b ");
    }
}
