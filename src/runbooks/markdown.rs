//! Markdown to HTML that is safe to show: pulldown-cmark writes it, ammonia lets through what is known to be harmless.
//!
//! No script, style, form, picture or event handler survives. A picture becomes a link to it, so that reading a page asks
//! no other host for anything. Nesting and raw HTML are bounded, because the cost of reading HTML grows with the square
//! of its depth.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};
use sha2::{Digest, Sha256};

use super::is_slug;
use super::placeholders::{Language, has_words};

/// Deeper than anything a person writes.
const MAX_DEPTH: usize = 50;
/// More pieces of Markdown than any page of a person; bounds what is written.
const MAX_EVENTS: usize = 100_000;
/// The HTML reader's cost grows with the square of the number of character references in one text.
const MAX_AMPERSANDS: usize = 2000;
/// Raw HTML tags beyond these are shown as text.
const MAX_RAW_TAGS: usize = 200;
/// A longer query is not run: it would not fit into an address.
const MAX_QUERY_BYTES: usize = 4096;
/// More queries than any page of a person; those behind them are not run.
const MAX_QUERIES: usize = 100;
const SUMMARY_CHARACTERS: usize = 200;

/// A heading below the title.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Anchor: the text in lower case with hyphens, numbered where it comes again.
    pub id: String,
    /// The text without marks.
    pub text: String,
}

/// A stretch of a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Sanitised HTML. Not whole by itself: what it opens may end in a later one.
    Html(String),
    /// A text with placeholders, to be filled in and escaped.
    Text(Language, String),
    /// The place for the result of a query, by its number from 0.
    Query(usize),
}

/// Whom to turn to, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Such as `L1`.
    pub level: String,
    /// A role.
    pub who: String,
    /// After how long, or on what.
    pub when: String,
}

#[derive(Default, Debug)]
pub(super) struct Page {
    pub(super) title: Option<String>,
    pub(super) summary: String,
    pub(super) headings: Vec<Heading>,
    pub(super) queries: Vec<String>,
    pub(super) escalation: Vec<Step>,
    pub(super) problems: Vec<String>,
    pub(super) pieces: Vec<Piece>,
}

/// Renders the Markdown below the front matter of a runbook.
pub(super) fn render(markdown: &str) -> Page {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES;
    if memchr::memchr_iter(b'&', markdown.as_bytes()).count() > MAX_AMPERSANDS {
        return plain(markdown, format!("more than {MAX_AMPERSANDS} '&'"));
    }
    let mut writer = Writer::new(markdown);
    for event in Parser::new_ext(markdown, options) {
        if !writer.take(event) {
            return plain(markdown, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        if writer.events.len() > MAX_EVENTS {
            return plain(markdown, format!("more than {MAX_EVENTS} pieces"));
        }
    }
    writer.finish()
}

/// The text as it is, for a page that would cost too much to render.
fn plain(markdown: &str, why: String) -> Page {
    let mut html = String::from("<pre>");
    escape(&mut html, markdown);
    html.push_str("</pre>");
    Page {
        pieces: vec![Piece::Html(html)],
        problems: vec![format!("{why}, therefore shown as plain text; simplify it")],
        ..Page::default()
    }
}

fn escape(out: &mut String, text: &str) {
    pulldown_cmark::html::push_html(out, std::iter::once(Event::Text(text.into())));
}

/// Takes the parser's events one by one and keeps those to be written.
struct Writer<'a> {
    /// What marks begin with.
    digest: String,
    /// What marks stand for.
    marked: Vec<Piece>,
    events: Vec<Event<'a>>,
    page: Page,
    depth: usize,
    raw_tags: usize,
    /// Index of the heading's first event, and its text so far.
    heading: Option<(usize, String)>,
    /// Text of the first paragraph so far; none once it ended.
    summary: Option<String>,
    in_paragraph: bool,
    /// The language of the open code block, whether it is a query, and its text so far.
    code: Option<(Language, bool, String)>,
    /// How many quotations are open.
    quotations: usize,
    /// The cells of the open row, where it is one of the escalation's table.
    row: Option<Vec<String>>,
    links: usize,
    /// For each open picture, whether it became a link.
    pictures: Vec<bool>,
    ids: HashMap<String, usize>,
}

impl<'a> Writer<'a> {
    fn new(markdown: &str) -> Self {
        Self {
            digest: Sha256::digest(markdown.as_bytes())[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            marked: Vec::new(),
            events: Vec::new(),
            page: Page::default(),
            depth: 0,
            raw_tags: 0,
            heading: None,
            summary: Some(String::new()),
            in_paragraph: false,
            code: None,
            quotations: 0,
            row: None,
            links: 0,
            pictures: Vec::new(),
            ids: HashMap::new(),
        }
    }

    /// Takes one event; false where the text is nested too deeply to go on.
    fn take(&mut self, event: Event<'a>) -> bool {
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                self.start(tag);
                return self.depth <= MAX_DEPTH;
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                self.end(tag);
            }
            Event::Text(text) => {
                self.collect(&text);
                // The quotes of a command reach over its lines: it is taken whole.
                if let Some((_, _, code)) = &mut self.code {
                    code.push_str(&text);
                } else if self.quotations > 0 {
                    self.fillable(Language::Prose, text);
                } else {
                    self.events.push(Event::Text(text));
                }
            }
            Event::Code(text) => {
                self.collect(&text);
                if self.heading.is_none() && has_words(&text) {
                    let mark = self.mark(Piece::Text(Language::Shell, text.into_string()));
                    self.events.push(Event::Code(mark.into()));
                } else {
                    self.events.push(Event::Code(text));
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                self.collect(" ");
                self.events.push(event);
            }
            Event::Html(text) => self.raw(text, Event::Html),
            Event::InlineHtml(text) => self.raw(text, Event::InlineHtml),
            // A disabled checkbox has no label to be read out; a character has.
            Event::TaskListMarker(done) => {
                let mark = if done { "☑ " } else { "☐ " };
                self.events.push(Event::Text(mark.into()));
            }
            Event::FootnoteReference(_)
            | Event::Rule
            | Event::InlineMath(_)
            | Event::DisplayMath(_) => self.events.push(event),
        }
        true
    }

    fn start(&mut self, tag: Tag<'a>) {
        match &tag {
            Tag::Heading { .. } => self.heading = Some((self.events.len(), String::new())),
            Tag::Paragraph => self.in_paragraph = true,
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => Language::of_fence(info),
                    CodeBlockKind::Indented => Language::Other,
                };
                self.code = Some((language, language == Language::Promql, String::new()));
            }
            Tag::BlockQuote(_) => self.quotations += 1,
            Tag::TableRow if self.is_escalation() => self.row = Some(Vec::new()),
            Tag::TableCell => {
                if let Some(row) = &mut self.row {
                    row.push(String::new());
                }
            }
            Tag::Table(_) => self.html(r#"<div class="scroll">"#.into()),
            Tag::Link { .. } => self.links += 1,
            Tag::Image {
                dest_url, title, ..
            } => {
                let link = self.links == 0 && is_web_address(dest_url);
                self.pictures.push(link);
                if link {
                    self.links += 1;
                    self.events.push(Event::Start(Tag::Link {
                        link_type: LinkType::Inline,
                        dest_url: dest_url.clone(),
                        title: title.clone(),
                        id: CowStr::Borrowed(""),
                    }));
                }
                return;
            }
            _ => {}
        }
        self.events.push(Event::Start(tag));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Image => {
                if self.pictures.pop() == Some(true) {
                    self.links = self.links.saturating_sub(1);
                    self.events.push(Event::End(TagEnd::Link));
                }
                return;
            }
            TagEnd::Link => self.links = self.links.saturating_sub(1),
            TagEnd::BlockQuote(_) => self.quotations = self.quotations.saturating_sub(1),
            TagEnd::CodeBlock => return self.end_code(),
            TagEnd::TableRow => self.end_row(),
            _ => {}
        }
        self.events.push(Event::End(tag));
        match tag {
            TagEnd::Heading(level) => self.end_heading(level as u8),
            TagEnd::Paragraph => {
                self.in_paragraph = false;
                if self.page.summary.is_empty()
                    && let Some(text) = self.summary.take()
                {
                    self.page.summary = shorten(text.trim());
                }
            }
            TagEnd::Table => self.html("</div>".into()),
            _ => {}
        }
    }

    fn end_heading(&mut self, level: u8) {
        let Some((first, text)) = self.heading.take() else {
            return;
        };
        let text = text.trim().to_owned();
        // The page shows its title itself, with what the front matter says below it.
        if level == 1 && self.page.title.is_none() && self.page.headings.is_empty() {
            self.page.title = Some(text).filter(|text| !text.is_empty());
            self.events.truncate(first);
            return;
        }
        let anchor = self.anchor(&text);
        if let Some(Event::Start(Tag::Heading { id, .. })) = self.events.get_mut(first) {
            *id = Some(anchor.clone().into());
        }
        self.page.headings.push(Heading {
            level,
            id: anchor,
            text,
        });
    }

    fn end_code(&mut self) {
        let Some((language, is_query, text)) = self.code.take() else {
            return;
        };
        let query = text.trim().to_owned();
        self.fillable(language, text.into());
        self.events.push(Event::End(TagEnd::CodeBlock));
        if !is_query {
            return;
        }
        let number = self.page.queries.len();
        if !query.is_empty() && query.len() <= MAX_QUERY_BYTES && number < MAX_QUERIES {
            let mark = self.mark(Piece::Query(number));
            self.events.push(Event::Text(mark.into()));
        }
        self.page.queries.push(query);
    }

    /// Whether the section is the one that says whom to turn to.
    fn is_escalation(&self) -> bool {
        let section = self
            .page
            .headings
            .iter()
            .rfind(|heading| heading.level == 2);
        section.is_some_and(|heading| heading.id == "escalation")
    }

    fn end_row(&mut self) {
        let mut cells = self.row.take().unwrap_or_default().into_iter();
        if let (Some(level), Some(who), Some(when)) = (cells.next(), cells.next(), cells.next()) {
            self.page.escalation.push(Step { level, who, when });
        }
    }

    /// Writes a text; one with placeholders is cut out.
    fn fillable(&mut self, language: Language, text: CowStr<'a>) {
        if has_words(&text) {
            let mark = self.mark(Piece::Text(language, text.into_string()));
            self.events.push(Event::Text(mark.into()));
        } else {
            self.events.push(Event::Text(text));
        }
    }

    /// A mark that stands for a piece.
    fn mark(&mut self, piece: Piece) -> String {
        self.marked.push(piece);
        format!("{}.{}.", self.digest, self.marked.len() - 1)
    }

    /// An `id` no other heading of the page has.
    fn anchor(&mut self, text: &str) -> String {
        let mut base: String = text
            .chars()
            .filter_map(|c| match c {
                ' ' | '-' => Some('-'),
                c if c.is_alphanumeric() || c == '_' => Some(c),
                _ => None,
            })
            .flat_map(char::to_lowercase)
            .take(100)
            .collect();
        if base.is_empty() {
            base.push_str("section");
        }
        let mut id = base.clone();
        while self.ids.contains_key(&id) {
            let count = self.ids.entry(base.clone()).or_insert(0);
            *count += 1;
            id = format!("{base}-{count}");
        }
        self.ids.insert(id.clone(), 0);
        id
    }

    /// Adds to the texts that are being collected.
    fn collect(&mut self, text: &str) {
        if let Some(cell) = self.row.as_mut().and_then(|row| row.last_mut()) {
            cell.push_str(text);
        }
        if let Some((_, heading)) = &mut self.heading {
            heading.push_str(text);
        } else if self.in_paragraph
            && let Some(summary) = &mut self.summary
        {
            summary.push_str(text);
        }
    }

    fn raw(&mut self, text: CowStr<'a>, event: fn(CowStr<'a>) -> Event<'a>) {
        self.raw_tags += memchr::memchr_iter(b'<', text.as_bytes()).count();
        if self.raw_tags <= MAX_RAW_TAGS {
            self.events.push(event(text));
        } else {
            self.events.push(Event::Text(text));
        }
    }

    fn html(&mut self, html: String) {
        self.events.push(Event::Html(html.into()));
    }

    fn finish(mut self) -> Page {
        if self.raw_tags > MAX_RAW_TAGS {
            self.page.problems.push(format!(
                "more than {MAX_RAW_TAGS} HTML tags, of which the rest is shown as text; write Markdown"
            ));
        }
        let mut html = String::new();
        pulldown_cmark::html::push_html(&mut html, self.events.into_iter());
        // Inline styles do not pass; the older attribute says the same.
        for cell in ["td", "th"] {
            for side in ["left", "center", "right"] {
                let style = format!(r#"<{cell} style="text-align: {side}">"#);
                html = html.replace(&style, &format!(r#"<{cell} align="{side}">"#));
            }
        }
        let html = SANITISER.clean(&html).to_string();
        self.page.pieces = cut(&html, &self.digest, self.marked);
        self.page
    }
}

/// HTML, cut where marks stand.
fn cut(html: &str, digest: &str, marked: Vec<Piece>) -> Vec<Piece> {
    let mut marked: Vec<Option<Piece>> = marked.into_iter().map(Some).collect();
    let mut pieces = Vec::with_capacity(marked.len() * 2 + 1);
    let mut place = Place::Text;
    let mut parts = html.split(digest);
    let first = parts.next().unwrap_or_default();
    place.pass(first);
    pieces.push(Piece::Html(first.to_owned()));
    for part in parts {
        // `.number.rest`
        let found = part.strip_prefix('.').and_then(|part| part.split_once('.'));
        let (number, rest) = found.unwrap_or(("", ""));
        let piece = number.parse::<usize>().ok();
        let piece = piece.and_then(|number| marked.get_mut(number)?.take());
        // Raw HTML can take what follows into an attribute. What we put there could end it.
        pieces.extend(piece.filter(|_| place == Place::Text));
        place.pass(rest);
        pieces.push(Piece::Html(rest.to_owned()));
    }
    pieces
}

/// Where in HTML something stands. The sanitiser writes `<` in texts as a reference, and values in double quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Text,
    Tag,
    Value,
}

impl Place {
    fn pass(&mut self, html: &str) {
        for byte in html.bytes() {
            *self = match (*self, byte) {
                (Self::Text, b'<') => Self::Tag,
                (Self::Tag, b'>') => Self::Text,
                (Self::Tag, b'"') => Self::Value,
                (Self::Value, b'"') => Self::Tag,
                (place, _) => place,
            };
        }
    }
}

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut sanitiser = Builder::default();
    sanitiser
        .rm_tags(["img", "map", "area", "center"])
        .url_schemes(["http", "https", "mailto"].into())
        .url_relative(UrlRelative::Custom(Box::new(relative_link)))
        .link_rel(Some("noopener noreferrer"))
        .add_allowed_classes("div", ["scroll", "footnote-definition"])
        .add_allowed_classes("sup", ["footnote-reference", "footnote-definition-label"])
        .add_allowed_classes("p", ["run"])
        // A wide block scrolls by itself, which takes the focus where there is no mouse.
        .set_tag_attribute_value("pre", "tabindex", "0")
        .add_tag_attributes("div", ["id"]);
    for heading in ["h1", "h2", "h3", "h4", "h5", "h6"] {
        sanitiser.add_tag_attributes(heading, ["id"]);
    }
    sanitiser
});

/// Where a link without a scheme leads: an anchor, a page of this site, another runbook; else nowhere.
fn relative_link(link: &str) -> Option<Cow<'_, str>> {
    // Browsers read a backslash as a slash and drop control characters: `/\host` and `/\t/host` leave the site.
    if link.contains(|c: char| c == '\\' || c.is_control()) || link.starts_with("//") {
        return None;
    }
    if link.starts_with('#') || link.starts_with('/') {
        return Some(link.into());
    }
    let (path, fragment) = link
        .split_once('#')
        .map_or((link, None), |(path, fragment)| (path, Some(fragment)));
    let slug = path
        .strip_prefix("./")
        .unwrap_or(path)
        .strip_suffix(".md")?;
    if !is_slug(slug) {
        return None;
    }
    Some(match fragment {
        Some(fragment) => format!("/runbooks/{slug}#{fragment}").into(),
        None => format!("/runbooks/{slug}").into(),
    })
}

fn is_web_address(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://")
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= SUMMARY_CHARACTERS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(SUMMARY_CHARACTERS).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head);
    format!("{cut} …")
}
