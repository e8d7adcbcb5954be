//! The responder for HAProxy's agent checks: a server names its target by `agent-send "provider/model\n"` and is told
//! in one line how much traffic it should get.
//!
//! HAProxy keeps what an agent said last until the agent says something else: an answer that says only half (`drain`
//! after `down`) leaves the other half as it was, and silence keeps a server out for good. So every line is a whole
//! statement, and what nobody knows any more is taken back in so many words.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{limit::is_in, serve::pause, up};
use crate::{
    clock::{Clock, Timestamp},
    feed::{Hub, v1::TargetHealth},
    health::{Hint, State},
    id::{MAX_MODEL_BYTES, MAX_PROVIDER_BYTES, TargetId},
};

/// Most agent checks that are answered at a time; one more is closed at once.
pub const MAX_AGENT_CONNECTIONS: usize = 256;
/// Longest line that names a target, in bytes, its end (`\n` or `\r\n`) included.
pub const MAX_AGENT_LINE: usize = MAX_PROVIDER_BYTES + 1 + MAX_MODEL_BYTES + 2;
/// How long a check may take to name its target, and then to take its answer. What came without an end of line is
/// looked at when this is over.
pub const AGENT_LINE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long everybody is still told that everything is well while endturn ends: longer than HAProxy's own
/// `agent-inter` of 2 s, so that no server stays out for want of an agent.
pub const RELEASE_FOR: Duration = Duration::from_secs(3);
/// An answer that long ago was followed by others, had anybody been there to ask.
const HELD_FOR: Duration = Duration::from_secs(60);
/// How often the log is told of a target that is not configured.
const UNKNOWN_EVERY: Duration = Duration::from_secs(60);

/// Nothing stands against this server.
const FREE: &str = "up ready 100%\n";

/// The line about a target; `None`: nothing is known of it, which must keep nobody out.
fn line(known: Option<&TargetHealth>) -> Cow<'static, str> {
    let Some(target) = known else {
        return FREE.into();
    };
    match (target.routing.hint, target.state) {
        (Hint::Avoid, State::Maintenance) => "up maint\n".into(),
        (Hint::Avoid, State::Down) => format!("ready down #{}\n", target.reason.code).into(),
        (Hint::Avoid, _) => "up drain\n".into(),
        _ => match target.routing.weight {
            Some(weight) if weight < 1.0 => format!("up ready {}%\n", percent(weight)).into(),
            _ => FREE.into(),
        },
    }
}

/// A share in per cent, 1 to 100: what is not to be avoided gets something.
fn percent(share: f64) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 100 after the clamp, and NaN becomes 0"
    )]
    let percent = (share * 100.0).round().clamp(1.0, 100.0) as u8;
    percent.max(1)
}

/// Bounds of one responder. The default is for the daemon; tests make them small or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentLimits {
    /// [`MAX_AGENT_CONNECTIONS`].
    pub connections: usize,
    /// [`AGENT_LINE_TIMEOUT`].
    pub line: Duration,
    /// [`RELEASE_FOR`].
    pub release: Duration,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self {
            connections: MAX_AGENT_CONNECTIONS,
            line: AGENT_LINE_TIMEOUT,
            release: RELEASE_FOR,
        }
    }
}

/// What the connections share.
struct Agent {
    hub: Arc<Hub>,
    clock: Clock,
    closing: CancellationToken,
    limits: AgentLimits,
    /// Who may ask, beside this machine.
    allowed: Vec<IpNet>,
    /// When a server was last told to take less than everything, in milliseconds; 0: never.
    held: AtomicI64,
    /// When the log was last told of a target that is not configured, in milliseconds.
    unknown: AtomicI64,
}

/// Answers agent checks on `listener` until `closing` is cancelled. Servers that were held back are then told for a
/// while that they may serve: a monitor that is gone must not keep anybody out. Beside this machine only `allowed` may
/// ask: a check carries no credential.
pub async fn serve_agent(
    listener: TcpListener,
    allowed: Vec<IpNet>,
    hub: Arc<Hub>,
    clock: Clock,
    closing: CancellationToken,
    limits: AgentLimits,
) {
    let agent = Arc::new(Agent {
        hub,
        clock,
        closing,
        limits,
        allowed,
        held: AtomicI64::new(0),
        unknown: AtomicI64::new(0),
    });
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut released = std::pin::pin!(agent.released());
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut released => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            },
        };
        if !peer.to_canonical().is_loopback() && !is_in(&agent.allowed, peer) {
            tracing::debug!(%peer, "an agent check from where none may come was closed");
            continue;
        }
        // Without a place the stream is dropped, and so closed.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(
                limit = limits.connections,
                "too many agent checks, one was closed"
            );
            continue;
        };
        let agent = Arc::clone(&agent);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = agent.answer(stream).await {
                tracing::debug!(%error, "an agent check ended badly");
            }
        });
    }
    drop(listener);
    // Each of them ends by its own limits.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

impl Agent {
    /// Comes back when the agent may go: nobody is held back by what it said.
    async fn released(&self) {
        self.closing.cancelled().await;
        let held = Timestamp::from_millis(self.held.load(Ordering::Relaxed));
        if self.clock.now().since(held) < HELD_FOR {
            tokio::time::sleep(self.limits.release).await;
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let named = named(&mut stream, self.limits.line).await;
        let Some(line) = named.as_ref().and_then(|target| self.said(target)) else {
            return Ok(());
        };
        if line != FREE {
            self.held.store(self.clock.now().as_millis(), Ordering::Relaxed);
        }
        let told = async {
            stream.write_all(line.as_bytes()).await?;
            stream.shutdown().await
        };
        tokio::time::timeout(self.limits.line, told)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// `None`: no such target, and so no word that would change anything at HAProxy.
    fn said(&self, id: &TargetId) -> Option<Cow<'static, str>> {
        let snapshot = self.hub.snapshot();
        let Some(target) = snapshot.health.targets.iter().find(|target| target.id == *id) else {
            self.tell_unknown(id);
            return None;
        };
        if self.closing.is_cancelled() {
            return Some(FREE.into());
        }
        Some(line(up::known(&snapshot, target, self.clock.now())))
    }

    /// A name that is spelled wrongly comes each second.
    fn tell_unknown(&self, id: &TargetId) {
        let now = self.clock.now();
        let told = Timestamp::from_millis(self.unknown.load(Ordering::Relaxed));
        if now.since(told) >= UNKNOWN_EVERY {
            self.unknown.store(now.as_millis(), Ordering::Relaxed);
            tracing::warn!(target_id = %id, "an agent check asks for a target that is not configured; it gets no answer");
        }
    }
}

/// The target that a check names; `None`: it named none, or took too long or too many bytes to do so.
async fn named(stream: &mut (impl AsyncRead + Unpin), limit: Duration) -> Option<TargetId> {
    let mut line = Vec::with_capacity(MAX_AGENT_LINE);
    let whole = async {
        let mut rest = stream.take(u64::try_from(MAX_AGENT_LINE).unwrap_or(u64::MAX));
        while !line.contains(&b'\n') && rest.read_buf(&mut line).await? > 0 {}
        io::Result::Ok(())
    };
    // A line without its end is whole once nothing more comes.
    let _ = tokio::time::timeout(limit, whole).await;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let parsed = std::str::from_utf8(line).ok()?.trim_end().parse();
    if let Err(error) = &parsed {
        tracing::debug!(%error, "an agent check names no target");
    }
    parsed.ok()
}
