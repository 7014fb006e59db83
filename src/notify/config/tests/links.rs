//! Our own messages lead to the pages that acknowledge and silence; Alertmanager's do not.

use super::super::defaults::template_set;
use crate::document::diagnostics::Diagnostics;
use crate::model::action_link::{Action, Subject, verify};
use crate::model::labels::Fingerprint;
use crate::model::signature::{KEY_BYTES, LateSigner, Signer};
use crate::model::timestamp::Timestamp;
use crate::notify::message;
use crate::notify::render::{Field, Rendering, Surroundings};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const TEXTS: [&str; 6] = [
    "slack.default.text",
    "discord.default.message",
    "msteams.default.text",
    "telegram.default.message",
    "email.default.text",
    "email.default.html",
];

fn surroundings(upstream_only: bool, signer: Option<Signer>) -> Surroundings {
    let late = LateSigner::default();
    if let Some(signer) = signer {
        late.set(signer);
    }
    Surroundings {
        external_url: "http://out:9797".to_owned(),
        upstream_only,
        signer: late,
        templates: template_set(&[], true, upstream_only, &Diagnostics::default()),
    }
}

/// The text of a template for made-up notification number `index`.
fn rendered(surroundings: &Surroundings, text: &str, index: usize) -> String {
    let field = Field::compile(&surroundings.templates, "x", text).unwrap();
    let notification = &message::synthetic(NOW)[index];
    let mut rendering = Rendering::new(surroundings, notification, NOW);
    let text = rendering.text(&field);
    assert_eq!(rendering.failures, Vec::<String>::new());
    text
}

#[test]
fn our_own_messages_carry_links_that_hold_for_a_week() {
    let signer = Signer::new([7; KEY_BYTES]);
    let own = surroundings(false, Some(signer.clone()));
    for name in TEXTS {
        let text = rendered(&own, &format!("{{{{ template {name:?} . }}}}"), 3);
        for path in [
            "http://out:9797/ack?group=",
            "http://out:9797/silence?group=",
        ] {
            assert_eq!(text.matches(path).count(), 1, "{name}: {text}");
        }
    }
    let of_alerts = "{{ range .Alerts }}{{ .Fingerprint }} {{ .AckURL }}\n{{ end }}";
    let text = rendered(&own, of_alerts, 3);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].ends_with(' '), "the third is resolved: {text}");
    let (fingerprint, url) = lines[0].split_once(' ').unwrap();
    let subject = Subject::Alert(Fingerprint::parse(fingerprint).unwrap());
    let (_, token) = url.split_once("&token=").unwrap();
    let day = std::time::Duration::from_secs(24 * 3600);
    for (at, holds) in [(NOW, true), (NOW + day * 6, true), (NOW + day * 8, false)] {
        let verified = verify(&signer, Action::Ack, &subject, token, at);
        assert_eq!(verified.is_ok(), holds, "{at}");
    }
}

#[test]
fn no_link_is_made_without_a_key_in_alertmanagers_place_or_for_nothing() {
    let signer = || Some(Signer::new([7; KEY_BYTES]));
    for (surroundings, index) in [
        (surroundings(true, signer()), 3),
        (surroundings(false, None), 3),
        (surroundings(false, signer()), 0),
    ] {
        for name in TEXTS {
            let text = rendered(
                &surroundings,
                &format!("{{{{ template {name:?} . }}}}"),
                index,
            );
            assert!(!text.contains("token="), "{name}: {text}");
        }
        let text = rendered(&surroundings, "{{ .AckURL }}{{ .SilenceURL }}", index);
        assert_eq!(text, "");
    }
}
