//! A router that lets endturn steer it: follows the event stream and says, for every change, whom it would use.
//!
//! It obeys the rules for readers of the feed: past `stale_after`, or with a network that is not online, it behaves
//! as if there were no feed; `unknown` passes; when every candidate is out, its own policy decides.
//!
//! `cargo run --example router -- http://127.0.0.1:7411 anthropic/claude-haiku-4-5 openai/gpt-5.2`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use std::{process::ExitCode, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    feed::{Delta, v1::Health},
    health::{Hint, Network},
    id::TargetId,
};
use futures_util::StreamExt;

/// Longest event that is taken in, in bytes.
const MAX_EVENT_BYTES: usize = 4 << 20;
/// Nothing for this long, heartbeat and comment included, and the connection counts as dead.
const SILENCE: Duration = Duration::from_secs(20);
/// Pause before connecting again, as the stream's `retry` asks.
const RETRY: Duration = Duration::from_secs(3);

/// Who serves next, and why.
#[derive(Debug, PartialEq)]
enum Choice<'a> {
    /// This one.
    Use(&'a TargetId),
    /// The feed tells nothing: the configured order stands.
    NoFeed(&'a TargetId),
    /// Everyone is out. This router would rather try its first candidate than fail.
    LeastBad(&'a TargetId),
}

/// The first candidate, in order of preference, that the feed doesn't advise against.
fn choose<'a>(candidates: &'a [TargetId], feed: Option<&Health>, now: Timestamp) -> Option<Choice<'a>> {
    let first = candidates.first()?;
    let Some(feed) = feed.filter(|f| now <= f.head.stale_after.0 && f.head.network == Network::Online) else {
        return Some(Choice::NoFeed(first));
    };
    let hint = |id: &TargetId| {
        let target = feed.targets.iter().find(|target| target.id == *id);
        // A target that the feed doesn't name is unknown, and unknown passes.
        target.map_or(Hint::NoOpinion, |target| target.routing.hint)
    };
    let best = candidates
        .iter()
        .find(|id| matches!(hint(id), Hint::Allow | Hint::NoOpinion | Hint::Ramp))
        .or_else(|| candidates.iter().find(|id| hint(id) == Hint::Suspect));
    Some(best.map_or(Choice::LeastBad(first), Choice::Use))
}

/// What a router keeps between two events.
struct Follower {
    feed: Option<Health>,
    last_id: Option<String>,
    buffer: Vec<u8>,
}

impl Follower {
    /// Takes bytes of the stream; `true` when the feed changed.
    fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        self.buffer.extend_from_slice(bytes);
        let mut changed = false;
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
            changed |= self.event(&String::from_utf8_lossy(&event))?;
        }
        if self.buffer.len() > MAX_EVENT_BYTES {
            return Err("an event is larger than this router takes".to_owned());
        }
        Ok(changed)
    }

    fn event(&mut self, text: &str) -> Result<bool, String> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ") else {
            return Ok(false);
        };
        if field("event: ") == Some("snapshot") {
            self.feed = Some(serde_json::from_str(data).map_err(|error| error.to_string())?);
        } else {
            let delta: Delta = serde_json::from_str(data).map_err(|error| error.to_string())?;
            match &mut self.feed {
                Some(feed) => feed.apply(&delta),
                None => return Err("a change came before its snapshot".to_owned()),
            }
        }
        self.last_id = field("id: ").map(str::to_owned);
        Ok(true)
    }
}

async fn follow(
    base: &str,
    candidates: &[TargetId],
    clock: &Clock,
    state: &mut Follower,
) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .connect_timeout(RETRY)
        .read_timeout(SILENCE)
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = client.get(format!("{base}/v1/events"));
    if let Some(id) = &state.last_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.and_then(reqwest::Response::error_for_status);
    let mut chunks = response.map_err(|error| error.to_string())?.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        if state.take(&chunk.map_err(|error| error.to_string())?)? {
            let revision = state.feed.as_ref().map_or(0, |feed| feed.head.revision);
            println!(
                "{revision} {:?}",
                choose(candidates, state.feed.as_ref(), clock.now())
            );
        }
    }
    Err("the stream ended".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next();
    let candidates: Result<Vec<TargetId>, _> = arguments.map(|text| text.parse()).collect();
    let (Some(base), Ok(candidates)) = (base, candidates) else {
        eprintln!("usage: router URL PROVIDER/MODEL ..");
        return ExitCode::from(2);
    };
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("a crypto provider is installed already");
    }
    let clock = Clock::system();
    let mut state = Follower {
        feed: None,
        last_id: None,
        buffer: Vec::new(),
    };
    loop {
        if let Err(error) = follow(&base, &candidates, &clock, &mut state).await {
            // What is known stays good until its `stale_after`, not longer: `choose` sees to that.
            eprintln!(
                "{error}; {:?}",
                choose(&candidates, state.feed.as_ref(), clock.now())
            );
        }
        state.buffer.clear();
        tokio::time::sleep(RETRY).await;
    }
}
