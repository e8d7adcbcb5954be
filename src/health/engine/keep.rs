//! The detector state to and from its kept form: versioned JSON, checked before anything is taken up.

use serde::{Deserialize, Serialize};

use super::{Engine, declare::KeptDeclared};
use crate::{
    clock::Timestamp,
    health::{
        Length, Saved,
        identity::Served,
        provider::Provider,
        save::{KeptSpell, KeptStream, from_hex, to_hex},
        target::Target,
    },
    health::{hint::Advice, histogram::Histogram},
    id::TargetId,
};

/// Version of the kept form.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    providers: Vec<KeptProvider>,
    targets: Vec<KeptTarget>,
    /// Absent in states kept before there was one.
    #[serde(default, skip_serializing_if = "KeptDeclared::is_empty")]
    declared: KeptDeclared,
}

#[derive(Serialize, Deserialize)]
struct KeptProvider {
    id: String,
    edge: KeptStream,
}

#[derive(Serialize, Deserialize)]
struct KeptTarget {
    id: String,
    since_ms: i64,
    #[serde(with = "crate::health::save::state_name")]
    state: crate::health::State,
    short: KeptStream,
    long: KeptStream,
    advice: Advice,
    last_complete_ms: Option<i64>,
    /// Per class of input size: hour and histogram in hex.
    first_tokens: Vec<Vec<(i64, String)>>,
    spell: Option<KeptSpell>,
    /// Absent in states kept before there was one.
    #[serde(default)]
    served: Served,
    #[serde(default, skip_serializing_if = "is_false")]
    reports_only: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// As much of a kept state as [`Saved::reports_only`] reads.
#[derive(Deserialize)]
struct Guests {
    targets: Vec<Guest>,
}

#[derive(Deserialize)]
struct Guest {
    id: String,
    #[serde(default)]
    reports_only: bool,
}

#[derive(Deserialize)]
struct Envelope {
    version: u32,
}

/// A kept target, checked.
struct Ready {
    number: usize,
    kept: KeptTarget,
    hours: Vec<Vec<(i64, Histogram)>>,
}

impl Kept {
    fn into_saved(self) -> Saved {
        Saved {
            // Plain numbers, names and lists: nothing in here can fail to become JSON.
            blob: serde_json::to_string(&self).unwrap_or_default(),
        }
    }
}

fn keep_provider(provider: &Provider) -> KeptProvider {
    KeptProvider {
        id: provider.id.to_string(),
        edge: KeptStream::of(&provider.edge),
    }
}

fn keep_target(target: &Target) -> KeptTarget {
    KeptTarget {
        id: target.setup.id.to_string(),
        since_ms: target.published.since.as_millis(),
        state: target.published.state,
        short: KeptStream::of(&target.short),
        long: KeptStream::of(&target.long),
        advice: target.advice.clone(),
        last_complete_ms: target.last_complete_ms,
        first_tokens: target
            .latency
            .classes
            .iter()
            .map(|class| {
                let hours = class.hours.iter();
                hours
                    .map(|(hour, times)| (*hour, to_hex(&times.to_blob())))
                    .collect()
            })
            .collect(),
        spell: target.tracker.spell.as_ref().map(KeptSpell::of),
        served: target.served.clone(),
        reports_only: target.setup.reports_only,
    }
}

impl Saved {
    /// Targets in it that nobody configured: they were there because reports told of them. None, where the state can't
    /// be read.
    pub fn reports_only(&self) -> Vec<TargetId> {
        let guests =
            serde_json::from_str::<Guests>(&self.blob).map_or_else(|_| Vec::new(), |kept| kept.targets);
        guests
            .into_iter()
            .filter(|guest| guest.reports_only)
            .filter_map(|guest| guest.id.parse().ok())
            .collect()
    }
}

impl Engine {
    pub(super) fn keep(&self) -> Saved {
        Kept {
            version: VERSION,
            providers: self.providers.iter().map(keep_provider).collect(),
            targets: self.targets.iter().map(keep_target).collect(),
            declared: KeptDeclared::of(&self.declared),
        }
        .into_saved()
    }

    pub(super) fn keep_one(&self, target: &Target) -> Saved {
        Kept {
            version: VERSION,
            providers: vec![keep_provider(&self.providers[target.provider])],
            targets: vec![keep_target(target)],
            declared: KeptDeclared::default(),
        }
        .into_saved()
    }

    pub(super) fn take_up(&mut self, saved: &Saved, now: Timestamp) -> Result<(), String> {
        let envelope: Envelope =
            serde_json::from_str(&saved.blob).map_err(|error| format!("kept detector state: {error}"))?;
        if envelope.version != VERSION {
            return Err(format!(
                "kept detector state has version {}, known is {VERSION}",
                envelope.version
            ));
        }
        let kept: Kept =
            serde_json::from_str(&saved.blob).map_err(|error| format!("kept detector state: {error}"))?;
        let ready = self.check(kept.targets)?;
        if !kept.providers.iter().all(|provider| provider.edge.is_sane()) {
            return Err("kept detector state: numbers out of range".to_owned());
        }
        let now_ms = now.as_millis();
        for kept in kept.providers {
            if let Some(provider) = self.providers.iter_mut().find(|p| p.id.as_str() == kept.id) {
                kept.edge
                    .into_stream(&mut provider.edge, provider.interval_ms, now_ms);
            }
        }
        for ready in ready {
            self.take_up_target(ready, now);
        }
        Ok(())
    }

    /// Everything that can be wrong with kept targets, before any is taken up.
    fn check(&self, targets: Vec<KeptTarget>) -> Result<Vec<Ready>, String> {
        let mut ready = Vec::new();
        for kept in targets {
            let number = kept.id.parse().ok().and_then(|id| self.index.get(&id).copied());
            let Some(number) = number else { continue };
            if !kept.short.is_sane() || !kept.long.is_sane() {
                return Err(format!(
                    "kept detector state of {}: numbers out of range",
                    kept.id
                ));
            }
            let mut hours = Vec::new();
            for class in &kept.first_tokens {
                let mut one = Vec::new();
                for (hour, hex) in class {
                    let blob =
                        from_hex(hex).ok_or_else(|| format!("kept histogram of {}: not hex", kept.id))?;
                    let times = Histogram::from_blob(&blob)
                        .map_err(|error| format!("kept state of {}: {error}", kept.id))?;
                    one.push((*hour, times));
                }
                hours.push(one);
            }
            ready.push(Ready { number, kept, hours });
        }
        Ok(ready)
    }

    fn take_up_target(&mut self, ready: Ready, now: Timestamp) {
        let now_ms = now.as_millis();
        let Ready { number, kept, hours } = ready;
        let target = &mut self.targets[number];
        let (short, long) = (
            target.interval_ms(Length::Short),
            target.interval_ms(Length::Long),
        );
        kept.short.into_stream(&mut target.short, short, now_ms);
        kept.long.into_stream(&mut target.long, long, now_ms);
        target.advice = kept.advice;
        target.last_complete_ms = kept.last_complete_ms;
        target.served = kept.served;
        for (class, hours) in target.latency.classes.iter_mut().zip(hours) {
            class.hours = hours.into();
            class.refresh(now_ms);
        }
        target.tracker.spell = kept
            .spell
            .and_then(|spell| spell.into_spell(target.setup.id.clone()));
        let decision = target.decide(&self.providers[target.provider], &self.gate, now_ms);
        let target = &mut self.targets[number];
        if !decision.state.is_impaired() {
            target.tracker.forget_unannounced();
        }
        target.published.routing = target.advise(&decision, now_ms);
        target.published.declared = target.declared.clone();
        target.published.code = decision.code;
        target.published.since = if decision.state == kept.state {
            Timestamp::from_millis(kept.since_ms.min(now_ms))
        } else {
            now
        };
        target.published.state = decision.state;
    }
}
