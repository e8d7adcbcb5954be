//! What a span says of its call, as a verdict.
//!
//! A span is a client's word: it is believed where it tells of a failure or of an end, and where it tells neither the
//! verdict is unknown rather than healthy. Names of exceptions are those that the vendors' SDKs and their HTTP clients
//! raise (Python, JavaScript, Java) as of November 2026.

use super::{
    dialect::{self, Finish},
    span::Span,
};
use crate::{
    protocol::{ErrorClass, Protocol, error_body},
    verdict::{FailedAt, Failure, Truncation, Verdict},
};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) http_status: Option<u16>,
}

/// Longest part of a status message in which words are looked for, in bytes.
const MAX_MESSAGE_BYTES: usize = 2_048;

/// Judges a model call.
pub(super) fn judge(span: &Span<'_>) -> Judged {
    let told = span.facts.error_type.get();
    if span.failed || told.is_some() {
        return Failed::of(span).judge();
    }
    Judged {
        verdict: ended(span),
        http_status: span.facts.http_status.get().copied(),
    }
}

/// A call without an error: its finish reasons tell, the worst of several choices.
fn ended(span: &Span<'_>) -> Verdict {
    let reasons = span.facts.finishes();
    let worst = reasons.iter().map(|reason| dialect::finish(reason)).max();
    let Some(worst) = worst else {
        return match dialect::is_stream(span) {
            Some(true) => Verdict::Truncated(Truncation::Cut),
            // A body that was not streamed was read whole, or there would be an error.
            Some(false) => Verdict::Complete,
            // Tokens are counted at the end.
            None if span.facts.output.get().is_some() => Verdict::Complete,
            None => Verdict::Unknown,
        };
    };
    match worst {
        Finish::Natural => Verdict::Complete,
        Finish::Limit => Verdict::Limited,
        Finish::Refused => Verdict::Refused,
        Finish::Unknown => Verdict::Unknown,
        Finish::Cut => Verdict::Truncated(Truncation::Cut),
    }
}

/// A call that ended in an error.
struct Failed {
    /// The last part of the error's name, letters and digits only, in lower case.
    name: String,
    /// The words of the span's status, in lower case: looked into, never kept.
    words: String,
    status: Option<u16>,
    /// Something of the reply had come.
    began: bool,
    finish: Option<Finish>,
}

impl Failed {
    fn of(span: &Span<'_>) -> Self {
        let facts = &span.facts;
        let told = facts.error_type.get().map_or("", |name| name.as_ref());
        let message = &span.message[..span.message.floor_char_boundary(MAX_MESSAGE_BYTES)];
        let words = message.to_ascii_lowercase();
        // A class written as Python shows it; some put the message behind the name.
        let shown = told
            .strip_prefix("<class '")
            .and_then(|rest| rest.split('\'').next());
        let name = shown.unwrap_or(told);
        let name = name
            .split([' ', '('])
            .next()
            .unwrap_or_default()
            .trim_end_matches(':');
        let last = name.rsplit(['.', ':', '/']).next().unwrap_or_default();
        let number = || last.parse().ok().filter(|status| (100..=599).contains(status));
        let status = facts.http_status.get().copied();
        let began = facts.first_chunk_s.is_some()
            || facts.first_token_ns.is_some()
            || facts.output.get().is_some_and(|tokens| *tokens > 0)
            || facts.response_id.get().is_some();
        Self {
            name: last
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect(),
            status: status.or_else(number).or_else(|| status_in(&words)),
            words,
            began,
            finish: facts
                .finishes()
                .iter()
                .map(|reason| dialect::finish(reason))
                .max(),
        }
    }

    fn judge(&self) -> Judged {
        let verdict = self.by_name().unwrap_or_else(|| self.otherwise());
        let answered = match verdict {
            Verdict::Errored(Failure {
                at: FailedAt::Status(status),
                ..
            }) => Some(status),
            _ => self.status,
        };
        Judged {
            verdict,
            http_status: answered,
        }
    }

    fn named(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.name.contains(part))
    }

    fn says(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.words.contains(phrase))
    }

    /// What the name of the error tells.
    fn by_name(&self) -> Option<Verdict> {
        if let Some(class) = self
            .status
            .filter(|status| *status >= 400)
            .map(|status| self.class(status))
        {
            let status = self.status.unwrap_or_default();
            return Some(errored(class, FailedAt::Status(status)));
        }
        if self.named(&CUTS) || self.says(&CUT_WORDS) {
            return Some(self.broken());
        }
        if self.named(&["jsondecode"]) {
            // A body that does not parse, or an event.
            return Some(Verdict::Truncated(Truncation::Garbled));
        }
        if self.named(&CANCELS) {
            return Some(errored(ErrorClass::Cancelled, self.at()));
        }
        if self.named(&["lengthfinishreason"]) {
            return Some(Verdict::Limited);
        }
        if self.named(&["contentfilter"]) {
            return Some(Verdict::Refused);
        }
        if let Some((_, class)) = CONNECTING.iter().find(|(parts, _)| self.named(parts)) {
            return Some(if self.began && *class != ErrorClass::Timeout {
                Verdict::Truncated(Truncation::Cut)
            } else {
                errored(*class, self.at())
            });
        }
        if let Some((_, status)) = STATUSES.iter().find(|(parts, _)| self.named(parts)) {
            return Some(errored(self.class(*status), FailedAt::Status(*status)));
        }
        if self.named(&["apierror", "apistatuserror", "streamerror", "apicallerror"]) {
            // The AI SDK of JavaScript says a status by its words alone. What other SDKs raise for an error event
            // within a stream has none.
            let phrase = PHRASES.iter().find(|(phrase, _)| self.words.starts_with(phrase));
            return Some(match phrase {
                Some((_, status)) => errored(self.class(*status), FailedAt::Status(*status)),
                None => errored(within(self.class(200)), self.at()),
            });
        }
        OWN.contains(&self.name.as_str())
            .then(|| errored(ErrorClass::Cancelled, self.at()))
    }

    /// An error that nothing is known of: it counts half, unless the reply had ended before it.
    fn otherwise(&self) -> Verdict {
        match self.finish {
            Some(Finish::Cut) => Verdict::Truncated(Truncation::Cut),
            Some(_) => Verdict::Unknown,
            None => errored(ErrorClass::Protocol, self.at()),
        }
    }

    /// The connection broke: within a reply it cut that reply, before it there was none.
    fn broken(&self) -> Verdict {
        if self.began || self.named(&["truncated"]) || self.says(&CUT_WORDS) {
            Verdict::Truncated(Truncation::Cut)
        } else {
            errored(ErrorClass::Reset, FailedAt::Transport)
        }
    }

    const fn at(&self) -> FailedAt {
        if self.began {
            FailedAt::Stream
        } else {
            FailedAt::Transport
        }
    }

    /// Our class of a status with the words beside it, as a probe would read them.
    fn class(&self, status: u16) -> ErrorClass {
        let word = |member| member_in(&self.words, member).unwrap_or_default();
        let codes = [word("code"), word("type"), &self.name];
        let codes: Vec<&str> = codes.into_iter().filter(|code| !code.is_empty()).collect();
        error_body::class_of_words(Protocol::OpenaiChat, status, &codes, &self.words)
    }
}

/// The class of an error within a reply, whose status was 200: what its words don't tell is the provider's.
pub(super) const fn within(class: ErrorClass) -> ErrorClass {
    match class {
        ErrorClass::Protocol => ErrorClass::ServerError,
        class => class,
    }
}

const fn errored(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

/// A body that broke off.
const CUTS: [&str; 11] = [
    "streamtruncated",
    "incompleteread",
    "chunkedencoding",
    "remoteprotocol",
    "clientpayload",
    "unexpectedeof",
    "eoferror",
    "eofexception",
    "readerror",
    "socketerror",
    "serverdisconnected",
];
const CUT_WORDS: [&str; 5] = [
    "without sending complete message body",
    "incomplete chunked read",
    "response ended prematurely",
    "unexpected eof",
    "payload is not completed",
];
/// Whoever asked went away.
const CANCELS: [&str; 6] = [
    "cancel",
    "abort",
    "generatorexit",
    "keyboardinterrupt",
    "clientdisconnect",
    "interruptedexception",
];
const CONNECTING: [(&[&str], ErrorClass); 5] = [
    (&["timeout", "timedout", "deadlineexceeded"], ErrorClass::Timeout),
    (
        &["dns", "gaierror", "nameresolution", "enotfound", "unknownhost"],
        ErrorClass::Dns,
    ),
    (&["ssl", "tls", "certificate"], ErrorClass::Tls),
    (
        &["connectionreset", "econnreset", "brokenpipe"],
        ErrorClass::Reset,
    ),
    (&["connect"], ErrorClass::Connect),
];
/// Exceptions that stand for a status.
const STATUSES: [(&[&str], u16); 11] = [
    (
        &["ratelimit", "throttling", "toomanyrequests", "resourceexhausted"],
        429,
    ),
    (&["overloaded"], 529),
    (&["serviceunavailable", "modelnotready"], 503),
    (&["internalserver", "servererror", "internalfailure"], 500),
    (&["badgateway"], 502),
    (&["authentication", "unauthorized", "unauthenticated"], 401),
    (&["permissiondenied", "accessdenied", "forbidden"], 403),
    (&["notfound"], 404),
    (&["requesttoolarge"], 413),
    (&["unprocessable"], 422),
    (
        &[
            "badrequest",
            "invalidrequest",
            "validationexception",
            "contextwindow",
        ],
        400,
    ),
];
/// What a status is called in words, as far as it is one of a provider's troubles (RFC 9110; 529 is Anthropic's).
const PHRASES: [(&str, u16); 8] = [
    ("too many requests", 429),
    ("overloaded", 529),
    ("service unavailable", 503),
    ("internal server error", 500),
    ("bad gateway", 502),
    ("gateway timeout", 504),
    ("unauthorized", 401),
    ("forbidden", 403),
];
/// Errors of the program that asked: they stop it from reading on, and say nothing of who answers.
const OWN: [&str; 12] = [
    "assertionerror",
    "attributeerror",
    "indexerror",
    "keyerror",
    "memoryerror",
    "nameerror",
    "notimplementederror",
    "nullpointerexception",
    "rangeerror",
    "referenceerror",
    "typeerror",
    "valueerror",
];

/// The HTTP status that the SDKs write into their messages.
fn status_in(words: &str) -> Option<u16> {
    [
        "error code: ",
        "status code ",
        "status code: ",
        "status_code=",
        "status: ",
    ]
    .into_iter()
    .find_map(|before| {
        let digits = words.split_once(before)?.1.get(..3)?;
        digits.parse().ok().filter(|status| (100..=599).contains(status))
    })
}

/// The value of a member in the provider's error body, which the Python SDKs put into their messages as Python writes it.
fn member_in<'w>(words: &'w str, member: &str) -> Option<&'w str> {
    ["'", "\""].into_iter().find_map(|quote| {
        let named = words.split_once(&format!("{quote}{member}{quote}:"))?.1;
        let value = named.trim_start().strip_prefix(quote)?.split_once(quote)?.0;
        (!value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests;
