use std::sync::Arc;

use super::fill::rows;
use super::*;
use crate::db::ledger::LedgerEntry;
use crate::http::pages::tests::{HOSTILE, check_page};
use crate::model::labels::Labels;
use crate::model::notification::Decision;

fn entry(decision: Decision, word: &str) -> LedgerEntry {
    LedgerEntry {
        at: Timestamp::from_millis(1_000),
        group_key: word.into(),
        receiver: word.into(),
        integration: word.into(),
        labels: Some(Labels::from_pairs([("alertname", word), ("job", word)])),
        decision,
    }
}

fn ledger(entries: &[LedgerEntry], word: &str) -> LedgerPage {
    LedgerPage {
        now: Timestamp::from_millis(2_000),
        form: Form {
            filter: word.to_owned(),
            receiver: word.to_owned(),
            kind: "delivered".to_owned(),
            since: word.to_owned(),
            until: word.to_owned(),
            fingerprint: word.to_owned(),
            notification: word.to_owned(),
        },
        mistake: Some(Mistake {
            message: word.to_owned(),
            excerpt: Some(word.to_owned()),
        }),
        alert: Some((
            word.to_owned(),
            "/alerts/x".to_owned(),
            Why {
                verdicts: vec![VerdictRow {
                    whom: word.to_owned(),
                    outcome: (word.to_owned(), "bad"),
                    reason: word.to_owned(),
                    at: Timestamp::from_millis(0),
                }],
                notes: vec![word.to_owned()],
                entries: Vec::new(),
                more: false,
            },
        )),
        rows: rows(entries),
        older: Some("/ledger?cursor=7".to_owned()),
        newest: None,
        looked_back_to: None,
    }
}

#[test]
fn each_kind_of_decision_has_words() {
    for kind in Decision::SUPPRESSIONS {
        assert!(KINDS.iter().any(|(known, _)| *known == kind), "{kind}");
    }
    let mut kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), KINDS.len());
}

#[test]
fn a_decision_leads_to_what_it_speaks_of() {
    let check = |decision: Decision, want: Option<&str>| {
        let row = rows(&[entry(decision, "A")]).remove(0);
        assert_ne!(row.kind.0, "other");
        assert_eq!(row.link.as_ref().map(|(_, href)| href.as_str()), want);
    };
    let by = "0123456789abcdef".to_owned();
    let rule = "r".to_owned();
    check(
        Decision::Inhibited { by, rule },
        Some("/alerts/0123456789abcdef"),
    );
    let silence = "s".to_owned();
    check(Decision::Silenced { silence }, Some("/silences"));
    let notification: Arc<str> = "a&b".into();
    let status = "200".to_owned();
    check(
        Decision::Delivered {
            notification,
            status,
        },
        Some("/ledger?notification=a%26b"),
    );
    check(Decision::Deduplicated, None);
}

#[test]
fn the_timeline_is_a_document_and_hostile_text_in_it_is_inert() {
    let large = "x".repeat(1 << 20);
    for word in ["plain", HOSTILE] {
        let error = format!("{word}{large}");
        let entries = [
            entry(
                Decision::Failed {
                    notification: word.into(),
                    error,
                },
                word,
            ),
            entry(Decision::Deduplicated, &large),
        ];
        let html = render(&ledger(&entries, word));
        check_page(&html);
        assert!(html.len() < 60_000, "{} bytes", html.len());
        assert!(html.contains("href=\"/ledger?cursor=7\""));
        assert!(html.contains("<option value=\"delivered\" selected>"));
    }
    let nothing = LedgerPage {
        alert: None,
        mistake: None,
        older: None,
        ..ledger(&[], "")
    };
    let html = render(&nothing);
    check_page(&html);
    assert!(html.contains("Nothing was decided that is like that."));
    let stopped = LedgerPage {
        mistake: None,
        looked_back_to: Some(Timestamp::from_millis(1_000)),
        ..ledger(&[], "")
    };
    let html = render(&stopped);
    check_page(&html);
    for text in [
        "Nothing like that was found yet.",
        "back to <time",
        ">Look further back</a>",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
}
