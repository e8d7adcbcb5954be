//! What a configuration will probe, how often and at what cost; and what is done when that is too much.

use std::time::Duration;

use crate::{
    config::{Config, Model},
    id::{ProviderId, TargetId},
    probe::budget::RESERVE,
};

const DAY: Duration = Duration::from_secs(86_400);

/// One row of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRow {
    /// Who.
    pub target: TargetId,
    /// Interval of the canary; `None` where it is off.
    pub every: Option<Duration>,
    /// Canaries a day.
    pub per_day: f64,
    /// Their estimated cost a day in dollars, as the canary's token counts have it.
    pub usd_per_day: f64,
}

/// What would be probed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Every target, in configured order.
    pub rows: Vec<PlanRow>,
    /// Reachability per provider: interval, `None` where it is off. Free.
    pub reach: Vec<(ProviderId, Option<Duration>)>,
    /// Estimated cost a day in dollars.
    pub usd_per_day: f64,
    /// The limit that it is held against, if there is one.
    pub limit_usd_per_day: Option<f64>,
}

impl Plan {
    /// The plan of that configuration as it is.
    pub fn of(config: &Config) -> Self {
        let rows: Vec<PlanRow> = config.providers.iter().flat_map(|p| &p.models).map(row).collect();
        Self {
            usd_per_day: rows.iter().map(|row| row.usd_per_day).sum(),
            rows,
            reach: config
                .providers
                .iter()
                .map(|p| (p.id.clone(), p.reach.as_ref().map(|reach| reach.every)))
                .collect(),
            limit_usd_per_day: config.usd_per_day,
        }
    }
}

fn row(model: &Model) -> PlanRow {
    let Some(canary) = &model.canary else {
        return PlanRow {
            target: model.id.clone(),
            every: None,
            per_day: 0.0,
            usd_per_day: 0.0,
        };
    };
    let per_day = DAY.as_secs_f64() / canary.every.as_secs_f64();
    let script = &canary.script;
    let tokens = (u64::from(script.input_tokens), u64::from(script.output_tokens));
    PlanRow {
        target: model.id.clone(),
        every: Some(canary.every),
        per_day,
        usd_per_day: per_day * model.price.map_or(0.0, |price| price.cost(tokens.0, tokens.1)),
    }
}

/// Lengthens the intervals of paid canaries, all by the same factor, until the plan fits each provider's limit and
/// then the limit of all, less what is kept for confirming and recovery probes. Gives one sentence per limit that
/// forced it.
pub fn stretch(config: &mut Config) -> Vec<String> {
    let mut told = Vec::new();
    for at in 0..config.providers.len() {
        let provider = &config.providers[at];
        let (limit, id) = (provider.usd_per_day, provider.id.clone());
        let cost: f64 = provider.models.iter().map(|model| row(model).usd_per_day).sum();
        told.extend(fit(
            &mut config.providers[at..=at],
            cost,
            limit,
            &format!("provider {id}"),
        ));
    }
    let cost = Plan::of(config).usd_per_day;
    told.extend(fit(
        &mut config.providers,
        cost,
        config.usd_per_day,
        "all providers",
    ));
    told
}

fn fit(
    providers: &mut [crate::config::Provider],
    cost: f64,
    limit: Option<f64>,
    whose: &str,
) -> Option<String> {
    let limit = limit?;
    let room = limit * (1.0 - RESERVE);
    if cost <= room {
        return None;
    }
    let factor = cost / room;
    for model in providers.iter_mut().flat_map(|provider| &mut provider.models) {
        let paid = row(model).usd_per_day > 0.0;
        if let Some(canary) = model.canary.as_mut().filter(|_| paid) {
            // Rounded up to a millisecond, so that the stretched plan really fits.
            let millis = (canary.every.as_secs_f64() * 1e3 * factor).ceil();
            canary.every = Duration::from_millis(millis as u64);
        }
    }
    Some(format!(
        "the plan of {whose} would cost ${cost:.2} a day; ${limit:.2} are allowed, of which {:.0} % are kept for \
         confirming and recovery probes, so its paid canaries come {factor:.1} times less often",
        RESERVE * 100.0
    ))
}
