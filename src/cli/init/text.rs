//! The text of a first configuration, from what a start without any would watch. Pure.

use std::time::Duration;

use askama::Template;

use crate::{
    config::{Config, Presets, Provider},
    probe::{Plan, plan::PlanRow},
};

/// Most targets that the example of a route names.
const ROUTE_TARGETS: usize = 2;
/// What a canary costs a day from here on is told in cents.
const CENT: f64 = 0.01;

/// What the template is filled in with. Ids and variables are as TOML writes them.
#[derive(Template)]
#[template(path = "endturn.toml.txt")]
struct File {
    /// Whether the entries are examples: nobody is watched yet.
    example: bool,
    /// What stands before each line of an entry.
    mark: &'static str,
    entries: Vec<Entry>,
    /// Who else is known, and where each one's key is looked for.
    unwatched: Vec<String>,
    /// Of the example of a route.
    targets: String,
}

/// A `[[provider]]`.
struct Entry {
    id: String,
    variable: Option<String>,
    models: String,
    /// A line for each kind of probe: how often, and what it costs.
    times: Vec<String>,
}

/// Whether replies of that provider are watched: without a credential it is only reached.
pub(super) fn is_watched(provider: &Provider) -> bool {
    provider
        .models
        .iter()
        .any(|model| model.canaries().next().is_some())
}

/// The variable that its key was found in.
pub(super) fn variable<'a>(provider: &Provider, presets: &'a Presets) -> Option<&'a str> {
    provider
        .key
        .as_ref()
        .and_then(|_| usual_variable(provider, presets))
}

/// The variable that its key is looked for in.
pub(super) fn usual_variable<'a>(provider: &Provider, presets: &'a Presets) -> Option<&'a str> {
    presets.get(&provider.preset)?.key_env.as_deref()
}

/// The file that watches whoever is watched in `config`, which came from the environment. `example`: they are there to
/// show what an entry looks like.
pub(super) fn text(config: &Config, presets: &Presets, example: bool) -> String {
    let plan = Plan::of(config);
    let (watched, others): (Vec<&Provider>, Vec<&Provider>) =
        config.providers.iter().partition(|provider| is_watched(provider));
    let targets = watched
        .iter()
        .flat_map(|provider| &provider.models)
        .take(ROUTE_TARGETS);
    let file = File {
        example,
        mark: if example { "# " } else { "" },
        targets: list(targets.map(|model| model.id.to_string())),
        entries: watched
            .iter()
            .map(|provider| entry(provider, presets, &plan))
            .collect(),
        unwatched: unwatched(&others, presets),
    };
    // Texts alone are filled in, which can't fail; and a template leaves out its last end of a line.
    file.render().unwrap_or_default() + "\n"
}

fn entry(provider: &Provider, presets: &Presets, plan: &Plan) -> Entry {
    let reach = provider
        .reach
        .as_ref()
        .map(|reach| times("reach", reach.every, "free"));
    let rows = plan
        .rows
        .iter()
        .filter(|row| row.target.provider() == &provider.id);
    let canaries = rows.filter_map(|row| Some(times(row.kind.as_str(), row.every?, &cost(row))));
    Entry {
        id: quoted(provider.id.as_str()),
        variable: variable(provider, presets).map(quoted),
        models: list(
            provider
                .models
                .iter()
                .map(|model| model.id.model().as_str().to_owned()),
        ),
        times: reach.into_iter().chain(canaries).collect(),
    }
}

/// `canary = { every = "1m" }      # $0.32 a day`
fn times(key: &str, every: Duration, cost: &str) -> String {
    let every = humantime::format_duration(every);
    let said = format!("{key} = {{ every = \"{every}\" }}");
    format!("{said:<31}# {cost}")
}

fn cost(row: &PlanRow) -> String {
    match row.usd_per_day {
        0.0 => "free".to_owned(),
        usd if usd < CENT => "less than $0.01 a day".to_owned(),
        usd => format!("${usd:.2} a day"),
    }
}

/// A line each: the id, and where its key is looked for.
fn unwatched(providers: &[&Provider], presets: &Presets) -> Vec<String> {
    let known: Vec<_> = providers
        .iter()
        .filter_map(|provider| Some((provider.id.as_str(), usual_variable(provider, presets)?)))
        .collect();
    let width = known.iter().map(|(id, _)| id.len()).max().unwrap_or_default();
    known
        .iter()
        .map(|(id, variable)| format!("{id:<width$}  {variable}"))
        .collect()
}

fn list(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| quoted(&text)).collect::<Vec<_>>().join(", ")
}

/// As TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
