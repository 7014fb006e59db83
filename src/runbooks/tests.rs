use std::fs;

use super::placeholders::Language;
use super::*;

fn runbook(text: &str) -> Runbook {
    Runbook::new("page", text)
}

/// The body of a page made of this Markdown.
fn html(markdown: &str) -> String {
    body(&runbook(markdown)).trim().to_owned()
}

/// A page with nothing filled in.
fn body(runbook: &Runbook) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Html(html) => html.clone(),
        Piece::Text(_, text) => text.replace('<', "&lt;"),
        Piece::Query(number) => format!("[query {number}]"),
    };
    runbook.pieces.iter().map(text).collect()
}

#[test]
fn every_shipped_runbook_is_whole() {
    let runbooks = Runbooks::embedded();
    assert_eq!(runbooks.faults(), []);
    for runbook in runbooks.list() {
        assert_eq!(runbook.problems, [""; 0], "{}", runbook.slug);
        assert!(!runbook.summary.is_empty(), "{}", runbook.slug);
    }
    let page = runbooks.for_alert("HighErrorRate").unwrap();
    assert_eq!(page.slug, "high-error-rate");
    assert_eq!(page.front_matter.severity, ["critical"]);
    assert_eq!(
        page.front_matter.owner.as_deref(),
        Some("service team"),
        "{:?}",
        page.front_matter
    );
    assert_eq!(page.queries.len(), 3);
    assert!(
        page.headings
            .iter()
            .any(|heading| heading.id == "escalation")
    );
}

#[test]
fn links_between_shipped_runbooks_lead_somewhere() {
    let runbooks = Runbooks::embedded();
    for runbook in runbooks.list() {
        for part in body(runbook).split("href=\"/runbooks/").skip(1) {
            let target = part.split('"').next().unwrap();
            let (slug, anchor) = target.split_once('#').unwrap_or((target, ""));
            let found = runbooks.get(slug);
            assert!(found.is_some(), "{} links to {slug}", runbook.slug);
            assert!(
                anchor.is_empty() || found.unwrap().headings.iter().any(|h| h.id == anchor),
                "{} links to {target}",
                runbook.slug
            );
        }
    }
}

#[test]
fn the_first_heading_becomes_the_title_and_leaves_the_page() {
    let page =
        runbook("# The *title*\n\nText.\n\n## Part `a` & b\n\n## Part a  b\n\n## Part a & b\n");
    assert_eq!(page.title, "The title");
    assert_eq!(page.summary, "Text.");
    assert!(!body(&page).contains("<h1"), "{}", body(&page));
    let ids: Vec<&str> = page.headings.iter().map(|h| h.id.as_str()).collect();
    assert_eq!(ids, ["part-a--b", "part-a--b-1", "part-a--b-2"]);
    assert!(
        body(&page).contains(r#"<h2 id="part-a--b-1">"#),
        "{}",
        body(&page)
    );
}

#[test]
fn tables_tasks_strikes_and_footnotes_are_written() {
    let page =
        html("|a|b|\n|--:|:-:|\n|1|2|\n\n- [ ] open\n- [x] done\n\n~~gone~~[^1]\n\n[^1]: note\n");
    for part in [
        r#"<div class="scroll"><table>"#,
        r#"<td align="right">1</td><td align="center">2</td>"#,
        "☐ open",
        "☑ done",
        "<del>gone</del>",
        r##"<a href="#1" rel="noopener noreferrer">1</a>"##,
        r#"<div class="footnote-definition" id="1">"#,
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn the_place_behind_a_query_and_texts_with_words_are_cut_out() {
    let page = runbook(
        "1. ```promql\n   up{i=\"<INSTANCE>\"}\n   ```\n   then `df MOUNTPOINT` and <INSTANCE>\n\n```sh\nreboot\n```\n\n\
         > **INSTANCE** is down\n\n## INSTANCE\n",
    );
    assert_eq!(page.queries, ["up{i=\"<INSTANCE>\"}"]);
    let cut: Vec<&Piece> = page
        .pieces
        .iter()
        .filter(|piece| !matches!(piece, Piece::Html(_)))
        .collect();
    let text = |language, text: &str| Piece::Text(language, text.to_owned());
    assert_eq!(
        cut,
        [
            &text(Language::Promql, "up{i=\"<INSTANCE>\"}\n"),
            &Piece::Query(0),
            &text(Language::Shell, "df MOUNTPOINT"),
            &text(Language::Prose, "INSTANCE"),
        ]
    );
    assert_eq!(
        body(&page).matches("reboot").count(),
        1,
        "commands stay text: {}",
        body(&page)
    );
}

#[test]
fn a_file_cannot_hold_a_mark_nor_carry_one_into_an_attribute() {
    let page = runbook("```promql\nup\n```\n");
    let digest = {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(b"```promql\nup\n```\n");
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert!(!body(&page).contains(&digest), "marks do not stay");
    // Raw HTML that swallows what follows into the value of an attribute.
    for (swallowed, lost) in [
        ("> INSTANCE", "INSTANCE"),
        ("```promql\nup\n```", "[query 0]"),
    ] {
        let page = runbook(&format!("<div title='\n\n{swallowed}\n\n'>x</div>\n"));
        let html = body(&page);
        assert!(!html.contains(lost), "{html}");
    }
}

#[test]
fn the_table_of_the_escalation_is_known() {
    let page = runbook(
        "## Impact\n\n|a|b|c|\n|-|-|-|\n|1|2|3|\n\n## Escalation\n\n|level|who|when|\n|-|-|-|\n|L1|on-call `x`|at *once*|\n|L2|owner|after 15 minutes|\n\n\
         ## Prevention\n\n|a|b|c|\n|-|-|-|\n|1|2|3|\n",
    );
    let told: Vec<String> = page
        .escalation
        .iter()
        .map(|step| format!("{}/{}/{}", step.level, step.who, step.when))
        .collect();
    assert_eq!(told, ["L1/on-call x/at once", "L2/owner/after 15 minutes"]);
    for runbook in Runbooks::embedded().list() {
        if runbook.front_matter.alert.is_some() {
            assert_eq!(runbook.escalation.len(), 3, "{}", runbook.slug);
        }
    }
}

#[test]
fn relative_links_become_links_of_the_site() {
    let check = |link: &str, expected: Option<&str>| {
        let page = html(&format!("[x](<{link}>)"));
        let href = page
            .split_once("href=\"")
            .map(|(_, rest)| rest.split('"').next().unwrap());
        assert_eq!(href, expected, "{link:?} in {page}");
    };
    check("other.md", Some("/runbooks/other"));
    check("./other.md#a-b", Some("/runbooks/other#a-b"));
    check("#here", Some("#here"));
    check("/graph?g0.expr=up", Some("/graph?g0.expr=up"));
    check("https://example.org/a.md", Some("https://example.org/a.md"));
    check("mailto:a@example.org", Some("mailto:a@example.org"));
    check("../secrets.md", None);
    check("a/b.md", None);
    check("notes.txt", None);
    check("//evil.example/", None);
    // The Markdown reader escapes the backslash, which makes it a character of a path on this host.
    check("/\\evil.example/", Some("/%5Cevil.example/"));
    check("\\\\evil.example/", None);
    check("javascript:alert(1)", None);
    check("JaVaScRiPt:alert(1)", None);
    check("java&#10;script:alert(1)", None);
    check("&#1;javascript:alert(1)", None);
    check("data:text/html,<script>1</script>", None);
    check("vbscript:x", None);
}

#[test]
fn hostile_markdown_is_inert() {
    for hostile in [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)><style>*{display:none}</style>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<p style=\"background:url(//evil)\" onclick=\"x()\" class=\"firing\">t</p>",
        "<a href=\"javascript:alert(1)\" onmouseover=alert(1)>t</a>",
        "<iframe src=//evil></iframe><object data=x></object><embed src=x>",
        "<form action=/-/reload method=post><button>go</button></form><input name=a>",
        "<meta http-equiv=refresh content=0;url=//evil><base href=//evil><link rel=stylesheet href=//evil>",
        "<details open ontoggle=alert(1)>t</details>",
        "![a](javascript:alert(1)) ![b](https://example.org/p.png \"onload=x\")",
        "[a]: javascript:alert(1)\n\n[a]",
        "## <script>x</script> \" onclick=alert(1) id=\"y",
        "```promql\n\"></a><script>alert(1)</script>\n```",
        "```\"><script>alert(1)</script>\nx\n```",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "</main></body></html><textarea><plaintext>",
        "---\nalert: [\n---\n<script>1</script>",
    ] {
        let page = html(hostile).to_lowercase();
        for tag in [
            "<script",
            "<style",
            "<img",
            "<svg",
            "<math",
            "<iframe",
            "<object",
            "<embed",
            "<form",
            "<input",
            "<button",
            "<meta",
            "<base",
            "<link",
            "<textarea",
            "<plaintext",
            "</main",
        ] {
            assert!(!page.contains(tag), "{tag} survives {hostile:?}: {page}");
        }
        // What is left of an attack is text: no tag carries it.
        for tag in page.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            assert!(
                !tag.contains(" on") && !tag.contains("javascript:") && !tag.contains("style"),
                "{tag:?} survives {hostile:?}: {page}"
            );
        }
    }
}

#[test]
fn a_picture_becomes_a_link() {
    assert_eq!(
        html("![the *plan*](https://example.org/p.png)"),
        r#"<p><a href="https://example.org/p.png" rel="noopener noreferrer">the <em>plan</em></a></p>"#
    );
    assert_eq!(html("![local](p.png)"), "<p>local</p>");
}

#[test]
fn what_would_cost_too_much_is_shown_as_plain_text() {
    let check = |piece: &str, why: Option<&str>| {
        let page = runbook(&piece.repeat((256 << 10) / piece.len()));
        let problem = page.problems.first().map_or("", String::as_str);
        assert!(
            problem.starts_with(why.unwrap_or("")),
            "{piece:?}: {problem:?}"
        );
        assert_eq!(problem.is_empty(), why.is_none(), "{piece:?}: {problem:?}");
    };
    check(">", Some("nested deeper than 50 levels, therefore"));
    check("> - ", Some("nested deeper"));
    check("[", Some("more than 100000 pieces, therefore"));
    check("&", Some("more than 2000 '&', therefore"));
    check("<b>", Some("more than 200 HTML tags"));
    check("<div>", Some("more than 200 HTML tags"));
    check("`", None);
    check("|", None);
    let page = runbook(&">".repeat(100));
    assert!(body(&page).starts_with("<pre>&gt;&gt;"), "{}", body(&page));
}

#[test]
fn front_matter_tells_its_mistakes_and_keeps_the_rest() {
    let check = |head: &str, expected: FrontMatter, problems: &[&str]| {
        let page = runbook(&format!("---\n{head}---\n# Title\n"));
        assert_eq!(page.front_matter, expected, "{head:?}");
        assert_eq!(page.problems.len(), problems.len(), "{:?}", page.problems);
        for (found, expected) in page.problems.iter().zip(problems) {
            assert!(found.contains(expected), "{found:?} lacks {expected:?}");
        }
        assert_eq!(page.title, "Title");
    };
    let alert = || FrontMatter {
        alert: Some("A".to_owned()),
        ..FrontMatter::default()
    };
    check("", FrontMatter::default(), &[]);
    check("alert: A\nowner:\n", alert(), &[]);
    check(
        "severity: info\ntested: never\nupdated: 2026-11-20\n",
        FrontMatter {
            severity: vec!["info".to_owned()],
            tested: Some("never".to_owned()),
            updated: Some("2026-11-20".to_owned()),
            ..FrontMatter::default()
        },
        &[],
    );
    check(
        "alert: A\nseverity: {a: b}\nowner: [x]\nownr: y\n",
        alert(),
        &[
            "severity is neither",
            "owner is neither",
            "unknown key \"ownr\"",
        ],
    );
    check(
        "alert: A\nowner: [\n",
        FrontMatter::default(),
        &["not read"],
    );
    check("just text\n", FrontMatter::default(), &["not read"]);
    check(
        "alert: A\nalert: B\n",
        FrontMatter::default(),
        &["duplicate"],
    );
}

#[test]
fn front_matter_without_an_end_is_said() {
    let page = runbook("---\nalert: A\n# Title\n");
    assert!(
        page.problems[0].contains("does not end"),
        "{:?}",
        page.problems
    );
    let page = runbook("\u{feff}---\r\nalert: A\r\n---\r\n# Title\r\n");
    assert_eq!(page.front_matter.alert.as_deref(), Some("A"));
    assert_eq!((page.title.as_str(), page.problems.len()), ("Title", 0));
}

#[test]
fn a_folder_is_loaded_and_its_faults_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("good.md", b"# Good\n");
    write("notes.txt", b"no runbook");
    write(".hidden.md", b"no runbook");
    write("latin.md", b"# caf\xe9\n");
    write("large.md", &vec![b'a'; MAX_FILE_BYTES + 1]);
    write("a b<script>.md", b"# Name\n");
    fs::create_dir(folder.path().join("folder.md")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("good.md", folder.path().join("linked.md")).unwrap();

    let runbooks = Runbooks::load(folder.path());
    let slugs: Vec<&str> = runbooks.list().map(|r| r.slug.as_str()).collect();
    assert_eq!(slugs, ["good", "linked"]);
    let faults: Vec<&str> = runbooks.faults().iter().map(|f| f.file.as_str()).collect();
    assert_eq!(faults, ["a b<script>.md", "large.md", "latin.md"]);
    let reason = runbooks.missing("latin").reason.unwrap();
    assert!(reason.contains("not UTF-8 from byte 5"), "{reason}");
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let runbooks = Runbooks::load(Path::new("/does/not/exist"));
    assert_eq!(runbooks.list().count(), 0);
    assert_eq!(runbooks.faults()[0].file, "/does/not/exist");
}

#[test]
fn a_folder_goes_before_what_is_embedded() {
    let mut own = Runbooks::default();
    own.add("target-down.md", b"# Ours\n");
    let both = own.over(Runbooks::embedded());
    assert_eq!(both.get("target-down").unwrap().title, "Ours");
    assert!(both.get("high-error-rate").is_some());
}

#[test]
fn a_slug_never_becomes_a_path() {
    let runbooks = Runbooks::embedded();
    for slug in [
        "..",
        "../rules/api",
        "/etc/passwd",
        "target-down.md",
        "target-down\0",
        "",
    ] {
        assert!(runbooks.get(slug).is_none(), "{slug:?}");
    }
}

#[test]
fn a_missing_runbook_offers_the_nearest_names() {
    let runbooks = Runbooks::embedded();
    let check = |slug: &str, first: Option<&str>| {
        let missing = runbooks.missing(slug);
        assert_eq!(missing.nearest.first().map(String::as_str), first, "{slug}");
        assert!(missing.nearest.len() <= MAX_NEAREST);
    };
    check("HighErrorRate", Some("high-error-rate"));
    check("high-eror-rate", Some("high-error-rate"));
    check("redis", Some("high-redis-memory"));
    check("zzzzzzzz", None);
    check("", None);
    check(&"a".repeat(1_000_000), None);
    check("../../etc/passwd", None);
}

#[test]
fn an_alert_is_led_to_its_runbook_wherever_that_is() {
    let runbooks = Runbooks::embedded();
    let check = |alert: &str, elsewhere: Option<&str>, expected: Option<&str>| {
        let address = runbooks.address(alert, "http://o", elsewhere);
        assert_eq!(address.as_deref(), expected, "{alert}");
    };
    let wiki = Some("https://wiki.example.org/r/");
    check("TargetDown", None, Some("http://o/runbooks/target-down"));
    check("Nothing", None, None);
    check(
        "TargetDown",
        wiki,
        Some("https://wiki.example.org/r/target-down"),
    );
    check(
        "HTTP5xxRate",
        wiki,
        Some("https://wiki.example.org/r/http5xx-rate"),
    );
    check(
        "a b/../c?d",
        wiki,
        Some("https://wiki.example.org/r/a-b-..-c-d"),
    );
    for runbook in runbooks.list() {
        if let Some(alert) = &runbook.front_matter.alert {
            assert_eq!(slug_of(alert), runbook.slug);
        }
    }
}
