//! Routes: lists of targets that can stand in for each other, with what each must be and what is to happen when none is.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Price, Provider,
    file::Span,
    parse::nearest,
    preset_file::{MAX_USD_PER_MTOK, MAX_USD_PER_REQUEST},
    resolve::Resolver,
};
use crate::id::TargetId;

/// Most routes of a configuration.
pub const MAX_ROUTES: usize = 64;
/// Most targets of one route.
pub const MAX_ROUTE_TARGETS: usize = 32;
/// Longest name of a route, and longest tag of a model, in bytes.
pub const MAX_ROUTE_NAME_BYTES: usize = 64;
/// Most tags of one model, and most that one route asks for.
pub const MAX_TAGS: usize = 32;
/// Shortest and longest `max_ttft`.
pub const MAX_TTFT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(600));

/// An ordered list of interchangeable targets with a failure policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name, unique.
    pub name: String,
    /// The targets, the preferred one first. At least one of them is [`Fitness::Fit`].
    pub targets: Vec<RouteTarget>,
    /// What is to happen when no target is eligible.
    pub on_exhausted: OnExhausted,
    /// Which of the targets that are equally well is to be preferred.
    pub prefer: Prefer,
    /// Largest time to the first token.
    pub max_ttft: Option<Duration>,
    /// Whether whoever follows the route uses the same key as endturn, so that a limit or refusal of that key concerns them.
    pub same_key: bool,
    /// Tags that a target must have.
    pub requires: Vec<String>,
}

/// One target of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTarget {
    /// Who.
    pub id: TargetId,
    /// What it costs, where that is known.
    pub price: Option<Price>,
    /// Whether it may serve at all.
    pub fitness: Fitness,
}

/// Whether a target may serve a route at all, by what the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// It may.
    Fit,
    /// It lacks that tag.
    Lacks(String),
    /// It costs more than the route allows, or nobody knows what it costs.
    TooExpensive,
}

/// What is to happen when no target is eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExhausted {
    /// Ask nobody: the caller is to be told at once.
    #[default]
    FailClosed,
    /// Ask the one that fails least.
    LeastBad,
}

impl OnExhausted {
    const ALL: [Self; 2] = [Self::FailClosed, Self::LeastBad];

    /// The name in configuration and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailClosed => "fail_closed",
            Self::LeastBad => "least_bad",
        }
    }
}

/// Which of several targets that are equally well comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefer {
    /// The one that is named first.
    #[default]
    Order,
    /// The one whose first token comes soonest.
    Latency,
    /// The one that costs least.
    Cost,
}

impl Prefer {
    const ALL: [Self; 3] = [Self::Order, Self::Latency, Self::Cost];

    /// The name in configuration and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Latency => "latency",
            Self::Cost => "cost",
        }
    }
}

/// A `[[route]]` entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    name: Spanned<String>,
    targets: Spanned<Vec<Spanned<String>>>,
    on_exhausted: Option<Spanned<String>>,
    prefer: Option<Spanned<String>>,
    max_ttft: Option<Spanned<Span>>,
    same_key: Option<bool>,
    requires: Option<Spanned<Vec<Spanned<String>>>>,
    max_price: Option<Spanned<MaxPriceFile>>,
}

/// What a target may cost at most; what is left out has no limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaxPriceFile {
    input_usd_per_mtok: Option<f64>,
    output_usd_per_mtok: Option<f64>,
    usd_per_request: Option<f64>,
}

/// A name of a route or a tag: what stands in a path and in a query as it is.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=MAX_ROUTE_NAME_BYTES).contains(&name.len()) && name.chars().all(plain)
}

impl Resolver<'_> {
    /// Every route, once all targets are known.
    pub(super) fn routes(&mut self, entries: &[Spanned<RouteFile>], providers: &[Provider]) -> Vec<Route> {
        let mut names = BTreeSet::new();
        let mut routes = Vec::new();
        for entry in entries {
            let name = &entry.get_ref().name;
            if routes.len() == MAX_ROUTES {
                let help = format!("at most {MAX_ROUTES} are taken");
                self.error(entry, "too many routes", help);
                break;
            }
            if !names.insert(name.get_ref().clone()) {
                let help = "give every route a name of its own: it stands in the path /v1/routes/NAME";
                self.error(name, format!("route {:?} is there twice", name.get_ref()), help);
            }
            routes.extend(self.route(entry, providers));
        }
        routes
    }

    fn route(&mut self, entry: &Spanned<RouteFile>, providers: &[Provider]) -> Option<Route> {
        let file = entry.get_ref();
        let name = file.name.get_ref();
        if !is_plain(name) {
            let help = format!("use 1 to {MAX_ROUTE_NAME_BYTES} letters, digits, `-`, `_` and `.`");
            self.error(&file.name, "that is no name of a route", help);
        }
        let on_exhausted = self.word(
            file.on_exhausted.as_ref(),
            "on_exhausted",
            &OnExhausted::ALL,
            |it| it.as_str(),
        );
        let prefer = self.word(file.prefer.as_ref(), "prefer", &Prefer::ALL, |it| it.as_str());
        let max_ttft = file
            .max_ttft
            .as_ref()
            .map(|span| self.span("max_ttft", span, MAX_TTFT));
        let requires = file
            .requires
            .as_ref()
            .map(|tags| self.tags(tags))
            .unwrap_or_default();
        let max_price = file.max_price.as_ref().map(|price| self.max_price(price));
        let targets = self.route_targets(file, providers, &requires, max_price)?;
        if targets.iter().all(|target| target.fitness != Fitness::Fit) {
            let why: Vec<String> = targets
                .iter()
                .map(|target| match &target.fitness {
                    Fitness::Lacks(tag) => {
                        format!(
                            "{} has no tag {tag:?}, write tags = [\"{tag}\"] at its [[provider.model]]",
                            target.id
                        )
                    }
                    Fitness::TooExpensive => format!("{} costs more than max_price", target.id),
                    Fitness::Fit => target.id.to_string(),
                })
                .collect();
            let help = why.join(", ");
            self.error(
                &file.targets,
                format!("no target can ever serve route {name:?}"),
                help,
            );
        }
        if prefer == Prefer::Cost
            && let Some(unknown) = targets.iter().find(|target| target.price.is_none())
        {
            let help = "give it price = { input_usd_per_mtok = .., output_usd_per_mtok = .. } at its [[provider.model]]";
            let message = format!(
                "route {name:?} prefers by cost, and nobody knows what {} costs",
                unknown.id
            );
            self.error(&file.targets, message, help);
        }
        Some(Route {
            name: name.clone(),
            targets,
            on_exhausted,
            prefer,
            max_ttft,
            same_key: file.same_key.unwrap_or(true),
            requires,
        })
    }

    /// One of a few words; the default stands in for one that is unknown.
    pub(super) fn word<T: Copy + Default>(
        &mut self,
        value: Option<&Spanned<String>>,
        key: &str,
        all: &[T],
        name: impl Fn(&T) -> &'static str,
    ) -> T {
        let Some(word) = value else {
            return T::default();
        };
        if let Some(known) = all.iter().find(|it| name(it) == word.get_ref()) {
            return *known;
        }
        let names: Vec<&str> = all.iter().map(name).collect();
        let message = format!("{key} {:?} is unknown", word.get_ref());
        self.error(word, message, format!("known are: {}", names.join(", ")));
        T::default()
    }

    fn route_targets(
        &mut self,
        file: &RouteFile,
        providers: &[Provider],
        requires: &[String],
        max_price: Option<Price>,
    ) -> Option<Vec<RouteTarget>> {
        let entries = file.targets.get_ref();
        if entries.is_empty() || entries.len() > MAX_ROUTE_TARGETS {
            let message = format!("a route has {} targets", entries.len());
            self.error(
                &file.targets,
                message,
                format!("name 1 to {MAX_ROUTE_TARGETS}, the preferred one first"),
            );
            return None;
        }
        let models: Vec<_> = providers.iter().flat_map(|provider| &provider.models).collect();
        let mut targets: Vec<RouteTarget> = Vec::new();
        for entry in entries {
            let text = entry.get_ref();
            let Some(model) = models.iter().find(|model| model.id.to_string() == *text) else {
                let names: Vec<String> = models.iter().map(|model| model.id.to_string()).collect();
                let help = match nearest(text, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "name a target of this file, as in \"anthropic/claude-haiku-4-5\"".to_owned(),
                };
                self.error(entry, format!("there is no target {text:?}"), help);
                continue;
            };
            if targets.iter().any(|known| known.id == model.id) {
                self.error(entry, format!("{text} is named twice"), "take one of them out");
                continue;
            }
            let lacks = requires.iter().find(|tag| !model.tags.contains(tag));
            targets.push(RouteTarget {
                id: model.id.clone(),
                price: model.price,
                fitness: match (lacks, max_price) {
                    (Some(tag), _) => Fitness::Lacks(tag.clone()),
                    (None, Some(most)) if !is_within(model.price, most) => Fitness::TooExpensive,
                    (None, _) => Fitness::Fit,
                },
            });
        }
        (!targets.is_empty()).then_some(targets)
    }

    /// Tags of a model, or those that a route asks for.
    pub(super) fn tags(&mut self, tags: &Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        if tags.get_ref().len() > MAX_TAGS {
            self.error(tags, "too many tags", format!("at most {MAX_TAGS} are taken"));
        }
        for tag in tags.get_ref() {
            if !is_plain(tag.get_ref()) {
                let help = format!(
                    "use 1 to {MAX_ROUTE_NAME_BYTES} letters, digits, `-`, `_` and `.`, as in \"tools\" or \"context-200k\""
                );
                self.error(tag, "that is no tag", help);
            }
        }
        tags.get_ref().iter().map(|tag| tag.get_ref().clone()).collect()
    }

    fn max_price(&mut self, file: &Spanned<MaxPriceFile>) -> Price {
        let given = file.get_ref();
        for (usd, most) in [
            (given.input_usd_per_mtok, MAX_USD_PER_MTOK),
            (given.output_usd_per_mtok, MAX_USD_PER_MTOK),
            (given.usd_per_request, MAX_USD_PER_REQUEST),
        ] {
            if usd.is_some_and(|usd| !(0.0..=most).contains(&usd)) {
                let help = format!(
                    "use 0 to {MAX_USD_PER_MTOK} dollars per million tokens, 0 to {MAX_USD_PER_REQUEST} per request"
                );
                self.error(file, "max_price is out of range", help);
            }
        }
        // One that is wrong has been told; it is no limit besides.
        let limit = |usd: Option<f64>| usd.filter(|usd| *usd >= 0.0).unwrap_or(f64::INFINITY);
        Price {
            input_usd_per_mtok: limit(given.input_usd_per_mtok),
            output_usd_per_mtok: limit(given.output_usd_per_mtok),
            usd_per_request: limit(given.usd_per_request),
        }
    }
}

/// Whether a price is known and no part of it is above `most`.
fn is_within(price: Option<Price>, most: Price) -> bool {
    price.is_some_and(|price| {
        price.input_usd_per_mtok <= most.input_usd_per_mtok
            && price.output_usd_per_mtok <= most.output_usd_per_mtok
            && price.usd_per_request <= most.usd_per_request
    })
}

#[cfg(test)]
mod tests;
