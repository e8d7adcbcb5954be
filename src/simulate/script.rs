//! A reply as a script: timed byte strings and an end. Pure; faults are applied here.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    fault::{Cut, FaultKind, HUGE_LINE_BYTES},
    pace::Pace,
    vendor::{self, Ask, Encoder, Facts, Finish},
};
use crate::protocol::Protocol;

/// Bytes of one write of a huge line.
const HUGE_STEP_BYTES: usize = 64 << 10;
/// Shortest gap of an endless reply, so that it is a stream and no flood.
const ENDLESS_GAP: Duration = Duration::from_millis(1);
/// Share of the time to the first token after which the response head goes out.
const HEAD_SHARE: f64 = 0.6;
/// Most tokens that Gemini puts into one chunk here.
const GEMINI_CHUNK_TOKENS: usize = 6;

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// When, from the arrival of the request.
    pub(crate) due: Duration,
    /// What.
    pub(crate) bytes: Bytes,
    /// Tokens in it.
    pub(crate) tokens: u32,
}

/// How the body ends.
pub(crate) enum End {
    /// As HTTP has it.
    Clean,
    /// The connection is closed before the body is whole.
    Fin,
    /// The connection is reset.
    Reset,
    /// Never.
    Endless(Endless),
}

/// Goes on after the last step, for ever.
pub(crate) struct Endless {
    encoder: Box<dyn Encoder>,
    words: Vec<String>,
    gap: Duration,
    due: Duration,
    tokens: u64,
}

impl Endless {
    /// The next write.
    pub(crate) fn next_step(&mut self) -> Step {
        let word = &self.words[usize::try_from(self.tokens).unwrap_or(0) % self.words.len()];
        self.tokens += 1;
        self.due += self.gap;
        Step {
            due: self.due,
            bytes: self.encoder.delta(word, self.tokens).into(),
            tokens: 1,
        }
    }
}

/// A body to play.
pub(crate) struct Script {
    /// When the response head goes out, from the arrival of the request.
    pub(crate) head_due: Duration,
    /// What is written, in order of time.
    pub(crate) steps: VecDeque<Step>,
    /// How it ends.
    pub(crate) end: End,
    /// Length of the whole body where it is announced.
    pub(crate) content_length: Option<usize>,
}

/// What a script is made from.
pub(crate) struct Order<'a> {
    /// Wire protocol.
    pub(crate) protocol: Protocol,
    /// The request.
    pub(crate) ask: &'a Ask,
    /// The reply's facts.
    pub(crate) facts: Facts,
    /// The right answer.
    pub(crate) answer: Vec<String>,
    /// The fault that strikes.
    pub(crate) fault: Option<&'a FaultKind>,
    /// Timings.
    pub(crate) pace: Pace,
}

/// Tokens that come through before a fault at `at`: all at 1, else never all.
fn tokens_before(at: f64, tokens: usize) -> usize {
    if at >= 1.0 {
        tokens
    } else {
        ((at * tokens as f64) as usize).min(tokens.saturating_sub(1))
    }
}

/// The script of a reply under HTTP 200.
pub(crate) fn write(order: Order<'_>, rng: &mut ChaCha8Rng) -> Script {
    let Order {
        protocol,
        ask,
        facts,
        mut answer,
        fault,
        pace,
    } = order;
    let pace = match fault {
        Some(FaultKind::Slow { ttft, itl, factor }) => Pace {
            ttft: ttft.unwrap_or(pace.ttft).mul_f64(*factor),
            itl: itl.unwrap_or(pace.itl).mul_f64(*factor),
            ..pace
        },
        _ => pace,
    };
    let mut finish = Finish::Stop;
    if let Some(max) = ask.max_tokens.and_then(|max| usize::try_from(max).ok())
        && max < answer.len()
    {
        answer.truncate(max);
        finish = Finish::Limit;
    }
    let first = pace.draw_ttft(rng);
    let writer = Writer {
        encoder: vendor::encoder(protocol, facts.clone()),
        answer,
        finish,
        chunked: protocol == Protocol::Gemini,
        pace,
        rng,
        due: first,
        head_due: first.mul_f64(HEAD_SHARE),
        sent: 0,
        steps: VecDeque::new(),
    };
    if ask.stream {
        writer.stream(fault)
    } else {
        writer.whole(protocol, &facts, fault)
    }
}

struct Writer<'a> {
    encoder: Box<dyn Encoder>,
    answer: Vec<String>,
    finish: Finish,
    /// Several tokens to a chunk.
    chunked: bool,
    pace: Pace,
    rng: &'a mut ChaCha8Rng,
    due: Duration,
    head_due: Duration,
    /// Tokens written.
    sent: usize,
    steps: VecDeque<Step>,
}

impl Writer<'_> {
    fn stream(mut self, fault: Option<&FaultKind>) -> Script {
        let all = self.answer.len();
        if matches!(fault, Some(FaultKind::Empty)) {
            return self.finish(End::Clean);
        }
        let head = self.encoder.head();
        if !head.is_empty() {
            self.push_at(self.head_due, head, 0);
        }
        match fault {
            Some(FaultKind::Truncate { at, how }) => return self.truncated(*at, *how),
            Some(FaultKind::ErrorEvent { at }) => {
                self.tokens_to(tokens_before(*at, all));
                let error = self.encoder.error();
                self.push(error);
                return self.finish(End::Clean);
            }
            Some(FaultKind::Stall { at, pause }) => {
                self.tokens_to(tokens_before(*at, all));
                self.due += *pause;
            }
            Some(FaultKind::Garbage) => self.garbage(),
            Some(FaultKind::HugeLine) => self.huge_line(),
            Some(FaultKind::Length) => {
                self.tokens_to(all / 2);
                return self.stop_and_end(Finish::Limit, all / 2);
            }
            Some(FaultKind::Refusal) => return self.stop_and_end(Finish::Refused, 0),
            Some(FaultKind::Endless) => return self.endless(),
            _ => {}
        }
        self.tokens_to(all);
        let finish = self.finish;
        self.stop_and_end(finish, all)
    }

    fn truncated(mut self, at: f64, how: Cut) -> Script {
        let all = self.answer.len();
        let through = tokens_before(at, all);
        self.tokens_to(through);
        let whole = through == all;
        match how {
            Cut::Silent => return self.stop_and_end(Finish::Stop, all),
            Cut::MidEvent => {
                let next = if whole {
                    self.encoder.stop(self.finish, all as u64)
                } else {
                    let text = self.answer[through].clone();
                    self.encoder.delta(&text, through as u64 + 1)
                };
                let half = half_event(&next);
                self.push(half);
            }
            // Where the stop reason is the end itself there is nothing to send between text and end.
            Cut::Fin | Cut::Reset | Cut::NoTerminal if whole && !self.chunked => {
                let stop = self.encoder.stop(self.finish, all as u64);
                self.push(stop);
            }
            Cut::Fin | Cut::Reset | Cut::NoTerminal => {}
        }
        self.finish(match how {
            Cut::Fin => End::Fin,
            Cut::Reset => End::Reset,
            Cut::NoTerminal | Cut::MidEvent | Cut::Silent => End::Clean,
        })
    }

    /// Half of the next token's event, closed as if it were whole: its payload is cut JSON.
    fn garbage(&mut self) {
        let through = self.answer.len() / 2;
        self.tokens_to(through);
        if let Some(text) = self.answer.get(through).cloned() {
            let event = self.encoder.delta(&text, through as u64 + 1);
            let close = if self.chunked { "\r\n\r\n" } else { "\n\n" };
            let cut = half_event(&event) + close;
            self.push(cut);
            self.sent += 1;
        }
    }

    fn huge_line(&mut self) {
        let through = self.answer.len() / 2;
        self.tokens_to(through);
        let event = Bytes::from(self.encoder.delta(&"a".repeat(HUGE_LINE_BYTES), through as u64));
        for from in (0..event.len()).step_by(HUGE_STEP_BYTES) {
            let piece = event.slice(from..event.len().min(from + HUGE_STEP_BYTES));
            self.steps.push_back(Step {
                due: self.due,
                bytes: piece,
                tokens: 0,
            });
        }
    }

    fn endless(mut self) -> Script {
        self.tokens_to(self.answer.len());
        let mut words = std::mem::take(&mut self.answer);
        if let Some(first) = words.first_mut() {
            first.insert(0, ' ');
        } else {
            words.push(" on".to_owned());
        }
        let endless = Endless {
            encoder: self.encoder,
            tokens: self.sent as u64,
            words,
            gap: self.pace.itl.max(ENDLESS_GAP),
            due: self.due,
        };
        Script {
            head_due: self.head_due,
            steps: self.steps,
            end: End::Endless(endless),
            content_length: None,
        }
    }

    fn stop_and_end(mut self, finish: Finish, tokens: usize) -> Script {
        let stop = self.encoder.stop(finish, tokens as u64) + &self.encoder.terminal();
        self.push(stop);
        self.finish(End::Clean)
    }

    fn finish(self, end: End) -> Script {
        Script {
            head_due: self.head_due,
            steps: self.steps,
            end,
            content_length: None,
        }
    }

    /// Writes tokens until `upto` have been written.
    fn tokens_to(&mut self, upto: usize) {
        while self.sent < upto {
            let most = if self.chunked {
                self.rng.random_range(1..=GEMINI_CHUNK_TOKENS)
            } else {
                1
            };
            let take = most.min(upto - self.sent);
            let text = self.answer[self.sent..self.sent + take].concat();
            self.sent += take;
            let event = self.encoder.delta(&text, self.sent as u64);
            self.push_at(self.due, event, take as u32);
            for _ in 0..take {
                self.due += self.pace.draw_itl(self.rng);
            }
        }
    }

    fn push(&mut self, text: String) {
        self.push_at(self.due, text, 0);
    }

    fn push_at(&mut self, due: Duration, text: String, tokens: u32) {
        if !text.is_empty() {
            self.steps.push_back(Step {
                due,
                bytes: text.into(),
                tokens,
            });
        }
    }

    /// The reply in one piece, after the time that its tokens take.
    fn whole(mut self, protocol: Protocol, facts: &Facts, fault: Option<&FaultKind>) -> Script {
        let all = self.answer.len();
        let (shown, finish, tokens) = match fault {
            Some(FaultKind::Truncate { at, how: Cut::Silent }) => {
                (tokens_before(*at, all), Finish::Stop, all)
            }
            Some(FaultKind::Length) => (all / 2, Finish::Limit, all / 2),
            Some(FaultKind::Refusal) => (0, Finish::Refused, 0),
            _ => (all, self.finish, all),
        };
        for _ in 0..shown {
            self.due += self.pace.draw_itl(self.rng);
        }
        let text = self.answer[..shown].concat();
        let json = vendor::whole(protocol, facts, &text, finish, tokens as u64);
        let announced = json.len();
        let (body, end, length) = match fault {
            Some(FaultKind::Truncate { at, how }) if *how != Cut::Silent => {
                let kept = json[..tokens_before(*at, announced)].to_owned();
                match how {
                    Cut::Fin => (kept, End::Fin, announced),
                    Cut::Reset => (kept, End::Reset, announced),
                    _ => {
                        let length = kept.len();
                        (kept, End::Clean, length)
                    }
                }
            }
            Some(FaultKind::Garbage) => (json[..announced / 2].to_owned(), End::Clean, announced / 2),
            Some(FaultKind::Empty) => (String::new(), End::Clean, 0),
            // Under HTTP 200, as gateways pass a broken upstream on.
            Some(FaultKind::ErrorEvent { .. }) => {
                let body = vendor::refusal(protocol, &vendor::Refusal::Status(500), &facts.request_id).1;
                let length = body.len();
                (body, End::Clean, length)
            }
            _ => (json, End::Clean, announced),
        };
        if let Some(FaultKind::Stall { pause, .. }) = fault {
            self.due += *pause;
        }
        self.head_due = self.due;
        self.push_at(self.due, body, shown as u32);
        Script {
            content_length: Some(length),
            ..self.finish(end)
        }
    }
}

/// The first half of the last `data:` line of an event, with what stands before it.
fn half_event(event: &str) -> String {
    let event = event.trim_end();
    let from = event.rfind("data: ").unwrap_or(0);
    let mut half = from + (event.len() - from) / 2;
    while !event.is_char_boundary(half) {
        half -= 1;
    }
    event[..half].to_owned()
}
