//! A message as mail: plain text, in one thread an alarm, and the same mail at every try.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::{Message as Mail, SinglePart, header};

use crate::{
    alert::{
        message::Message,
        words::{clip, text, title},
    },
    config::Email,
};

/// Longest text in bytes.
pub(super) const MAX_BODY_BYTES: usize = 64 << 10;
/// Longest id that stands in a header as it is.
const MAX_ID: usize = 120;

/// The mail. Its id comes from the message's key: what arrives twice has the same one, and most servers show it once.
pub(super) fn mail(message: &Message, settings: &Email) -> Result<Mail, String> {
    let domain = settings.from.email.domain();
    let id = |id: &str| format!("<{}@{domain}>", crate::alert::words::plain_id(id, MAX_ID));
    // The alarm's own id heads the thread; no mail has it, and readers thread by it all the same.
    let thread = id(&message.alarm);
    let millis = u64::try_from(message.at.0.as_millis()).unwrap_or(0);
    let automatic = header::HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut builder = Mail::builder()
        .from(settings.from.clone())
        .subject(title(message))
        .message_id(Some(id(&message.key)))
        .in_reply_to(thread.clone())
        .references(thread)
        .date(UNIX_EPOCH + Duration::from_millis(millis))
        .raw_header(header::HeaderValue::new(automatic, "auto-generated".to_owned()));
    for to in &settings.to {
        builder = builder.to(to.clone());
    }
    let body = clip(&text(message), MAX_BODY_BYTES).into_owned() + "\n";
    builder
        .singlepart(SinglePart::plain(body))
        .map_err(|error| format!("the mail: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{
            channel::fixture::{hostile, huge, message},
            message::MessageKind,
        },
        config::MailTls,
    };

    fn settings() -> Email {
        Email {
            host: "smtp.example.com".to_owned(),
            port: 587,
            tls: MailTls::StartTls,
            login: None,
            from: "endturn <endturn@example.com>".parse().unwrap(),
            to: vec![
                "oncall@example.com".parse().unwrap(),
                "Ünal <u@example.com>".parse().unwrap(),
            ],
        }
    }

    fn written(message: &Message) -> String {
        String::from_utf8(mail(message, &settings()).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_message_becomes_a_mail() {
        insta::assert_snapshot!(written(&message()).replace("\r\n", "\n"));
    }

    #[test]
    fn every_try_is_the_same_mail_and_every_mail_of_an_alarm_one_thread() {
        assert_eq!(written(&message()), written(&message()));
        let resolved = written(&Message {
            kind: MessageKind::Resolved,
            key: "another".to_owned(),
            ..message()
        });
        let line = |mail: &str, name: &str| {
            let found = mail.lines().find(|line| line.starts_with(name));
            found.unwrap_or_else(|| panic!("{name} in {mail}")).to_owned()
        };
        assert_eq!(
            line(&resolved, "References: "),
            line(&written(&message()), "References: ")
        );
        assert_ne!(
            line(&resolved, "Message-ID: "),
            line(&written(&message()), "Message-ID: ")
        );
        assert!(line(&resolved, "Subject: ").starts_with("Subject: Resolved: "));
    }

    #[test]
    fn no_text_makes_a_header() {
        let mut hostile = hostile();
        hostile.key = "k>\r\nBcc: x@evil.example".to_owned();
        hostile.alarm.clone_from(&hostile.key);
        let written = written(&hostile);
        let head = written.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("\nBcc:"), "{head}");
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "From",
                "Subject",
                "Message-ID",
                "In-Reply-To",
                "References",
                "Date",
                "Auto-Submitted",
                "To",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding"
            ]
            .iter()
            .filter(|name| names.contains(name))
            .copied()
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn lines_and_body_are_bounded() {
        let written = written(&huge());
        assert!(written.lines().all(|line| line.len() <= 998));
        assert!(written.len() < 3 * MAX_BODY_BYTES);
    }
}
