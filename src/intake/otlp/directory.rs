//! From a provider's and a model's names, as telemetry has them, to our targets.

use std::borrow::Cow;

use super::{dialect, facts::Facts};
use crate::{
    config::Config,
    id::{IdError, ModelId, ProviderId, TargetId},
};

/// A configured target, as far as telemetry can name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub target: TargetId,
    /// The preset of its provider.
    pub preset: String,
    /// The host in its provider's base URL.
    pub host: Option<String>,
}

/// The configured targets.
#[derive(Debug, Clone, Default)]
pub struct Directory(Vec<Known>);

impl Directory {
    /// The targets in the order of the configuration: where several fit equally, the first is meant.
    pub fn new(known: Vec<Known>) -> Self {
        Self(known)
    }

    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        let models = config.providers.iter().flat_map(|provider| {
            provider.models.iter().map(|model| Known {
                target: model.id.clone(),
                preset: provider.preset.clone(),
                host: provider
                    .base_url
                    .host_str()
                    .map(|host| host.trim_matches(['[', ']']).to_owned()),
            })
        });
        Self(models.collect())
    }

    /// The target that is meant.
    ///
    /// # Errors
    /// It is named, but not as a target can be.
    pub(super) fn target(&self, call: &Call<'_>) -> Result<TargetId, IdError> {
        match self.configured(call) {
            Some(target) => Ok(target.clone()),
            None => self.unknown(call),
        }
    }

    /// A configured one: a model at providers that go by that name or that address, in the words of the request, those
    /// of the reply, and without the date.
    fn configured(&self, call: &Call<'_>) -> Option<&TargetId> {
        let home = self.home(call);
        let at_home: Vec<&Known> = self.0.iter().filter(|known| home.is(known, call)).collect();
        let find = |model: &str| {
            let found = at_home
                .iter()
                .find(|known| known.target.model().as_str() == model);
            found.map(|known| &known.target)
        };
        let models = [call.request_model, call.response_model];
        let models = models.into_iter().flatten().map(|model| call.bare(model));
        let exact = models.clone().find_map(find);
        exact.or_else(|| models.filter_map(undated).find_map(find))
    }

    /// By what the provider is known. An address that belongs to providers of ours decides between them; names decide
    /// where it says nothing. An id that is written out beats a kinship of presets.
    fn home(&self, call: &Call<'_>) -> Home {
        let any = |home: Home| self.0.iter().any(|known| home.is(known, call));
        let ways = [
            Home {
                host: true,
                name: Some(By::Id),
            },
            Home {
                host: true,
                name: Some(By::Kin),
            },
            // An OpenAI client at somebody else's address.
            Home {
                host: true,
                name: None,
            },
            Home {
                host: false,
                name: Some(By::Id),
            },
        ];
        let kin = Home {
            host: false,
            name: Some(By::Kin),
        };
        ways.into_iter().find(|home| any(*home)).unwrap_or(kin)
    }

    /// One of its own, at a provider of ours if it is one.
    fn unknown(&self, call: &Call<'_>) -> Result<TargetId, IdError> {
        let home = self.home(call);
        let provider = match self.0.iter().find(|known| home.is(known, call)) {
            Some(known) => known.target.provider().clone(),
            None => match dialect::presets(&call.provider).first() {
                Some(preset) => ProviderId::new(preset)?,
                None => ProviderId::new(&call.provider)?,
            },
        };
        let model = call.request_model.or(call.response_model).unwrap_or_default();
        Ok(TargetId::new(provider, ModelId::new(call.bare(model))?))
    }
}

/// How a name fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// It is the provider's own id here.
    Id,
    /// It is the id in other words, or the provider was filled in from a preset of that name.
    Kin,
}

/// By what a provider is known: its address, its name, or both.
#[derive(Debug, Clone, Copy)]
struct Home {
    host: bool,
    name: Option<By>,
}

impl Home {
    fn is(self, known: &Known, call: &Call<'_>) -> bool {
        let id = known.target.provider().as_str();
        let at_host = || call.host.is_some() && known.host.as_deref() == call.host;
        let named = match self.name {
            None => true,
            Some(By::Id) => id == call.told,
            Some(By::Kin) => {
                id == call.provider || dialect::presets(&call.provider).contains(&known.preset.as_str())
            }
        };
        named && (!self.host || at_host())
    }
}

/// Whom a call was made to, as it is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call<'a> {
    /// The provider's name as it came.
    told: &'a str,
    /// The provider's name as the conventions have it.
    provider: Cow<'a, str>,
    request_model: Option<&'a str>,
    response_model: Option<&'a str>,
    host: Option<&'a str>,
}

/// What a [`Call`] says, to recognise the next one that says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words([Option<String>; 4]);

impl PartialEq<Call<'_>> for Words {
    fn eq(&self, call: &Call<'_>) -> bool {
        let words = call.words();
        self.0.iter().zip(words).all(|(own, told)| own.as_deref() == told)
    }
}

impl<'a> Call<'a> {
    /// What a span tells; `None`: no provider, or no model.
    pub(super) fn of(facts: &'a Facts<'_>) -> Option<Self> {
        let request_model = facts.request_model.get().map(AsRef::as_ref);
        let response_model = facts.response_model.get().map(AsRef::as_ref);
        let host = facts
            .host
            .as_deref()
            .or_else(|| host_of(facts.base_url.as_deref()?));
        let told = facts.provider.get().map(AsRef::as_ref).or_else(|| {
            // `openai/gpt-5.2`: LiteLLM's way to name both at once.
            request_model?.split_once('/').map(|(provider, _)| provider)
        })?;
        request_model.or(response_model)?;
        Some(Self {
            told,
            provider: dialect::provider(told),
            request_model,
            response_model,
            host,
        })
    }

    fn words(&self) -> [Option<&str>; 4] {
        [
            Some(self.told),
            self.request_model,
            self.response_model,
            self.host,
        ]
    }

    /// What it says, kept.
    pub(super) fn kept(&self) -> Words {
        Words(self.words().map(|word| word.map(ToOwned::to_owned)))
    }

    /// A model at a provider that is known by name alone.
    pub(super) fn named(provider: &'a str, model: &'a str) -> Self {
        Self {
            told: provider,
            provider: dialect::provider(provider),
            request_model: Some(model),
            response_model: None,
            host: None,
        }
    }

    /// The model without what some put before it: its provider's name, or `models/`.
    fn bare(&self, model: &'a str) -> &'a str {
        let (before, rest) = model.split_once('/').unwrap_or(("", model));
        if before == "models"
            || before == self.told
            || (!before.is_empty() && dialect::provider(before) == self.provider)
        {
            rest
        } else {
            model
        }
    }
}

/// The host in a URL.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    }
    .filter(|host| !host.is_empty())
}

/// The model of which this is a dated snapshot: `claude-haiku-4-5-20251001`, `gpt-4o-2024-08-06`,
/// `claude-opus-4-5@20251101`.
pub(super) fn undated(model: &str) -> Option<&str> {
    let (end, date) = model.char_indices().rev().nth(7)?;
    let tail = &model[end..];
    let is_day = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if date.is_ascii_digit() && is_day(tail) {
        return model[..end]
            .strip_suffix(['-', '@'])
            .filter(|rest| !rest.is_empty());
    }
    let at = model.len().checked_sub(10)?;
    let tail = model.get(at..)?;
    let digits: String = tail.chars().filter(|c| *c != '-').collect();
    let dashed = tail.as_bytes()[4] == b'-' && tail.as_bytes()[7] == b'-';
    if dashed && is_day(&digits) {
        return model[..at]
            .strip_suffix(['-', '@'])
            .filter(|rest| !rest.is_empty());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let known = |target: &str, preset: &str, host: &str| Known {
            target: target.parse().unwrap(),
            preset: preset.to_owned(),
            host: Some(host.to_owned()),
        };
        Directory::new(vec![
            known("anthropic/claude-haiku-4-5", "anthropic", "api.anthropic.com"),
            known("openai/gpt-5.2", "openai", "api.openai.com"),
            known("openai/gpt-5.2-2026-01-10", "openai", "api.openai.com"),
            known("eu/gpt-5.2", "openai", "eu.example.net"),
            known("groq/llama-4", "groq", "api.groq.com"),
            known(
                "gemini/gemini-3-pro",
                "gemini",
                "generativelanguage.googleapis.com",
            ),
            known(
                "openrouter/meta-llama/llama-3.1-8b",
                "openrouter",
                "openrouter.ai",
            ),
            known("sim-a/m", "openai", "127.0.0.1"),
            known("sim-b/m", "anthropic", "127.0.0.1"),
        ])
    }

    fn target(provider: &str, request: &str, response: &str, host: &str) -> String {
        fn some(text: &str) -> Option<&str> {
            Some(text).filter(|text| !text.is_empty())
        }
        let call = Call {
            told: provider,
            provider: dialect::provider(provider),
            request_model: some(request),
            response_model: some(response),
            host: some(host),
        };
        directory()
            .target(&call)
            .map_or_else(|error| error.to_string(), |target| target.to_string())
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn names_find_their_target() {
        for (provider, request, response, host, wanted) in [
            (
                "anthropic",
                "claude-haiku-4-5",
                "",
                "",
                "anthropic/claude-haiku-4-5",
            ),
            (
                "Anthropic.messages",
                "claude-haiku-4-5",
                "",
                "",
                "anthropic/claude-haiku-4-5",
            ),
            (
                "anthropic",
                "claude-haiku-4-5-20251001",
                "",
                "",
                "anthropic/claude-haiku-4-5",
            ),
            (
                "anthropic",
                "haiku",
                "claude-haiku-4-5",
                "",
                "anthropic/claude-haiku-4-5",
            ),
            (
                "anthropic",
                "haiku",
                "claude-haiku-4-5-20251001",
                "",
                "anthropic/claude-haiku-4-5",
            ),
            (
                "anthropic",
                "anthropic/claude-haiku-4-5",
                "",
                "",
                "anthropic/claude-haiku-4-5",
            ),
            // A snapshot that is a target of its own.
            (
                "openai",
                "gpt-5.2-2026-01-10",
                "",
                "",
                "openai/gpt-5.2-2026-01-10",
            ),
            ("openai", "gpt-5.2", "gpt-5.2-2026-01-10", "", "openai/gpt-5.2"),
            // By preset, and by address.
            ("google", "gemini-3-pro", "", "", "gemini/gemini-3-pro"),
            ("gcp.gemini", "models/gemini-3-pro", "", "", "gemini/gemini-3-pro"),
            ("openai", "gpt-5.2", "", "eu.example.net", "eu/gpt-5.2"),
            ("openai", "llama-4", "", "api.groq.com", "groq/llama-4"),
            (
                "openrouter",
                "meta-llama/llama-3.1-8b",
                "",
                "",
                "openrouter/meta-llama/llama-3.1-8b",
            ),
            // Several providers behind one address: their names decide.
            ("openai", "m", "", "127.0.0.1", "sim-a/m"),
            ("anthropic", "m", "", "127.0.0.1", "sim-b/m"),
            ("sim-b", "m", "", "127.0.0.1", "sim-b/m"),
            // Ours, but not that model; and nobody's.
            ("openai", "gpt-7", "", "eu.example.net", "eu/gpt-7"),
            ("google", "gemini-9", "", "", "gemini/gemini-9"),
            ("azure", "my-deployment", "", "", "azure-openai/my-deployment"),
            ("my.server", "m", "", "10.0.0.7", "my.server/m"),
            (
                "my server",
                "m",
                "",
                "",
                "provider id holds ' ', allowed are letters, digits and -_.",
            ),
            (
                "openai",
                "a model",
                "",
                "",
                "model id holds ' ', allowed are letters, digits and -_.:/@!+",
            ),
        ] {
            assert_eq!(
                target(provider, request, response, host),
                wanted,
                "{provider} {request} {response} {host}"
            );
        }
    }

    #[test]
    fn a_date_at_the_end_is_a_snapshot() {
        for (model, wanted) in [
            ("claude-haiku-4-5-20251001", Some("claude-haiku-4-5")),
            ("claude-opus-4-5@20251101", Some("claude-opus-4-5")),
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("gpt-4o", None),
            ("claude-haiku-4-5", None),
            ("model-2024-8-06", None),
            ("20251001", None),
            ("-20251001", None),
            ("m20251001", None),
            ("é-2024-08-06", Some("é")),
            ("", None),
        ] {
            assert_eq!(undated(model), wanted, "{model}");
        }
    }

    #[test]
    fn a_host_is_found_in_a_url() {
        for (url, host) in [
            ("https://api.openai.com/v1/", Some("api.openai.com")),
            ("http://127.0.0.1:8080", Some("127.0.0.1")),
            ("http://user:pass@host/x", Some("host")),
            ("http://[::1]:8080/v1", Some("::1")),
            ("https:///v1", None),
            ("api.openai.com", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
