//! The canaries of one model: which are on, how often, with which limits.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{
    Canary, Model, Preset, PresetAsk, PresetCanary,
    error::Diagnostic,
    file::Span,
    provider::{FREE_EVERY, PAID_EVERY},
    resolve::Resolver,
};
use crate::verdict::CanaryKind;

/// Bounds of a canary's token limit. Below 16 some endpoints answer 400.
pub const MAX_TOKENS: (u32, u32) = (16, 65_536);

/// Interval of a canary that is off by default and switched on without one.
pub const ON_EVERY: Duration = Duration::from_secs(30 * 60);

/// Most whole replies that a canary may wait for before it rests.
pub const MAX_REST_AFTER: u32 = 1_000;

/// A longer answer gets this many times the tokens that it is planned to be longer by.
const LIMIT_FACTOR: u32 = 4;

/// A canary's timetable and token limit, or `false`.
#[derive(Clone)]
pub(super) enum CanarySwitch {
    /// Not probed.
    Off,
    /// Probed.
    On {
        /// Interval; the default one unless given.
        every: Option<Spanned<Span>>,
        /// Token limit; from preset and plan unless given.
        max_tokens: Option<Spanned<u32>>,
        /// Whole replies of real traffic that make it rest; the default unless given.
        rest_after: Option<Spanned<u32>>,
    },
}

impl<'de> Deserialize<'de> for CanarySwitch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            every: Option<Spanned<Span>>,
            max_tokens: Option<Spanned<u32>>,
            rest_after: Option<Spanned<u32>>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = CanarySwitch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ every = \"60s\" } or false")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<CanarySwitch, E> {
                Ok(if on {
                    CanarySwitch::On {
                        every: None,
                        max_tokens: None,
                        rest_after: None,
                    }
                } else {
                    CanarySwitch::Off
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CanarySwitch, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(CanarySwitch::On {
                    every: table.every,
                    max_tokens: table.max_tokens,
                    rest_after: table.rest_after,
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What a file says about the canaries of a provider, or of one model.
#[derive(Clone, Default)]
pub(super) struct Switches {
    pub(super) short: Option<Spanned<CanarySwitch>>,
    pub(super) long: Option<Spanned<CanarySwitch>>,
    pub(super) json: Option<Spanned<CanarySwitch>>,
    pub(super) tool: Option<Spanned<CanarySwitch>>,
}

impl Switches {
    /// These, and those of the provider where they say nothing.
    pub(super) fn over(self, provider: &Self) -> Self {
        Self {
            short: self.short.or_else(|| provider.short.clone()),
            long: self.long.or_else(|| provider.long.clone()),
            json: self.json.or_else(|| provider.json.clone()),
            tool: self.tool.or_else(|| provider.tool.clone()),
        }
    }

    fn of(&self, kind: CanaryKind) -> Option<&CanarySwitch> {
        let switch = match kind {
            CanaryKind::Short => &self.short,
            CanaryKind::Long => &self.long,
            CanaryKind::Json => &self.json,
            CanaryKind::Tool => &self.tool,
        };
        switch.as_ref().map(Spanned::get_ref)
    }
}

impl Resolver<'_> {
    /// Whether that kind is on the timetable. The long canary goes with the short one unless the file says otherwise,
    /// so that `canary = false` alone spends nothing.
    pub(super) fn is_on(&self, kind: CanaryKind, switches: &Switches) -> bool {
        let on = |switch: &CanarySwitch| matches!(switch, CanarySwitch::On { .. });
        match (switches.of(kind), kind) {
            (Some(switch), _) => on(switch),
            (None, CanaryKind::Long) => {
                self.default_of(kind).is_some_and(on) && self.is_on(CanaryKind::Short, switches)
            }
            (None, _) => self.default_of(kind).is_some_and(on),
        }
    }

    fn default_of(&self, kind: CanaryKind) -> Option<&CanarySwitch> {
        let defaults = &self.defaults.provider;
        match kind {
            CanaryKind::Short => defaults.canary.as_ref(),
            CanaryKind::Long => defaults.long.as_ref(),
            CanaryKind::Json => defaults.json.as_ref(),
            CanaryKind::Tool => defaults.tool.as_ref(),
        }
    }

    /// Fills in every canary of the model: on the timetable, or for a person who asks.
    pub(super) fn canaries(
        &mut self,
        model: &mut Model,
        switches: &Switches,
        max_tokens: Option<&Spanned<u32>>,
        (preset, whole): (&PresetCanary, &Preset),
    ) {
        let paid = model.price.is_some_and(|price| price.cost(1, 1) > 0.0);
        let bounds = if paid { PAID_EVERY } else { FREE_EVERY };
        let limit = self.token_limit(max_tokens).unwrap_or(preset.max_tokens);
        let planned = |script: &str| self.presets.canary(script).map(|script| script.output_tokens);
        let short = planned(&preset.script).unwrap_or(0);
        let none = PresetAsk::default();
        for kind in CanaryKind::ALL {
            let (ask, name) = match kind {
                CanaryKind::Short => (&none, preset.script.as_str()),
                CanaryKind::Long => (&preset.long, "long"),
                CanaryKind::Json => (&preset.json, "json"),
                CanaryKind::Tool => (&preset.tool, "tool"),
            };
            let name = ask.script.as_deref().unwrap_or(name);
            let Some(script) = self.presets.canary(name).cloned() else {
                let message = format!(
                    "preset {} asks for canary {name:?}, which there is none of",
                    whole.name
                );
                self.report.push(Diagnostic::error(message));
                continue;
            };
            let on = self.is_on(kind, switches);
            let (every, own, rest_after) = match switches.of(kind).cloned() {
                Some(CanarySwitch::On {
                    every,
                    max_tokens,
                    rest_after,
                }) => (every, self.token_limit(max_tokens.as_ref()), rest_after),
                _ => (None, None, None),
            };
            let longer = script.output_tokens.saturating_sub(short);
            let max_tokens = own
                .or(ask.max_tokens)
                .unwrap_or_else(|| limit.saturating_add(LIMIT_FACTOR.saturating_mul(longer)))
                .clamp(MAX_TOKENS.0, MAX_TOKENS.1);
            let every = match every {
                Some(every) => self.span(&format!("the interval of {kind}"), &every, bounds),
                None => self.default_every(kind, preset).clamp(bounds.0, bounds.1),
            };
            let canary = Canary {
                every,
                script,
                max_tokens,
                reasoning_tokens: ask.extra_output_tokens.unwrap_or(preset.extra_output_tokens),
                params: ask.params.clone(),
                rest_after: self.rest_after(kind, rest_after.as_ref()),
            };
            if on {
                *model.slot_mut(kind) = Some(canary);
            } else {
                model.manual.push((kind, canary));
            }
        }
    }

    /// The preset's interval where a request is dear: no kind comes more often then.
    fn default_every(&self, kind: CanaryKind, preset: &PresetCanary) -> Duration {
        let usual = match self.default_of(kind) {
            Some(CanarySwitch::On {
                every: Some(every), ..
            }) => every.get_ref().0,
            _ => ON_EVERY,
        };
        match (preset.every, kind) {
            (Some(dear), CanaryKind::Short) => dear,
            (Some(dear), _) => usual.max(dear),
            (None, _) => usual,
        }
    }

    /// How many whole replies make a canary of that kind rest.
    fn rest_after(&mut self, kind: CanaryKind, value: Option<&Spanned<u32>>) -> Option<u32> {
        if kind != CanaryKind::Short {
            if let Some(value) = value {
                let help = "remove rest_after here: no real traffic asks what this canary asks";
                self.error(value, format!("rest_after has no meaning for {kind}"), help);
            }
            return None;
        }
        let n = match (value, self.default_of(kind)) {
            (Some(value), _) if *value.get_ref() > MAX_REST_AFTER => {
                let help = format!("use 1 to {MAX_REST_AFTER}, or 0: it never rests");
                self.error(value, format!("rest_after is {}", value.get_ref()), help);
                MAX_REST_AFTER
            }
            (Some(value), _)
            | (
                None,
                Some(CanarySwitch::On {
                    rest_after: Some(value),
                    ..
                }),
            ) => *value.get_ref(),
            _ => 0,
        };
        (n > 0).then_some(n)
    }

    /// A token limit within bounds.
    fn token_limit(&mut self, value: Option<&Spanned<u32>>) -> Option<u32> {
        let value = value?;
        let limit = *value.get_ref();
        if (MAX_TOKENS.0..=MAX_TOKENS.1).contains(&limit) {
            return Some(limit);
        }
        let help = format!("use {} to {}", MAX_TOKENS.0, MAX_TOKENS.1);
        self.error(value, format!("max_tokens is {limit}"), help);
        Some(MAX_TOKENS.0)
    }
}

#[cfg(test)]
mod tests;
