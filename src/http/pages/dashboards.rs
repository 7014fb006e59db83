//! `/dashboards` for people: what there is for Grafana, which panels read nothing here, and how to bring it there.

use askama::Template;

use super::paged::Paging;
use super::view::{self, Bounded};
use super::{Section, write};

/// Panels without series that are named.
const NAMED: usize = 12;

/// Everything on the page.
#[derive(Clone, Debug)]
pub struct DashboardsPage {
    /// The shipped ones, and those of what is defined, as far as they are on this page.
    pub rows: Vec<Row>,
    /// Which page this is.
    pub paging: Paging,
    /// Jobs whose dashboard is made of what they expose: name and address.
    pub jobs: Bounded<(String, String)>,
    /// Where people reach this process.
    pub external_url: String,
}

/// One dashboard.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is called.
    pub title: String,
    /// What it shows.
    pub description: String,
    /// Its JSON.
    pub href: String,
    /// Its identity.
    pub uid: String,
    /// Words about it.
    pub tags: Vec<String>,
    /// How many panels it has.
    pub panels: usize,
    /// Those that read no metric that is here.
    pub silent: Vec<String>,
}

impl Row {
    fn named(&self) -> &[String] {
        &self.silent[..self.silent.len().min(NAMED)]
    }

    fn unnamed(&self) -> usize {
        self.silent.len() - self.named().len()
    }

    fn class(&self) -> &'static str {
        match self.silent.len() {
            0 => "good",
            silent if silent == self.panels => "idle",
            _ => "warn",
        }
    }
}

/// The page.
pub fn render(page: &DashboardsPage) -> String {
    write(&DashboardsTemplate { page })
}

#[derive(Template)]
#[template(path = "dashboards.html")]
struct DashboardsTemplate<'a> {
    page: &'a DashboardsPage,
}

impl DashboardsTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Dashboards
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::paged::Address;
    use crate::http::pages::tests::{HOSTILE, check_page};

    #[test]
    fn silent_panels_are_named_and_hostile_names_are_inert() {
        for word in ["plain", HOSTILE] {
            let page = DashboardsPage {
                rows: vec![Row {
                    title: word.to_owned(),
                    description: word.to_owned(),
                    href: "/dashboards/x.json".to_owned(),
                    uid: word.to_owned(),
                    tags: vec![word.to_owned()],
                    panels: 20,
                    silent: vec![word.to_owned(); 15],
                }],
                paging: Paging::of(60, 25, Some("2"), Address::new("/dashboards")),
                jobs: Bounded::map([word], |word| {
                    (word.to_owned(), "/dashboards/live/x.json".to_owned())
                }),
                external_url: word.to_owned(),
            };
            let html = render(&page);
            check_page(&html);
            assert!(html.contains("15 of 20 panels read nothing here"), "{html}");
            assert!(html.contains("and 3 more"), "{html}");
            assert!(
                html.contains("rel=\"next\" href=\"/dashboards?page=3\""),
                "{html}"
            );
        }
    }
}
