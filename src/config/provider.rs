//! One `[[provider]]` entry over its preset.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use toml::Spanned;
use url::Url;

use super::{
    ProbeLimits, Provider, Reach,
    canaries::Switches,
    endpoint::{Place, is_private},
    error::Diagnostic,
    file::{LimitsFile, ProviderFile, Span, Switch},
    load::Note,
    parse::nearest,
    preset::Preset,
    resolve::Resolver,
};
use crate::{
    id::ProviderId,
    protocol::{Protocol, Wire},
};

/// Bounds of the interval of `reach`, and of a canary that costs nothing.
pub const FREE_EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(86_400));
/// Bounds of the interval of a canary that costs money.
pub const PAID_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));
/// Bounds of every deadline.
pub const DEADLINES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1_800));
/// A provider's settings that its models build on.
pub(super) struct Base<'a> {
    pub(super) id: ProviderId,
    pub(super) preset: &'a Preset,
    /// Whether the file sends it somewhere else than the preset.
    pub(super) own_url: bool,
    /// Whether the file says that it costs nothing.
    pub(super) free: bool,
    /// Whether a generation can be asked for at all.
    pub(super) can_generate: bool,
    pub(super) canaries: Switches,
    pub(super) limits: ProbeLimits,
    pub(super) source: Spanned<()>,
}

impl Resolver<'_> {
    /// `extent` reaches from its header to the next entry's. `None` where the entry is so wrong that nothing can be
    /// said about it; the report then says why.
    pub(super) fn provider(
        &mut self,
        entry: Spanned<ProviderFile>,
        extent: Range<usize>,
        seen: &mut BTreeSet<ProviderId>,
    ) -> Option<Provider> {
        let here = Spanned::new(entry.span(), ());
        let file = entry.into_inner();
        let id = self.provider_id(&file, &here, extent, seen)?;
        let presets = self.presets;
        let preset = self
            .preset(&file, &id, &here)
            .and_then(|name| presets.get(&name))?;
        let wire = self.wire(file.protocol.as_ref()).unwrap_or(preset.wire);
        let vars = self.vars(file.vars.as_ref(), preset)?;
        let place = self.base_url(file.base_url.as_ref(), preset, &vars, &here)?;
        let credential = self.credential(&file, preset, place.own, &vars);
        let can_generate = credential.is_some() || !preset.key_required || place.own;
        let free = self.free(file.free.as_ref(), preset, &place);
        let reach = self.reach(file.reach.as_ref(), preset, place.reach);
        let limits = self.own_limits(file.limits.unwrap_or_default());
        let headers = self.headers(file.headers, preset);
        let usd_per_day = file.usd_per_day.and_then(|usd| self.dollars(&usd));
        let named = file.api_key.is_some() || file.aws.is_some() || file.google.is_some();
        if !can_generate && !named {
            self.warn_without_credential(&id, preset, &here);
        }
        if !place.own {
            self.notes
                .push(Note::Unverified(id.clone(), preset.unverified.clone()));
        }
        if let Some(page) = self.official_page(file.official.as_ref(), preset, place.own) {
            self.notes.push(Note::Status(id.clone(), page.clone()));
            self.pages.push((id.clone(), page));
        }
        let base = Base {
            id: id.clone(),
            preset,
            own_url: place.own,
            free,
            can_generate,
            canaries: Switches {
                short: file.canary,
                long: file.long,
                json: file.json,
                tool: file.tool,
            },
            limits,
            source: here,
        };
        let models = self.models(file.models, file.model, &base);
        let unpriced = models
            .iter()
            .any(|model| model.price.is_none_or(|price| price.cost(1, 1) == 0.0));
        if free && unpriced && file.free.is_none() && wire.dialect.is_some_and(|dialect| dialect.gateway) {
            self.warn_of_gateway(&id, &base.source);
        }
        Some(Provider {
            id,
            preset: preset.name.clone(),
            protocol: wire.protocol,
            dialect: wire.dialect,
            endpoint: preset.endpoint.speaking(wire.protocol),
            base_url: place.base,
            auth: credential.auth,
            key: credential.key,
            cloud: credential.cloud,
            headers,
            egress: self.egress(file.proxy.as_ref(), file.ca.as_ref()),
            reach,
            strict_terminal: file.strict_terminal.unwrap_or(preset.strict_terminal),
            polite: file.polite.or(self.defaults.provider.polite).unwrap_or(true),
            usd_per_day,
            limits,
            models,
        })
    }

    fn provider_id(
        &mut self,
        file: &ProviderFile,
        here: &Spanned<()>,
        extent: Range<usize>,
        seen: &mut BTreeSet<ProviderId>,
    ) -> Option<ProviderId> {
        let Some(text) = &file.id else {
            // A wrong `id` was already reported and taken out.
            if self
                .place(&Spanned::new(extent, ()))
                .is_none_or(|place| !self.report.touches(&place))
            {
                self.error(
                    here,
                    "a provider has no id",
                    "add id = \"anthropic\", or a name of your own",
                );
            }
            return None;
        };
        match ProviderId::new(text.get_ref()) {
            Ok(id) if seen.insert(id.clone()) => Some(id),
            Ok(id) => {
                self.error(
                    text,
                    format!("provider {id} is configured twice"),
                    "give each entry an id of its own",
                );
                None
            }
            Err(why) => {
                self.error(text, why.to_string(), "as in \"anthropic\" or \"vllm-1\"");
                None
            }
        }
    }

    /// The preset's name: the one given, else the id's own, else the plain one of the protocol.
    fn preset(&mut self, file: &ProviderFile, id: &ProviderId, here: &Spanned<()>) -> Option<String> {
        let presets = self.presets;
        let known = || presets.iter().map(|preset| preset.name.as_str());
        let all = known().collect::<Vec<_>>().join(", ");
        if let Some(name) = &file.preset {
            if presets.get(name.get_ref()).is_none() {
                let help = match nearest(name.get_ref(), known()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("known are {all}"),
                };
                self.error(name, format!("there is no preset {:?}", name.get_ref()), help);
                return None;
            }
            return Some(name.get_ref().clone());
        }
        if presets.get(id.as_str()).is_some() {
            return Some(id.to_string());
        }
        if let Some(protocol) = &file.protocol {
            let wire = self.wire(Some(protocol))?;
            return Some(plain_preset(wire.protocol).to_owned());
        }
        let message = format!("provider {id} has no preset of its name");
        let first = match nearest(id.as_str(), known()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("set preset to one of {all};"),
        };
        let help = format!("{first} for a server of your own preset = \"openai-compatible\" and base_url");
        match &file.id {
            Some(text) => self.error(text, message, help),
            None => self.error(here, message, help),
        }
        None
    }

    fn wire(&mut self, text: Option<&Spanned<String>>) -> Option<Wire> {
        let text = text?;
        if let Ok(wire) = text.get_ref().parse() {
            return Some(wire);
        }
        let help = match nearest(text.get_ref(), Wire::names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known are {}", Wire::names().collect::<Vec<_>>().join(", ")),
        };
        // The protocol may be asked for twice on the way to a preset.
        let place = self.place(text);
        if place.as_ref().is_none_or(|place| !self.report.touches(place)) {
            let finding = Diagnostic::error(format!("there is no protocol {:?}", text.get_ref()));
            self.report.push(finding.at(place).help(help));
        }
        None
    }

    /// Whether it costs nothing: the file says so, or the preset does and it isn't somebody's public service.
    fn free(&mut self, value: Option<&Spanned<bool>>, preset: &Preset, place: &Place) -> bool {
        let Some(value) = value else {
            return preset.free && is_private(&place.base);
        };
        if *value.get_ref() && !place.own && !preset.free {
            let help = "take it out; if your contract really costs nothing, give the model \
                        price = { input_usd_per_mtok = 0, output_usd_per_mtok = 0 }";
            self.error(value, "free = true on a vendor's own paid service", help);
            return false;
        }
        *value.get_ref()
    }

    /// A gateway of one's own costs nothing, but those behind it may.
    fn warn_of_gateway(&mut self, id: &ProviderId, here: &Spanned<()>) {
        let message = format!("what {id} passes its probes on to may cost money that no budget counts");
        let help = "give its models a price, or write free = true if that is so";
        let finding = Diagnostic::warning(message).at(self.place(here)).help(help);
        self.report.push(finding);
    }

    fn reach(
        &mut self,
        value: Option<&Spanned<Switch>>,
        preset: &Preset,
        base_url: Option<Url>,
    ) -> Option<Reach> {
        let every = self.every("reach", value, FREE_EVERY, |defaults| defaults.reach.clone())?;
        Some(Reach {
            every,
            method: preset.reach.method.clone(),
            base_url,
            path: preset.reach.path.clone(),
            body: preset.reach.body.clone(),
            with_key: preset.reach.with_key.clone(),
            without_key: preset.reach.without_key.clone(),
        })
    }

    /// The interval of a switch; `None` where it is off.
    pub(super) fn every(
        &mut self,
        what: &str,
        value: Option<&Spanned<Switch>>,
        bounds: (Duration, Duration),
        default: impl Fn(&super::resolve::ProviderDefaults) -> Option<Switch>,
    ) -> Option<Duration> {
        let switch = match value.map(Spanned::get_ref) {
            Some(Switch::Off) => return None,
            Some(Switch::Every(every)) => Some(every.clone()),
            Some(Switch::On) | None => match default(&self.defaults.provider) {
                Some(Switch::Every(every)) => return Some(every.get_ref().0.clamp(bounds.0, bounds.1)),
                _ => None,
            },
        };
        switch.map(|every| self.span(&format!("the interval of {what}"), &every, bounds))
    }

    /// The deadlines of a provider's entry over the embedded ones.
    fn own_limits(&mut self, file: LimitsFile) -> ProbeLimits {
        let embedded = self.defaults.provider.limits.clone().unwrap_or_default();
        let base = self.limits(embedded, ProbeLimits::default());
        self.limits(file, base)
    }

    /// The deadlines of an entry; those that it leaves open are `base`'s.
    pub(super) fn limits(&mut self, file: LimitsFile, base: ProbeLimits) -> ProbeLimits {
        let mut pick = |what: &str, value: Option<Spanned<Span>>, base: Duration| {
            value.map_or(base, |value| {
                self.span(&format!("limits.{what}"), &value, DEADLINES)
            })
        };
        let limits = ProbeLimits {
            connect: pick("connect", file.connect, base.connect),
            head: pick("head", file.head, base.head),
            first_token: pick("first_token", file.first_token.clone(), base.first_token),
            gap: pick("gap", file.gap, base.gap),
            content_gap: pick("content_gap", file.content_gap, base.content_gap),
            total: pick("total", file.total.clone(), base.total),
            bytes: base.bytes,
        };
        if let Some(here) = file.total.or(file.first_token)
            && limits.total < limits.first_token
        {
            let help = "make total at least as long as first_token, or first_token shorter";
            self.error(&here, "limits.total ends before limits.first_token", help);
        }
        limits
    }
}

/// The preset that knows nothing but the protocol.
fn plain_preset(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic => "anthropic",
        Protocol::OpenaiChat => "openai-compatible",
        Protocol::OpenaiResponses => "openai-responses",
        Protocol::Gemini => "gemini",
        Protocol::Ollama => "ollama",
        Protocol::Bedrock => "bedrock",
        Protocol::Cohere => "cohere",
    }
}
