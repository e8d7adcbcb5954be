//! One reply, as it passed, to an observation: by the decoder and the judge that a probe's reply goes through.
//!
//! Of the reply's text nothing is held, not even while it is judged: of each piece only whether there was any.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};

use super::{
    counts::Unjudged,
    inflate::{Inflate, Unreadable},
    place::Place,
    recorder::Batch,
    shared::Shared,
};
use crate::{
    clock::Timestamp,
    config::Secret,
    id::{ModelId, TargetId},
    protocol::{Decoder, ErrorClass, Limits, Protocol, REQUEST_ID_HEADERS, StreamEvent, decode_body},
    verdict::{
        Ending, Expectation, Failure, Judgement, Observation, Source, Timeline, Truncation, Verdict, judge,
    },
};

/// Bounds on what is read along of one reply. Somebody's real reply may hold a picture in one line, so they are wider
/// than a probe's; past them a reply goes unjudged, for that a reply is long is no fault.
pub const LIMITS: Limits = Limits {
    line_bytes: 8 << 20,
    body_bytes: 64 << 20,
    events: 1_000_000,
};
/// Largest reply that is no stream and is judged, in bytes: it has to be held whole.
pub const MAX_DOCUMENT_BYTES: usize = 8 << 20;
/// Headers of a reply that are looked at, and how much of each.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 1024;
/// Longest name that a reply gives (model, id, stop reason) and that is kept, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What came of it.
pub(super) enum Outcome {
    /// A verdict.
    Seen(Box<Observation>),
    /// None.
    Unjudged(Unjudged),
    /// None, and somebody else has counted it.
    GivenUp,
}

/// What is known of one exchange apart from its reply's body.
pub(super) struct Case {
    pub(super) place: Arc<Place>,
    pub(super) protocol: Protocol,
    /// The model, where the path names it.
    pub(super) model: Option<String>,
    pub(super) started: Timestamp,
    pub(super) with_key: bool,
    /// What the client showed its provider, which nothing that is kept may hold.
    pub(super) secrets: Vec<Secret>,
    pub(super) shared: Arc<Shared>,
    head: Option<Head>,
}

struct Head {
    at: Duration,
    status: u16,
    headers: Vec<(String, String)>,
}

impl Case {
    /// A request that is about to be sent.
    pub(super) fn new(
        place: Arc<Place>,
        protocol: Protocol,
        model: Option<String>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            place,
            protocol,
            model,
            started: Timestamp::default(),
            with_key: false,
            secrets: Vec::new(),
            shared,
            head: None,
        }
    }

    /// The response head came.
    pub(super) fn head(&mut self, at: Duration, status: StatusCode, headers: &HeaderMap) {
        let pairs = headers.iter().take(MAX_HEADERS).map(|(name, value)| {
            let bytes = value.as_bytes();
            let kept = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(kept).into_owned(),
            )
        });
        self.head = Some(Head {
            at,
            status: status.as_u16(),
            headers: pairs.collect(),
        });
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.head.as_ref()?;
        let found = head.headers.iter().find(|(have, _)| have == name)?;
        Some(found.1.trim())
    }

    /// A text of the provider's without the client's credential.
    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.secrets.iter().fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(secret.expose()) {
                Cow::Owned(secret.scrub(&text))
            } else {
                text
            }
        })
    }

    fn target(&self) -> Option<TargetId> {
        let model = self.model.as_deref().or_else(|| self.shared.model())?;
        let model = model.strip_prefix("models/").unwrap_or(model);
        Some(TargetId::new(self.place.id.clone(), ModelId::new(model).ok()?))
    }
}

/// How the body is read.
enum Reading {
    /// As the protocol's stream.
    Stream(Box<Decoder>),
    /// As one document, at the end.
    Document(Vec<u8>),
    /// Its beginning, for the error that it tells of.
    Error(Vec<u8>),
}

/// Follows one reply.
pub(super) struct Judge {
    case: Case,
    timeline: Timeline,
    reading: Reading,
    inflate: Option<Inflate>,
    /// Why it can't be judged any more.
    lost: Option<Unjudged>,
    events: Vec<StreamEvent>,
}

impl Judge {
    /// Nothing of the body read yet.
    pub(super) fn new(case: Case) -> Self {
        let status = case.head.as_ref().map(|head| head.status);
        let reading = match status {
            Some(200) if case.protocol.is_stream(case.header("content-type")) => {
                Reading::Stream(Box::new(Decoder::new(case.protocol, LIMITS)))
            }
            Some(200) => Reading::Document(Vec::new()),
            _ => Reading::Error(Vec::new()),
        };
        let inflate = Inflate::new(case.header("content-encoding"), LIMITS.body_bytes);
        let mut timeline = Timeline {
            status,
            ..Timeline::default()
        };
        if let Some(head) = &case.head {
            timeline.phases.head = Some(head.at.saturating_sub(case.shared.marks.zero()));
            timeline.headers.clone_from(&head.headers);
        }
        Self {
            case,
            timeline,
            reading,
            lost: inflate.is_err().then_some(Unjudged::Coding),
            inflate: inflate.ok(),
            events: Vec::new(),
        }
    }

    /// Reads on.
    pub(super) fn take(&mut self, batch: &Batch) {
        for (at, piece) in batch.pieces() {
            if self.lost.is_none() {
                self.piece(at, piece);
            }
        }
    }

    fn piece(&mut self, at: Duration, bytes: &[u8]) {
        let offset = at.saturating_sub(self.case.shared.marks.zero());
        self.timeline.phases.first_byte.get_or_insert(offset);
        let Some(mut inflate) = self.inflate.take() else {
            return;
        };
        let mut over = false;
        let result = inflate.push(bytes, |plain| over = self.plain(offset, plain));
        self.inflate = Some(inflate);
        self.lost = match result {
            Ok(()) => over.then_some(Unjudged::Outsize),
            Err(Unreadable::Outsize) => Some(Unjudged::Outsize),
            Err(Unreadable::Broken) => Some(Unjudged::Coding),
        };
    }

    /// Reads unpacked bytes; true once there are more than are read.
    fn plain(&mut self, offset: Duration, bytes: &[u8]) -> bool {
        self.timeline.bytes += bytes.len() as u64;
        match &mut self.reading {
            Reading::Stream(decoder) => {
                decoder.push(bytes, &mut self.events);
                let over = decoder.is_outsize();
                self.note(offset);
                over
            }
            Reading::Document(held) => {
                held.extend_from_slice(bytes);
                held.len() > MAX_DOCUMENT_BYTES
            }
            Reading::Error(held) => {
                let room = Timeline::RAW_BYTES - held.len();
                held.extend_from_slice(&bytes[..bytes.len().min(room)]);
                false
            }
        }
    }

    /// Books what was decoded, without its text.
    fn note(&mut self, offset: Duration) {
        for mut event in self.events.drain(..) {
            if let StreamEvent::Delta { text, .. } = &mut event {
                *text = trace(text).to_owned();
            }
            self.timeline.event(offset, event);
        }
    }

    /// Reads the last of it and judges.
    pub(super) fn finish(mut self, batch: &Batch) -> Outcome {
        self.take(batch);
        let Some((at, ending)) = batch.end.clone() else {
            return Outcome::GivenUp;
        };
        let Some(target) = self.case.target() else {
            return Outcome::Unjudged(Unjudged::NoModel);
        };
        if let Some(why) = self.lost {
            return Outcome::Unjudged(why);
        }
        let offset = at.saturating_sub(self.case.shared.marks.zero());
        let streamed = matches!(self.reading, Reading::Stream(_));
        match &mut self.reading {
            Reading::Stream(decoder) => decoder.finish(&mut self.events),
            // Half a document is not valid, which is no fault where its reader left.
            Reading::Document(_) if ending == Ending::Cancelled => {}
            Reading::Document(held) => self.events = decode_body(self.case.protocol, held),
            Reading::Error(held) => self.timeline.raw = std::mem::take(held),
        }
        self.note(offset);
        self.timeline.end(offset, ending);
        let judgement = judge(&self.timeline, &self.expectation());
        if !streamed {
            // It came at once: when which token was made nobody knows.
            let phases = &mut self.timeline.phases;
            (phases.first_token, phases.first_output, phases.last_token) = (None, None, None);
            phases.gap_max = None;
        }
        Outcome::Seen(Box::new(self.observation(target, at, &judgement)))
    }

    fn expectation(&self) -> Expectation {
        let place = &self.case.place;
        let own = place.protocol == self.case.protocol;
        Expectation {
            protocol: self.case.protocol,
            strict_terminal: !own || place.strict_terminal,
            expected: None,
            model: self
                .case
                .model
                .clone()
                .or_else(|| self.case.shared.model().map(str::to_owned)),
        }
    }

    fn observation(&self, target: TargetId, end: Duration, judgement: &Judgement) -> Observation {
        let marks = &self.case.shared.marks;
        // The judge's task may run later than the reply ended.
        let at = marks.at(end);
        let mut seen = Observation::new(target, at, Source::Tap, judgement.verdict);
        seen.started = self.case.started;
        seen.flags = judgement.flags;
        seen.phases = self.timeline.phases;
        seen.phases.request = self.timeline.status.map(|_| Duration::ZERO);
        seen.phases.connect = marks.connect();
        seen.connection = marks.connection();
        seen.http_status = self.timeline.status;
        let name = |text: &str| name(&self.case.clean(text));
        seen.stop_reason = judgement.stop_reason.as_ref().and_then(|stop| name(&stop.raw));
        seen.usage = judgement.usage;
        seen.retry_after = judgement.retry_after;
        seen.served_model = judgement.served_model.as_deref().and_then(name);
        seen.fingerprint = judgement.fingerprint.as_deref().and_then(name);
        seen.with_key = self.case.with_key;
        if judgement.verdict != Verdict::Complete {
            let header = |name: &&str| self.case.header(name).filter(|id| !id.is_empty());
            let id = REQUEST_ID_HEADERS.iter().find_map(header);
            seen.request_id = id.or(judgement.response_id.as_deref()).and_then(name);
            seen.detail = own_words(judgement).map(Cow::into_owned);
        }
        seen
    }
}

/// What is left of a piece of text: enough to tell whether there was any, and whether more than white space.
fn trace(text: &str) -> &'static str {
    match text.chars().all(char::is_whitespace) {
        _ if text.is_empty() => "",
        true => " ",
        false => "x",
    }
}

/// A name as a provider gives it, bounded; what holds control characters is none.
fn name(text: &str) -> Option<String> {
    let text = &text[..text.floor_char_boundary(MAX_NAME_BYTES)];
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// Why, as far as these are our words. A provider's own message may hold what it was asked or a key.
fn own_words(judgement: &Judgement) -> Option<Cow<'_, str>> {
    let ours = match judgement.verdict {
        Verdict::Truncated(Truncation::Garbled) => return Some("an event was not valid".into()),
        Verdict::Truncated(_) => true,
        Verdict::Errored(Failure { class, at }) => {
            class == ErrorClass::Cancelled || at == crate::verdict::FailedAt::Transport
        }
        _ => false,
    };
    judgement.detail.as_deref().filter(|_| ours).map(Cow::Borrowed)
}
