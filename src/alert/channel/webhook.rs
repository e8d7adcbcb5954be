//! A webhook of one's own: Standard Webhooks, with a `CloudEvents` envelope unless it is asked otherwise.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::post::{JSON, Post};
use crate::{
    alert::message::Message,
    clock::Timestamp,
    config::{Secret, Webhook, WebhookBody, signing_key},
};

/// The `CloudEvents` type of a message; its last part is the version of the data.
pub(super) const EVENT_TYPE: &str = "dev.endturn.alert.v1";
const CLOUD_EVENTS: &str = "application/cloudevents+json";

/// The request.
pub(super) fn post(message: &Message, settings: &Webhook, now: Timestamp) -> Result<Post, String> {
    let told = |error: serde_json::Error| format!("the message is no JSON: {error}");
    let data = serde_json::to_value(message).map_err(told)?;
    let (content_type, body) = match &settings.body {
        WebhookBody::CloudEvents => (CLOUD_EVENTS, envelope(message, &data).to_string()),
        WebhookBody::Json => (JSON, data.to_string()),
        WebhookBody::Template {
            template,
            content_type,
        } => {
            let body = template
                .render(&data)
                .map_err(|error| format!("the template: {error}"))?;
            (content_type.as_str(), body)
        }
    };
    let seconds = (now.as_millis() / 1_000).to_string();
    let mut headers = settings.headers.clone();
    headers.push(("webhook-id".to_owned(), Secret::new(&message.key)));
    headers.push(("webhook-timestamp".to_owned(), Secret::new(&seconds)));
    let signatures: Vec<String> = settings
        .secrets
        .iter()
        .filter_map(|secret| signature(secret, &message.key, &seconds, &body))
        .collect();
    if !signatures.is_empty() {
        headers.push(("webhook-signature".to_owned(), Secret::new(&signatures.join(" "))));
    }
    Ok(Post {
        url: settings.url.clone(),
        headers,
        content_type: content_type.to_owned(),
        body: body.into_bytes(),
    })
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn signature(secret: &Secret, id: &str, seconds: &str, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&signing_key(secret)?).ok()?;
    for part in [id, ".", seconds, ".", body] {
        mac.update(part.as_bytes());
    }
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn envelope(message: &Message, data: &Value) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": message.key,
        "source": format!("/endturn/{}", message.vantage),
        "type": EVENT_TYPE,
        "time": message.at,
        "datacontenttype": JSON,
        "data": data,
    });
    if let Some(subject) = message.subjects.first() {
        event["subject"] = Value::from(subject.name.as_str());
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::fixture::{message, now, shown};

    fn settings(body: WebhookBody) -> Webhook {
        Webhook {
            url: Secret::new("https://hooks.example.com/in/planted-url-secret"),
            secrets: vec![
                Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                Secret::new("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            ],
            body,
            headers: vec![("x-team".to_owned(), Secret::new("oncall"))],
        }
    }

    /// Computed by `openssl dgst -sha256 -mac HMAC -macopt hexkey:..`, which shares no code with us.
    #[test]
    fn a_signature_is_as_the_specification_has_it() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_message_travels_in_an_envelope_with_a_signature_a_secret() {
        let post = post(&message(), &settings(WebhookBody::CloudEvents), now()).unwrap();
        insta::assert_snapshot!(shown(&post));
        let name = |name: &str| post.headers.iter().find(|(n, _)| n == name).unwrap().1.expose();
        assert_eq!(name("webhook-signature").split(' ').count(), 2);
        assert_eq!(name("webhook-id"), message().key);
    }

    #[test]
    fn plain_json_is_the_message_itself() {
        let post = post(&message(), &settings(WebhookBody::Json), now()).unwrap();
        assert_eq!(serde_json::from_slice::<Message>(&post.body).unwrap(), message());
        assert_eq!(post.content_type, "application/json");
    }

    #[test]
    fn a_template_makes_the_body_that_is_signed() {
        let template = crate::config::Template::new(r#"{"text": {{ title }}}"#, true).unwrap();
        let body = WebhookBody::Template {
            template,
            content_type: "application/json".to_owned(),
        };
        let made = post(&message(), &settings(body), now()).unwrap();
        let expected = r#"{"text": "anthropic: claude-haiku-4-5 is down, replies are cut"}"#;
        assert_eq!(String::from_utf8(made.body).unwrap(), expected);
    }

    #[test]
    fn without_secrets_nothing_is_signed() {
        let mut unsigned = settings(WebhookBody::Json);
        unsigned.secrets.clear();
        let post = post(&message(), &unsigned, now()).unwrap();
        assert!(post.headers.iter().all(|(name, _)| name != "webhook-signature"));
    }
}
