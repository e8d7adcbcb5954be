//! An observation in some 40 bytes.
//!
//! Layout, version 0: one byte of small enums, four bytes (little endian) that say which parts follow, then the parts
//! as varints in the order of the bits. Time marks are differences from the mark before, in microseconds: finer digits
//! are cut. Numbers in here are a file format: never reuse one.

mod codes;

use std::time::Duration;

use crate::{
    clock::Timestamp,
    id::TargetId,
    protocol::{ErrorClass, Usage},
    verdict::{
        CanaryKind, Connection, FailedAt, Failure, Flags, Observation, OffScript, Phases, Source, Truncation,
        Trust, Verdict,
    },
};

use codes::{class_code, off_script_code, origin_code, purpose_code, purpose_of, truncation_code};
pub(super) use codes::{code_of_verdict, kind, kind_of_family, source_code, verdict_of_code};

/// Dictionary numbers or texts that go beside the packed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Words {
    pub(super) stop_reason: Option<u64>,
    pub(super) served_model: Option<u64>,
    pub(super) reporter: Option<u64>,
    pub(super) vantage: Option<u64>,
}

/// Texts of a row in the side table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Texts {
    pub(super) request_id: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) tail: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) served_model: Option<String>,
    pub(super) reporter: Option<String>,
}

const HAS_DNS: u32 = 1;
const HAS_CONNECT: u32 = 1 << 1;
const HAS_FIRST_MARK: u32 = 1 << 2;
const MARKS: usize = 9;
const HAS_GAP: u32 = 1 << 11;
const CONNECTION_KNOWN: u32 = 1 << 12;
const CONNECTION_FRESH: u32 = 1 << 13;
const STATUS_200: u32 = 1 << 14;
const STATUS_OTHER: u32 = 1 << 15;
const FLAGS_SENTINEL_ONLY: u32 = 1 << 16;
const FLAGS_OTHER: u32 = 1 << 17;
const HAS_INPUT: u32 = 1 << 18;
const HAS_OUTPUT: u32 = 1 << 19;
const HAS_REASONING: u32 = 1 << 20;
const PROVISIONAL: u32 = 1 << 21;
const COST_NANOS: u32 = 1 << 22;
const COST_EXACT: u32 = 1 << 23;
const HAS_RETRY_AFTER: u32 = 1 << 24;
const AT_DIFFERS: u32 = 1 << 25;
const WORD_STOP: u32 = 1 << 26;
const WORD_MODEL: u32 = 1 << 27;
const WORD_REPORTER: u32 = 1 << 28;
const HAS_TEXTS: u32 = 1 << 29;
const WORD_VANTAGE: u32 = 1 << 30;
const LAYOUT: u32 = 1 << 31;

/// Longest blob that packing makes, in bytes; foreign numbers can't grow it.
#[cfg(test)]
pub(super) const MAX_BYTES: usize = 256;

/// Who saw the packed observation, from its first byte.
pub(super) fn source_of(data: &[u8]) -> Option<Source> {
    Some(origin_of(data)?.0)
}

/// Who saw the packed observation and with which canary, from its first byte.
fn origin_of(data: &[u8]) -> Option<(Source, Option<CanaryKind>)> {
    let code = data.first()? & 0b111;
    let special = [CanaryKind::Json, CanaryKind::Tool].map(|kind| (Source::Canary, Some(kind)));
    let mut known = Source::ALL
        .into_iter()
        .map(|source| (source, None))
        .chain(special);
    known.find(|(source, canary)| origin_code(*source, *canary) == code)
}

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a varint off the front; `None` when the bytes end early.
pub(super) fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

const fn marks(phases: &Phases) -> [Option<Duration>; MARKS] {
    [
        phases.request,
        phases.head,
        phases.first_byte,
        phases.first_token,
        phases.first_output,
        phases.last_token,
        phases.stop,
        phases.terminal,
        phases.end,
    ]
}

/// Packs; `base` is the time that the row's id tells.
pub(super) fn pack(o: &Observation, base: Timestamp, words: Words, has_texts: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.push(
        origin_code(o.source, o.canary)
            | purpose_code(o.purpose) << 3
            | u8::from(o.trust == Trust::Corroborate) << 5
            | u8::from(o.with_key) << 6
            | u8::from(o.expected) << 7,
    );
    out.extend_from_slice(&[0; 4]);
    let mut has = if has_texts { HAS_TEXTS } else { 0 };
    put_verdict(&mut out, o.verdict);
    put(
        &mut out,
        zigzag(o.at.as_millis().wrapping_sub(o.started.as_millis())),
    );
    has |= put_phases(&mut out, &o.phases);
    has |= match o.connection {
        None => 0,
        Some(Connection::Reused) => CONNECTION_KNOWN,
        Some(Connection::Fresh) => CONNECTION_KNOWN | CONNECTION_FRESH,
    };
    let mut part = |bit: u32, number: Option<u64>| {
        if let Some(number) = number {
            has |= bit;
            put(&mut out, number);
        }
    };
    part(STATUS_OTHER, o.http_status.filter(|s| *s != 200).map(u64::from));
    let other_flags = o.flags != Flags::none() && o.flags != Flags::SENTINEL_FOUND;
    part(FLAGS_OTHER, other_flags.then(|| u64::from(o.flags.bits())));
    part(HAS_INPUT, o.usage.input);
    part(HAS_OUTPUT, o.usage.output);
    part(HAS_REASONING, o.usage.reasoning);
    match cost_nanos(o.cost_usd) {
        Some(0) => {}
        Some(nanos) => part(COST_NANOS, Some(nanos)),
        None => part(COST_EXACT, Some(o.cost_usd.to_bits())),
    }
    part(HAS_RETRY_AFTER, o.retry_after.map(micros));
    let drift = o.at.as_millis().wrapping_sub(base.as_millis());
    part(AT_DIFFERS, (drift != 0).then(|| zigzag(drift)));
    part(WORD_STOP, words.stop_reason);
    part(WORD_MODEL, words.served_model);
    part(WORD_REPORTER, words.reporter);
    part(WORD_VANTAGE, words.vantage);
    if o.http_status == Some(200) {
        has |= STATUS_200;
    }
    if o.flags == Flags::SENTINEL_FOUND {
        has |= FLAGS_SENTINEL_ONLY;
    }
    if o.usage.provisional {
        has |= PROVISIONAL;
    }
    out[1..5].copy_from_slice(&has.to_le_bytes());
    out
}

/// Whole billionths of a dollar, where they give the number back to the last bit.
fn cost_nanos(usd: f64) -> Option<u64> {
    let nanos = (usd * 1e9).round();
    if !(0.0..=1e15).contains(&nanos) || usd.is_sign_negative() {
        return None;
    }
    ((nanos / 1e9).to_bits() == usd.to_bits()).then_some(nanos as u64)
}

fn put_verdict(out: &mut Vec<u8>, verdict: Verdict) {
    match verdict {
        Verdict::Truncated(kind) => put(out, truncation_code(kind)),
        Verdict::OffScript(kind) => put(out, off_script_code(kind)),
        Verdict::Errored(Failure { class, at }) => {
            put(out, class_code(class));
            put(
                out,
                match at {
                    FailedAt::Transport => 0,
                    FailedAt::Stream => 1,
                    FailedAt::Status(status) => 2 + u64::from(status),
                },
            );
        }
        Verdict::Complete | Verdict::Limited | Verdict::Refused | Verdict::Unknown => {}
    }
}

fn put_phases(out: &mut Vec<u8>, phases: &Phases) -> u32 {
    let mut has = 0;
    for (bit, span) in [(HAS_DNS, phases.dns), (HAS_CONNECT, phases.connect)] {
        if let Some(span) = span {
            has |= bit;
            put(out, micros(span));
        }
    }
    let mut before = 0_u64;
    for (index, mark) in marks(phases).into_iter().enumerate() {
        if let Some(mark) = mark {
            has |= HAS_FIRST_MARK << index;
            let at = micros(mark);
            put(out, zigzag(at.wrapping_sub(before).cast_signed()));
            before = at;
        }
    }
    if let Some(gap) = phases.gap_max {
        has |= HAS_GAP;
        put(out, micros(gap));
    }
    has
}

struct Cursor<'a> {
    rest: &'a [u8],
    has: u32,
}

impl Cursor<'_> {
    fn number(&mut self) -> Option<u64> {
        take(&mut self.rest)
    }

    /// The part behind that bit: `Some(None)` when it is absent, `None` when the bytes end early.
    #[expect(clippy::option_option, reason = "absent and broken are different things here")]
    fn part(&mut self, bit: u32) -> Option<Option<u64>> {
        if self.has & bit == 0 {
            Some(None)
        } else {
            self.number().map(Some)
        }
    }
}

/// Stands for a target whose name nobody asks for.
pub(super) fn nobody() -> TargetId {
    static NOBODY: std::sync::LazyLock<TargetId> =
        std::sync::LazyLock::new(|| "unknown/unknown".parse().expect("a target id"));
    NOBODY.clone()
}

/// What [`unpack`] gives: the row, its dictionary numbers, and whether the side table has texts for it.
pub(super) struct Unpacked {
    pub(super) observation: Observation,
    pub(super) words: Words,
    pub(super) has_texts: bool,
}

/// Unpacks; `None` when the bytes are not what [`pack`] writes.
pub(super) fn unpack(target: TargetId, base: Timestamp, kind: u8, data: &[u8]) -> Option<Unpacked> {
    let (&small, rest) = data.split_first()?;
    let (bits, rest) = rest.split_first_chunk::<4>()?;
    let has = u32::from_le_bytes(*bits);
    if has & LAYOUT != 0 {
        return None;
    }
    let mut c = Cursor { rest, has };
    let verdict = verdict(kind, &mut c)?;
    let before_at = unzigzag(c.number()?);
    let (source, canary) = origin_of(data)?;
    let mut o = Observation::new(target, base, source, verdict);
    o.canary = canary;
    o.phases = phases(&mut c)?;
    o.purpose = purpose_of(small >> 3);
    o.trust = if small & 1 << 5 == 0 {
        Trust::Full
    } else {
        Trust::Corroborate
    };
    o.with_key = small & 1 << 6 != 0;
    o.expected = small & 1 << 7 != 0;
    o.connection = match (has & CONNECTION_KNOWN != 0, has & CONNECTION_FRESH != 0) {
        (false, _) => None,
        (true, false) => Some(Connection::Reused),
        (true, true) => Some(Connection::Fresh),
    };
    let status = c.part(STATUS_OTHER)?;
    o.http_status = match status {
        Some(other) => Some(u16::try_from(other).ok()?),
        None => (has & STATUS_200 != 0).then_some(200),
    };
    o.flags = match c.part(FLAGS_OTHER)? {
        Some(bits) => Flags::from_bits(u32::try_from(bits).ok()?),
        None if has & FLAGS_SENTINEL_ONLY != 0 => Flags::SENTINEL_FOUND,
        None => Flags::none(),
    };
    o.usage = Usage {
        input: c.part(HAS_INPUT)?,
        output: c.part(HAS_OUTPUT)?,
        reasoning: c.part(HAS_REASONING)?,
        provisional: has & PROVISIONAL != 0,
    };
    if let Some(nanos) = c.part(COST_NANOS)? {
        o.cost_usd = nanos as f64 / 1e9;
    }
    if let Some(bits) = c.part(COST_EXACT)? {
        o.cost_usd = f64::from_bits(bits);
    }
    o.retry_after = c.part(HAS_RETRY_AFTER)?.map(Duration::from_micros);
    let drift = c.part(AT_DIFFERS)?.map_or(0, unzigzag);
    o.at = Timestamp::from_millis(base.as_millis().wrapping_add(drift));
    o.started = Timestamp::from_millis(o.at.as_millis().wrapping_sub(before_at));
    let words = Words {
        stop_reason: c.part(WORD_STOP)?,
        served_model: c.part(WORD_MODEL)?,
        reporter: c.part(WORD_REPORTER)?,
        vantage: c.part(WORD_VANTAGE)?,
    };
    Some(Unpacked {
        observation: o,
        words,
        has_texts: has & HAS_TEXTS != 0,
    })
}

fn verdict(kind: u8, c: &mut Cursor<'_>) -> Option<Verdict> {
    Some(match kind {
        0 => Verdict::Complete,
        1 => {
            let code = c.number()?;
            Verdict::Truncated(
                Truncation::ALL
                    .into_iter()
                    .find(|k| truncation_code(*k) == code)?,
            )
        }
        2 => Verdict::Limited,
        3 => Verdict::Refused,
        4 => {
            let code = c.number()?;
            Verdict::OffScript(OffScript::ALL.into_iter().find(|k| off_script_code(*k) == code)?)
        }
        5 => {
            let code = c.number()?;
            let class = ErrorClass::ALL.into_iter().find(|k| class_code(*k) == code)?;
            let at = match c.number()? {
                0 => FailedAt::Transport,
                1 => FailedAt::Stream,
                status => FailedAt::Status(u16::try_from(status - 2).ok()?),
            };
            Verdict::Errored(Failure { class, at })
        }
        6 => Verdict::Unknown,
        _ => return None,
    })
}

fn phases(c: &mut Cursor<'_>) -> Option<Phases> {
    let dns = c.part(HAS_DNS)?.map(Duration::from_micros);
    let connect = c.part(HAS_CONNECT)?.map(Duration::from_micros);
    let mut found = [None; MARKS];
    let mut before = 0_u64;
    for (index, slot) in found.iter_mut().enumerate() {
        if let Some(step) = c.part(HAS_FIRST_MARK << index)? {
            before = before.wrapping_add(unzigzag(step).cast_unsigned());
            *slot = Some(Duration::from_micros(before));
        }
    }
    let [
        request,
        head,
        first_byte,
        first_token,
        first_output,
        last_token,
        stop,
        terminal,
        end,
    ] = found;
    Some(Phases {
        dns,
        connect,
        request,
        head,
        first_byte,
        first_token,
        first_output,
        last_token,
        stop,
        terminal,
        end,
        gap_max: c.part(HAS_GAP)?.map(Duration::from_micros),
    })
}

#[cfg(test)]
mod tests;
