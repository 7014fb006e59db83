//! Pictures in messages: what each chat is told of the address, and what a mail carries.

use serde_json::{Value, json};

use super::{Bench, NOW, notification};
use crate::model::notification::AlertPicture;
use crate::notify::testing::Recorder;

const IMAGE: &str = "https://monitor.example.org/render/alert/0123456789abcdef.png?token=x";

/// What a receiver is told, its alert having a picture or none.
async fn told(receiver: &str, kind: &str, image: &str) -> Value {
    let answer = super::Answer::Json("200 OK", r#"{"ok":true}"#);
    let recorder = Recorder::start(&[answer]).await;
    let receiver = receiver.replace("URL", &recorder.url);
    let bench = Bench::new(&format!("receivers:\n- name: team\n  {receiver}\n")).await;
    let mut notification = notification("1", "team", kind, "{}", NOW);
    notification.alerts[0].picture = Some(AlertPicture {
        link: IMAGE.into(),
        image: image.into(),
        png: None,
    });
    let receivers = bench.with.receivers.load();
    let integration = receivers.get(&notification).unwrap();
    integration.send(&notification, NOW).await.unwrap();
    serde_json::from_str(&recorder.requests()[0].body).unwrap()
}

#[tokio::test]
async fn chats_are_given_the_address_of_the_picture() {
    for (receiver, kind, path) in [
        (
            "slack_configs: [{api_url: 'URL', channel: '#a'}]",
            "slack",
            "/attachments/0/image_url",
        ),
        (
            "discord_configs: [{webhook_url: 'URL'}]",
            "discord",
            "/embeds/0/image/url",
        ),
        (
            "msteams_configs: [{webhook_url: 'URL'}]",
            "msteams",
            "/sections/0/heroImage/image",
        ),
        (
            "msteamsv2_configs: [{webhook_url: 'URL'}]",
            "msteamsv2",
            "/attachments/0/content/body/2/url",
        ),
        (
            "telegram_configs: [{api_url: 'URL', bot_token: t, chat_id: 1}]",
            "telegram",
            "/link_preview_options/url",
        ),
    ] {
        let with = told(receiver, kind, IMAGE).await;
        assert_eq!(with.pointer(path), Some(&json!(IMAGE)), "{kind}: {with}");
        let without = told(receiver, kind, "").await;
        assert_eq!(without.pointer(path), None, "{kind}: {without}");
    }
}

#[tokio::test]
async fn a_picture_of_the_users_own_stays() {
    let own = "https://example.org/own.png";
    let receiver =
        format!("slack_configs: [{{api_url: 'URL', channel: '#a', image_url: '{own}'}}]");
    let message = told(&receiver, "slack", IMAGE).await;
    assert_eq!(message["attachments"][0]["image_url"], own);
}
