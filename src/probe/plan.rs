//! What a configuration will probe, how often and at what cost; and what is done when that is too much.

use std::time::Duration;

use crate::{
    config::{Canary, Config, Model},
    id::{ProviderId, TargetId},
    probe::budget::RESERVE,
    verdict::CanaryKind,
};

const DAY: Duration = Duration::from_secs(86_400);

/// One row of the plan: one kind of canary at one target.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRow {
    /// Who.
    pub target: TargetId,
    /// Which canary. A target without any has one row of the short one.
    pub kind: CanaryKind,
    /// Its interval; `None` where it is off.
    pub every: Option<Duration>,
    /// Canaries a day.
    pub per_day: f64,
    /// Their estimated cost a day in dollars, as the canary's token counts have it.
    pub usd_per_day: f64,
}

/// What would be probed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Every canary of every target, in configured order. At least one row per target.
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
        let rows: Vec<PlanRow> = config
            .providers
            .iter()
            .flat_map(|p| &p.models)
            .flat_map(rows)
            .collect();
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

fn rows(model: &Model) -> Vec<PlanRow> {
    let mut rows: Vec<PlanRow> = model
        .canaries()
        .map(|(kind, canary)| row(model, kind, canary))
        .collect();
    if rows.is_empty() {
        rows.push(PlanRow {
            target: model.id.clone(),
            kind: CanaryKind::Short,
            every: None,
            per_day: 0.0,
            usd_per_day: 0.0,
        });
    }
    rows
}

fn row(model: &Model, kind: CanaryKind, canary: &Canary) -> PlanRow {
    let per_day = DAY.as_secs_f64() / canary.every.as_secs_f64();
    let tokens = (u64::from(canary.script.input_tokens), canary.output_tokens());
    PlanRow {
        target: model.id.clone(),
        kind,
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
        let rows = provider.models.iter().flat_map(rows);
        let cost: f64 = rows.map(|row| row.usd_per_day).sum();
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
        if !model.price.is_some_and(|price| price.cost(1, 1) > 0.0) {
            continue;
        }
        for kind in CanaryKind::ALL {
            if let Some(canary) = model.slot_mut(kind) {
                // Rounded up to a millisecond, so that the stretched plan really fits.
                let millis = (canary.every.as_secs_f64() * 1e3 * factor).ceil();
                canary.every = Duration::from_millis(millis as u64);
            }
        }
    }
    Some(format!(
        "the plan of {whose} would cost ${cost:.2} a day; ${limit:.2} are allowed, of which {:.0} % are kept for \
         confirming and recovery probes, so its paid canaries come {factor:.1} times less often",
        RESERVE * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{config::Price, probe::fixture::config};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_plan_counts_probes_and_dollars() {
        let mut config = config(2, MINUTE);
        config.providers[0].models[1].canary = None;
        let plan = Plan::of(&config);
        assert!((plan.rows[0].per_day - 1440.0).abs() < 1e-9);
        // 500 in at $1 and 100 out at $5 per million are $0.001.
        assert!((plan.usd_per_day - 1.44).abs() < 1e-9, "{}", plan.usd_per_day);
        assert_eq!((plan.rows[1].every, plan.rows[1].usd_per_day), (None, 0.0));
    }

    #[test]
    fn a_plan_that_fits_is_left_alone() {
        let mut fits = config(1, MINUTE);
        fits.usd_per_day = Some(1.44 / (1.0 - RESERVE));
        let before = fits.clone();
        assert_eq!(stretch(&mut fits), Vec::<String>::new());
        assert_eq!(fits, before);
    }

    #[test]
    fn free_canaries_are_not_stretched_and_reach_neither() {
        let mut config = config(2, MINUTE);
        config.usd_per_day = Some(0.9);
        config.providers[0].models[1].price = Some(Price {
            input_usd_per_mtok: 0.0,
            output_usd_per_mtok: 0.0,
            usd_per_request: 0.0,
        });
        let told = stretch(&mut config);
        assert_eq!(
            told,
            [
                "the plan of all providers would cost $1.44 a day; $0.90 are allowed, of which 20 % are kept for \
              confirming and recovery probes, so its paid canaries come 2.0 times less often"
            ]
        );
        let every: Vec<_> = Plan::of(&config)
            .rows
            .iter()
            .map(|row| row.every.unwrap())
            .collect();
        assert_eq!(every, [MINUTE * 2, MINUTE]);
        assert_eq!(config.providers[0].reach.as_ref().unwrap().every, MINUTE);
    }

    proptest! {
        /// After stretching, the plan fits, and no interval got shorter.
        #[test]
        fn a_stretched_plan_fits(
            all in prop::option::of(0.001f64..3.0), one in prop::option::of(0.001f64..3.0),
            every_ms in 1_000u64..100_000, models in 1usize..5,
        ) {
            let mut config = config(models, Duration::from_millis(every_ms));
            (config.usd_per_day, config.providers[0].usd_per_day) = (all, one);
            let before = Plan::of(&config);
            let told = stretch(&mut config);
            let plan = Plan::of(&config);
            for limit in [all, one].into_iter().flatten() {
                prop_assert!(plan.usd_per_day <= limit * (1.0 - RESERVE) + 1e-9);
            }
            prop_assert!(plan.rows.iter().zip(&before.rows).all(|(after, before)| after.every >= before.every));
            prop_assert_eq!(told.is_empty(), plan == before);
        }
    }
}
