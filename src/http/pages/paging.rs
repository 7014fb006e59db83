//! A long list in pages: which rows are shown, and links to the others that keep what was filtered by.

use super::view::MAX_ROWS;
use crate::http::params::Params;

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: usize,
    /// How many there are; at least 1.
    pub pages: usize,
    /// Rows of all pages.
    pub total: usize,
    /// Rows before this page's.
    pub skipped: usize,
    /// Rows of this page.
    pub shown: usize,
    /// The page before.
    pub previous: Option<String>,
    /// The page behind.
    pub next: Option<String>,
}

impl Paging {
    /// The page asked for by `page`, or the nearest one; links lead to `path` with these parameters.
    pub fn of(path: &str, kept: &[(&str, &str)], params: &Params, total: usize) -> Self {
        let asked = params.get("page").and_then(|page| page.parse().ok());
        Self::at(path, kept, asked.unwrap_or(1), total)
    }

    fn at(path: &str, kept: &[(&str, &str)], asked: usize, total: usize) -> Self {
        let pages = total.div_ceil(MAX_ROWS).max(1);
        let page = asked.clamp(1, pages);
        let link = |page: usize| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(kept.iter().filter(|(_, value)| !value.is_empty()));
            query.append_pair("page", &page.to_string());
            format!("{path}?{}", query.finish())
        };
        let skipped = (page - 1) * MAX_ROWS;
        Self {
            page,
            pages,
            total,
            skipped,
            shown: MAX_ROWS.min(total - skipped),
            previous: (page > 1).then(|| link(page - 1)),
            next: (page < pages).then(|| link(page + 1)),
        }
    }

    /// The rows of this page.
    pub fn cut<T>(&self, rows: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        rows.into_iter().skip(self.skipped).take(self.shown)
    }

    /// `101–200 of 1000`, as people read it.
    pub fn text(&self) -> String {
        match (self.total, self.pages) {
            (0, _) => "none".to_owned(),
            (total, 1) => format!("{total} in all"),
            (total, _) => format!(
                "{}–{} of {total}",
                self.skipped + 1,
                self.skipped + self.shown
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_beyond_the_end_is_the_last_one_and_links_keep_the_filter() {
        let check = |asked, total, want: (usize, usize, usize)| {
            let paging = Paging::at("/rules", &[("q", "a&b"), ("state", "")], asked, total);
            assert_eq!((paging.page, paging.skipped, paging.shown), want);
            let rows: Vec<usize> = paging.cut(0..total).collect();
            assert_eq!(rows.len(), paging.shown);
            paging
        };
        assert_eq!(check(1, 0, (1, 0, 0)).text(), "none");
        assert_eq!(check(7, 100, (1, 0, 100)).text(), "100 in all");
        let middle = check(2, 1000, (2, 100, 100));
        assert_eq!(middle.text(), "101–200 of 1000");
        assert_eq!(middle.next.as_deref(), Some("/rules?q=a%26b&page=3"));
        assert_eq!(middle.previous.as_deref(), Some("/rules?q=a%26b&page=1"));
        let last = check(99, 250, (3, 200, 50));
        assert_eq!(last.next, None);
    }
}
