//! States, reasons, hints and verdicts in plain words. Foreign text is cut and cleaned here, escaped by the templates.

use crate::{
    feed::v1::{Routing, TargetHealth},
    health::{Hint, State},
    protocol::ErrorClass,
    verdict::{FailedAt, Flags, OffScript, Source, Truncation, Verdict},
};

use super::figures::{Moment, duration, percent};
use crate::clock::Timestamp;

/// Longest foreign line that is shown, in characters.
pub(super) const MAX_LINE: usize = 160;
/// How much of the words before a cut is shown, in characters.
pub(super) const MAX_TAIL: usize = 200;

/// The name of a provider as people write it; one that we don't know keeps its id.
pub(super) fn provider_name(id: &str) -> &str {
    match id {
        "anthropic" => "Anthropic",
        "openai" => "OpenAI",
        "openai-responses" => "OpenAI Responses",
        "gemini" | "google" => "Google Gemini",
        "azure-openai" => "Azure OpenAI",
        "bedrock" => "Amazon Bedrock",
        "vertex" => "Google Vertex AI",
        "mistral" => "Mistral",
        "cohere" => "Cohere",
        "groq" => "Groq",
        "deepseek" => "DeepSeek",
        "openrouter" => "OpenRouter",
        "xai" => "xAI",
        "ollama" => "Ollama",
        "vllm" => "vLLM",
        "llamacpp" => "llama.cpp",
        "litellm" => "LiteLLM",
        other => other,
    }
}

/// How bad a state is, worst first; what a person must see comes before what is merely unknown.
pub(super) const fn severity(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Partial => 1,
        State::Degraded => 2,
        State::Unknown => 3,
        State::Maintenance => 4,
        State::Operational => 5,
    }
}

/// `58 %` out of a reason that begins with counts, `7 of 12 replies ..`: the figure that the detector decided on, of
/// its own window, where the feed's five minutes would still lag behind.
fn leading_share(text: &str) -> Option<f64> {
    let mut words = text.split_ascii_whitespace();
    let hits: u64 = words.next()?.parse().ok()?;
    if words.next()? != "of" {
        return None;
    }
    let n: u64 = words.next()?.parse().ok()?;
    (n > 0 && hits <= n).then(|| hits as f64 / n as f64)
}

/// A target is only down while at least this share of its replies fails. The counts of a reason lag behind that, for
/// they span a minute: right after the change they still hold the good replies from before.
const DOWN_SHARE: f64 = 0.7;

/// What a target does wrong, as the end of a sentence: `58 % of replies stop early`.
pub(super) fn complaint(target: &TargetHealth) -> String {
    common_complaint(&[target]).unwrap_or_else(|| "requests fail".to_owned())
}

/// What all of these do wrong: `up to 58 % of replies stop early`. `None` where they fail in different ways.
pub(super) fn common_complaint(targets: &[&TargetHealth]) -> Option<String> {
    let code = &targets.first()?.reason.code;
    if targets.iter().any(|target| target.reason.code != *code) {
        return None;
    }
    let several = targets.len() > 1;
    let shares = targets
        .iter()
        .map(|target| leading_share(&target.reason.text).filter(|share| *share > 0.0));
    let share = shares
        .collect::<Option<Vec<f64>>>()
        .map(|shares| shares.into_iter().fold(0.0, f64::max));
    let down = targets.iter().all(|target| target.state == State::Down);
    let of = |noun: &str| match share {
        Some(share) if down && share < DOWN_SHARE => format!("most {noun}"),
        Some(share) if several => format!("up to {} of {noun}", percent(share)),
        Some(share) => format!("{} of {noun}", percent(share)),
        None if down => format!("most {noun}"),
        None => format!("some {noun}"),
    };
    Some(match &**code {
        "truncated" => format!("{} stop early", of("replies")),
        "overloaded" => format!("{} are turned away as overloaded", of("requests")),
        "server_error" => format!("{} end in server errors", of("requests")),
        "timeout" => format!("{} get no answer in time", of("requests")),
        "unreachable" if several => "they cannot be reached".to_owned(),
        "unreachable" => "it cannot be reached".to_owned(),
        "slow" => "first tokens come late".to_owned(),
        _ => format!("{} fail", of("requests")),
    })
}

/// What an incident is called, by its reason.
pub(super) fn incident_name(code: &str) -> &'static str {
    match code {
        "truncated" => "Truncated replies",
        "overloaded" => "Overload",
        "server_error" => "Server errors",
        "timeout" => "Time-outs",
        "unreachable" => "Not reachable",
        "slow" => "Slow first tokens",
        _ => "Failures",
    }
}

/// Who told, `canary, report`.
pub(super) fn sources(sources: &[Source]) -> String {
    sources.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ")
}

/// Why nothing is known, as the end of a sentence.
pub(super) fn ignorance(code: &str) -> &'static str {
    match code {
        "starting" => "the first probes are under way",
        "stale" => "no fresh evidence",
        "vantage_offline" => "this vantage has lost its network",
        "self" => "our own key is refused, limited or spent",
        "paused" => "a person stopped our probes",
        _ => "not enough evidence",
    }
}

/// The predicate of a state in a sentence.
pub(super) fn predicate(state: State, code: &str) -> &'static str {
    match state {
        State::Operational => "finishes its replies",
        State::Degraded if code == "slow" => "is slow",
        State::Degraded | State::Partial => "is impaired",
        State::Down => "is down",
        State::Unknown => "is not known",
        State::Maintenance => "is under maintenance",
    }
}

/// The routing hint and its breaker, for somebody who wonders where the traffic went.
pub(super) fn routing(routing: &Routing, now: Timestamp) -> String {
    let weight = |fallback| percent(routing.weight.unwrap_or(fallback));
    let retry = routing.retry_at.map_or_else(String::new, |at| {
        format!(", again from {}", Moment::new(at.0, now).short)
    });
    match routing.hint {
        Hint::Allow if routing.weight.is_some_and(|w| w < 1.0) => {
            format!("Use it with {} of its traffic; breaker closed", weight(1.0))
        }
        Hint::Allow => "Use it; breaker closed".to_owned(),
        Hint::Suspect => "Prefer another, but do not drop it; breaker closed".to_owned(),
        Hint::Avoid => "Do not use it; breaker open".to_owned(),
        Hint::Ramp => format!("Coming back: {} of its traffic; breaker half open", weight(0.0)),
        Hint::Throttle => format!("Our key is rate limited there{retry}; breaker closed"),
        Hint::Blocked => format!("Our key is refused or out of quota there{retry}; breaker closed"),
        Hint::NoOpinion => "No opinion: decide as if there were no monitor; breaker closed".to_owned(),
    }
}

/// A line of an incident's timeline: what happened, and on which evidence.
pub(super) fn step(kind: &str, state: State, text: &str) -> String {
    let text = line(text, MAX_LINE);
    match kind {
        "first_evidence" => format!("First evidence: {text}"),
        "transition" => format!("Now {state}: {text}"),
        "opened" => "Incident opened".to_owned(),
        "recovered" => format!("Recovered: {text}"),
        "closed" => format!("Incident closed: {text}"),
        "official" => capital(&text),
        _ => text,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// How much earlier or later than us the official page spoke; empty while it has not.
pub(super) fn lead(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else {
        return String::new();
    };
    let span = duration(std::time::Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        0 => "the official page spoke when we did".to_owned(),
        1.. => format!("the official page spoke {span} after us"),
        _ => format!("the official page spoke {span} before us"),
    }
}

/// A verdict in words.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "complete",
        Verdict::Truncated(Truncation::Cut) => "cut before a stop reason",
        Verdict::Truncated(Truncation::Garbled) => "an event was garbled",
        Verdict::Truncated(Truncation::TerminalMissing) => "the final event is missing",
        Verdict::Truncated(Truncation::Empty) => "no content at all",
        Verdict::Truncated(Truncation::Silent) => "text cut, though all signals look healthy",
        Verdict::Truncated(Truncation::SilentEmpty) => "empty text with a natural stop",
        Verdict::Truncated(Truncation::Stall) => "stalled: no byte came any more",
        Verdict::Limited => "ended at a token limit",
        Verdict::Refused => "refused",
        Verdict::OffScript(OffScript::Gap) => "words missing in the middle",
        Verdict::OffScript(OffScript::Text) => "another text than asked for",
        Verdict::OffScript(OffScript::ToolUse) => "called a tool instead",
        Verdict::OffScript(OffScript::Paused) => "paused its turn",
        Verdict::Errored(failure) => match failure.at {
            FailedAt::Stream => "failed inside a 200 stream",
            // We could not build it, or a proxy of ours stopped it.
            FailedAt::Transport if matches!(failure.class, ErrorClass::InvalidRequest) => "could not be sent",
            FailedAt::Status(_) | FailedAt::Transport => error(failure.class),
        },
        Verdict::Unknown => "unclear",
    }
}

const fn error(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Dns => "name not resolved",
        ErrorClass::Connect => "no connection",
        ErrorClass::Tls => "TLS handshake failed",
        ErrorClass::Reset => "connection reset",
        ErrorClass::Timeout => "no answer in time",
        ErrorClass::Auth => "credential refused",
        ErrorClass::Quota => "quota spent",
        ErrorClass::Permission => "not allowed",
        ErrorClass::ModelNotFound => "model not found",
        ErrorClass::ContentPolicy => "content policy",
        ErrorClass::RequestTooLarge => "request too large",
        ErrorClass::RateLimit => "rate limited",
        ErrorClass::Overloaded => "overloaded",
        ErrorClass::ServerError => "server error",
        ErrorClass::InvalidRequest => "request malformed",
        ErrorClass::Protocol => "not a known answer",
        ErrorClass::Cancelled => "cancelled",
    }
}

/// The symbol beside a verdict, by the state that it speaks for. What counts against nobody shows as unknown.
pub(super) const fn verdict_tone(verdict: Verdict, flags: Flags) -> State {
    match verdict {
        Verdict::Complete if flags.contains(Flags::SLOW) => State::Degraded,
        Verdict::Complete => State::Operational,
        Verdict::Truncated(_) => State::Partial,
        Verdict::Errored(failure) if is_ours(failure.class) => State::Unknown,
        Verdict::Errored(_) => State::Down,
        Verdict::Limited | Verdict::Refused | Verdict::OffScript(_) | Verdict::Unknown => State::Unknown,
    }
}

/// Errors that are counted apart because they are ours: `design.md` 6.
pub(super) const fn is_ours(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Auth
            | ErrorClass::Quota
            | ErrorClass::Permission
            | ErrorClass::ModelNotFound
            | ErrorClass::ContentPolicy
            | ErrorClass::RequestTooLarge
            | ErrorClass::RateLimit
            | ErrorClass::InvalidRequest
            | ErrorClass::Cancelled
    )
}

/// A flag in words; one that this version doesn't know by its name with spaces.
pub(super) fn flag(name: &str) -> String {
    match name {
        "forged" => "cut replies came with a natural stop reason (forged)".to_owned(),
        "model_changed" => "another model answers than before".to_owned(),
        "sentinel_off" => "the model does not follow a canary: its text is not judged".to_owned(),
        "terminal_lax" => "replies end without their terminal event".to_owned(),
        "reports_only" => "not configured: judged by what others report".to_owned(),
        "canary_resting" => "the canary rests: real traffic tells enough".to_owned(),
        "budget_spent" => "no money left for generation today".to_owned(),
        "overridden" => "a person forces what routers are told".to_owned(),
        "paused" => "a person stopped our probes".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Characters that change the direction or the shape of what stands around them.
const fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn clean(c: char) -> char {
    if c.is_control() {
        ' '
    } else if is_deceptive(c) {
        '\u{fffd}'
    } else {
        c
    }
}

/// One foreign line, cut at `max` characters from its beginning, without controls or characters that deceive.
pub(super) fn line(text: &str, max: usize) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(max).map(clean).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// The end of a foreign text, at most `max` characters.
pub(super) fn tail(text: &str, max: usize) -> String {
    let total = text.chars().count();
    let kept = text.chars().skip(total.saturating_sub(max)).map(clean);
    if total > max {
        std::iter::once('…').chain(kept).collect()
    } else {
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_only_from_leading_counts() {
        for (text, share) in [
            (
                "7 of 12 replies ended before a stop reason in 60 s",
                Some(7.0 / 12.0),
            ),
            ("0 of 12 replies", Some(0.0)),
            ("13 of 12 replies", None),
            ("1 of 0 replies", None),
            ("seven of 12", None),
            ("7 in 12", None),
            ("", None),
        ] {
            assert_eq!(leading_share(text), share, "{text}");
        }
    }

    #[test]
    fn foreign_text_is_cut_at_its_bound() {
        assert_eq!(line("abc", 3), "abc");
        assert_eq!(line("abcd", 3), "abc…");
        assert_eq!(tail("abc", 3), "abc");
        assert_eq!(tail("äbcd", 3), "…bcd");
        assert_eq!(tail("…ébcd", 3), "…bcd");
    }

    #[test]
    fn controls_and_bidi_do_not_get_through() {
        assert_eq!(line("a\nb\u{1b}[31m", 20), "a b [31m");
        for c in [
            '\u{202e}', '\u{2066}', '\u{200f}', '\u{61c}', '\u{feff}', '\u{2028}',
        ] {
            assert_eq!(line(&c.to_string(), 5), "\u{fffd}", "{c:?}");
            assert_eq!(tail(&c.to_string(), 5), "\u{fffd}", "{c:?}");
        }
    }

    #[test]
    fn only_a_complete_reply_shows_as_operational() {
        use crate::verdict::Failure;
        let failed = |class| {
            Verdict::Errored(Failure {
                class,
                at: FailedAt::Transport,
            })
        };
        let mut all: Vec<Verdict> = Truncation::ALL.map(Verdict::Truncated).to_vec();
        all.extend(OffScript::ALL.map(Verdict::OffScript));
        all.extend(ErrorClass::ALL.map(failed));
        all.extend([Verdict::Limited, Verdict::Refused, Verdict::Unknown]);
        for one in all {
            assert_ne!(verdict_tone(one, Flags::none()), State::Operational, "{one}");
        }
        assert_eq!(verdict_tone(Verdict::Complete, Flags::none()), State::Operational);
        assert_eq!(verdict_tone(Verdict::Complete, Flags::SLOW), State::Degraded);
        assert_eq!(
            verdict_tone(failed(ErrorClass::Auth), Flags::none()),
            State::Unknown
        );
    }
}
