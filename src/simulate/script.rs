//! A reply as a script: timed byte strings and an end. Pure; faults are applied here.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    fault::{Cut, FaultKind, HUGE_LINE_BYTES},
    pace::Pace,
    prompt::{Answer, Token},
    vendor::{self, Ask, Encoder, Facts, Finish, Refusal, Speaker, Whole},
};
use crate::protocol::{Channel, Protocol};

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
            bytes: self.encoder.delta(Channel::Text, word, self.tokens).into(),
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
    /// What the body is.
    pub(crate) content_type: &'static str,
}

/// What a script is made from.
pub(crate) struct Order<'a> {
    /// Who answers.
    pub(crate) speaker: Speaker,
    /// The request.
    pub(crate) ask: &'a Ask,
    /// The reply's facts.
    pub(crate) facts: Facts,
    /// The right answer.
    pub(crate) answer: Answer,
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
        speaker,
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
    let natural = if answer.tool.is_empty() {
        Finish::Stop
    } else {
        Finish::Tool
    };
    let mut finish = natural;
    if let Some(max) = ask.max_tokens.and_then(|max| usize::try_from(max).ok())
        && max < answer.tokens.len()
    {
        answer.tokens.truncate(max);
        finish = Finish::Limit;
    }
    let first = pace.draw_ttft(rng);
    let writer = Writer {
        encoder: vendor::encoder(speaker, facts.clone()),
        answer,
        natural,
        finish,
        chunked: speaker.protocol() == Protocol::Gemini,
        pace,
        rng,
        due: first,
        head_due: first.mul_f64(HEAD_SHARE),
        sent: 0,
        unwritten: 0,
        steps: VecDeque::new(),
    };
    let instead = matches!(fault, Some(FaultKind::ErrorEvent { .. })) && speaker.errs_instead();
    if ask.stream && !instead {
        writer.stream(fault)
    } else {
        writer.whole(speaker, &facts, fault)
    }
}

struct Writer<'a> {
    encoder: Box<dyn Encoder>,
    answer: Answer,
    /// How the answer ends by itself.
    natural: Finish,
    /// How it ends here.
    finish: Finish,
    /// Several tokens to a chunk.
    chunked: bool,
    pace: Pace,
    rng: &'a mut ChaCha8Rng,
    due: Duration,
    head_due: Duration,
    /// Tokens handed to the encoder.
    sent: usize,
    /// Tokens of them that it has kept to itself.
    unwritten: u32,
    steps: VecDeque<Step>,
}

impl Writer<'_> {
    fn stream(mut self, fault: Option<&FaultKind>) -> Script {
        let all = self.answer.tokens.len();
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
        let all = self.answer.tokens.len();
        let through = tokens_before(at, all);
        self.tokens_to(through);
        match how {
            Cut::Silent => {
                let natural = self.natural;
                return self.stop_and_end(natural, all);
            }
            Cut::MidEvent => {
                let next = self.next_event();
                let half = self.encoder.framing().half(&next);
                self.push(half);
            }
            Cut::Fin | Cut::Reset | Cut::NoTerminal if through == all => {
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

    /// The event that carries the next token, or what is held of a call, or the stop reason where no token is left.
    fn next_event(&mut self) -> Vec<u8> {
        if let Some(Token { channel, text }) = self.answer.tokens.get(self.sent).cloned() {
            self.sent += 1;
            let event = self.encoder.delta(channel, &text, self.sent as u64);
            if !event.is_empty() {
                return event;
            }
        }
        let held = self.encoder.held();
        if !held.is_empty() {
            return held;
        }
        let stop = self.encoder.stop(self.finish, self.sent as u64);
        if stop.is_empty() {
            self.encoder.terminal()
        } else {
            stop
        }
    }

    /// The next token's event spoilt, and what follows healthy.
    fn garbage(&mut self) {
        self.tokens_to(self.answer.tokens.len() / 2);
        let event = self.next_event();
        let spoilt = self.encoder.framing().garbled(&event);
        self.push(spoilt);
    }

    fn huge_line(&mut self) {
        let through = self.answer.tokens.len() / 2;
        self.tokens_to(through);
        let text = "a".repeat(HUGE_LINE_BYTES);
        let event = Bytes::from(self.encoder.delta(Channel::Text, &text, through as u64));
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
        self.tokens_to(self.answer.tokens.len());
        let tokens = std::mem::take(&mut self.answer.tokens);
        let text = tokens.into_iter().filter(|token| token.channel == Channel::Text);
        let mut words: Vec<String> = text.map(|token| token.text).collect();
        match words.first_mut() {
            Some(first) => first.insert(0, ' '),
            None => words.push(" on".to_owned()),
        }
        Script {
            head_due: self.head_due,
            steps: self.steps,
            content_type: self.encoder.framing().content_type(),
            end: End::Endless(Endless {
                encoder: self.encoder,
                tokens: self.sent as u64,
                words,
                gap: self.pace.itl.max(ENDLESS_GAP),
                due: self.due,
            }),
            content_length: None,
        }
    }

    fn stop_and_end(mut self, finish: Finish, tokens: usize) -> Script {
        let stop = self.encoder.stop(finish, tokens as u64);
        let terminal = self.encoder.terminal();
        self.push([stop, terminal].concat());
        self.finish(End::Clean)
    }

    fn finish(self, end: End) -> Script {
        Script {
            head_due: self.head_due,
            steps: self.steps,
            end,
            content_length: None,
            content_type: self.encoder.framing().content_type(),
        }
    }

    /// Writes tokens until `upto` have been written. Several go into one chunk only where they share a channel.
    fn tokens_to(&mut self, upto: usize) {
        while self.sent < upto {
            let most = if self.chunked {
                self.rng.random_range(1..=GEMINI_CHUNK_TOKENS)
            } else {
                1
            };
            let rest = &self.answer.tokens[self.sent..upto];
            let channel = rest[0].channel;
            let chunk = rest
                .iter()
                .take(most)
                .take_while(|token| token.channel == channel);
            let texts: Vec<&str> = chunk.map(|token| token.text.as_str()).collect();
            let (text, take) = (texts.concat(), texts.len());
            self.sent += take;
            let event = self.encoder.delta(channel, &text, self.sent as u64);
            self.unwritten += take as u32;
            self.push(event);
            for _ in 0..take {
                self.due += self.pace.draw_itl(self.rng);
            }
        }
    }

    fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let tokens = std::mem::take(&mut self.unwritten);
            self.push_at(self.due, bytes, tokens);
        }
    }

    fn push_at(&mut self, due: Duration, bytes: Vec<u8>, tokens: u32) {
        if !bytes.is_empty() {
            self.steps.push_back(Step {
                due,
                bytes: bytes.into(),
                tokens,
            });
        }
    }

    /// The reply in one piece, after the time that its tokens take.
    fn whole(mut self, speaker: Speaker, facts: &Facts, fault: Option<&FaultKind>) -> Script {
        let all = self.answer.tokens.len();
        let (shown, finish, tokens) = match fault {
            Some(FaultKind::Truncate { at, how: Cut::Silent }) => {
                (tokens_before(*at, all), self.natural, all)
            }
            Some(FaultKind::Length) => (all / 2, Finish::Limit, all / 2),
            Some(FaultKind::Refusal) => (0, Finish::Refused, 0),
            _ => (all, self.finish, all),
        };
        for _ in 0..shown {
            self.due += self.pace.draw_itl(self.rng);
        }
        let text = |channel| self.answer.text(channel, shown);
        let said = Whole {
            reasoning: text(Channel::Reasoning).unwrap_or_default(),
            text: text(Channel::Text).unwrap_or_default(),
            arguments: text(Channel::Tool).filter(|_| finish != Finish::Refused),
        };
        let json = vendor::whole(speaker, facts, &said, finish, tokens as u64);
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
                let body = vendor::refusal(speaker, &Refusal::Status(500), &facts.request_id).body;
                let length = body.len();
                (body, End::Clean, length)
            }
            _ => (json, End::Clean, announced),
        };
        if let Some(FaultKind::Stall { pause, .. }) = fault {
            self.due += *pause;
        }
        self.head_due = self.due;
        self.push_at(self.due, body.into_bytes(), shown as u32);
        Script {
            content_length: Some(length),
            content_type: "application/json",
            ..self.finish(end)
        }
    }
}
