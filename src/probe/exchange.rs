//! One request and its answer, under deadlines and caps, to a [`Timeline`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};

use super::{
    Call, Marks, Reply, Transport,
    deadlines::{AFTER_ERROR, AFTER_TERMINAL, Alarm, Expired, Watch},
};
use crate::{
    clock::Clock,
    config::ProbeLimits,
    health::Deadlines,
    link::proxy_fault,
    protocol::{Decoder, ErrorClass, Protocol, ProviderError, StreamEvent, decode_body},
    verdict::{Connection, Ending, Fault, Timeline},
};

/// Bytes read after an error or terminal event before we stop looking for more.
pub(super) const AFTER_END_BYTES: u64 = 64 << 10;

/// Longest header value that is kept, in bytes; the rest is cut.
const HEADER_VALUE_BYTES: usize = 1024;

/// Most response headers that are kept.
const HEADERS: usize = 100;

/// What is asked of one exchange.
pub(super) struct Plan {
    /// The request.
    pub(super) call: Call,
    /// Deadlines and caps.
    pub(super) limits: ProbeLimits,
    /// How the answer streams and when its first token is due; `None`: only the head and a little of the body count.
    pub(super) stream: Option<(Protocol, Deadlines)>,
}

/// What came of it.
pub(super) struct Outcome {
    /// Everything seen.
    pub(super) timeline: Timeline,
    /// Fresh or reused.
    pub(super) connection: Connection,
    /// The soft deadline passed without a token.
    pub(super) slow: bool,
}

/// How the body is read.
enum Reading {
    /// As the protocol's stream.
    Stream(Box<Decoder>),
    /// Kept raw for the judge: an error response, or the answer to a reach probe.
    Raw,
    /// Kept raw and decoded whole at the end: a 200 that is no stream.
    Whole(Protocol),
}

/// Runs one exchange to its end. `on_slow` is called at most once.
pub(super) async fn exchange(
    transport: &dyn Transport,
    clock: &Clock,
    plan: Plan,
    on_slow: &mut (dyn FnMut() + Send),
) -> Outcome {
    let marks = Arc::new(Marks::new(clock.clone()));
    let start = clock.mono();
    let watch = Watch::new(plan.limits, plan.stream.map(|(_, deadlines)| deadlines), start);
    let alarm = Alarm::new(clock, watch.next().0);
    let mut run = Run {
        clock,
        limits: plan.limits,
        watch,
        alarm,
        timeline: Timeline::default(),
        slow: false,
        after_end: None,
        on_slow,
    };
    match run.head(transport, plan.call, &marks).await {
        Ok(reply) => run.body(reply, plan.stream.map(|(protocol, _)| protocol)).await,
        Err((at, ending)) => run.end(at, ending),
    }
    let seen = marks.seen();
    run.timeline.phases.dns = seen.dns();
    run.timeline.phases.connect = seen.connect();
    Outcome {
        timeline: run.timeline,
        connection: seen.connection(),
        slow: run.slow,
    }
}

struct Run<'a> {
    clock: &'a Clock,
    limits: ProbeLimits,
    watch: Watch,
    alarm: Alarm,
    timeline: Timeline,
    slow: bool,
    /// Bytes read since the terminal or error event, once one came.
    after_end: Option<u64>,
    on_slow: &'a mut (dyn FnMut() + Send),
}

impl Run<'_> {
    /// Sends and waits for the response head.
    async fn head(
        &mut self,
        transport: &dyn Transport,
        call: Call,
        marks: &Arc<Marks>,
    ) -> Result<Reply, (Duration, Ending)> {
        let mut sending = transport.send(call, Arc::clone(marks));
        loop {
            self.alarm.arm(self.watch.next().0);
            tokio::select! {
                biased;
                sent = &mut sending => {
                    let at = self.clock.mono();
                    self.watch.marks(marks.seen());
                    let reply = sent.map_err(|fault| (at, Ending::Failed(fault)))?;
                    self.note_head(at, &reply);
                    return Ok(reply);
                }
                () = marks.moved() => self.watch.marks(marks.seen()),
                () = self.alarm.fired() => {
                    if let Some(end) = self.expired(marks.proxy()) {
                        return Err(end);
                    }
                }
            }
        }
    }

    fn note_head(&mut self, at: Duration, reply: &Reply) {
        let offset = self.offset(at);
        self.watch.head(at);
        self.timeline.phases.request = Some(Duration::ZERO);
        self.timeline.phases.head = Some(offset);
        self.timeline.status = Some(reply.status);
        self.timeline.headers = headers(&reply.headers);
    }

    /// Reads the body to its end, a deadline or a cap.
    async fn body(&mut self, reply: Reply, protocol: Option<Protocol>) {
        let mut reading = self.reading(&reply, protocol);
        if let (200, Some(coding)) = (reply.status, coding(&self.timeline)) {
            let detail = format!("content-encoding {coding} although identity was asked for");
            let ending = self.in_stream(self.clock.mono(), ErrorClass::Protocol, detail);
            return self.end(self.clock.mono(), ending);
        }
        let mut body = reply.body;
        let (at, ending) = self.read(&mut body, &mut reading).await;
        self.finish(at, reading, ending);
    }

    fn reading(&mut self, reply: &Reply, protocol: Option<Protocol>) -> Reading {
        match protocol {
            Some(protocol) if reply.status == 200 => {
                if protocol.is_stream(header(&self.timeline, "content-type")) {
                    Reading::Stream(Box::new(Decoder::new(protocol, self.limits.bytes)))
                } else {
                    Reading::Whole(protocol)
                }
            }
            Some(_) | None => {
                self.watch.no_token();
                self.watch.linger(self.clock.mono(), AFTER_ERROR);
                Reading::Raw
            }
        }
    }

    async fn read(
        &mut self,
        body: &mut BoxStream<'static, Result<Bytes, Fault>>,
        reading: &mut Reading,
    ) -> (Duration, Ending) {
        let mut decoded = Vec::new();
        loop {
            self.alarm.arm(self.watch.next().0);
            tokio::select! {
                biased;
                item = body.next() => {
                    let at = self.clock.mono();
                    let ending = match item {
                        Some(Ok(bytes)) => self.chunk(at, &bytes, reading, &mut decoded),
                        Some(Err(fault)) => Some(Ending::Failed(fault)),
                        None => Some(Ending::Clean),
                    };
                    if let Some(ending) = ending {
                        return (at, ending);
                    }
                }
                () = self.alarm.fired() => {
                    if let Some(end) = self.expired(None) {
                        return end;
                    }
                }
            }
        }
    }

    /// Takes what one read gave. An ending means: enough.
    fn chunk(
        &mut self,
        at: Duration,
        bytes: &Bytes,
        reading: &mut Reading,
        decoded: &mut Vec<StreamEvent>,
    ) -> Option<Ending> {
        if bytes.is_empty() {
            return None;
        }
        let offset = self.offset(at);
        self.timeline.phases.first_byte.get_or_insert(offset);
        self.timeline.bytes += bytes.len() as u64;
        self.watch.bytes(at);
        match reading {
            Reading::Stream(decoder) => {
                let ended = self.after_end.is_some();
                decoder.push(bytes, decoded);
                self.events(at, decoded);
                self.cap(ended, bytes.len() as u64)
            }
            Reading::Raw => self.keep_raw(bytes).then_some(Ending::Clean),
            Reading::Whole(_) => self.keep_raw(bytes).then_some(Ending::Capped),
        }
    }

    /// Books decoded events and moves the deadlines that they touch.
    fn events(&mut self, at: Duration, decoded: &mut Vec<StreamEvent>) {
        let offset = self.offset(at);
        for event in decoded.drain(..) {
            match &event {
                StreamEvent::Delta { .. } | StreamEvent::ToolCall { .. } => self.watch.content(at),
                StreamEvent::Error(_) => self.stragglers_only(at, AFTER_ERROR),
                StreamEvent::Terminal => self.stragglers_only(at, AFTER_TERMINAL),
                StreamEvent::Meta { .. }
                | StreamEvent::KeepAlive
                | StreamEvent::Fingerprint(_)
                | StreamEvent::Stop(_)
                | StreamEvent::Usage(_)
                | StreamEvent::Garbled { .. }
                | StreamEvent::TerminalByEnd
                | StreamEvent::Note(_) => {}
            }
            self.timeline.event(offset, event);
        }
    }

    fn stragglers_only(&mut self, at: Duration, span: Duration) {
        self.watch.linger(at, span);
        self.after_end.get_or_insert(0);
    }

    /// Whether a cap says enough. `ended`: these bytes came after the last event that matters.
    fn cap(&mut self, ended: bool, bytes: u64) -> Option<Ending> {
        if ended {
            let after = self.after_end.get_or_insert(0);
            *after += bytes;
            if *after >= AFTER_END_BYTES {
                return Some(Ending::Clean);
            }
        }
        let caps = self.limits.bytes;
        let over = self.timeline.bytes > caps.body_bytes as u64 || self.timeline.events.len() > caps.events;
        over.then_some(Ending::Capped)
    }

    /// Keeps the first bytes of a body that is no stream; true once no more will be kept.
    fn keep_raw(&mut self, bytes: &Bytes) -> bool {
        let cap = Timeline::RAW_BYTES.min(self.limits.bytes.body_bytes);
        let room = cap - self.timeline.raw.len();
        let kept = &bytes[..bytes.len().min(room)];
        self.timeline.raw.extend_from_slice(kept);
        bytes.len() > room
    }

    /// The body is over: what the decoder still holds, or the whole of a body that is no stream.
    fn finish(&mut self, at: Duration, reading: Reading, ending: Ending) {
        let mut decoded = Vec::new();
        match reading {
            Reading::Stream(mut decoder) => decoder.finish(&mut decoded),
            Reading::Whole(protocol) if ending == Ending::Clean => {
                decoded = decode_body(protocol, &self.timeline.raw);
            }
            Reading::Whole(_) | Reading::Raw => {}
        }
        self.events(at, &mut decoded);
        self.end(at, ending);
    }

    fn end(&mut self, at: Duration, ending: Ending) {
        let offset = self.offset(at);
        self.timeline.end(offset, ending);
    }

    fn offset(&self, at: Duration) -> Duration {
        at.saturating_sub(self.watch.zero())
    }

    /// A failure that we found in a 200 response: told as an error inside the stream, since without it the answer
    /// would look merely cut.
    fn in_stream(&mut self, at: Duration, class: ErrorClass, detail: String) -> Ending {
        let error = ProviderError {
            class,
            code: None,
            message: detail.clone(),
            retry_after: None,
        };
        let offset = self.offset(at);
        self.timeline.event(offset, StreamEvent::Error(error));
        Ending::Failed(Fault { class, detail })
    }

    /// The timer fired: which deadline was that, and is it an end? `proxy`: what a connection is waited for by. Who of
    /// the two is slow can't be told then.
    fn expired(&mut self, proxy: Option<&str>) -> Option<(Duration, Ending)> {
        let now = self.alarm.now();
        let (due, what) = self.watch.next();
        if due > now {
            return None;
        }
        let within = |what: &str, since: Duration| {
            let span = humantime::format_duration(due.saturating_sub(since));
            format!("{what} within {span}")
        };
        let fault = |class, detail| Ending::Failed(Fault { class, detail });
        let (start, zero) = (self.watch.start(), self.watch.zero());
        let ending = match what {
            Expired::Slow => {
                self.watch.slow_told();
                self.slow = true;
                (self.on_slow)();
                return None;
            }
            Expired::Connect if let Some(proxy) = proxy => {
                Ending::Failed(proxy_fault(proxy, &within("no connection", start)))
            }
            Expired::Connect if self.watch.resolving() => fault(ErrorClass::Dns, within("no address", start)),
            Expired::Connect => fault(ErrorClass::Connect, within("no connection", start)),
            Expired::Head => fault(ErrorClass::Timeout, within("no response head", zero)),
            Expired::FirstToken if self.timeline.status.is_some() => {
                self.in_stream(now, ErrorClass::Timeout, within("no first token", zero))
            }
            Expired::FirstToken => fault(ErrorClass::Timeout, within("no first token", zero)),
            Expired::Gap => Ending::Stalled,
            Expired::Total => Ending::Overtime,
            Expired::Linger => Ending::Clean,
        };
        Some((now, ending))
    }
}

/// Headers as the judge reads them: names in lower case, values cut at a bound.
fn headers(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .take(HEADERS)
        .map(|(name, value)| {
            let bytes = value.as_bytes();
            let kept = &bytes[..bytes.len().min(HEADER_VALUE_BYTES)];
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(kept).into_owned(),
            )
        })
        .collect()
}

/// The first header of that (lower-case) name.
pub(super) fn header<'a>(timeline: &'a Timeline, name: &str) -> Option<&'a str> {
    let found = timeline.headers.iter().find(|(have, _)| have == name)?;
    Some(found.1.trim())
}

/// A coding other than identity, which we asked for.
fn coding(timeline: &Timeline) -> Option<&str> {
    header(timeline, "content-encoding")
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
}
